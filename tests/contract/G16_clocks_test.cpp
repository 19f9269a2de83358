// G16. Clocks: steady (default), boottime (counts suspend), system (follows steps, both ways), manual. A wall-clock
// step moves system timers and no others. A manual service replaces all clocks: it can be advanced, suspended and
// stepped.
//
// Method: a manual clock shows suspend and steps exactly; the real clocks are read beside real timers, on a driver and
// in a loop of the user's. That an instant of another clock does not compile is in tests/compile_fail.
#include <detent/detent.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <poll.h>
#include <string>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

class three_clocks : public ::testing::Test {
 protected:
  // In the body: clang 16 does not take std::source_location::current() from a member's initializer.
  three_clocks() {
    steady = detent::timer(service, [this] { order += 's'; });
    boottime = detent::boottime_timer(service, [this] { order += 'b'; });
    system = detent::system_timer(service, [this] { order += 'w'; });
  }
  detent::manual_clock clock;
  std::vector<detent::duration> steps;
  detent::timer_service service{[this] {
    detent::service_options options;
    options.clock = &clock;
    options.executor = detent::on_driver{};
    options.on_clock_step = [this](detent::duration by) { steps.push_back(by); };
    return options;
  }()};
  std::string order;
  detent::timer steady;
  detent::boottime_timer boottime;
  detent::system_timer system;

  std::string fired() { return std::exchange(order, std::string()); }
};

TEST_F(three_clocks, AdvanceMovesAll) {
  const auto s = service.now();
  const auto b = service.now<detent::boottime_clock>();
  const auto w = service.now<detent::system_clock>();
  steady.arm_at(s + 3s);
  boottime.arm_at(b + 2s);
  system.arm_at(w + 1s);
  EXPECT_EQ(clock.advance(3s), 3U);
  EXPECT_EQ(fired(), "wbs");
  EXPECT_EQ(service.now() - s, 3s);
  EXPECT_EQ(service.now<detent::boottime_clock>() - b, 3s);
  EXPECT_EQ(service.now<detent::system_clock>() - w, 3s);
  EXPECT_EQ(clock.now<detent::system_clock>(), service.now<detent::system_clock>());
}

TEST_F(three_clocks, SuspendIsCountedByBoottimeAndSystemOnly) {
  steady.arm_after(10s);
  boottime.arm_after(10s);
  system.arm_after(10s);
  EXPECT_EQ(clock.suspend(9s), 0U);
  EXPECT_EQ(fired(), "");
  EXPECT_EQ(clock.suspend(1s), 2U);
  EXPECT_EQ(fired(), "bw");
  EXPECT_EQ(clock.advance(10s - 1ns - detent::timer_service::resolution), 0U);
  EXPECT_EQ(clock.advance(1ns + detent::timer_service::resolution), 1U);
  EXPECT_EQ(fired(), "s");
  EXPECT_TRUE(steps.empty()) << "waking up is no step of the wall clock";
}

TEST_F(three_clocks, WhatFellDueDuringSuspendIsLateByWhatWasSlept) {
  detent::duration late{};
  detent::boottime_timer t(service, [&](detent::firing& f) { late = f.lateness(); });
  t.arm_after(1s);
  clock.suspend(1h);
  EXPECT_EQ(late, 1h - 1s);
}

TEST_F(three_clocks, AStepForwardMovesSystemTimersAndNoOthers) {
  steady.arm_after(1h);
  boottime.arm_after(1h);
  system.arm_after(1h);
  EXPECT_EQ(clock.step_system(1h), 1U);
  EXPECT_EQ(fired(), "w");
  EXPECT_EQ(clock.advance(1h), 2U);
  EXPECT_EQ(fired(), "sb");
  EXPECT_EQ(steps, std::vector<detent::duration>{1h});
  EXPECT_EQ(service.counters().clock_steps, 1U);
}

TEST_F(three_clocks, AStepBackPostponesSystemTimersAndNoOthers) {
  steady.arm_after(1h);
  boottime.arm_after(1h);
  system.arm_after(1h);
  clock.advance(30min);
  EXPECT_EQ(clock.step_system(-1h), 0U);
  EXPECT_EQ(clock.advance(30min), 2U);
  EXPECT_EQ(fired(), "sb");
  EXPECT_EQ(clock.advance(1h - 1ms), 0U);
  EXPECT_EQ(clock.advance(1ms), 1U);
  EXPECT_EQ(fired(), "w");
  EXPECT_EQ(steps, std::vector<detent::duration>{-1h});
}

