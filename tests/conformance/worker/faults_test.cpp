// What goes wrong while a worker ends: no thread, stage callbacks that throw, block or stop it again, stops at once,
// before the start, and from a child. Each ends in time with a report that says so.
#include <detent/publication.hpp>
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <mutex>
#include <pthread.h>
#include <stdexcept>
#include <string>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;
using detent::worker_stage;

const detent::stage_report& stage_of(const detent::worker_report& report, worker_stage stage) {
  return report.stages[static_cast<std::size_t>(stage)];
}

// What blocks in these tests is released after this, or gives up, and fails the test, after twice of it: who takes
// longer has waited for that instead of for a limit of some milliseconds.
constexpr detent::duration in_time = support::patience / 2;

class stopwatch {
 public:
  detent::duration elapsed() const { return std::chrono::steady_clock::now() - begun_; }

 private:
  const std::chrono::steady_clock::time_point begun_ = std::chrono::steady_clock::now();
};

// The end took less than a blocker would, and the report's times are true: no stage that is done took longer than it
// was given, and all of them together not longer than the whole.
void expect_in_time(const stopwatch& since, const detent::worker_report& report) {
  const detent::duration whole = since.elapsed();
  EXPECT_LT(whole, in_time) << report.text();
  detent::duration sum{0};
  for (const detent::stage_report& stage : report.stages) {
    sum += stage.took;
    if (stage.state != detent::stage_state::done || stage.stage == worker_stage::refuse) continue;
    EXPECT_LE(stage.took, stage.limit) << report.text();
  }
  EXPECT_LE(sum, whole) << report.text();
}

bool lists(const detent::worker_report& report, const std::string& kind, const std::string& name, detent::fate what) {
  for (const detent::undone& u : report.undone_list) {
    if (u.kind == kind && u.name == name && u.fate == what) return true;
  }
  return false;
}

// The OS refuses the thread: `start` says so, the worker may be started again or ended, and its end is whole.
TEST(worker_faults, thread_creation_fails) {
  detent::timer_service service;
  for (const bool tries_again : {false, true}) {
    int cleaned = 0;
    detent::worker w(service, {.name = "threadless", .stack_bytes = std::size_t{1} << 46});
    w.on_cleanup([&] { ++cleaned; });
    w.on_farewell([&] { ++cleaned; });
    ASSERT_EQ(w.post([] {}, {.name = "never"}), post_result::accepted);
    std::error_code error;
    w.start(error);
    EXPECT_TRUE(error);
    if (tries_again) {
      EXPECT_THROW(w.start(), std::system_error);
    }
    const stopwatch since;
    const detent::worker_report report = w.shutdown(support::patience);
    expect_in_time(since, report);
    EXPECT_TRUE(report.complete);
    EXPECT_TRUE(lists(report, "item", "never", detent::fate::discarded));
    EXPECT_EQ(cleaned, 2);
  }
}

TEST(worker_faults, callbacks_of_every_stage_throw) {
  detent::timer_service service;
  std::vector<std::string> heard;
  std::mutex lock;  // The hook's exception comes on this thread, the task's on the worker's.
  detent::worker w(service, {.name = "throwing", .on_error = [&](const std::string& what, std::exception_ptr) {
                               {
                                 const std::lock_guard locked(lock);
                                 heard.push_back(what);
                               }
                               throw std::runtime_error("the handler, too");
                             }});
  const auto fails = [] { throw std::runtime_error("no"); };
  const detent::expectation e = w.expect([](detent::reply_result) { throw 1; }, "callback");
  const detent::operation o = w.in_flight(fails, "operation");
  w.on_farewell(fails, "farewell");
  w.on_cleanup(fails, "resource");
  w.start();
  ASSERT_EQ(w.post(
                [](detent::work& now) {
                  now.on_stop([] { throw std::runtime_error("hook"); });
                  while (!now.stop_requested()) std::this_thread::yield();
                  throw std::runtime_error("task");
                },
                {.name = "task"}),
            post_result::accepted);
  EXPECT_TRUE(support::eventually([&] { return w.report().items.running == 1; }));
  const stopwatch since;
  const detent::worker_report report = w.shutdown(support::patience);
  expect_in_time(since, report);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(lists(report, "item", "task", detent::fate::threw));
  for (const char* kind : {"callback", "operation", "farewell", "resource"}) {
    EXPECT_TRUE(lists(report, kind, kind, detent::fate::threw)) << kind;
  }
  EXPECT_GE(heard.size(), 5u);
}

