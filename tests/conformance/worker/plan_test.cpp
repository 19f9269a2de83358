// Shutdown plans: the order follows from what uses what, cycles are refused with their path, the time is divided, a
// part that blocks is abandoned and named, signals ask and shorten, and systemd is told.
#include <detent/shutdown_plan.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <fcntl.h>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::declare_result;
using detent::part_state;
using detent::post_result;

// Producers stop before the disk queue they post to, which then empties: everything accepted is on the disk.
TEST(shutdown_plan, the_disk_queue_is_last) {
  detent::timer_service service;
  std::vector<int> written;  // of the disk's thread
  std::vector<std::string> order;
  std::mutex lock;
  const auto notes = [&](const char* name) {
    return [&, name] {
      const std::lock_guard locked(lock);
      order.push_back(name);
    };
  };
  detent::worker disk(service, {.name = "disk"});
  detent::worker net(service, {.name = "net"});
  detent::worker stats(service, {.name = "stats"});
  disk.on_cleanup(notes("disk"));
  net.on_cleanup(notes("net"));
  stats.on_cleanup(notes("stats"));
  detent::shutdown_plan plan;
  const detent::plan_part d = plan.add(disk);
  const detent::plan_part n = plan.add(net);
  const detent::plan_part s = plan.add(stats);
  const detent::plan_part t = plan.add(service, "timers");
  EXPECT_EQ(plan.uses(n, d).outcome, declare_result::declared);
  EXPECT_EQ(plan.uses(s, n).outcome, declare_result::declared);
  EXPECT_EQ(plan.uses(d, t).outcome, declare_result::declared);
  EXPECT_EQ(plan.turns(), (std::vector<std::vector<std::string>>{{"stats"}, {"net"}, {"disk"}, {"timers"}}));
  for (detent::worker* w : {&disk, &net, &stats}) w->start();
  std::atomic<int> accepted{0};
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(net.post([&, i] {
      if (disk.post([&written, i] { written.push_back(i); }) == post_result::accepted) accepted.fetch_add(1);
    }),
              post_result::accepted);
  }
  const detent::plan_report report = plan.shutdown(4 * support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(written.size(), 500u);
  EXPECT_EQ(accepted.load(), 500);
  EXPECT_EQ(order, (std::vector<std::string>{"stats", "net", "disk"}));
  for (const detent::part_report& p : report.parts) EXPECT_EQ(p.state, part_state::finished) << report.text();
  EXPECT_TRUE(report.files_left.empty()) << report.text();
  EXPECT_NE(report.json().find("\"name\": \"disk\""), std::string::npos);
  EXPECT_EQ(plan.uses(d, t).outcome, declare_result::stopping);
  EXPECT_EQ(plan.add(disk).outcome, declare_result::stopping);
  EXPECT_EQ(plan.add("late", [](detent::duration) { return true; }).outcome, declare_result::stopping);
  EXPECT_EQ(plan.shutdown(1ms).parts.size(), 4u);  // The same report again.
}

TEST(shutdown_plan, refuses_cycles_with_their_path) {
  detent::shutdown_plan plan;
  const auto fine = [](detent::duration) { return true; };
  const detent::plan_part a = plan.add("a", fine);
  const detent::plan_part b = plan.add("b", fine);
  const detent::plan_part c = plan.add("c", fine);
  EXPECT_EQ(plan.uses(a, b).outcome, declare_result::declared);
  EXPECT_EQ(plan.uses(b, c).outcome, declare_result::declared);
  const detent::declare_answer answer = plan.uses(c, a);
  EXPECT_EQ(answer.outcome, declare_result::cyclic);
  EXPECT_EQ(answer.path, (std::vector<std::string>{"c", "a", "b", "c"}));
  EXPECT_EQ(plan.uses(a, a).path, (std::vector<std::string>{"a", "a"}));
  EXPECT_EQ(a.outcome, declare_result::declared);
  EXPECT_EQ(plan.uses(a, detent::plan_part{}).outcome, declare_result::unknown);
  EXPECT_TRUE(plan.shutdown(support::patience).complete);
}

