// One test for each heading of the document "Thread Cleanup", named after it, and for the two rules that its text adds.
#include <detent/worker.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <fcntl.h>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <sys/eventfd.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;
using detent::reply_result;
using detent::worker_stage;

std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

detent::stage_state state_of(const detent::worker_report& report, worker_stage stage) {
  return report.stages[static_cast<std::size_t>(stage)].state;
}

bool lists(const detent::worker_report& report, const std::string& name, detent::fate what) {
  for (const detent::undone& u : report.undone_list) {
    if (u.name == name && u.fate == what) return true;
  }
  return false;
}

using time_point = std::chrono::steady_clock::time_point;

time_point now() { return std::chrono::steady_clock::now(); }

// Whether what a worker does is soon: its time against that of the same with bare threads, a round of the one after a
// round of the other, so that a machine that is busy is slow in both. The medians are compared, which a round in which
// the machine stood still does not move; what a quiet machine is to keep to is granted on top.
template <class Ours, class Bare>
void expect_soon(const char* what, detent::duration granted, Ours ours, Bare bare) {
  constexpr std::size_t rounds = 9;
  std::vector<detent::duration> of_ours;
  std::vector<detent::duration> of_bare;
  for (std::size_t round = 0; round < rounds; ++round) {
    of_ours.push_back(ours());
    of_bare.push_back(bare());
  }
  const auto median_of = [](std::vector<detent::duration>& all) {
    std::sort(all.begin(), all.end());
    return all[all.size() / 2];
  };
  const detent::duration median = median_of(of_ours);
  const detent::duration floor = median_of(of_bare);
  testing::Test::RecordProperty(std::string(what) + "_us", std::to_string(median.count() / 1000));
  testing::Test::RecordProperty(std::string(what) + "_bare_us", std::to_string(floor.count() / 1000));
  EXPECT_LT(median, granted + 10 * floor) << what << ", bare threads: " << floor.count() << " ns";
}

// When the last of several threads was through.
class finish_line {
 public:
  void pass() noexcept {
    const std::int64_t at = now().time_since_epoch().count();
    std::int64_t last = last_.load();
    while (last < at && !last_.compare_exchange_weak(last, at)) {
    }
  }
  detent::duration since(time_point begin) const noexcept {
    return std::chrono::nanoseconds(last_.load()) - begin.time_since_epoch();
  }

 private:
  std::atomic<std::int64_t> last_{0};
};

class a_file {
 public:
  explicit a_file(int fd) noexcept : fd_(fd) {}
  a_file(a_file&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  a_file& operator=(a_file&&) = delete;
  a_file(const a_file&) = delete;
  a_file& operator=(const a_file&) = delete;
  ~a_file() {
    if (fd_ >= 0) ::close(fd_);
  }
  int fd() const noexcept { return fd_; }

 private:
  int fd_;
};

// Free memory: each capture and each resource is destroyed exactly once, resources last owned first, on the worker's
// thread, and a destructor may call back in.
TEST(thread_cleanup, free_memory) {
  detent::timer_service service;
  support::cage tasks;
  support::cage kept;
  std::vector<int> order;
  {
    detent::worker w(service, {.name = "memory"});
    w.own(support::canary(kept));
    for (int i = 0; i < 3; ++i) {
      w.own(support::at_end([&order, &w, i] {
        order.push_back(i);
        static_cast<void>(w.post([] {}));  // No lock is held here.
      }));
    }
    w.start();
    for (int i = 0; i < 100; ++i) EXPECT_EQ(w.post([c = support::canary(tasks)] {}), post_result::accepted);
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    EXPECT_EQ(tasks.alive(), 0);
    EXPECT_EQ(tasks.gone(), 100);
    EXPECT_EQ(kept.gone(), 1);
    EXPECT_EQ(order, (std::vector<int>{2, 1, 0}));
    EXPECT_NE(kept.gone_on(), std::this_thread::get_id());
  }
  EXPECT_EQ(kept.alive(), 0);
}

// Close handles: descriptors owned by a worker are closed when it ends, whichever way it ends.
TEST(thread_cleanup, close_handles) {
  detent::timer_service service;
  const std::size_t before = entries_of("/proc/self/fd");
  for (int round = 0; round < 20; ++round) {
    detent::worker w(service, {.name = "handles"});
    const a_file& file = w.own(a_file(::open("/dev/null", O_RDWR | O_CLOEXEC)), "null");
    const int event = ::eventfd(0, EFD_CLOEXEC);
    w.on_cleanup([event] { ::close(event); }, "event");
    ASSERT_GE(file.fd(), 0);
    if (round % 2 == 0) w.start();
    if (round % 3 == 0) w.shutdown(support::patience);
  }
  EXPECT_EQ(entries_of("/proc/self/fd"), before);
}

// Stop waiting threads: who waits for a task of the worker is woken with `cancelled`, and its task never runs; the
// worker's own requests elsewhere are withdrawn, and a late reply is dropped and counted.
TEST(thread_cleanup, stop_waiting_threads) {
  detent::timer_service service;
  detent::worker w(service, {.name = "waited-for"});
  support::gate busy;
  support::gate release;
  std::atomic<int> ran{0};
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  std::atomic<int> cancelled{0};
  std::vector<std::unique_ptr<support::background>> waiters;
  for (int i = 0; i < 16; ++i) {
    waiters.push_back(std::make_unique<support::background>([&] {
      if (w.call_and_wait([&] { ran.fetch_add(1); }) == call_result::cancelled) cancelled.fetch_add(1);
    }));
  }
  support::eventually([&] { return w.size() == 16; });
  // The task that blocks does not hold them up: whoever waits does the stage in the worker's place.
  EXPECT_EQ(w.stop(200ms), detent::stop_result::asked);
  waiters.clear();
  EXPECT_EQ(cancelled.load(), 16);
  release.open();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.items.cancelled, 16u);
  EXPECT_EQ(ran.load(), 0);
}