// A callback of a stage blocks past every deadline: the report comes in time and names it, the rest is pending, and is
// done when the callback comes back.
TEST(worker_faults, callbacks_block_past_their_deadline) {
  for (const std::string blocked : {"callback", "operation", "item", "farewell", "resource"}) {
    detent::timer_service service;
    const detent::stage_limits limits{
        .callbacks = 10ms, .io = 10ms, .queue = 10ms, .farewells = 10ms, .resources = 10ms};
    support::gate release;
    int cleaned = 0;
    const auto blocks_if = [&](const char* kind) {
      return [&release, is = blocked == kind] {
        if (is) release.pass();
      };
    };
    detent::worker w(service, {.name = "blocked", .limits = limits});
    w.on_cleanup([&] { ++cleaned; }, "last");
    w.on_cleanup(blocks_if("resource"), "resource");
    w.on_farewell(blocks_if("farewell"), "farewell");
    w.on_farewell([] {}, "goodbye");
    const detent::expectation e =
        w.expect([f = blocks_if("callback")](detent::reply_result) mutable { f(); }, "callback");
    detent::operation o;
    if (blocked == "operation") o = w.in_flight(blocks_if("operation"), "operation");
    support::gate busy;
    support::gate go;
    w.start();
    ASSERT_EQ(w.post([&] {
      busy.open();
      go.pass();
    }),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(w.post(blocks_if("item"), {.name = "item"}), post_result::accepted);
    const stopwatch since;
    w.stop();
    go.open();
    const detent::worker_report early = w.shutdown(100ms);
    expect_in_time(since, early);
    EXPECT_FALSE(early.complete) << blocked;
    EXPECT_TRUE(lists(early, blocked, blocked, detent::fate::unfinished)) << early.text();
    EXPECT_TRUE(lists(early, "resource", "last", detent::fate::pending)) << early.text();
    // Farewells that have not been said by the end of the whole are not said any more.
    EXPECT_EQ(lists(early, "farewell", "goodbye", detent::fate::discarded), blocked != "resource") << early.text();
    EXPECT_FALSE(lists(early, "farewell", "goodbye", detent::fate::pending)) << early.text();
    EXPECT_EQ(cleaned, 0);
    release.open();
    EXPECT_TRUE(w.shutdown(support::patience).complete) << blocked;
    EXPECT_EQ(cleaned, 1);
  }
}

// Every kind of stage callback stops the worker itself, and waits for it: it is answered at once.
TEST(worker_faults, callbacks_stop_it_again) {
  detent::timer_service service;
  int calls = 0;
  detent::worker w(service, {.name = "again"});
  const auto again = [&] {
    ++calls;
    const stopwatch since;
    EXPECT_EQ(w.stop(), detent::stop_result::idle);
    EXPECT_TRUE(w.shutdown(support::patience).from_worker);
    EXPECT_LT(since.elapsed(), in_time);
  };
  const detent::expectation e = w.expect([&](detent::reply_result) { again(); }, "callback");
  detent::operation o = w.in_flight([&] {
    again();
    o = {};
  });
  w.on_farewell(again);
  w.on_cleanup(again);
  w.start();
  ASSERT_EQ(w.post([&] {
    EXPECT_EQ(w.stop(), detent::stop_result::asked);
    again();
  }),
            post_result::accepted);
  EXPECT_TRUE(support::eventually([&] { return w.report().items.done == 1; }));
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_EQ(calls, 5);
}

// A timer of the worker stops it and would wait: the worker waits for that very call, so it is told and does not. Also
// where the worker was never started, and whoever waits runs the stages: what the callback uses stays.
TEST(worker_faults, stop_from_its_own_timer) {
  detent::timer_service service;
  for (const bool starts : {true, false}) {
    detent::worker w(service, {.name = "timed"});
    support::gate over;
    std::atomic<bool> told{false};
    std::atomic<bool> was_released{true};
    std::atomic<bool> released{false};
    w.on_cleanup([&] { released.store(true); });
    detent::timer t(w.timers(), [&] {
      told.store(w.shutdown(support::patience).from_worker);
      was_released.store(!support::never([&] { return released.load(); }));
      over.open();
    });
    if (starts) w.start();
    const stopwatch since;
    t.arm_after(0ms);
    over.pass();
    const detent::worker_report report = w.shutdown(support::patience);
    expect_in_time(since, report);
    EXPECT_TRUE(told.load());
    EXPECT_FALSE(was_released.load());
    EXPECT_TRUE(released.load());
    EXPECT_TRUE(report.complete);
    EXPECT_FALSE(lists(report, "timers", "timed_out", detent::fate::unfinished)) << report.text();
  }
}

// A callback of the worker's timers has called it when the stop comes. Its answer is what the callback ends by, so it
// comes before the callbacks are waited for: without it this would hang, for the stage has no limit here.
TEST(worker_faults, stopped_while_its_timer_calls_it) {
  detent::timer_service service;
  detent::worker w(service, {.name = "called", .limits = {.callbacks = detent::duration::max()}});
  support::gate busy;
  support::gate release;
  std::atomic<detent::call_result> answer{detent::call_result::done};
  detent::timer t(w.timers(), [&] { answer.store(w.call_and_wait([] {})); });
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  t.arm_after(0ms);
  EXPECT_TRUE(support::eventually([&] { return w.size() == 1; }));
  w.stop();
  release.open();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete) << report.text();
  EXPECT_EQ(answer.load(), detent::call_result::cancelled);
  EXPECT_EQ(report.items.cancelled, 1u);
}