// A part that blocks takes its own share only; one that throws is named; later parts still end.
TEST(shutdown_plan, abandons_what_blocks) {
  support::gate release;
  std::atomic<bool> last{false};
  detent::timer_service service;
  detent::worker hangs(service, {.name = "hangs", .limits = {.current_task = 1h}});
  hangs.start();
  support::gate busy;
  ASSERT_EQ(hangs.post(
                [&] {
                  busy.open();
                  release.pass();
                },
                {.name = "stubborn"}),
            post_result::accepted);
  busy.pass();
  {
    detent::shutdown_plan plan;
    const auto blocks = plan.add("blocks", [&](detent::duration) {
      release.pass();
      return true;
    });
    const auto throws = plan.add("throws", [](detent::duration) -> bool { throw std::runtime_error("no"); });
    const auto worker = plan.add(hangs);
    const auto end = plan.add("end", [&](detent::duration) {
      last.store(true);
      return true;
    });
    for (const auto part : {blocks, throws, worker}) ASSERT_EQ(plan.uses(part, end).outcome, declare_result::declared);
    // Two turns: the first takes half of the time, whatever it does, and the second has the rest.
    const auto begun = std::chrono::steady_clock::now();
    const detent::plan_report report = plan.shutdown(2s);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, support::patience / 2);  // The gate gives up after twice that.
    EXPECT_FALSE(report.complete);
    ASSERT_EQ(report.parts.size(), 4u);
    EXPECT_EQ(report.parts[0].state, part_state::abandoned) << report.text();
    EXPECT_EQ(report.parts[1].state, part_state::cancelled);
    EXPECT_EQ(report.parts[1].error, "no");
    EXPECT_EQ(report.parts[2].state, part_state::abandoned);
    ASSERT_TRUE(report.parts[2].worker.has_value());
    EXPECT_NE(report.text().find("stubborn"), std::string::npos) << report.text();
    EXPECT_TRUE(last.load());
    EXPECT_FALSE(report.threads_left.empty());
    EXPECT_NE(report.text().find("error no"), std::string::npos) << report.text();
    release.open();
  }
}

// A call of a service that does not end is named, also where there is no time for the service's own report (the
// rounds); what the service withdrew is counted: neither is `finished`.
TEST(shutdown_plan, tells_what_a_service_did_not_do) {
  support::gate busy;
  support::gate release;
  detent::timer_service stuck;
  detent::timer_service waits;
  detent::timer call(stuck, {.name = "stubborn"}, [&] {
    busy.open();
    release.pass();
  });
  detent::timer far(waits, [] {});
  call.arm_after(0ms);
  far.arm_after(1h);
  busy.pass();
  for (std::size_t round = 0; round < support::times(50, 10); ++round) {
    detent::shutdown_plan in_no_time;
    in_no_time.add(stuck, "stuck");
    const detent::plan_report early = in_no_time.shutdown(0ms);
    EXPECT_EQ(early.parts.at(0).state, part_state::abandoned);
    EXPECT_NE(early.text().find("stubborn: still running"), std::string::npos) << early.text();
  }
  detent::shutdown_plan plan;
  plan.add(stuck, "stuck");
  plan.add(waits, "waits");
  const detent::plan_report report = plan.shutdown(1s);
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.parts.at(0).state, part_state::abandoned);
  EXPECT_EQ(report.parts.at(1).state, part_state::cancelled);
  EXPECT_NE(report.text().find("stubborn: still running"), std::string::npos) << report.text();
  EXPECT_NE(report.json().find("\"still_running\": [\n          \"stubborn\""), std::string::npos) << report.json();
  EXPECT_EQ(report.parts.at(1).service.value().cancelled, 1u);
  release.open();
}

