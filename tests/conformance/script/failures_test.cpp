// failures: a host that throws, and memory that is short, cost at most what they were asked for. All other timers go
// on, and each reference is released exactly once.
#include "host.hpp"

#include <support/effort.hpp>
#include <support/failing_memory.hpp>

namespace {

using detent::script_rules;
using detent::wait_result;

class failures : public script_test::in_virtual_time {
 protected:
  failures() : in_virtual_time(script_rules::web) {}
  void waits(std::int64_t id, std::string word) { timers->next_tick(id, host.hold(write(std::move(word)))); }
};

// --- The host.
// ----------------------------------------------------------------------------------------------------------

TEST_F(failures, AReportThatThrowsStopsNothing) {
  every(10, [] { throw std::runtime_error("each time"); });
  const auto once = after(10, [] { throw std::runtime_error("once"); });
  waits(once, "w");
  every(10, write("a"));
  host.failing_reports.store(2);
  pass_ms(30);
  EXPECT_EQ(written, "waaa");
  EXPECT_EQ(host.reports.size(), 2U);
  EXPECT_EQ(host.held(), 2U);
}

TEST_F(failures, ACallThatThrowsIsTheScriptsError) {
  const auto id = every(10, write("a"));
  waits(id, "w");
  host.failing_calls.store(2);  // the tick's and its waiter's
  pass_ms(10);
  ASSERT_EQ(host.reports.size(), 2U);
  EXPECT_EQ(host.reports[1].second, "call");
  EXPECT_EQ(timers->status(id)->last_error, "call");
  pass_ms(10);
  EXPECT_EQ(written, "a");
  EXPECT_EQ(host.held(), 1U);
}

// The functions that waited for a timer which ended without a tick: each is called, and its error reported, whatever
// the one before it did.
TEST_F(failures, AWaiterThatThrowsKeepsNobodyFromTheEnd) {
  const auto id = after(1000, write("a"));
  waits(id, "v");
  waits(id, "w");
  host.failing_calls.store(1);
  EXPECT_EQ(timers->clear(id), detent::script_change::changed);
  host.loop.run_posted();
  EXPECT_EQ(written, "w");
  ASSERT_EQ(host.reports.size(), 1U);
  EXPECT_EQ(host.reports[0], (std::pair<std::int64_t, std::string>(id, "call")));
  EXPECT_EQ(host.held(), 0U);
}

// What could not be posted is done by a later pass, whether or not another timer is due.
TEST_F(failures, WhatCouldNotBePostedIsDoneLater) {
  const auto id = after(1000, write("a"));
  waits(id, "w");
  host.failing_posts.store(1);
  timers->clear(id);
  EXPECT_EQ(written, "");
  pass_ms(10);
  EXPECT_EQ(written, "w");
  EXPECT_EQ(host.held(), 0U);
}

// At the end nobody comes any more who could call: on the engine's own thread the functions are released even so.
TEST_F(failures, AtTheEndWhatCannotBePostedIsReleased) {
  waits(after(1000, write("a")), "w");
  host.failing_posts.store(1'000);
  timers.reset();
  EXPECT_EQ(written, "");
  EXPECT_EQ(host.held(), 0U);
}

// In real time: the alarm itself is posted. One that the host refuses, or lets go uncalled, is set again.
TEST(failing_posts_threads, TheAlarmIsSetAgain) {
  for (const bool drops : {false, true}) {
    script_test::engine_thread engine;
    std::atomic<int> ticks{0};
    engine.timers->set_interval(1, engine.host.hold(std::function<void()>([&] { ticks.fetch_add(1); })));
    for (int round = 0; round < 3; ++round) {
      auto& failing = drops ? engine.host.dropped_posts : engine.host.failing_posts;
      failing.store(2);
      support::eventually([&] { return failing.load() <= 0; });
      const int before = ticks.load();
      support::eventually([&] { return ticks.load() > before + 1; });
    }
    // From another thread nothing can be released but by a post.
    const auto far = engine.timers->set_timeout(1e6, engine.host.hold(std::function<void()>([] {})));
    engine.host.failing_posts.store(1);
    engine.timers->clear(far.id);
    support::eventually([&] { return engine.host.held() == 1; });
    engine.end();
    EXPECT_EQ(engine.host.held(), 0U);
  }
}

// --- Memory. Only next_tick, open_scope and the clock may throw.
// ------------------------------------------------------------------------------------------------------------

template <class Work>
void perhaps(Work work) {
  try {
    work();
  } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): what must not be lost is asked for at the end
  }
}