// No limit and every limit, as far as the numbers go: nothing overflows, and what is told is what holds.
TEST(worker_faults, stopped_within_the_shortest_time_there_is) {
  detent::timer_service service;
  detent::worker w(service, {.name = "hurried"});
  w.start();
  w.stop(detent::duration::min());
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  for (const detent::stage_report& stage : report.stages) {
    EXPECT_TRUE(stage.limit == detent::duration(0) || stage.limit == detent::duration::max()) << stage.limit.count();
  }
}

// A worker that is posted to for years under ever new names keeps a bounded number of them; the counts hold.
TEST(worker_faults, names_without_end) {
  detent::timer_service service;
  detent::worker w(service, {.name = "named", .queue_limit = 0});
  for (int i = 0; i < 10'100; ++i) {
    ASSERT_EQ(w.post([] {}, {.name = std::to_string(i)}), post_result::accepted);
  }
  EXPECT_EQ(w.remove([](const detent::item_info&) { return true; }), 10'100u);
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_EQ(report.items.withdrawn, 10'100u);
  EXPECT_EQ(report.undone_list.size(), 10'001u);
  std::uint64_t all = 0;
  for (const detent::undone& u : report.undone_list) all += u.count;
  EXPECT_EQ(all, 10'100u);
  EXPECT_TRUE(lists(report, "item", "(others)", detent::fate::withdrawn));
}

// Signals belong to the program's threads; a fault belongs to the thread that has it, or its handler would not run.
TEST(worker_faults, a_threads_own_faults_are_not_blocked) {
  detent::timer_service service;
  detent::worker w(service, {.name = "signals"});
  w.start();
  const auto look = [] {
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    EXPECT_EQ(sigismember(&blocked, SIGTERM), 1);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) {
      EXPECT_EQ(sigismember(&blocked, fault), 0) << fault;
    }
  };
  EXPECT_EQ(w.call_and_wait(look), detent::call_result::done);
  support::gate looked;
  detent::timer t(service, [&] {
    look();
    looked.open();
  });
  t.arm_after(0ms);
  looked.pass();
}

// The child of a fork has the objects and not their threads: they are destroyed, and answer, without waiting.
TEST(worker_faults, in_a_fork_child) {
  detent::timer_service service;
  detent::publication<int> numbers;
  auto w = std::make_unique<detent::worker>(service, detent::worker_options{.name = "forked"});
  auto never_started = std::make_unique<detent::worker>(*w, service);
  detent::subscription heard = numbers.subscribe(*w, [](detent::reply_result, const int*) {});
  detent::expectation expected = w->expect([](detent::reply_result) {});
  detent::operation in_flight = w->in_flight([] {});
  support::gate busy;
  support::gate release;
  w->start();
  ASSERT_EQ(w->post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  const support::child_end end = support::in_child([&] {
    bool good = w->post([] {}) == post_result::stopping;
    good = good && w->call_and_wait([] {}) == detent::call_result::stopping;
    good =
        good && w->ask(
                    *never_started, [] { return 1; }, [](detent::reply_result, const int*) {}) == post_result::stopping;
    good = good && w->size() == 0 && w->items().empty() && w->stop() == detent::stop_result::idle;
    good = good && !w->shutdown().complete && w->report().worker == "forked";
    expected.complete();
    good = good && numbers.publish(1) == 0;
    heard = {};
    expected = w->expect([](detent::reply_result) {});
    in_flight = w->in_flight([] {});
    w->own(1);
    w->on_farewell([] {});
    { const detent::worker child(*w, service); }
    expected = {};
    in_flight = {};
    never_started.reset();
    w.reset();
    return good ? 0 : 1;
  });
  EXPECT_EQ(end, (support::child_end{support::child_end::how::exited, 0}));
  release.open();
  EXPECT_TRUE(w->shutdown(support::patience).complete);
}

TEST(worker_faults, two_stops_at_once) {
  detent::timer_service service;
  for (std::size_t round = 0; round < support::times(200, 40); ++round) {
    detent::worker w(service, {.name = "twice"});
    std::atomic<int> ends{0};
    std::atomic<int> asked{0};
    int farewells = 0;
    w.on_farewell([&] { ++farewells; });
    if (round % 2 == 0) w.start();
    const stopwatch since;
    {
      std::vector<std::unique_ptr<support::background>> stoppers;
      for (int i = 0; i < 4; ++i) {
        stoppers.push_back(std::make_unique<support::background>([&, i] {
          if (i == 0) w.start();
          if (w.stop() == detent::stop_result::asked) asked.fetch_add(1);
          if (w.shutdown(support::patience).complete) ends.fetch_add(1);
        }));
      }
    }
    expect_in_time(since, w.report());
    EXPECT_EQ(ends.load(), 4);
    EXPECT_EQ(asked.load(), 1);
    EXPECT_EQ(farewells, 1);
  }
}

TEST(worker_faults, stop_before_start) {
  detent::timer_service service;
  detent::worker w(service, {.name = "early"});
  int cleaned = 0;
  w.on_cleanup([&] { ++cleaned; });
  EXPECT_EQ(w.stop(), detent::stop_result::asked);
  w.start();
  EXPECT_EQ(w.post([] {}), post_result::stopping);
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_EQ(cleaned, 1);
  w.start();
  EXPECT_EQ(w.post([] {}), post_result::stopping);
}

// A child stops its parent and would wait for it, which waits for the child: it does not wait.
TEST(worker_faults, stop_from_a_child) {
  detent::timer_service service;
  detent::worker parent(service, {.name = "parent"});
  detent::worker child(parent, service, {.name = "child"});
  parent.start();
  child.start();
  std::atomic<bool> from_worker{false};
  const stopwatch since;
  ASSERT_EQ(child.post([&] { from_worker.store(parent.shutdown(support::patience).from_worker); }),
            post_result::accepted);
  EXPECT_TRUE(support::eventually([&] { return child.report().items.done == 1; }));
  const detent::worker_report report = parent.shutdown(support::patience);
  expect_in_time(since, report);
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(from_worker.load());
  ASSERT_EQ(report.children.size(), 1u);
  EXPECT_TRUE(report.children[0].complete);
}

// A child that does not end: the parent is not complete at its deadline, names it, and keeps what it owns until then.
TEST(worker_faults, a_child_blocks) {
  detent::timer_service service;
  support::gate release;
  support::gate busy;
  int cleaned = 0;
  detent::worker parent(service, {.name = "parent"});
  detent::worker child(parent, service, {.name = "child"});
  parent.on_cleanup([&] { ++cleaned; }, "shared");
  parent.start();
  child.start();
  ASSERT_EQ(child.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  const stopwatch since;
  const detent::worker_report early = parent.shutdown(50ms);
  expect_in_time(since, early);
  EXPECT_FALSE(early.complete);
  EXPECT_TRUE(lists(early, "child", "child", detent::fate::unfinished)) << early.text();
  EXPECT_TRUE(lists(early, "resource", "shared", detent::fate::pending)) << early.text();
  release.open();
  EXPECT_TRUE(parent.shutdown(support::patience).complete);
  EXPECT_EQ(cleaned, 1);
}

// Two workers that shut each other down: neither hangs.
TEST(worker_faults, two_workers_stop_each_other) {
  detent::timer_service service;
  detent::worker a(service, {.name = "a"});
  detent::worker b(service, {.name = "b"});
  a.start();
  b.start();
  support::gate both_posted;  // A worker that is being stopped accepts nothing.
  ASSERT_EQ(a.post([&] {
    both_posted.pass();
    b.shutdown(support::patience);
  }),
            post_result::accepted);
  ASSERT_EQ(b.post([&] {
    both_posted.pass();
    a.shutdown(support::patience);
  }),
            post_result::accepted);
  const stopwatch since;
  both_posted.open();
  const detent::worker_report end_of_a = a.shutdown(support::patience);
  const detent::worker_report end_of_b = b.shutdown(support::patience);
  for (const detent::worker_report& end : {end_of_a, end_of_b}) {
    EXPECT_TRUE(end.complete) << end.text();
    expect_in_time(since, end);
  }
}

// A later stop with less time shortens a wait that has begun.
TEST(worker_faults, a_later_stop_shortens) {
  detent::timer_service service;
  support::gate release;
  support::gate busy;
  detent::worker w(service, {.name = "shortened", .limits = {.current_task = 1h}});
  w.start();
  ASSERT_EQ(w.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  support::background waiter([&] { EXPECT_FALSE(w.shutdown(1h).complete); });
  EXPECT_TRUE(support::eventually(
      [&] { return stage_of(w.report(), worker_stage::refuse).state == detent::stage_state::done; }));
  const stopwatch since;
  w.stop(1ms);
  waiter.join();
  EXPECT_LT(since.elapsed(), in_time);
  EXPECT_EQ(stage_of(w.report(), worker_stage::current_task).state, detent::stage_state::overdue);
  release.open();
}

// So does one that comes when the parent waits for its children: what a child drains is told.
TEST(worker_faults, a_later_stop_shortens_for_children) {
  detent::timer_service service;
  detent::worker parent(service, {.name = "parent", .limits = {.children = 1h}});
  detent::worker child(parent, service, {.name = "child", .limits = {.current_task = 1h, .queue = 1h}});
  support::gate busy;
  support::gate release;
  support::gate drained;
  std::atomic<bool> asked{false};
  parent.start();
  child.start();
  ASSERT_EQ(child.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  ASSERT_EQ(child.post([&](detent::work& now) {
    drained.open();
    asked.store(support::eventually([&] { return now.stop_requested(); }));
  }),
            post_result::accepted);
  parent.stop(1h);
  support::eventually(
      [&] { return stage_of(child.report(), worker_stage::refuse).state == detent::stage_state::done; });
  release.open();
  drained.pass();
  EXPECT_TRUE(support::never([&] { return asked.load(); }));
  const stopwatch since;
  parent.stop(1ms);
  support::eventually([&] { return asked.load(); });
  const detent::worker_report report = parent.shutdown(support::patience);
  EXPECT_LT(since.elapsed(), in_time);
  ASSERT_EQ(report.children.size(), 1u);
  EXPECT_EQ(stage_of(report.children[0], worker_stage::queue).state, detent::stage_state::overdue) << report.text();
}

// A worker destroyed without anybody asking what became of its items says what it has discarded, and its children's;
// one whose report was handed out says nothing more.
TEST(worker_faults, nothing_is_lost_silently) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  const support::heard heard = support::in_heard_child([] {
    detent::timer_service service;
    detent::worker told(service, {.name = "told"});
    told.post([] {}, {.name = "known"});
    told.shutdown();
    detent::worker discarding(service, {.name = "discarding", .at_end = detent::queue_end::discard});
    discarding.post([] {}, {.name = "chosen"});
    detent::worker parent(service, {.name = "parent"});
    detent::worker child(parent, service, {.name = "child"});
    child.post([] {}, {.name = "lost"});
    child.post([] {}, {.name = "lost"});
    parent.post([] {}, {.name = "gone"});
    parent.stop();
    return 0;
  });
  EXPECT_EQ(heard.end, support::exited(0));
  EXPECT_NE(heard.text.find("'child' has discarded: item lost, 2 times"), std::string::npos) << heard.text;
  EXPECT_NE(heard.text.find("'parent' has discarded: item gone, 1 times"), std::string::npos) << heard.text;
  EXPECT_EQ(heard.text.find("known"), std::string::npos) << heard.text;
  EXPECT_EQ(heard.text.find("chosen"), std::string::npos) << heard.text;
}

// A worker destroyed on its own thread cannot wait for itself: a sentence, and the end of the program.
TEST(worker_faults, destroyed_on_its_own_thread) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  const support::heard heard = support::in_heard_child([] {
    detent::timer_service service;
    auto* w = new detent::worker(service, {.name = "suicidal"});
    w->start();
    w->post([w] { delete w; });
    std::this_thread::sleep_for(support::patience);
    return 0;
  });
  EXPECT_EQ(heard.end, (support::child_end{support::child_end::how::signalled, SIGABRT}));
  EXPECT_NE(heard.text.find("suicidal"), std::string::npos);
}

#if defined(DETENT_CHECKED) || !defined(NDEBUG)
constexpr bool is_checked = true;
#else
constexpr bool is_checked = support::sanitized;
#endif

// A checked build lists the timers that nobody had closed before the worker did, also where somebody who waits closes
// them in its place: by name or place, and not those of others, be it another worker of the same name.
TEST(worker_faults, timers_that_were_left_are_listed) {
  detent::timer_service service;
  for (const bool is_stuck : {false, true}) {
    detent::worker other(service, {.name = "same"});
    detent::timer others(other.timers(), {.name = "others"}, [] {});
    others.arm_after(1h);
    detent::timer nobodys(service, {.name = "nobodys"}, [] {});
    nobodys.arm_after(1h);
    detent::worker w(service, {.name = "same", .limits = {.current_task = 1ms}});
    detent::timer idle(w.timers(), {.name = "idle"}, [] {});
    detent::timer closed(w.timers(), {.name = "closed"}, [] {});
    closed.arm_after(1h);
    closed.close();
    detent::timer unnamed(w.timers(), [] {});
    unnamed.arm_every(1h);
    const std::string unnamed_place = "faults_test.cpp:" + std::to_string(__LINE__ - 2);
    w.start();
    support::gate busy;
    support::gate release;
    ASSERT_EQ(w.post([&] {
      busy.open();
      if (is_stuck) release.pass();
    }),
              post_result::accepted);
    busy.pass();
    detent::worker_report report = w.shutdown(is_stuck ? 20ms : support::patience);
    EXPECT_EQ(report.complete, !is_stuck);
    if (is_checked) {
      EXPECT_EQ(report.timers_left, (std::vector<std::string>{"idle, idle", unnamed_place + ", pending"}));
      EXPECT_NE(report.text().find("timer left: idle, idle"), std::string::npos) << report.text();
      EXPECT_NE(report.json().find("\"timers_left\": [\n    \"idle, idle\""), std::string::npos) << report.json();
    } else {
      EXPECT_FALSE(report.timers_left.has_value());
      EXPECT_NE(report.json().find("\"timers_left\": null"), std::string::npos) << report.json();
    }
    EXPECT_EQ(others.status(), detent::timer_state::pending);
    release.open();
    EXPECT_TRUE(w.shutdown(support::patience).complete);
  }
}

TEST(worker_faults, reports_are_text_and_json) {
  detent::timer_service service;
  detent::worker w(service, {.name = "quote \" and \xff"});
  ASSERT_EQ(w.post([] {}, {.urgency = detent::priority::high, .name = "left"}), post_result::accepted);
  const detent::worker_report report = w.shutdown();
  EXPECT_NE(report.text().find("item left: discarded, high"), std::string::npos) << report.text();
  const std::string json = report.json();
  EXPECT_NE(json.find("\"worker\": \"quote \\\" and "), std::string::npos) << json;
  EXPECT_NE(json.find("\"fate\": \"discarded\""), std::string::npos) << json;
}

}  // namespace