// The lists of what is left: a service that has ended keeps its thread until it is destroyed; a file of an unlucky name
// is left like any other; after that nothing is. Nor is a thread left that was there and has got a name since.
TEST(shutdown_plan, lists_what_is_left_when_all_is_destroyed) {
  std::string folder = testing::TempDir() + "detent-XXXXXX";
  ASSERT_NE(::mkdtemp(folder.data()), nullptr);
  const std::string path = folder + "/fd";
  for (std::size_t round = 0; round < support::times(50, 5); ++round) {
    support::gate named;
    support::gate gone;
    support::gate there;
    support::background before([&] {
      there.open();
      named.pass();
      ::pthread_setname_np(::pthread_self(), "named");
      gone.pass();
    });
    there.pass();
    detent::shutdown_plan plan;
    named.open();
    detent::plan_report report;
    {
      detent::timer_service service({.name = "kept"});
      detent::worker w(service, {.name = "gone"});
      plan.add(service, "service");
      plan.add(w);
      w.start();
      report = plan.shutdown(support::patience);
      EXPECT_FALSE(report.threads_left.empty()) << report.text();
    }
    plan.list_left(report);
    EXPECT_EQ(report.threads_left, std::vector<std::string>{});
    const int fd = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    ASSERT_GE(fd, 0);
    plan.list_left(report);
    ASSERT_EQ(report.files_left.size(), 1u);
    EXPECT_NE(report.files_left[0].find(path), std::string::npos);
    ::close(fd);
    plan.list_left(report);
    EXPECT_EQ(report.files_left, std::vector<std::string>{});
    gone.open();
  }
  ::unlink(path.c_str());
  ::rmdir(folder.c_str());
}

// Nor one that has been joined: the kernel lists it a moment longer. Joined by asking again and again, for whoever
// sleeps until it has ended comes too late to see that; some rounds in a hundred do.
TEST(shutdown_plan, does_not_list_a_thread_that_was_joined) {
  detent::shutdown_plan plan;
  detent::plan_report report;
  for (std::size_t round = 0; round < support::times(200, 20); ++round) {
    pthread_t thread{};
    ASSERT_EQ(::pthread_create(
                  &thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr),
              0);
    while (::pthread_tryjoin_np(thread, nullptr) != 0) {
    }
    plan.list_left(report);
    EXPECT_EQ(report.threads_left, std::vector<std::string>{});
  }
}

#if defined(__SANITIZE_ADDRESS__)
// In a build with the leak sanitizer: memory that nothing leads to is listed with the place that allocated it, as text
// and as JSON. What was lost before the plan is not, nor what is found again.
std::uintptr_t hide_memory() { return ~reinterpret_cast<std::uintptr_t>(new std::array<char, 77>); }
std::uintptr_t hide_other_memory() { return ~reinterpret_cast<std::uintptr_t>(new std::array<char, 99>); }
void free_hidden(std::uintptr_t place) {
  delete reinterpret_cast<std::array<char, 77>*>(~place);  // NOLINT(performance-no-int-to-ptr)
}

TEST(shutdown_plan, lists_memory_that_is_left) {
  std::uintptr_t earlier = 0;
  std::uintptr_t hidden = 0;
  // On a thread each, so that no stack keeps the pointer.
  support::background([&] { earlier = hide_other_memory(); }).join();
  // What a timer holds is not lost.
  detent::timer_service service;
  detent::shutdown_plan plan;
  const std::array<char, 1000> large{};
  const detent::timer held(service, {.name = "a name that does not fit into a string"}, [large] { (void)large; });
  plan.add("loses", [&](detent::duration) {
    hidden = hide_memory();
    return true;
  });
  detent::plan_report report = plan.shutdown(support::patience);
  ASSERT_EQ(report.memory_left.value().size(), 1u) << report.text();
  EXPECT_NE(report.text().find("memory left: Direct leak of 77 byte(s) in 1 object(s)"), std::string::npos)
      << report.text();
  EXPECT_NE(report.json().find("Direct leak of 77 byte(s)"), std::string::npos) << report.json();
  EXPECT_NE(report.text().find("hide_memory"), std::string::npos) << report.text();
  EXPECT_EQ(report.text().find("hide_other_memory"), std::string::npos) << report.text();
  free_hidden(hidden);
  delete reinterpret_cast<std::array<char, 99>*>(~earlier);  // NOLINT(performance-no-int-to-ptr)
  plan.list_left(report);
  EXPECT_EQ(report.memory_left, std::vector<std::string>{}) << report.text();
}
#else
TEST(shutdown_plan, does_not_look_for_memory_without_a_sanitizer) {
  detent::shutdown_plan plan;
  const detent::plan_report report = plan.shutdown(support::patience);
  EXPECT_FALSE(report.memory_left.has_value());
  EXPECT_NE(report.json().find("\"memory_left\": null"), std::string::npos) << report.json();
}
#endif

