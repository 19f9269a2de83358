// G15. Missed ticks are a policy: skip (keep phase, default), burst, delay; fixed rate or fixed delay; the firing tells
// how many it stands for. No drift: the phase is kept in exact nanoseconds.
//
// Method: a manual clock and an executor that holds its tasks, so that calls begin, and end, exactly as late as the
// test wants. What each call saw is compared with a table. Drift is looked for over 10^6 periods of an odd number of
// nanoseconds.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <ostream>
#include <support/effort.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using detent::missed_ticks;
using detent::pace;

namespace {

// One call: which tick it was for, how late it began, and for how many others it stands. Milliseconds after the start.
struct tick {
  std::int64_t due_ms;
  std::int64_t late_ms;
  std::uint64_t missed;
  friend bool operator==(const tick&, const tick&) = default;
  friend std::ostream& operator<<(std::ostream& to, const tick& t) {
    return to << "{due " << t.due_ms << ", late " << t.late_ms << ", missed " << t.missed << "}";
  }
};
using ticks = std::vector<tick>;

std::int64_t whole_ms(std::chrono::nanoseconds d) {
  EXPECT_EQ(d % 1ms, 0ns);
  return d / 1ms;
}

class series : public ::testing::Test {
 protected:
  series() {
    detent::service_options options;
    options.clock = &clock;
    options.executor = held;
    service = std::make_unique<detent::timer_service>(std::move(options));
  }

  auto recorder() {
    return [this](detent::firing& f) {
      seen.push_back({whole_ms(f.deadline() - start), whole_ms(f.lateness()), f.missed()});
    };
  }

  // Moves on to `at_ms` after the start without letting any call begin, then lets those that are queued begin.
  void run_at(int at_ms) {
    clock.advance_to(start + std::chrono::milliseconds(at_ms));
    ASSERT_LE(held.size(), 1U) << "one task for one timer";
    held.run_all();
    // A burst's next tick, due long ago, is found by the next look.
    while (clock.settle() != 0) held.run_all();
  }

