// G17. Extremes: zero and negative delays are due at once; the largest durations mean never; no arithmetic overflows; a
// zero period is refused. Uptimes beyond 2^32 ms, wheel horizons and instants at or before 0.
//
// Method: tables of durations and instants on manual clocks that start at the ends of time, around every power of two
// and before 0. The sanitizer builds of this file say that nothing overflows.
#include <detent/detent.hpp>

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <memory>
#include <ratio>
#include <string>
#include <support/effort.hpp>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

constexpr std::int64_t latest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t earliest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t grain = detent::timer_service::resolution.count();

__extension__ using wide = __int128;
__extension__ using wide_unsigned = unsigned __int128;

struct clocked {
  explicit clocked(std::int64_t start_ns = std::chrono::nanoseconds(1h).count())
      : clock(detent::duration(start_ns)), service(clock), t(service, [this] { ++calls; }) {}
  detent::manual_clock clock;
  detent::timer_service service;
  int calls = 0;
  detent::timer t;  // not here: clang 16 does not take std::source_location::current() from a member's initializer
  std::int64_t now_ns() const { return clock.now().time_since_epoch().count(); }
};

// What a delay means, found by looking: the timer does not fire before, and fires at, this many nanoseconds.
template <class Duration>
void expect_due_after(Duration delay, std::int64_t ns) {
  clocked c;
  EXPECT_EQ(c.t.arm_after(delay), detent::arm_result::armed);
  const std::int64_t rounded = (ns + grain - 1) / grain * grain;
  if (rounded > 0) {
    EXPECT_EQ(c.clock.advance(detent::duration(rounded - 1)), 0U) << "due after " << ns << " ns";
    EXPECT_EQ(c.clock.advance(1ns), 1U) << "due after " << ns << " ns";
  } else {
    EXPECT_EQ(c.clock.settle(), 1U);
  }
  EXPECT_EQ(c.service.counters().early, 0U);
}

template <class Duration>
void expect_never(Duration delay) {
  clocked c;
  EXPECT_EQ(c.t.arm_after(delay), detent::arm_result::armed);
  EXPECT_EQ(c.t.status(), detent::timer_state::pending);
  EXPECT_EQ(c.clock.advance(std::chrono::hours(24) * 365 * 250), 0U);
  EXPECT_EQ(c.calls, 0);
  EXPECT_EQ(c.t.cancel(), detent::cancel_result::cancelled) << "never is a firing, and can be cancelled";
}

template <class Duration>
void expect_due_now(Duration delay) {
  clocked c;
  EXPECT_EQ(c.t.arm_after(delay), detent::arm_result::armed);
  EXPECT_EQ(c.clock.settle(), 1U);
  EXPECT_EQ(c.calls, 1);
}

TEST(G17, ZeroAndNegativeDelaysAreDueAtOnce) {
  expect_due_now(0ns);
  expect_due_now(-1ns);
  expect_due_now(-1h);
  expect_due_now(detent::duration::min());
  expect_due_now(std::chrono::seconds::min());
  expect_due_now(std::chrono::hours::min());
  expect_due_now(std::chrono::duration<std::int64_t, std::pico>::min());
  expect_due_now(std::chrono::duration<double>(-1.0));
  expect_due_now(std::chrono::duration<double>(-std::numeric_limits<double>::infinity()));
  expect_due_now(std::chrono::duration<float>(std::numeric_limits<float>::lowest()));
  expect_due_now(std::chrono::duration<wide, std::nano>(-(wide{1} << 100)));
  expect_due_now(std::chrono::duration<wide>(-(wide{1} << 64) + 1));
}