// The system refuses new threads for as long as this lives: no stack is so large.
class no_new_threads {
 public:
  no_new_threads() {
    EXPECT_EQ(::pthread_getattr_default_np(&before_), 0);
    pthread_attr_t too_large;
    EXPECT_EQ(::pthread_attr_init(&too_large), 0);
    EXPECT_EQ(::pthread_attr_setstacksize(&too_large, std::size_t{1} << 60), 0);
    EXPECT_EQ(::pthread_setattr_default_np(&too_large), 0);
    ::pthread_attr_destroy(&too_large);
    EXPECT_THROW(std::thread([] {}).join(), std::system_error);
  }
  no_new_threads(const no_new_threads&) = delete;
  no_new_threads& operator=(const no_new_threads&) = delete;
  ~no_new_threads() {
    EXPECT_EQ(::pthread_setattr_default_np(&before_), 0);
    ::pthread_attr_destroy(&before_);
  }

 private:
  pthread_attr_t before_{};
};

// Without threads for its parts a plan still asks all workers of a turn before it waits for the first: each of these
// ends when the other one has been asked.
TEST(shutdown_plan, asks_workers_side_by_side_without_threads) {
  detent::timer_service service;
  detent::worker a(service, {.name = "a"});
  detent::worker b(service, {.name = "b"});
  support::gate asked_a;
  support::gate asked_b;
  support::gate busy_a;
  support::gate busy_b;
  const auto waits = [](support::gate& busy, support::gate& mine, support::gate& other) {
    return [&](detent::work& now) {
      now.on_stop([&] { mine.open(); });
      busy.open();
      other.pass();
    };
  };
  a.start();
  b.start();
  ASSERT_EQ(a.post(waits(busy_a, asked_a, asked_b)), post_result::accepted);
  ASSERT_EQ(b.post(waits(busy_b, asked_b, asked_a)), post_result::accepted);
  busy_a.pass();
  busy_b.pass();
  detent::shutdown_plan plan;
  int calls = 0;
  plan.add(a);
  plan.add("function", [&](detent::duration left) { return ++calls == 1 && left > 1s; });
  plan.add(b);
  plan.uses(plan.add("other", [&](detent::duration left) { return ++calls == 2 && left > 1s; }),
            plan.add(service, "service"));
  const no_new_threads refused;
  const detent::plan_report report = plan.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(calls, 2);
  for (const detent::part_report& p : report.parts) EXPECT_EQ(p.state, part_state::finished) << report.text();
}

// ... and workers that do not end take the plan's time together, not one after the other. A machine that stands still
// meanwhile is tried again: if each had its own time, no try would do.
TEST(shutdown_plan, is_in_time_without_threads) {
  detent::duration took{};
  for (int tries = 0; tries < 5; ++tries) {
    support::gate release;
    detent::timer_service service;
    std::vector<std::unique_ptr<detent::worker>> stuck;
    detent::shutdown_plan plan;
    for (int i = 0; i < 8; ++i) {
      support::gate busy;
      stuck.push_back(std::make_unique<detent::worker>(service, detent::worker_options{.name = "stuck"}));
      plan.add(*stuck.back());
      stuck.back()->start();
      ASSERT_EQ(stuck.back()->post([&] {
        busy.open();
        release.pass();
      }),
                post_result::accepted);
      busy.pass();
    }
    const no_new_threads refused;
    const detent::plan_report report = plan.shutdown(500ms);
    release.open();
    EXPECT_FALSE(report.complete);
    for (const detent::part_report& p : report.parts) EXPECT_EQ(p.state, part_state::abandoned) << report.text();
    took = report.took;
    if (took < 1500ms) break;
  }
  EXPECT_LT(took, 1500ms);
}