TEST_F(three_clocks, AfterAStepBackTheTimeThatComesAgainIsAsGoodAsAny) {
  detent::system_timer near(service, [this] { order += 'n'; });
  detent::system_timer nearer(service, [this] { order += 'm'; });
  system.arm_after(1h);
  clock.advance(30min);
  EXPECT_EQ(clock.step_system(-1h), 0U);
  near.arm_after(10min);
  nearer.arm_after(5min);
  EXPECT_EQ(clock.advance(5min - 1ms), 0U);
  EXPECT_EQ(clock.advance(1ms), 1U);
  EXPECT_EQ(fired(), "m");
  EXPECT_EQ(clock.advance(5min - 1ms), 0U);
  EXPECT_EQ(clock.advance(1ms), 1U);
  EXPECT_EQ(fired(), "n");
  // Back again, with a firing that is due in the time that comes again.
  near.arm_after(10min);
  clock.advance(9min);
  EXPECT_EQ(clock.step_system(-1min), 0U);
  EXPECT_EQ(clock.advance(2min - 1ms), 0U);
  EXPECT_EQ(clock.advance(1ms), 1U);
  EXPECT_EQ(fired(), "n");
}

// The CPU time that `count` system timers take to fire one after the other, `back` after the wall clock was set back.
std::int64_t cost_of_firing_ns(detent::duration back) {
  constexpr int count = 3000;
  detent::manual_clock clock;
  detent::timer_service service{clock};
  int calls = 0;
  std::vector<detent::system_timer> timers;
  timers.reserve(count);
  for (int i = 0; i < count; ++i) timers.emplace_back(service, [&calls] { ++calls; });
  timers.front().arm_after(1ms);
  clock.advance(24h);
  clock.step_system(-back);
  for (int i = 0; i < count; ++i) timers[static_cast<std::size_t>(i)].arm_after((i + 1) * 1s);
  const auto now_ns = [] {
    timespec now{};
    ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * std::int64_t{1'000'000'000} + now.tv_nsec;
  };
  calls = 0;
  const std::int64_t start_ns = now_ns();
  clock.advance(count * 1s);
  EXPECT_EQ(calls, count);
  return now_ns() - start_ns;
}

// A wheel that took this time for past would hold all of it in one place, and look at every timer for each that fires:
// some hundred times the work. The peer is the same without a step.
TEST(G16, AfterAStepBackAFiringCostsWhatItCostBefore) {
  std::int64_t stepped_ns = INT64_MAX;
  std::int64_t peer_ns = INT64_MAX;
  for (int round = 0; round < 5; ++round) {
    stepped_ns = std::min(stepped_ns, cost_of_firing_ns(12h));
    peer_ns = std::min(peer_ns, cost_of_firing_ns(0h));
  }
  EXPECT_LT(stepped_ns, 20 * peer_ns);
}

TEST_F(three_clocks, StepsBackBeyondEveryWheelLevelAreFollowed) {
  for (const detent::duration by : {detent::duration(-1ms), detent::duration(-1s), detent::duration(-87600h)}) {
    system.arm_after(1s);
    clock.step_system(by);
    EXPECT_EQ(clock.advance(1s - by - 1ms), 0U);
    EXPECT_EQ(clock.advance(1ms), 1U) << "a step of " << by.count() << " ns";
  }
  EXPECT_EQ(fired(), "www");
}

TEST_F(three_clocks, ManySystemTimersAreReEvaluatedByAStep) {
  std::vector<detent::system_timer> many;
  std::vector<int> seen;
  for (int i = 0; i < 100; ++i) {
    many.emplace_back(service, [&seen, i] { seen.push_back(i); });
    many.back().arm_after(std::chrono::minutes(i + 1));
  }
  EXPECT_EQ(clock.step_system(50min), 50U);
  EXPECT_EQ(clock.step_system(-50min), 0U);
  EXPECT_EQ(clock.advance(50min), 0U);
  EXPECT_EQ(clock.advance(50min), 50U);
  ASSERT_EQ(seen.size(), 100U);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST_F(three_clocks, ASeriesOnTheWallClockFollowsIt) {
  std::vector<std::uint64_t> missed;
  detent::system_timer ticking(service, [&](detent::firing& f) { missed.push_back(f.missed()); });
  ticking.arm_every(1min);
  clock.advance(2min);
  clock.step_system(1h);
  clock.advance(1min);
  EXPECT_EQ(missed, (std::vector<std::uint64_t>{0, 0, 59, 0}));
}

// An id says nothing of the clock at compile time, so it is asked at run time.
TEST_F(three_clocks, AnIdRefusesAnInstantOfAnotherClock) {
  EXPECT_EQ(service.arm_at(steady.id(), service.now<detent::system_clock>()), detent::arm_result::refused);
  EXPECT_EQ(service.arm_at(system.id(), service.now()), detent::arm_result::refused);
  EXPECT_EQ(service.arm_at(system.id(), service.now<detent::system_clock>()), detent::arm_result::armed);
  EXPECT_EQ(clock.settle(), 1U);
  EXPECT_EQ(fired(), "w");
}

TEST_F(three_clocks, ARecordKeepsItsClockThroughReuse) {
  for (int round = 0; round < 50; ++round) {
    detent::system_timer w(service, [this] { order += 'W'; });
    detent::timer s(service, [this] { order += 'S'; });
    detent::boottime_timer b(service, [this] { order += 'B'; });
    w.arm_after(1s);
    s.arm_after(1s);
    b.arm_after(1s);
    clock.suspend(1s);
    EXPECT_EQ(fired(), "BW");
    clock.advance(1s);
    EXPECT_EQ(fired(), "S");
  }
}

TEST_F(three_clocks, TheSnapshotNamesTheClock) {
  system.arm_after(1h);
  bool found = false;
  for (const detent::timer_info& info : service.snapshot()) {
    if (info.id != system.id()) continue;
    found = true;
    EXPECT_EQ(info.clock, detent::clock_kind::system);
    EXPECT_TRUE(info.due_known);
    EXPECT_EQ(info.due_in, 1h);
  }
  EXPECT_TRUE(found);
}

TEST(G16, OneManualClockDrivesSeveralServicesInOneOrder) {
  detent::manual_clock clock;
  detent::timer_service first(clock);
  detent::timer_service second(clock);
  std::string order;
  detent::timer a(first, [&] { order += 'a'; });
  detent::timer b(second, [&] { order += 'b'; });
  detent::timer c(first, [&] { order += 'c'; });
  a.arm_after(1s);
  b.arm_after(2s);
  c.arm_after(3s);
  EXPECT_EQ(clock.advance(1h), 3U);
  EXPECT_EQ(order, "abc");
}

TEST(G16, SingleStepsFireOneTimerEach) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::string order;
  detent::timer a(service, [&] { order += 'a'; });
  detent::timer b(service, [&] { order += 'b'; });
  detent::timer c(service, [&] { order += 'c'; });
  const auto start = clock.now();
  a.arm_after(5s);
  b.arm_after(5s);
  c.arm_after(9s);
  EXPECT_EQ(clock.step(), 1U);
  EXPECT_EQ(order, "a");
  EXPECT_EQ(clock.now() - start, 5s);
  EXPECT_EQ(clock.step(), 1U);
  EXPECT_EQ(order, "ab");
  EXPECT_EQ(clock.now() - start, 5s);
  EXPECT_EQ(clock.step(), 1U);
  EXPECT_EQ(order, "abc");
  EXPECT_EQ(clock.now() - start, 9s);
  EXPECT_EQ(clock.step(), 0U);
  EXPECT_EQ(clock.now() - start, 9s) << "nothing is pending: time stands still";
}

// A move hands out in order what is due at one instant. What a callback, or another thread, asks of the service
// meanwhile stays out of that.
TEST(G16, TheNextDeadlineMayBeAskedForInsideAMove) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::string order;
  detent::timer second(service, [&] { order += 'b'; });
  detent::timer first(service, [&] {
    order += 'a';
    second.arm_at(clock.now() - 100ms);  // It stands in the row of what is due now, and moves forward.
    EXPECT_LE(service.next_deadline(), clock.now());
  });
  detent::timer third(service, [&] { order += 'c'; });
  detent::timer fourth(service, [&] { order += 'd'; });
  for (detent::timer* t : {&first, &second, &third, &fourth}) t->arm_after(1s);
  EXPECT_EQ(clock.advance(1s), 4U);
  EXPECT_EQ(order, "abcd");
}