// ... all of them soon: sixteen that wait for a worker, and as many that wait for a condition.
TEST(thread_cleanup, stop_waiting_threads_soon) {
  constexpr std::size_t waiter_count = 16;
  detent::timer_service service;
  const auto of_a_worker = [&]() -> detent::duration {
    detent::worker w(service, {.name = "waited-for"});
    support::gate busy;
    w.start();
    EXPECT_EQ(w.post([&](detent::work& task) {
      support::gate release;
      task.on_stop([&] { release.open(); });
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    finish_line line;
    std::vector<std::unique_ptr<support::background>> waiters;
    for (std::size_t i = 0; i < waiter_count; ++i) {
      waiters.push_back(std::make_unique<support::background>([&] {
        EXPECT_EQ(w.call_and_wait([] {}), call_result::cancelled);
        line.pass();
      }));
    }
    support::eventually([&] { return w.size() == waiter_count; });
    const time_point begin = now();
    w.stop();
    waiters.clear();
    return line.since(begin);
  };
  const auto of_a_condition = []() -> detent::duration {
    std::mutex lock;
    std::condition_variable changed;
    std::size_t waiting = 0;
    bool over = false;
    finish_line line;
    std::vector<std::unique_ptr<support::background>> waiters;
    for (std::size_t i = 0; i < waiter_count; ++i) {
      waiters.push_back(std::make_unique<support::background>([&] {
        std::unique_lock locked(lock);
        ++waiting;
        while (!over) changed.wait(locked);
        locked.unlock();
        line.pass();
      }));
    }
    support::eventually([&] {
      const std::lock_guard locked(lock);
      return waiting == waiter_count;
    });
    const time_point begin = now();
    {
      const std::lock_guard locked(lock);
      over = true;
    }
    changed.notify_all();
    waiters.clear();
    return line.since(begin);
  };
  expect_soon("waiters", 100ms, of_a_worker, of_a_condition);
}

// An item that was taken out of the queue and has not been given its end yet is not one that runs: while the captures
// of the first are being destroyed, the waiter for the second does not answer `running`.
TEST(thread_cleanup, stop_waiting_threads_answers_when_the_end_is_known) {
  detent::timer_service service;
  detent::worker w(service, {.name = "waited-for"});
  support::gate busy;
  support::gate release;
  support::gate ending;
  support::gate end;
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  std::atomic<int> cancelled{0};
  std::atomic<bool> released{false};
  int kept = 0;
  w.on_cleanup([&] { released.store(true); }, "kept");
  {
    support::background first([&] {
      support::at_end slow([&] {
        ending.open();
        end.pass();
        ++kept;  // The worker owns it.
      });
      if (w.call_and_wait([slow = std::move(slow)] {}) == call_result::cancelled) cancelled.fetch_add(1);
    });
    support::eventually([&] { return w.size() == 1; });
    support::background second([&] {
      if (w.call_and_wait([] {}) == call_result::cancelled) cancelled.fetch_add(1);
    });
    support::eventually([&] { return w.size() == 2; });
    w.stop(1ms);
    ending.pass();
    EXPECT_TRUE(support::never([&] { return second.is_done(); }));
    // The worker's thread comes back meanwhile: what it owns stays until those captures are gone.
    release.open();
    EXPECT_TRUE(support::never([&] { return released.load(); }));
    EXPECT_FALSE(w.report().complete);
    end.open();
  }
  EXPECT_EQ(cancelled.load(), 2);
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_TRUE(released.load());
}

TEST(thread_cleanup, stop_waiting_threads_withdraws_requests) {
  detent::timer_service service;
  detent::worker other(service, {.name = "other"});
  detent::worker w(service, {.name = "asker"});
  support::gate busy;
  support::gate release;
  std::vector<std::string> told;  // of w's thread
  std::atomic<int> ran{0};
  other.start();
  w.start();
  const auto hear = [&told](const char* name) {
    return [&told, name](reply_result r) { told.push_back(std::string(name) + " " + detent::to_string(r)); };
  };
  ASSERT_EQ(w.ask(other,
                  [&] {
                    busy.open();
                    release.pass();
                  },
                  hear("begun"), {.name = "begun"}),
            post_result::accepted);
  busy.pass();
  auto kept = std::make_shared<int>(0);
  const std::weak_ptr<int> captured = kept;
  ASSERT_EQ(w.ask(
                other, [&ran, own = std::move(kept)] { ran.fetch_add(1); }, hear("queued")),
            post_result::accepted);
  const detent::worker_report mine = w.shutdown(support::patience);
  EXPECT_TRUE(mine.complete) << mine.text();
  EXPECT_EQ(told, (std::vector<std::string>{"begun stopped", "queued stopped"}));
  // It has left the other's queue, which is still in the first one, and its captures are gone.
  EXPECT_EQ(other.size(), 0u);
  EXPECT_TRUE(captured.expired());
  release.open();
  const detent::worker_report theirs = other.shutdown(support::patience);
  EXPECT_EQ(theirs.items.withdrawn, 1u);
  EXPECT_EQ(ran.load(), 0);
  EXPECT_EQ(w.report().late_replies, 1u);  // The other one was not begun: no reply of it came.
  EXPECT_EQ(told.size(), 2u);
}

// Queue: with `drain` all of it runs in order, with `discard` none of it and each is listed, with `hand_over` another
// worker has it; a late post is refused with an answer.
TEST(thread_cleanup, queue) {
  detent::timer_service service;
  for (const detent::queue_end end :
       {detent::queue_end::drain, detent::queue_end::discard, detent::queue_end::hand_over}) {
    std::vector<int> ran;
    detent::worker heir(service, {.name = "heir"});
    detent::worker w(service, {.name = "queue", .at_end = end, .heir = &heir});
    support::gate busy;
    support::gate release;
    w.start();
    ASSERT_EQ(w.post([&] {
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    for (int i = 0; i < 10; ++i) {
      const std::string name = "item-" + std::to_string(i);
      ASSERT_EQ(w.post([&ran, i] { ran.push_back(i); }, {.name = name}), post_result::accepted);
    }
    w.stop();
    EXPECT_EQ(w.post([] {}), post_result::stopping);
    release.open();
    const detent::worker_report report = w.shutdown(support::patience);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.items.refused, 1u);
    EXPECT_EQ(report.items.accepted, report.items.done + report.items.discarded + report.items.handed_over);
    const std::vector<int> all{0, 1, 2, 3, 4, 5, 6, 7, 8, 9};
    if (end == detent::queue_end::drain) {
      EXPECT_EQ(ran, all);
      EXPECT_TRUE(report.undone_list.empty());
    } else if (end == detent::queue_end::discard) {
      EXPECT_TRUE(ran.empty());
      EXPECT_EQ(report.items.discarded, 10u);
      for (int i = 0; i < 10; ++i) EXPECT_TRUE(lists(report, "item-" + std::to_string(i), detent::fate::discarded));
    } else {
      EXPECT_TRUE(ran.empty());
      EXPECT_EQ(report.items.handed_over, 10u);
      heir.start();
      EXPECT_EQ(heir.call_and_wait([] {}), call_result::done);
      EXPECT_EQ(ran, all);
    }
  }
}

// An heir gets the queue from the worker's own thread only: as long as the task in progress does not end, it would run
// beside it what was to come behind it.
TEST(thread_cleanup, queue_is_not_handed_over_beside_a_task) {
  detent::timer_service service;
  detent::worker heir(service, {.name = "heir"});
  detent::worker w(service, {.name = "stuck", .at_end = detent::queue_end::hand_over, .heir = &heir});
  support::gate busy;
  support::gate release;
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  ASSERT_EQ(w.post([] {}, {.name = "behind"}), post_result::accepted);
  const detent::worker_report early = w.shutdown(10ms);
  EXPECT_TRUE(lists(early, "behind", detent::fate::pending)) << early.text();
  EXPECT_EQ(heir.size(), 0u);
  release.open();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(lists(report, "behind", detent::fate::handed_over)) << report.text();
  EXPECT_EQ(heir.size(), 1u);
}

// What drained tasks post themselves is a policy.
TEST(thread_cleanup, queue_posts_of_drained_tasks) {
  detent::timer_service service;
  for (const bool accepts : {false, true}) {
    detent::worker w(
        service,
        {.name = "late", .late = accepts ? detent::late_posts::accepted_while_draining : detent::late_posts::refused});
    std::atomic<bool> late{false};
    std::atomic<post_result> answer{post_result::full};
    support::gate busy;
    support::gate release;
    w.start();
    ASSERT_EQ(w.post([&] {
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(w.post([&] { answer.store(w.post([&] { late.store(true); })); }), post_result::accepted);
    w.stop();
    release.open();
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    EXPECT_EQ(answer.load(), accepts ? post_result::accepted : post_result::stopping);
    EXPECT_EQ(late.load(), accepts);
  }
}

// Cancel callbacks: each is called exactly once with the reason, on the worker's thread, before its resources go; one
// that was completed hears that instead; one whose owner took it back hears nothing; timers are closed and quiet.
TEST(thread_cleanup, cancel_callbacks) {
  detent::timer_service service;
  std::vector<std::string> order;  // of w's thread
  std::atomic<int> ticks{0};
  detent::worker w(service, {.name = "callbacks"});
  w.on_cleanup([&] { order.push_back("resource"); });
  detent::timer tick(w.timers(), [&] { ticks.fetch_add(1); });
  tick.arm_every(1ms);
  detent::timer far(w.timers(), [&] { ticks.fetch_add(1'000'000); });
  far.arm_after(1h);
  const auto hear = [&order, &w](const char* name) {
    return [&order, &w, name](reply_result r) {
      EXPECT_TRUE(w.is_current());
      order.push_back(std::string(name) + " " + detent::to_string(r));
    };
  };
  detent::expectation a = w.expect(hear("a"), "a");
  detent::expectation b = w.expect(hear("b"), "b");
  { const detent::expectation gone = w.expect(hear("gone"), "gone"); }
  detent::expectation d = w.expect(hear("d"), "d");
  w.start();
  b.complete();
  b.complete();
  support::eventually([&] { return ticks.load() > 0; });
  EXPECT_EQ(w.call_and_wait([] {}), call_result::done);
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_EQ(order, (std::vector<std::string>{"b answered", "a stopped", "d stopped", "resource"}));
  EXPECT_EQ(tick.status(), detent::timer_state::closed);
  const int last = ticks.load();
  a.complete();
  b.complete();  // It was answered in time: nothing of it is late.
  EXPECT_TRUE(support::never([&] { return ticks.load() != last; }));
  EXPECT_LT(last, 1'000'000);
  EXPECT_EQ(order.size(), 4u);
  EXPECT_EQ(w.report().late_replies, 1u);
}

// Cancel I/O: a task blocked in poll() on an idle descriptor ends when its on_stop function makes it readable, and an
// operation in flight has its cancel function called once; one that does not end is listed.
TEST(thread_cleanup, cancel_io) {
  detent::timer_service service;
  const a_file wake(::eventfd(0, EFD_CLOEXEC));
  detent::worker w(service, {.name = "io", .limits = {.io = 20ms}});
  support::gate polling;
  std::atomic<int> cancels{0};
  std::atomic<bool> asked{false};
  std::optional<detent::operation> ends;
  w.start();
  ends.emplace(w.in_flight(
      [&] {
        cancels.fetch_add(1);
        ends.reset();  // It ends in its own cancel function: no deadlock.
      },
      "ends"));
  const detent::operation hangs = w.in_flight([&] { cancels.fetch_add(1); }, "hangs");
  ASSERT_EQ(w.post([&](detent::work& now) {
    now.on_stop([&] {
      const std::uint64_t one = 1;
      EXPECT_EQ(::write(wake.fd(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
    });
    polling.open();
    pollfd p{wake.fd(), POLLIN, 0};
    while (::poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
    asked.store(now.stop_requested());
  }),
            post_result::accepted);
  polling.pass();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(asked.load());
  EXPECT_EQ(report.items.done, 1u);
  EXPECT_EQ(cancels.load(), 2);
  EXPECT_TRUE(lists(report, "hangs", detent::fate::unfinished));
  EXPECT_FALSE(lists(report, "ends", detent::fate::unfinished));
  EXPECT_EQ(state_of(report, worker_stage::io), detent::stage_state::overdue);
}

// ... soon: a task in poll() that is told to end, and a bare thread in poll() whose descriptor is written.
TEST(thread_cleanup, cancel_io_soon) {
  const auto write_to = [](const a_file& file) {
    const std::uint64_t one = 1;
    EXPECT_EQ(::write(file.fd(), &one, sizeof one), static_cast<ssize_t>(sizeof one));
  };
  const auto poll_on = [](const a_file& file) {
    pollfd p{file.fd(), POLLIN, 0};
    while (::poll(&p, 1, -1) < 0 && errno == EINTR) {
    }
  };
  detent::timer_service service;
  const auto of_a_worker = [&]() -> detent::duration {
    const a_file wake(::eventfd(0, EFD_CLOEXEC));
    support::gate polling;
    finish_line line;
    detent::worker w(service, {.name = "io"});
    w.start();
    EXPECT_EQ(w.post([&](detent::work& task) {
      task.on_stop([&] { write_to(wake); });
      polling.open();
      poll_on(wake);
      line.pass();
    }),
              post_result::accepted);
    polling.pass();
    const time_point begin = now();
    w.stop();
    EXPECT_TRUE(w.shutdown(support::patience).complete);
    return line.since(begin);
  };
  const auto of_a_thread = [&]() -> detent::duration {
    const a_file wake(::eventfd(0, EFD_CLOEXEC));
    support::gate polling;
    finish_line line;
    support::background polls([&] {
      polling.open();
      poll_on(wake);
      line.pass();
    });
    polling.pass();
    const time_point begin = now();
    write_to(wake);
    polls.join();
    return line.since(begin);
  };
  expect_soon("poll", 50ms, of_a_worker, of_a_thread);
}

// Complete communication: farewells come after the queue and before the resources, in their order, also when the last
// task threw.
TEST(thread_cleanup, complete_communication) {
  detent::timer_service service;
  std::vector<std::string> order;
  detent::worker w(service, {.name = "farewell"});
  const auto says = [&order](const char* what) { return [&order, what] { order.push_back(what); }; };
  w.on_cleanup(says("freed"));
  w.on_farewell(says("goodbye"), "goodbye");
  w.on_farewell([] { throw std::runtime_error("broken pipe"); }, "broken");
  w.on_farewell(says("flushed"), "flushed");
  support::gate busy;
  support::gate release;
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
    order.push_back("current");
  }),
            post_result::accepted);
  busy.pass();
  ASSERT_EQ(w.post(says("queued")), post_result::accepted);
  ASSERT_EQ(w.post([] { throw std::runtime_error("last"); }, {.name = "last"}), post_result::accepted);
  w.stop();
  release.open();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(order, (std::vector<std::string>{"current", "queued", "goodbye", "flushed", "freed"}));
  EXPECT_TRUE(lists(report, "last", detent::fate::threw));
  EXPECT_TRUE(lists(report, "broken", detent::fate::threw));
}

// Current task: it is not interrupted; one that agreed is told; one that does not end in its time is named, and is not
// abandoned: what it uses is released after it.
TEST(thread_cleanup, current_task) {
  detent::timer_service service;
  support::cage kept;
  support::gate busy;
  support::gate release;
  std::atomic<int> alive_at_end{-1};
  {
    detent::worker w(service, {.name = "current", .limits = {.current_task = 10ms}});
    w.own(support::canary(kept), "kept");
    w.start();
    ASSERT_EQ(w.post(
                  [&] {
                    busy.open();
                    release.pass();
                    alive_at_end.store(kept.alive());
                  },
                  {.name = "stubborn"}),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(w.post([] {}, {.name = "behind"}), post_result::accepted);
    const detent::worker_report early = w.shutdown(50ms);
    EXPECT_FALSE(early.complete);
    EXPECT_EQ(state_of(early, worker_stage::current_task), detent::stage_state::overdue);
    EXPECT_EQ(early.stages[static_cast<std::size_t>(worker_stage::current_task)].culprit, "stubborn");
    EXPECT_TRUE(lists(early, "stubborn", detent::fate::unfinished)) << early.text();
    EXPECT_TRUE(lists(early, "behind", detent::fate::discarded)) << early.text();
    EXPECT_TRUE(lists(early, "kept", detent::fate::pending)) << early.text();
    release.open();
    const detent::worker_report last = w.shutdown(0ms);
    EXPECT_EQ(last.items.accepted, 2u);
  }
  EXPECT_EQ(alive_at_end.load(), 1);
  EXPECT_EQ(kept.alive(), 0);
}

// (Rule) Close owned threads: children end before what their parent owns is released, their reports are part of its
// report, and no thread is left.
TEST(thread_cleanup, close_owned_threads) {
  detent::timer_service service;
  const std::size_t before = entries_of("/proc/self/task");
  std::vector<std::string> order;
  {
    detent::worker parent(service, {.name = "parent"});
    detent::worker child(parent, service, {.name = "child"});
    detent::worker grandchild(child, service, {.name = "grandchild"});
    parent.on_cleanup([&] { order.push_back("parent"); });
    child.on_cleanup([&] { order.push_back("child"); });
    grandchild.on_cleanup([&] { order.push_back("grandchild"); });
    parent.start();
    child.start();
    grandchild.start();
    ASSERT_EQ(grandchild.call_and_wait([] {}), call_result::done);
    const detent::worker_report report = parent.shutdown(support::patience);
    EXPECT_TRUE(report.complete);
    ASSERT_EQ(report.children.size(), 1u);
    EXPECT_TRUE(report.children[0].complete);
    ASSERT_EQ(report.children[0].children.size(), 1u);
    EXPECT_EQ(report.children[0].children[0].items.done, 1u);
    EXPECT_EQ(order, (std::vector<std::string>{"grandchild", "child", "parent"}));
    EXPECT_EQ(grandchild.post([] {}), post_result::stopping);
    // Not equal to: a thread of the test before may have been on its way out.
    EXPECT_TRUE(support::eventually([&] { return entries_of("/proc/self/task") <= before; }));
    // Membership and stopping are one order: a child that comes later is stopped from the start.
    detent::worker born_stopped(parent, service, {.name = "late"});
    born_stopped.start();
    EXPECT_EQ(born_stopped.post([] {}), post_result::stopping);
  }
}

// (Rule) Exit soon: an idle worker with a timer due in an hour ends as a bare thread does that sleeps on a condition
// and is joined.
TEST(thread_cleanup, exit_soon) {
  detent::timer_service service;
  const auto of_a_worker = [&]() -> detent::duration {
    detent::worker w(service, {.name = "idle"});
    detent::timer far(w.timers(), [] {});
    far.arm_after(1h);
    w.start();
    EXPECT_EQ(w.call_and_wait([] {}), call_result::done);
    const time_point begin = now();
    const detent::worker_report report = w.shutdown(support::patience);
    const detent::duration took = now() - begin;
    EXPECT_TRUE(report.complete);
    for (const detent::stage_report& s : report.stages) EXPECT_EQ(s.state, detent::stage_state::done);
    return took;
  };
  const auto of_a_thread = []() -> detent::duration {
    std::mutex lock;
    std::condition_variable changed;
    bool over = false;
    support::gate sleeps;
    std::thread thread([&] {
      std::unique_lock locked(lock);
      sleeps.open();
      while (!over) changed.wait(locked);
    });
    sleeps.pass();
    const time_point begin = now();
    {
      const std::lock_guard locked(lock);  // It sleeps, or this would not be ours.
      over = true;
    }
    changed.notify_all();
    thread.join();
    return now() - begin;
  };
  expect_soon("exit", 10ms, of_a_worker, of_a_thread);
}

}  // namespace