// The ends of what a duration can be: no time at all, also as a second request, and no limit, which is said as a
// worker's report says it. What a function is told is good for computing a deadline.
TEST(shutdown_plan, takes_every_duration) {
  const auto told_within = [](detent::duration limit, detent::duration after_second, bool shortened) {
    detent::duration told{-1};
    support::gate over;  // A function without any time may be called when the plan has been carried out.
    detent::shutdown_plan plan({.after_second_signal = after_second});
    plan.add("part", [&](detent::plan_time& time) {
      if (shortened) plan.stop();
      told = time.left();
      over.open();
      return true;
    });
    if (shortened) plan.stop();
    const detent::plan_report report = plan.shutdown(limit);
    EXPECT_GE(report.limit, 0s);
    EXPECT_GE(report.parts.at(0).limit, 0s);
    EXPECT_EQ(report.text().find("no limit") != std::string::npos, limit == detent::duration::max()) << report.text();
    EXPECT_EQ(report.json().find("\"limit_ns\": null") != std::string::npos, limit == detent::duration::max())
        << report.json();
    over.pass();
    return told;
  };
  constexpr detent::duration most = detent::duration::max();
  constexpr detent::duration least = detent::duration::min();
  EXPECT_EQ(told_within(least, 1s, false), 0s);
  EXPECT_EQ(told_within(-1ns, 1s, false), 0s);
  EXPECT_EQ(told_within(1h, least, true), 0s);
  EXPECT_EQ(told_within(most, least, true), 0s);
  EXPECT_GT(told_within(1h, most, true), 10min);
  const detent::duration endless = told_within(most, most, true);
  EXPECT_GT(endless, std::chrono::hours(24 * 365));
  EXPECT_GT(detent::steady_clock::now() + endless, detent::steady_clock::now());
}

// A worker that its owner destroys too early is an error of its part, not of the program.
TEST(shutdown_plan, names_a_worker_that_was_destroyed) {
  detent::timer_service service;
  detent::shutdown_plan plan;
  {
    detent::worker early(service, {.name = "early"});
    early.start();
    plan.add(early);
  }
  const detent::plan_report report = plan.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  ASSERT_EQ(report.parts.size(), 1u);
  EXPECT_EQ(report.parts[0].state, part_state::cancelled);
  EXPECT_NE(report.text().find("early: cancelled"), std::string::npos) << report.text();
  EXPECT_NE(report.parts[0].error.find("destroyed"), std::string::npos) << report.parts[0].error;
}

// The same while the plan ends it, and is asked to hurry.
TEST(shutdown_plan, a_worker_is_destroyed_in_its_turn) {
  for (std::size_t round = 0; round < support::times(100, 30); ++round) {
    auto service = std::make_unique<detent::timer_service>();
    auto w = std::make_unique<detent::worker>(*service, detent::worker_options{.name = "brief"});
    w->start();
    detent::shutdown_plan plan;
    plan.add(*w);
    support::gate busy;
    if (round % 2 == 0) {
      ASSERT_EQ(w->post([&] { busy.open(); }), post_result::accepted);
    } else {
      busy.open();
    }
    support::background ends([&] { EXPECT_TRUE(plan.shutdown(support::patience).complete); });
    support::background asks([&] {
      for (int i = 0; i < 20; ++i) plan.stop();
    });
    busy.pass();
    w.reset();
    service.reset();
  }
}