enum class failing { here, elsewhere, in_pass };

// One life with one allocation failing: in the verbs, on the engine's thread or on another, or in a pass. Answers
// whether there was one so late. A timer made before goes on, and each reference is released.
bool live_with_failing(long which, failing where) {
  bool was_late = false;
  detent::manual_clock clock;
  script_test::test_host host;
  int ticks = 0;
  {
    detent::script_options options;
    options.clock = &clock;
    detent::script_timers timers(host, options);
    const auto hold = [&](std::function<void()> what) { return host.hold(std::move(what)); };
    std::vector<detent::script_reference> made;
    for (int i = 0; i < 16; ++i) {
      made.push_back(hold([i] {
        if (i % 2 == 0) throw std::runtime_error("an error whose words do not fit into a short string");
      }));
    }
    timers.set_interval(10, hold([&] { ++ticks; }));
    std::int64_t interval = 0;
    std::int64_t far = 0;
    detent::script_scope scope{1'000'000};
    const auto make = [&] {
      interval = timers.set_interval(10, made[0]).id;
      const auto timeout = timers.set_timeout(10, made[1]).id;
      far = timers.set_timeout(1e6, made[2]).id;
      perhaps([&] { timers.next_tick(interval, made[3]); });
      perhaps([&] { timers.next_tick(timeout, made[4]); });
      perhaps([&] { timers.next_tick(far, made[5]); });
      perhaps([&] { timers.next_tick(12'345, made[6]); });
      perhaps([&] { scope = timers.open_scope(detent::script_scope{}); });
      timers.set_interval(10, made[7], scope);
      const auto last = timers.set_timeout(10, made[8], scope).id;
      perhaps([&] { timers.next_tick(last, made[9]); });
      timers.set_timeout(10, made[10], detent::script_scope{1'000'000});
    };
    const auto change = [&] {
      timers.leave(interval, detent::script_leave::suspend);
      timers.come_back(interval, detent::script_return::restart);
      timers.pause(interval);
      timers.resume(interval);
      timers.refresh(interval);
      timers.clear(far);
      timers.close_scope(scope);
      timers.leave(timers.set_interval(1, made[11]).id, detent::script_leave::cancel);
      timers.clear(timers.set_interval(1, made[12]).id);
      for (int i = 13; i < 16; ++i) timers.set_interval(1, made[static_cast<std::size_t>(i)]);
    };
    const auto verbs = [&] {
      was_late = support::with_failing_allocation(which, [&] {
        make();
        change();
      });
    };
    if (where == failing::here) verbs();
    if (where == failing::elsewhere) support::background(verbs).join();
    if (where == failing::in_pass) {
      // From the first call of the pass to its last one.
      timers.set_timeout(10, hold([&] { support::failing_allocation = which; }));
      make();
      timers.set_timeout(10, hold([&] { was_late = std::exchange(support::failing_allocation, -1) < 0; }));
      clock.advance(std::chrono::milliseconds(10));
      change();
    }
    clock.advance(std::chrono::milliseconds(5));
    const int before = ticks;
    for (int i = 0; i < 5; ++i) {
      clock.advance(std::chrono::milliseconds(10));
      host.loop.run_posted();
    }
    EXPECT_EQ(ticks, before + 5);
  }
  host.loop.run_posted();
  EXPECT_EQ(host.held(), 0U);
  return was_late;
}

TEST(failing_memory, LosesNoReferenceAndNoOtherTimer) {
  for (const auto where : {failing::here, failing::elsewhere, failing::in_pass}) {
    for (long which = 0; live_with_failing(which, where); ++which) {
      ASSERT_LT(which, 1'000);
      ASSERT_FALSE(HasFailure()) << "allocation " << which << " of " << static_cast<int>(where);
    }
  }
}

// The end of an engine needs no memory: with none at all, everything is released.
TEST_F(failures, TheEndNeedsNoMemory) {
  for (int i = 0; i < 20; ++i) every(10, [] {});
  timers->open_scope(timers->open_scope());
  support::with_failing_allocation(0, [&] { timers->close(); });
  EXPECT_EQ(host.held(), 0U);
}

// --- The closing of scopes that have a call in progress.
// ----------------------------------------------------------------

// A call whose scope was closed inside of it is still one of the scope around: who closes that one waits.
TEST(closing_threads, WaitsForACallWhoseScopeIsClosedAlready) {
  script_test::engine_thread engine;
  const auto outer = engine.timers->open_scope(detent::script_scope{});
  const auto inner = engine.timers->open_scope(outer);
  support::gate closed;
  support::gate goes_on;
  std::atomic<bool> over{false};
  engine.timers->set_timeout(1, engine.host.hold(std::function<void()>([&] {
    EXPECT_EQ(engine.timers->close_scope(inner).wait, wait_result::from_callback);
    closed.open();
    goes_on.pass();
    over.store(true);
  })),
                             inner);
  closed.pass();
  support::background closer([&] {
    EXPECT_EQ(engine.timers->close_scope(outer).wait, wait_result::quiet);
    EXPECT_TRUE(over.load());
  });
  support::never([&] { return closer.is_done(); });
  EXPECT_FALSE(closer.is_done());
  goes_on.open();
}

// The functions that waited for the tick are calls of its timer too.
TEST(closing_threads, WaitsForTheWaitersOfATick) {
  script_test::engine_thread engine;
  support::gate inside;
  support::gate goes_on;
  std::atomic<bool> over{false};
  const auto id = engine.timers->set_timeout(20, engine.host.hold(std::function<void()>([] {}))).id;
  engine.timers->next_tick(id, engine.host.hold(std::function<void()>([&] {
    inside.open();
    goes_on.pass();
    over.store(true);
  })));
  inside.pass();
  support::background closer([&] {
    EXPECT_EQ(engine.timers->close().wait, wait_result::quiet);
    EXPECT_TRUE(over.load());
  });
  support::never([&] { return closer.is_done(); });
  EXPECT_FALSE(closer.is_done());
  goes_on.open();
}

// --- The ends of time.
// ------------------------------------------------------------------------------------------------------------

// The tick behind the next one is beyond what a clock can say: it never comes, instead of at once and without end.
TEST(ends_of_time, APeriodOfCenturies) {
  detent::manual_clock clock;
  script_test::test_host host;
  detent::script_options options;
  options.rules = script_rules::havel;
  options.clock = &clock;
  detent::script_timers timers(host, options);
  constexpr double years_ms = 365.0 * 24 * 3600 * 1000;
  int ticks = 0;
  const auto id = timers.set_interval(180 * years_ms, host.hold(std::function<void()>([&] { ++ticks; }))).id;
  clock.advance(std::chrono::hours(24 * 365 * 181));
  EXPECT_EQ(ticks, 1);
  EXPECT_EQ(timers.leave(id, detent::script_leave::suspend), detent::script_change::changed);
  EXPECT_EQ(timers.come_back(id, detent::script_return::resume), detent::script_change::changed);
  clock.advance(std::chrono::hours(24 * 365));
  EXPECT_EQ(ticks, 1);
}

}  // namespace
