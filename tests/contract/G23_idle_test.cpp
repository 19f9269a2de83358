// needs: quiet
// G23. Idle is idle: with nothing due there is no periodic wake-up and no CPU, with a million timers armed. A cancelled
// or postponed timer costs at most one wake-up at its former deadline, a far one at most one per level and horizon.
//
// Method: the service counts how often its driver came back from a sleep, the kernel how much CPU this process used and
// how often it was switched in. The proof build wakes up by itself, every 50 ms, to look after lost wake-ups: there
// only the user-driven and the manual parts are measured.
#include <detent/detent.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <poll.h>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/resource.h>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

#if defined(DETENT_WITH_CHAOS)
constexpr bool wakes_by_itself = true;
#else
constexpr bool wakes_by_itself = false;
#endif

std::chrono::microseconds cpu_used() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto of = [](const timeval& t) {
    return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
  };
  return of(used.ru_utime) + of(used.ru_stime);
}

std::chrono::milliseconds window() { return support::is_long() ? 10s : support::is_short() ? 500ms : 2s; }

// Lets the driver finish what the arming before gave it to do.
void settle(detent::timer_service& service) {
  for (std::uint64_t before = ~std::uint64_t{0};;) {
    const std::uint64_t now = service.counters().wakeups;
    if (now == before) return;
    before = now;
    std::this_thread::sleep_for(50ms);
  }
}

void expect_idle(detent::timer_service& service) {
  settle(service);
  const std::uint64_t wakeups = service.counters().wakeups;
  const auto cpu = cpu_used();
  std::this_thread::sleep_for(window());
  const auto spent = cpu_used() - cpu;
  EXPECT_EQ(service.counters().wakeups, wakeups);
  EXPECT_LT(spent, 5ms) << "of CPU, by the whole process";
}

TEST(G23, AServiceWithNothingToDoSleeps) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  expect_idle(service);
}

TEST(G23, AMillionFarTimersCostNothing) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  std::vector<detent::timer> timers;
  const std::size_t count = support::times(1'000'000, 100'000);
  timers.reserve(count);
  const auto start = service.now();
  for (std::size_t i = 0; i < count; ++i) {
    timers.emplace_back(service, [] {});
    timers.back().arm_at(start + 1h + std::chrono::microseconds(i * 3701));
  }
  expect_idle(service);
  EXPECT_EQ(service.counters().fired, 0U);
}

TEST(G23, AServiceWithAllClocksSleepsToo) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  detent::timer s(service, [] {});
  detent::boottime_timer b(service, [] {});
  detent::system_timer w(service, [] {});
  s.arm_after(1h);
  b.arm_after(1h);
  w.arm_after(1h);
  expect_idle(service);
}

TEST(G23, ACancelledTimerCostsAtMostOneWakeUp) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  detent::timer t(service, [] { ADD_FAILURE(); });
  t.arm_after(300ms);
  settle(service);
  t.cancel();
  const std::uint64_t before = service.counters().wakeups;
  std::this_thread::sleep_for(600ms);
  EXPECT_LE(service.counters().wakeups, before + 1);
}

TEST(G23, ATimerPostponedAThousandTimesCostsAtMostOneWakeUp) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  detent::timer t(service, [] { ADD_FAILURE(); });
  t.arm_after(300ms);
  settle(service);
  const std::uint64_t before = service.counters().wakeups;
  for (int i = 0; i < 1000; ++i) t.arm_after(1h + std::chrono::seconds(i));
  std::this_thread::sleep_for(600ms);
  EXPECT_LE(service.counters().wakeups, before + 1);
}

// A far deadline is reached through the wheel's levels: one wake-up per level at most. Looks of the user's own loop are
// counted, on the real clock, over the time that passes here.
TEST(G23, AFarTimerNeedsFewWakeUps) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::timer_service service;
  support::gate fired;
  detent::timer t(service, [&] { fired.open(); });
  const std::uint64_t before = service.counters().wakeups;
  t.arm_after(1s);
  EXPECT_TRUE(fired.pass());
  EXPECT_LE(service.counters().wakeups, before + 1 + 11) << "eleven levels, and one to hear of the arming";
}

// The user's loop: the descriptor stays silent, and next_deadline says for how long.
TEST(G23, TheUsersLoopIsNotWokenWithNothingDue) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  pollfd waiting{service.fd(), POLLIN, 0};
  std::vector<detent::timer> timers;
  for (int i = 0; i < 1000; ++i) {
    timers.emplace_back(service, [] {});
    timers.back().arm_after(1h + std::chrono::seconds(i));
  }
  service.run_due();
  service.run_due();
  EXPECT_EQ(::poll(&waiting, 1, 200), 0);
  // Postponing and cancelling wake nobody.
  for (detent::timer& t : timers) t.arm_after(3h);
  timers[5].cancel();
  EXPECT_EQ(::poll(&waiting, 1, 200), 0);
  // Nor does an arming that is later than what the loop sleeps for.
  timers[5].arm_after(2h);
  EXPECT_EQ(::poll(&waiting, 1, 50), 0);
}

TEST(G23, APoolWithNothingToDoSleeps) {
  if (wakes_by_itself) GTEST_SKIP() << "the proof build looks after lost wake-ups";
  detent::service_options options;
  options.executor = detent::pool{4};
  options.call_limit = 1s;  // The watchdog sleeps as well while no call is in progress.
  detent::timer_service service(std::move(options));
  detent::timer t(service, [] {});
  t.arm_after(0ns);
  EXPECT_EQ(t.wait(), detent::wait_result::quiet);
  expect_idle(service);
}

// Tolerance: timers whose windows overlap share a wake-up, and none is early.
TEST(G23, TolerantTimersShareWakeUps) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::vector<detent::timer> timers;
  std::vector<std::int64_t> at;
  bool wrong = false;
  const auto start = clock.now();
  for (int i = 0; i < 1000; ++i) {
    const auto due = start + 1s + std::chrono::microseconds(i * 10);
    timers.emplace_back(service, detent::timer_options{.tolerance = 10ms}, [&, due] {
      const auto now = clock.now();
      if (now < due || now > due + 10ms + detent::timer_service::resolution) wrong = true;
      if (at.empty() || at.back() != now.time_since_epoch().count()) at.push_back(now.time_since_epoch().count());
    });
    timers.back().arm_at(due);
    EXPECT_EQ(timers.back().tolerance(), 10ms);
  }
  EXPECT_EQ(clock.advance(2s), 1000U);
  EXPECT_FALSE(wrong);
  EXPECT_LE(at.size(), 4U) << "1000 timers within 10 ms, each with 10 ms of tolerance";
}

}  // namespace