TEST(G17, TheLargestDurationsMeanNever) {
  expect_never(detent::duration::max());
  expect_never(std::chrono::microseconds::max());
  expect_never(std::chrono::seconds::max());
  expect_never(std::chrono::hours::max());
  expect_never(std::chrono::years::max());
  expect_never(std::chrono::duration<std::uint64_t>::max());
  expect_never(std::chrono::duration<std::uint64_t, std::nano>::max());
  expect_never(std::chrono::duration<double>::max());
  expect_never(std::chrono::duration<double>(std::numeric_limits<double>::infinity()));
  expect_never(std::chrono::duration<long double>::max());
  expect_never(std::chrono::duration<std::int64_t, std::ratio<latest>>::max());
  expect_never(std::chrono::duration<wide, std::nano>(wide{1} << 64));
  expect_never(std::chrono::duration<wide, std::nano>((wide{1} << 64) + 5));
  expect_never(std::chrono::duration<wide>((wide{1} << 126)));
  expect_never(std::chrono::duration<wide_unsigned, std::pico>(~wide_unsigned{0}));
}

TEST(G17, NotANumberIsNeverReached) {
  expect_never(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN()));
  expect_never(std::chrono::duration<float, std::milli>(std::numeric_limits<float>::quiet_NaN()));
}