// V1, V2: a reading taken beside the move that changes it.
TEST(G16, TheNextDeadlineMayBeAskedForBesideAMove) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::uint64_t calls = 0;
  std::vector<detent::timer> timers;
  std::uint64_t expected = 0;
  for (int i = 1; i <= 50; ++i) {
    timers.emplace_back(service, [&] { ++calls; });
    timers.back().arm_every(1ms * i);
    expected += static_cast<std::uint64_t>(300 / i);
  }
  std::atomic<bool> stopping{false};
  const support::background asker([&] {
    while (!stopping) static_cast<void>(service.next_deadline());
  });
  clock.advance(300ms);
  stopping = true;
  EXPECT_EQ(calls, expected);
}

// The move waits while another thread works off what is due in a shutdown, with its callbacks.
TEST(G16, AMoveBesideAShutdownThatRunsWhatIsDue) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  support::gate inside;
  support::gate leave;
  std::atomic<bool> over{false};
  detent::timer held(service, [&] {
    inside.open();
    leave.pass();
    over = true;
  });
  held.arm_after(0ns);
  {
    const support::background shutter([&] { service.shutdown(detent::shutdown_policy::run_due); });
    ASSERT_TRUE(inside.pass());
    const support::background opener([&] {
      support::never([&] { return over.load(); });
      leave.open();
    });
    clock.advance(1s);
    EXPECT_TRUE(over);
  }
}