  detent::manual_clock clock;
  support::held_executor held;
  std::unique_ptr<detent::timer_service> service;
  const detent::steady_clock::time_point start = clock.now();
  ticks seen;
};

TEST_F(series, OnTimeEveryPolicyTicksAlike) {
  for (const auto missed : {missed_ticks::skip, missed_ticks::burst, missed_ticks::delay}) {
    for (const auto how : {pace::fixed_rate, pace::fixed_delay}) {
      detent::manual_clock own;
      detent::timer_service in_order(own);
      const auto began = own.now();
      ticks all;
      detent::timer t(in_order, [&](detent::firing& f) {
        all.push_back({whole_ms(f.deadline() - began), whole_ms(f.lateness()), f.missed()});
      });
      EXPECT_EQ(t.arm_every(20ms, {.pace = how, .missed = missed}), detent::arm_result::armed);
      own.advance(100ms);
      EXPECT_EQ(all, (ticks{{20, 0, 0}, {40, 0, 0}, {60, 0, 0}, {80, 0, 0}, {100, 0, 0}}));
    }
  }
}

TEST_F(series, SkipKeepsThePhase) {
  detent::timer t(*service, recorder());
  t.arm_every(20ms);
  run_at(75);   // 20 begins at 75 and stands for 40 and 60
  run_at(80);   // on time
  run_at(139);  // 100 begins at 139 and stands for 120
  run_at(140);
  run_at(180);  // 160 begins at 180, the very instant of the next tick
  run_at(200);
  EXPECT_EQ(seen, (ticks{{20, 55, 2}, {80, 0, 0}, {100, 39, 1}, {140, 0, 0}, {160, 20, 1}, {200, 0, 0}}));
  EXPECT_EQ(service->counters().missed, 4U);
  EXPECT_EQ(service->counters().fired, 6U);
}

TEST_F(series, BurstMakesUpForEachTick) {
  detent::timer t(*service, recorder());
  t.arm_every(20ms, {.missed = missed_ticks::burst});
  run_at(75);
  run_at(80);
  run_at(125);
  EXPECT_EQ(seen, (ticks{{20, 55, 0}, {40, 35, 0}, {60, 15, 0}, {80, 0, 0}, {100, 25, 0}, {120, 5, 0}}));
  EXPECT_EQ(service->counters().missed, 0U);
}

TEST_F(series, DelayRestartsThePhase) {
  detent::timer t(*service, recorder());
  t.arm_every(20ms, {.missed = missed_ticks::delay});
  run_at(75);  // stands for 40 and 60; the next one is a period later
  run_at(94);
  EXPECT_EQ(seen.size(), 1U);
  run_at(95);
  run_at(115);
  EXPECT_EQ(seen, (ticks{{20, 55, 2}, {95, 0, 0}, {115, 0, 0}}));
}

TEST_F(series, FixedDelayCountsFromTheEndOfTheCall) {
  for (const auto missed : {missed_ticks::skip, missed_ticks::burst, missed_ticks::delay}) {
    detent::manual_clock own;
    support::held_executor queue;
    detent::service_options options;
    options.clock = &own;
    options.executor = queue;
    detent::timer_service on_queue(std::move(options));
    const auto began = own.now();
    const auto at = [&](int ms) { own.advance_to(began + std::chrono::milliseconds(ms)); };
    ticks all;
    std::atomic<bool> slow{true};
    support::gate inside;
    support::gate leave;
    detent::timer t(on_queue, [&](detent::firing& f) {
      all.push_back({whole_ms(f.deadline() - began), whole_ms(f.lateness()), f.missed()});
      if (!slow) return;
      inside.open();
      leave.pass();
    });
    t.arm_every(20ms, {.pace = pace::fixed_delay, .missed = missed});
    at(30);
    {
      const support::background runner([&] { queue.run_first(); });
      ASSERT_TRUE(inside.pass());
      at(71);  // the call lasts from 30 to 71
      EXPECT_EQ(queue.size(), 0U) << "no tick is due while the call runs";
      leave.open();
    }
    slow = false;
    at(90);
    EXPECT_EQ(queue.size(), 0U);
    at(91);
    EXPECT_EQ(queue.run_all(), 1U);
    at(111);
    EXPECT_EQ(queue.run_all(), 1U);
    EXPECT_EQ(all, (ticks{{20, 10, 0}, {91, 0, 0}, {111, 0, 0}}));
  }
}

// A 40 ms callback on a 20 ms period, fixed rate.
TEST_F(series, ALongCallMissesTicksAndTheyAreTold) {
  struct row {
    missed_ticks policy;
    ticks expected;
  };
  const row table[] = {
      {missed_ticks::skip, {{20, 0, 0}, {40, 25, 1}, {80, 0, 0}}},
      {missed_ticks::burst, {{20, 0, 0}, {40, 25, 0}, {60, 5, 0}, {80, 0, 0}}},
      {missed_ticks::delay, {{20, 0, 0}, {40, 25, 1}, {85, 0, 0}}},
  };
  for (const row& r : table) {
    detent::manual_clock own;
    support::held_executor queue;
    detent::service_options options;
    options.clock = &own;
    options.executor = queue;
    detent::timer_service on_queue(std::move(options));
    const auto began = own.now();
    ticks all;
    support::gate inside;
    support::gate leave;
    detent::timer t(on_queue, [&](detent::firing& f) {
      all.push_back({whole_ms(f.deadline() - began), whole_ms(f.lateness()), f.missed()});
      if (all.size() != 1) return;
      inside.open();
      leave.pass();
    });
    t.arm_every(20ms, {.missed = r.policy});
    own.advance(20ms);
    {
      const support::background runner([&] { queue.run_first(); });
      ASSERT_TRUE(inside.pass());
      own.advance(45ms);
      leave.open();
    }
    for (bool more = true; more;) more = own.settle() + queue.run_all() != 0;
    while (own.now() < began + 85ms) {
      own.advance(5ms);
      queue.run_all();
    }
    EXPECT_EQ(all, r.expected) << "policy " << static_cast<int>(r.policy);
  }
}

TEST_F(series, TheFirstTickIsAfterOnePeriodOrWhereItWasAsked) {
  struct row {
    detent::duration first;
    ticks expected;
  };
  const row table[] = {
      {-1ns, {{20, 0, 0}, {40, 0, 0}}},
      {0ns, {{0, 0, 0}, {20, 0, 0}, {40, 0, 0}}},
      {5ms, {{5, 0, 0}, {25, 0, 0}}},
      {33ms, {{33, 0, 0}}},
  };
  for (const row& r : table) {
    detent::manual_clock own;
    detent::timer_service in_order(own);
    const auto began = own.now();
    ticks all;
    detent::timer t(in_order, [&](detent::firing& f) {
      all.push_back({whole_ms(f.deadline() - began), whole_ms(f.lateness()), f.missed()});
    });
    t.arm_every(20ms, {.first = r.first});
    own.advance(40ms);
    EXPECT_EQ(all, r.expected);
  }
}

TEST_F(series, AnInstantForTheFirstTickSetsThePhase) {
  detent::timer t(*service, recorder());
  // In the past: the ticks that are over are told by the first call.
  t.arm_every(start - 50ms, 20ms);
  run_at(0);
  run_at(10);
  run_at(30);
  EXPECT_EQ(seen, (ticks{{-50, 50, 2}, {10, 0, 0}, {30, 0, 0}}));
}

TEST_F(series, CancelInsideTheCallEndsTheSeries) {
  for (const auto how : {pace::fixed_rate, pace::fixed_delay}) {
    detent::manual_clock own;
    detent::timer_service in_order(own);
    int calls = 0;
    detent::cancel_result found{};
    detent::timer t;
    t = detent::timer(in_order, [&] {
      if (++calls == 3) found = t.cancel();
    });
    t.arm_every(1ms, {.pace = how});
    own.advance(100ms);
    EXPECT_EQ(calls, 3);
    EXPECT_EQ(found, detent::cancel_result::cancelled_running);
  }
}

// The phase of n ticks is exactly n periods: each deadline is the exact instant rounded up to the resolution, and the
// rounding never adds up.
TEST_F(series, NoDriftOverAMillionOddPeriods) {
  constexpr std::int64_t period_ns = 999'983;
  constexpr std::int64_t grain = detent::timer_service::resolution.count();
  detent::manual_clock own;
  detent::timer_service in_order(own);
  const std::int64_t began = own.now().time_since_epoch().count();
  const std::size_t count = support::times(1'000'000, 20'000);
  std::int64_t number = 0;
  std::int64_t wrong = 0;
  detent::timer t(in_order, [&](detent::firing& f) {
    const std::int64_t exact = began + ++number * period_ns;
    const std::int64_t rounded = (exact + grain - 1) / grain * grain;
    if (own.now().time_since_epoch().count() != rounded) ++wrong;
    if (f.deadline().time_since_epoch().count() != rounded) ++wrong;
    if (f.lateness() != 0ns || f.missed() != 0) ++wrong;
  });
  t.arm_every(std::chrono::nanoseconds(period_ns));
  own.advance(std::chrono::nanoseconds(period_ns) * static_cast<std::int64_t>(count) +
              detent::timer_service::resolution);
  EXPECT_EQ(number, static_cast<std::int64_t>(count));
  EXPECT_EQ(wrong, 0);
}

// With skip, a tick that comes late does not shift those after it, however often that happens.
TEST_F(series, NoDriftWhenEveryTickIsLate) {
  constexpr std::int64_t period_ns = 1'000'003;
  std::int64_t last = 0;
  std::int64_t stood_for = 0;
  detent::timer t(*service, [&](detent::firing& f) {
    last = (f.deadline() - start).count();
    stood_for += 1 + static_cast<std::int64_t>(f.missed());
  });
  t.arm_every(std::chrono::nanoseconds(period_ns));
  for (int i = 1; i <= 20'000; ++i) {
    clock.advance(std::chrono::nanoseconds(700'001 + i % 977));
    held.run_all();
  }
  clock.settle();
  held.run_all();
  const std::int64_t now = (clock.now() - start).count();
  EXPECT_EQ(stood_for, now / period_ns);
  EXPECT_LT(last % period_ns, detent::timer_service::resolution.count()) << "a deadline is a tick, rounded up";
}

// A suspended machine misses ticks of a boottime series and of no steady one.
TEST_F(series, SuspendMissesTicksOfBoottimeSeries) {
  detent::manual_clock own;
  detent::timer_service in_order(own);
  const auto began = own.now<detent::boottime_clock>();
  ticks boot;
  ticks steady;
  detent::boottime_timer b(in_order, [&](detent::firing& f) {
    boot.push_back({whole_ms(f.deadline<detent::boottime_clock>() - began), whole_ms(f.lateness()), f.missed()});
  });
  detent::timer s(in_order, [&](detent::firing& f) {
    steady.push_back({whole_ms(f.deadline() - start), whole_ms(f.lateness()), f.missed()});
  });
  b.arm_every(20ms);
  s.arm_every(20ms);
  own.advance(20ms);
  own.suspend(70ms);  // boottime is 90, steady 20
  own.advance(20ms);  // 110 and 40
  EXPECT_EQ(boot, (ticks{{20, 0, 0}, {40, 50, 2}, {100, 0, 0}}));
  EXPECT_EQ(steady, (ticks{{20, 0, 0}, {40, 0, 0}}));
}

}  // namespace