TEST(G17, EveryRepresentationIsConvertedUp) {
  expect_due_after(std::chrono::duration<std::int64_t, std::pico>(1), 1);
  expect_due_after(std::chrono::duration<std::int64_t, std::pico>(999), 1);
  expect_due_after(std::chrono::duration<std::int64_t, std::pico>(8'001), 9);
  expect_due_after(std::chrono::duration<std::int64_t, std::femto>(8'000'001), 9);
  expect_due_after(std::chrono::duration<int, std::ratio<1, 3>>(1), 333'333'334);
  expect_due_after(std::chrono::duration<int, std::ratio<1, 30>>(-1), 0);
  expect_due_after(std::chrono::duration<double>(0.5), 500'000'000);
  expect_due_after(std::chrono::duration<double, std::nano>(8.25), 9);
  expect_due_after(std::chrono::duration<float, std::milli>(0.25F), 250'000);
  expect_due_after(std::chrono::duration<std::uint8_t>(255), 255'000'000'000);
  expect_due_after(std::chrono::duration<std::uint64_t, std::nano>(12'345), 12'345);
  expect_due_after(std::chrono::duration<wide, std::nano>(12'345), 12'345);
  expect_due_after(std::chrono::duration<wide, std::pico>(wide{12'345} * 1000), 12'345);
  // More picoseconds than 63 bits hold are still less than 2^63 nanoseconds.
  expect_due_after(std::chrono::duration<std::uint64_t, std::pico>(std::uint64_t{1} << 63), 9'223'372'036'854'776);
  expect_due_after(std::chrono::duration<std::uint64_t, std::pico>::max(), 18'446'744'073'709'552);
  expect_due_after(std::chrono::duration<wide, std::pico>(wide{1} << 70), 1'180'591'620'717'411'304);
}

TEST(G17, InstantsAtTheEndsOfTime) {
  using at = detent::steady_clock::time_point;
  {
    clocked c;
    c.t.arm_at(at::min());
    EXPECT_EQ(c.clock.settle(), 1U);
    c.t.arm_at(at(detent::duration(0)));
    EXPECT_EQ(c.clock.settle(), 1U);
    c.t.arm_at(at(-1h));
    EXPECT_EQ(c.clock.settle(), 1U);
    c.t.arm_at(c.clock.now());
    EXPECT_EQ(c.clock.settle(), 1U);
    c.t.arm_at(at::max());
    EXPECT_EQ(c.clock.advance(std::chrono::hours(24 * 365) * 250), 0U);
    // hours::max() after the epoch does not fit in nanoseconds.
    c.t.arm_at(std::chrono::time_point<detent::steady_clock, std::chrono::hours>::max());
    EXPECT_EQ(c.clock.settle(), 0U);
    EXPECT_EQ(c.t.cancel(), detent::cancel_result::cancelled);
    c.t.arm_at(std::chrono::time_point<detent::steady_clock, std::chrono::hours>::min());
    EXPECT_EQ(c.clock.settle(), 1U);
  }
}

TEST(G17, ADelayFromTheCallersOwnReadingSaturates) {
  using at = detent::steady_clock::time_point;
  clocked c;
  c.t.arm_after(detent::duration::max(), c.clock.now());
  EXPECT_EQ(c.clock.settle(), 0U);
  c.t.arm_after(1h, at::max());
  EXPECT_EQ(c.clock.settle(), 0U);
  c.t.arm_after(-1h, at::min());
  EXPECT_EQ(c.clock.settle(), 1U);
}

TEST(G17, PeriodsThatAreNotPositiveAreRefused) {
  clocked c;
  EXPECT_EQ(c.t.arm_every(0ns), detent::arm_result::refused);
  EXPECT_EQ(c.t.arm_every(-1ns), detent::arm_result::refused);
  EXPECT_EQ(c.t.arm_every(std::chrono::hours::min()), detent::arm_result::refused);
  EXPECT_EQ(c.t.arm_every(c.clock.now(), 0s), detent::arm_result::refused);
  EXPECT_EQ(c.t.arm_every(std::chrono::duration<double>(0.0)), detent::arm_result::refused);
  EXPECT_EQ(c.t.status(), detent::timer_state::idle) << "refused means untouched";
  c.t.arm_after(1s);
  EXPECT_EQ(c.t.arm_every(0ns), detent::arm_result::refused);
  EXPECT_EQ(c.t.status(), detent::timer_state::pending) << "what was pending stays";
  EXPECT_EQ(c.clock.advance(1s), 1U);
  EXPECT_FALSE(c.service.every(0ns, [] {}));
  EXPECT_EQ(c.service.counters().alive, 1U);
}

TEST(G17, TheSmallestAndTheLargestPeriod) {
  clocked c;
  EXPECT_EQ(c.t.arm_every(1ns), detent::arm_result::armed);
  c.clock.advance(80ns);
  EXPECT_GE(c.calls, 10);
  EXPECT_LE(c.calls, 11);
  // Each firing stands for the nanoseconds that the resolution passes over.
  EXPECT_GE(static_cast<std::uint64_t>(c.calls) + c.service.counters().missed, 80U);
  c.calls = 0;
  EXPECT_EQ(c.t.arm_every(detent::duration::max()), detent::arm_result::rearmed);
  EXPECT_EQ(c.clock.advance(std::chrono::hours(24 * 365) * 100), 0U);
  EXPECT_EQ(c.t.arm_every(detent::duration::max(), {.first = 1s}), detent::arm_result::rearmed);
  EXPECT_EQ(c.clock.advance(std::chrono::hours(24 * 365) * 100), 1U);
  for (const auto missed : {detent::missed_ticks::skip, detent::missed_ticks::burst, detent::missed_ticks::delay}) {
    c.calls = 0;
    c.t.arm_every(std::chrono::hours(24 * 365 * 200), {.first = 0ns, .missed = missed});
    c.clock.settle();
    EXPECT_EQ(c.calls, 1);
    c.t.cancel();
  }
}

TEST(G17, ASeriesThatIsFarBehindCatchesUpWithoutOverflow) {
  for (const auto missed : {detent::missed_ticks::skip, detent::missed_ticks::delay}) {
    clocked c;
    std::uint64_t stood_for = 0;
    detent::timer t(c.service, [&](detent::firing& f) { stood_for = 1 + f.missed(); });
    t.arm_every(detent::steady_clock::time_point::min(), 8ns, {.missed = missed});
    EXPECT_EQ(c.clock.settle(), 1U);
    EXPECT_GT(stood_for, std::uint64_t{1} << 60);
    EXPECT_EQ(c.clock.advance(16ns), 2U);
  }
}

// Clocks that begin anywhere: the same little program everywhere.
void expect_works_from(std::int64_t start_ns) {
  SCOPED_TRACE("a clock that starts at " + std::to_string(start_ns));
  clocked c(start_ns);
  ASSERT_EQ(c.now_ns(), start_ns);
  std::string order;
  detent::timer a(c.service, [&] { order += 'a'; });
  detent::timer b(c.service, [&] { order += 'b'; });
  detent::timer far(c.service, [&] { order += 'f'; });
  detent::timer ticking(c.service, [&] { order += 't'; });
  far.arm_after(detent::duration::max());
  b.arm_after(2ms);
  a.arm_after(1us);
  EXPECT_EQ(c.clock.settle(), 0U);
  EXPECT_EQ(c.clock.advance(1us + 7ns), 1U);
  EXPECT_EQ(c.clock.advance(2ms), 1U);
  EXPECT_EQ(order, "ab");
  a.arm_after(0ns);
  EXPECT_EQ(c.clock.settle(), 1U);
  ticking.arm_every(1s);
  EXPECT_EQ(c.clock.advance(10s + 7ns), 10U);
  ticking.cancel();
  a.arm_after(1h);
  EXPECT_EQ(c.clock.advance(1h - 1ms), 0U);
  EXPECT_EQ(c.clock.advance(1ms + 7ns), 1U);
  EXPECT_EQ(far.cancel(), detent::cancel_result::cancelled);
  EXPECT_EQ(c.service.counters().early, 0U);
}

TEST(G17, ClocksThatStartAtOrBeforeZero) {
  for (std::int64_t k = -20; k <= 20; ++k) expect_works_from(k);
  for (std::int64_t k = 0; k <= 20; ++k) expect_works_from(earliest + k);
  expect_works_from(-std::chrono::nanoseconds(10s).count());
  expect_works_from(-std::chrono::nanoseconds(1us).count());
}

TEST(G17, ClocksThatStartAroundEveryPowerOfTwo) {
  for (int power = 3; power < 63; ++power) {
    const std::int64_t round = std::int64_t{1} << power;
    if (round > latest - std::chrono::nanoseconds(3h).count()) break;
    for (std::int64_t k = -5; k <= 5; ++k) {
      expect_works_from(round + k);
      expect_works_from(-round + k);
      if (::testing::Test::HasFailure()) return;
    }
  }
}

// 2^32 milliseconds are 49.7 days, where others wrapped; 2^31 and 2^32 of other units as well.
TEST(G17, UptimesWhereOthersWrapped) {
  for (const std::int64_t unit : {std::int64_t{1'000}, std::int64_t{1'000'000}, std::int64_t{4'000'000},
                                  std::int64_t{10'000'000}, std::int64_t{1'000'000'000}}) {
    for (const int power : {31, 32}) {
      std::int64_t wrap = 0;
      if (__builtin_mul_overflow(unit, std::int64_t{1} << power, &wrap)) continue;
      expect_works_from(wrap - std::chrono::nanoseconds(1us).count());
      expect_works_from(wrap - std::chrono::nanoseconds(5s).count());
      expect_works_from(wrap);
    }
  }
}

// A delay of every size, with a far timer in the wheel that nothing may disturb.
TEST(G17, DelaysAroundEveryWheelHorizon) {
  for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1} << 40, std::int64_t{-12'345}}) {
    clocked c(start);
    detent::timer far(c.service, [] { FAIL(); });
    far.arm_at(detent::steady_clock::time_point(detent::duration(latest - 1'000'000)));
    for (int power = 0; power < 58; ++power) {
      for (std::int64_t k = -5; k <= 5; ++k) {
        const std::int64_t delay = (std::int64_t{1} << power) + k;
        if (delay <= 0) continue;
        const std::int64_t due = c.now_ns() + delay;
        c.t.arm_after(detent::duration(delay));
        const std::size_t before = c.clock.advance(detent::duration(delay - 1));
        const std::size_t then = c.clock.advance(detent::duration(grain));
        ASSERT_EQ(before, 0U) << delay << " from " << due - delay;
        ASSERT_EQ(then, 1U) << delay << " from " << due - delay;
      }
    }
    EXPECT_EQ(far.status(), detent::timer_state::pending);
  }
}

// The last instants: what is further than the clock can go stays pending, and nothing wraps.
TEST(G17, NearTheEndOfTime) {
  for (const std::int64_t before_end : {std::int64_t{1}, std::int64_t{100}, std::int64_t{1'000'000}}) {
    clocked c(latest - before_end - 1'000'000'000);
    detent::timer later(c.service, [&] { ++c.calls; });
    later.arm_after(10s);  // beyond the end
    c.t.arm_after(500ms);
    EXPECT_EQ(c.clock.advance(500ms + 7ns), 1U);
    EXPECT_EQ(c.clock.advance(400ms), 0U);
    EXPECT_EQ(c.clock.advance(detent::duration::max()), 0U) << "the clock stops at its end";
    EXPECT_EQ(c.now_ns(), latest);
    EXPECT_EQ(later.cancel(), detent::cancel_result::cancelled);
    c.t.arm_after(0ns);
    c.clock.settle();
    c.t.arm_every(1ns);
    c.clock.settle();
    EXPECT_EQ(c.t.close(), detent::cancel_result::cancelled);
  }
}

TEST(G17, AWholeLifeOfTheClockInOneAdvance) {
  clocked c(earliest);
  std::vector<std::int64_t> seen;
  detent::timer t(c.service, [&] { seen.push_back(c.now_ns()); });
  detent::timer u(c.service, [&] { seen.push_back(c.now_ns()); });
  t.arm_at(detent::steady_clock::time_point(detent::duration(-8)));
  u.arm_at(detent::steady_clock::time_point(detent::duration(latest / 16 * 8)));
  EXPECT_EQ(c.clock.advance(detent::duration::max()), 1U);
  EXPECT_EQ(c.clock.advance(detent::duration::max()), 1U);
  EXPECT_EQ(seen, (std::vector<std::int64_t>{-8, latest / 16 * 8}));
}

TEST(G17, ExtremeLimitsOfWaits) {
  clocked c;
  EXPECT_EQ(c.t.wait_for(detent::duration::max()), detent::wait_result::quiet);
  EXPECT_EQ(c.t.wait_for(std::chrono::hours::max()), detent::wait_result::quiet);
  EXPECT_EQ(c.t.cancel_and_wait_for(detent::duration::min()).wait, detent::wait_result::quiet);
  c.t.arm_after(1h);
  EXPECT_EQ(c.t.wait_for(detent::duration::min()), detent::wait_result::timed_out);
  EXPECT_EQ(c.t.wait_for(0ns), detent::wait_result::timed_out);
  EXPECT_EQ(c.t.wait_for(-1h), detent::wait_result::timed_out);
  EXPECT_EQ(c.t.close_and_wait_for(std::chrono::hours::max()).wait, detent::wait_result::quiet);
}

TEST(G17, ExtremeTolerancesAreNeitherEarlyNorForGood) {
  for (const detent::duration tolerance : {detent::duration::min(), detent::duration(-1), detent::duration(0),
                                           detent::duration(1), detent::duration(17), detent::duration(1ms)}) {
    clocked c;
    detent::timer t(c.service, {.tolerance = tolerance}, [&] { ++c.calls; });
    t.arm_after(1s);
    EXPECT_EQ(c.clock.advance(1s - 1ns), 0U);
    const detent::duration most = tolerance > 0ns ? tolerance : 0ns;
    EXPECT_EQ(c.clock.advance(1ns + most + 7ns), 1U) << "tolerance " << tolerance.count();
  }
  clocked c;
  detent::timer t(c.service, {.tolerance = detent::duration::max()}, [&] { ++c.calls; });
  t.arm_after(1s);
  EXPECT_EQ(c.clock.advance(1s - 1ns), 0U) << "never early, however tolerant";
}

}  // namespace