// --- The clocks of this machine. ------------------------------------------------------------------------------------

template <class Clock>
void fires_when_its_clock_says_so(detent::timer_service& service, bool by_user) {
  std::atomic<int> calls{0};
  std::atomic<bool> early{false};
  typename Clock::time_point due{};
  detent::basic_timer<Clock> t(service, [&](detent::firing& f) {
    if (Clock::now() < due || f.lateness() < 0ns) early = true;
    ++calls;
  });
  for (int i = 1; i <= 10; ++i) {
    due = Clock::now() + 3ms;
    t.arm_at(due);
    EXPECT_TRUE(support::eventually([&] {
      if (by_user) {
        pollfd waiting{service.fd(), POLLIN, 0};
        EXPECT_GE(::poll(&waiting, 1, 10'000), 0);
        EXPECT_NE(waiting.revents & POLLIN, 0) << "the descriptor follows this clock too";
        service.run_due();
      }
      return calls.load() == i;
    }));
  }
  EXPECT_FALSE(early);
  EXPECT_EQ(service.counters().early, 0U);
}

TEST(G16, RealClocksOnTheDriver) {
  detent::service_options options;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  fires_when_its_clock_says_so<detent::steady_clock>(service, false);
  fires_when_its_clock_says_so<detent::boottime_clock>(service, false);
  fires_when_its_clock_says_so<detent::system_clock>(service, false);
  // The steady clock goes on when the others have made the driver sleep in its poll.
  fires_when_its_clock_says_so<detent::steady_clock>(service, false);
}

TEST(G16, RealClocksInTheUsersLoop) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  fires_when_its_clock_says_so<detent::steady_clock>(service, true);
  fires_when_its_clock_says_so<detent::boottime_clock>(service, true);
  fires_when_its_clock_says_so<detent::system_clock>(service, true);
}

// All three pending at once: the earliest of them wakes the driver, whichever clock it is on.
TEST(G16, TheEarliestOfAllClocksWakesTheDriver) {
  detent::service_options options;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  std::atomic<int> calls{0};
  detent::timer s(service, [&] { ++calls; });
  detent::boottime_timer b(service, [&] { ++calls; });
  detent::system_timer w(service, [&] { ++calls; });
  s.arm_after(1h);
  b.arm_after(1h);
  w.arm_after(1h);
  w.arm_after(5ms);
  EXPECT_TRUE(support::eventually([&] { return calls == 1; }));
  b.arm_after(5ms);
  EXPECT_TRUE(support::eventually([&] { return calls == 2; }));
  s.arm_after(5ms);
  EXPECT_TRUE(support::eventually([&] { return calls == 3; }));
}

}  // namespace