// The first SIGTERM ends `wait`, the second leaves only a moment of an hour.
TEST(shutdown_plan, signals_ask_and_shorten) {
  sigset_t before;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &before), 0);
  {
    detent::shutdown_plan plan({.name = "signalled", .after_second_signal = 2s});
    plan.take_signals({SIGTERM});
    EXPECT_THROW(plan.take_signals({SIGTERM}), std::system_error);  // It takes them already.
    support::gate release;
    support::gate begun;
    const detent::plan_part blocks = plan.add("blocks", [&](detent::duration) {
      begun.open();
      release.pass();
      return true;
    });
    // What comes after the part that blocks has its share of the moment.
    detent::timer_service service;
    detent::worker next(service, {.name = "next"});
    std::atomic<int> written{0};
    ASSERT_EQ(next.post([&] { written.fetch_add(1); }), detent::post_result::accepted);
    next.start();
    plan.uses(blocks, plan.add(next));
    ASSERT_EQ(::kill(::getpid(), SIGTERM), 0);
    EXPECT_EQ(plan.wait(), SIGTERM);
    support::background second([&] {
      begun.pass();
      EXPECT_EQ(::kill(::getpid(), SIGTERM), 0);
    });
    const detent::plan_report report = plan.shutdown(1h);
    EXPECT_FALSE(report.complete);
    EXPECT_EQ(report.stops_asked, 2u);
    EXPECT_EQ(written.load(), 1);
    EXPECT_EQ(report.parts.at(1).state, part_state::finished) << report.text();
    release.open();
  }
  sigset_t after;
  ASSERT_EQ(::pthread_sigmask(SIG_SETMASK, nullptr, &after), 0);
  EXPECT_EQ(::sigismember(&after, SIGTERM), ::sigismember(&before, SIGTERM));
}

// A second request that comes before the shutdown has begun shortens it, too, from its start; the first one alone asks.
TEST(shutdown_plan, a_second_request_may_come_before_the_shutdown) {
  for (const std::size_t requests : {1U, 2U}) {
    detent::shutdown_plan plan({.after_second_signal = support::patience});
    plan.add("told", [&](detent::duration left) {
      EXPECT_EQ(left > 10min, requests == 1);
      return true;
    });
    for (std::size_t i = 0; i < requests; ++i) plan.stop();
    EXPECT_EQ(plan.wait(), 0);
    const detent::plan_report report = plan.shutdown(1h);
    EXPECT_TRUE(report.complete);
    EXPECT_EQ(report.stops_asked, requests);
    EXPECT_EQ(report.parts.at(0).limit > 10min, requests == 1) << report.text();
  }
}

// The thread and the descriptors that take the signals are not left by anybody.
TEST(shutdown_plan, does_not_list_what_takes_its_signals) {
  detent::shutdown_plan plan;
  plan.take_signals({SIGUSR2});
  const detent::plan_report report = plan.shutdown(support::patience);
  EXPECT_EQ(report.threads_left, std::vector<std::string>{});
  EXPECT_EQ(report.files_left, std::vector<std::string>{});
}

// A signal that comes when the plan has been carried out: a program that goes on to its end is not cut off; one that
// hangs ends by it, and the report is told.
TEST(shutdown_plan, a_late_signal_ends_only_what_hangs) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  for (const bool hangs : {false, true}) {
    const support::heard heard = support::in_heard_child([&] {
      detent::shutdown_plan plan({.after_second_signal = hangs ? 100ms : detent::duration(support::patience)});
      plan.take_signals({SIGTERM});
      plan.add("part", [](detent::duration) { return true; });
      ::kill(::getpid(), SIGTERM);
      plan.wait();
      plan.shutdown(1s);
      ::kill(::getpid(), SIGTERM);
      // A signal that kills does it in this time; the other one is to come back.
      std::this_thread::sleep_for(hangs ? std::chrono::milliseconds(support::patience) : 200ms);
      return 7;
    });
    if (hangs) {
      EXPECT_EQ(heard.end, (support::child_end{support::child_end::how::signalled, SIGTERM}));
      EXPECT_NE(heard.text.find("turn 0, part: finished"), std::string::npos) << heard.text;
    } else {
      EXPECT_EQ(heard.end, support::exited(7));
    }
  }
}

// A second request shortens a service's own shutdown, which reports before its turn is over. A machine that stands
// still at that moment is tried again: without the shortening no try would do.
TEST(shutdown_plan, a_second_request_shortens_a_service) {
  bool in_time = false;
  for (int tries = 0; tries < 20 && !in_time; ++tries) {
    support::gate busy;
    support::gate release;
    support::gate begun;
    detent::timer_service service;
    detent::timer call(service, {.name = "stubborn"}, [&] {
      busy.open();
      release.pass();
    });
    call.arm_after(0ms);
    busy.pass();
    {
      detent::shutdown_plan plan({.after_second_signal = 800ms});
      plan.add(service, "service");
      plan.add("beside", [&](detent::duration) {
        begun.open();
        return true;
      });
      plan.stop();
      support::background second([&] {
        begun.pass();
        plan.stop();
      });
      const detent::plan_report report = plan.shutdown(1h);
      second.join();
      EXPECT_EQ(report.parts.at(0).state, part_state::abandoned) << report.text();
      EXPECT_LT(report.parts.at(0).limit, 10min) << report.text();
      EXPECT_NE(report.text().find("stubborn: still running"), std::string::npos) << report.text();
      in_time = report.parts.at(0).took < report.parts.at(0).limit + 800ms / 32;
      release.open();
    }
  }
  EXPECT_TRUE(in_time);
}

// A function that takes `plan_time&` hears of the second request, once, and of none that comes after its end; one that
// asks afterwards is told at once.
TEST(shutdown_plan, tells_a_function_that_its_time_was_shortened) {
  detent::shutdown_plan plan({.name = "hurried", .after_second_signal = support::patience});
  support::gate begun;
  support::gate shortened;
  std::atomic<int> told{0};
  bool asked_late = false;
  const detent::plan_part hurried = plan.add("hurried", [&](detent::plan_time& time) {
    EXPECT_GT(time.left(), 10min);
    time.on_shortened([&] {
      told.fetch_add(1);
      plan.stop();  // No lock is held here; it is not told again.
      shortened.open();
    });
    begun.open();
    shortened.pass();
    EXPECT_LE(time.left(), support::patience);
    time.on_shortened([&] { asked_late = true; });
    return true;
  });
  const detent::plan_part before = plan.add("before", [&](detent::plan_time& time) {
    time.on_shortened([&] { told.fetch_add(100); });
    return true;
  });
  plan.uses(before, hurried);
  plan.stop();
  support::background second([&] {
    begun.pass();
    plan.stop();
  });
  const detent::plan_report report = plan.shutdown(1h);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(told.load(), 1);
  EXPECT_TRUE(asked_late);
  for (const detent::part_report& p : report.parts) EXPECT_EQ(p.state, part_state::finished) << report.text();
}

// The function's part ends after what it was told by, also where further requests come meanwhile: from inside, and from
// another thread.
TEST(shutdown_plan, further_requests_do_not_cut_off_who_is_told) {
  for (const bool inside : {true, false}) {
    detent::shutdown_plan plan({.after_second_signal = 2 * support::patience});
    support::gate begun;
    support::gate telling;
    support::gate asked;
    support::gate release;
    std::atomic<bool> told{false};
    plan.add("hurried", [&](detent::plan_time& time) {
      time.on_shortened([&] {
        if (inside) plan.stop();
        telling.open();
        release.pass();
        told.store(true);
      });
      begun.open();
      asked.pass();
      return true;
    });
    plan.stop();
    support::background carries_out([&] {
      EXPECT_TRUE(plan.shutdown(4 * support::patience).complete);
      EXPECT_TRUE(told.load());
    });
    begun.pass();
    support::background second([&] { plan.stop(); });
    telling.pass();
    if (!inside) plan.stop();
    asked.open();
    EXPECT_TRUE(support::never([&] { return carries_out.is_done(); }));
    release.open();
  }
}

// A second request that is still on its way to the parts when the plan is over starts no thread for them: the
// destructor may be going through the threads. It is held up in the function that it tells first; the service is still
// in its own shutdown, in the captures of a timer.
TEST(shutdown_plan, a_late_request_starts_no_thread) {
  support::gate begun;
  support::gate ending;
  support::gate go_on;
  support::gate has_asked;
  support::gate release;
  detent::timer_service service;
  detent::timer far(service, [slow = support::at_end([&] {
                                ending.open();
                                release.pass();
                              })] {});
  far.arm_after(1h);
  detent::shutdown_plan plan({.after_second_signal = 500ms});
  plan.add("function", [&](detent::plan_time& time) {
    time.on_shortened([&] { go_on.pass(); });
    begun.open();
    release.pass();
    return true;
  });
  plan.add(service, "service");
  plan.stop();
  support::background second([&] {
    begun.pass();
    ending.pass();
    plan.stop();
    has_asked.open();
    release.pass();
  });
  const detent::plan_report report = plan.shutdown(1h);
  for (const detent::part_report& p : report.parts) EXPECT_EQ(p.state, part_state::abandoned) << report.text();
  const auto threads = [&] {
    detent::plan_report now;
    plan.list_left(now);
    return now.threads_left.size();
  };
  const std::size_t before = threads();
  go_on.open();
  has_asked.pass();
  EXPECT_EQ(threads(), before);
  release.open();
}

// A service manager: a socket of the test, and the environment that names it.
class manager {
 public:
  explicit manager(const char* watchdog_us)
      : path_(testing::TempDir() + "detent-notify-" + std::to_string(::getpid())),
        fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_EQ(::bind(fd_, static_cast<const sockaddr*>(static_cast<const void*>(&address)), sizeof address), 0);
    EXPECT_EQ(::setenv("NOTIFY_SOCKET", path_.c_str(), 1), 0);
    EXPECT_EQ(::setenv("WATCHDOG_USEC", watchdog_us, 1), 0);
  }
  manager(const manager&) = delete;
  manager& operator=(const manager&) = delete;
  ~manager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::unsetenv("WATCHDOG_USEC");
    ::unsetenv("WATCHDOG_PID");
    ::close(fd_);
    ::unlink(path_.c_str());
  }
  std::string heard() const {
    char text[256];
    const ssize_t count = ::recv(fd_, text, sizeof text, MSG_DONTWAIT);
    return count < 0 ? std::string() : std::string(text, static_cast<std::size_t>(count));
  }

 private:
  std::string path_;
  int fd_;
};

// The watchdog is fed while the plan is carried out, though the loop of its timer stands still: it is the test's, which
// never drives it. A watchdog of another process is none of ours.
TEST(shutdown_plan, feeds_the_watchdog_to_the_end) {
  const manager systemd("20000");
  detent::service_options still;
  still.drive = detent::drive::by_user;
  still.executor = detent::on_driver{};
  detent::timer_service service(std::move(still));
  detent::shutdown_plan plan;
  ASSERT_EQ(::setenv("WATCHDOG_PID", std::to_string(::getpid() + 1).c_str(), 1), 0);
  EXPECT_FALSE(plan.feed_watchdog(service));
  ASSERT_EQ(::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1), 0);
  EXPECT_TRUE(plan.feed_watchdog(service));
  plan.add("hungry", [&](detent::duration) {
    int meals = 0;
    return support::eventually([&] {
      if (systemd.heard() == "WATCHDOG=1") ++meals;
      return meals == 3;
    });
  });
  EXPECT_TRUE(plan.shutdown(2 * support::patience).complete);
}

// The messages that a service manager gets.
TEST(shutdown_plan, tells_systemd) {
  const manager systemd("2000000");
  const auto heard = [&] { return systemd.heard(); };
  {
    detent::timer_service service;
    detent::shutdown_plan plan;
    plan.ready();
    EXPECT_EQ(heard(), "READY=1");
    EXPECT_TRUE(plan.feed_watchdog(service));
    EXPECT_TRUE(support::eventually([&] { return heard() == "WATCHDOG=1"; }));
    plan.add("part", [](detent::duration) { return true; });
    EXPECT_TRUE(plan.shutdown(support::patience).complete);
  }
  std::vector<std::string> rest;
  for (std::string text = heard(); !text.empty(); text = heard()) {
    if (text != "WATCHDOG=1") rest.push_back(text);
  }
  ASSERT_EQ(rest.size(), 2u);
  EXPECT_EQ(rest[0], "STOPPING=1");
  EXPECT_EQ(rest[1].rfind("EXTEND_TIMEOUT_USEC=", 0), 0u);
}

}  // namespace
