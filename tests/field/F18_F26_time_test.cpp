// The field's scenarios 18 to 26: clocks, series, extremes, memory, numbers and ids.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <limits>
#include <memory>
#include <ratio>
#include <stdexcept>
#include <string>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/time.h>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::background;

namespace {

// The wall clock is stepped by an hour either way.
TEST(F18, wazuh_38877_and_ros2_1081) {
  for (const detent::duration step : {detent::duration(-1h), detent::duration(1h)}) {
    detent::manual_clock clock;
    detent::timer_service service(clock);
    int steady = 0;
    int wall = 0;
    detent::timer s(service, [&] { ++steady; });
    detent::system_timer w(service, [&] { ++wall; });
    s.arm_every(1s);
    w.arm_after(10min);
    clock.step_system(step);
    EXPECT_EQ(steady, 0) << "a monotonic timer knows nothing of it";
    clock.advance(10s);
    EXPECT_EQ(steady, 10);
    EXPECT_EQ(wall, step > 0ns ? 1 : 0);
    clock.advance(1h + 10min);
    EXPECT_EQ(wall, 1);
  }
}

// Boottime against monotonic over a suspend.
TEST(F19, tokio_3185) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int steady = 0;
  int boottime = 0;
  detent::timer s(service, [&] { ++steady; });
  detent::boottime_timer b(service, [&] { ++boottime; });
  s.arm_after(1h);
  b.arm_after(1h);
  clock.suspend(8h);
  EXPECT_EQ(boottime, 1);
  EXPECT_EQ(steady, 0);
  clock.advance(1h);
  EXPECT_EQ(steady, 1);
}

// 1 kHz for a minute: no drift adds up. The tables of late ticks are G15's.
TEST(F20, rcl_289_and_ros2_1026_and_tokio_3574) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  const auto start = clock.now();
  std::int64_t ticks = 0;
  bool wrong = false;
  detent::timer t(service, [&](detent::firing& f) {
    ++ticks;
    if (f.deadline() != start + 1ms * ticks || clock.now() != f.deadline()) wrong = true;
  });
  t.arm_every(1ms);
  clock.advance(60s);
  EXPECT_EQ(ticks, 60'000);
  EXPECT_FALSE(wrong);
  // On the real clock: the phase is kept whatever this machine does to us.
  detent::timer_service real;
  std::atomic<std::int64_t> stood_for{0};
  std::atomic<bool> off_phase{false};
  const auto first = real.now() + 1ms;
  detent::timer r(real, [&](detent::firing& f) {
    stood_for += 1 + static_cast<std::int64_t>(f.missed());
    const auto ahead = (f.deadline() - first) % 1ms;
    if (ahead >= detent::timer_service::resolution) off_phase = true;
  });
  r.arm_every(first, 1ms);
  EXPECT_TRUE(support::eventually([&] { return stood_for >= 300; }));
  EXPECT_FALSE(off_phase);
}

// hours::max(), time_point::max(), picoseconds, double, negative, zero.
TEST(F21, certificate_transparency_760_and_STL_5237) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  detent::timer t(service, [&] { ++calls; });
  EXPECT_EQ(t.arm_after(std::chrono::hours::max()), detent::arm_result::armed);
  EXPECT_EQ(t.arm_at(detent::steady_clock::time_point::max()), detent::arm_result::rearmed);
  clock.advance(24h * 365);
  EXPECT_EQ(calls, 0);
  t.arm_after(std::chrono::duration<std::int64_t, std::pico>(1));
  clock.advance(8ns);
  t.arm_after(std::chrono::duration<double>(1e-3));
  clock.advance(1ms + 8ns);  // the nearest double is a little more than a millisecond
  t.arm_after(-1h);
  clock.settle();
  t.arm_after(0s);
  clock.settle();
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(t.wait_for(std::chrono::hours::max()), detent::wait_result::quiet);
}

// Arm and cancel with deadlines an hour away: captures are destroyed at the close. Ten million, with resident memory:
// G14.
TEST(F22, brpc_3383_and_netty_2541) {
  detent::timer_service service;
  support::cage home;
  const std::size_t rounds = support::times(200'000, 20'000);
  for (std::size_t i = 0; i < rounds; ++i) {
    const detent::timer_id id = service.once(1h, [c = support::canary(home)] {});
    ASSERT_EQ(service.cancel(id), detent::cancel_result::cancelled);
    service.close(id);
    ASSERT_EQ(home.alive(), 0);
  }
  EXPECT_EQ(service.counters().alive, 0U);
}

// A million timers pending while sixteen threads arm and cancel others.
TEST(F23, libunifex_648_and_tokio_6504) {
  detent::timer_service service;
  const std::size_t count = support::times(1'000'000, 50'000);
  std::vector<detent::timer> pending;
  pending.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    pending.emplace_back(service, [] { ADD_FAILURE(); });
    pending.back().arm_after(1h + std::chrono::microseconds(i));
  }
  std::atomic<std::uint64_t> armed{0};
  std::atomic<std::uint64_t> fired{0};
  std::atomic<std::uint64_t> withdrawn{0};
  {
    std::vector<std::unique_ptr<background>> threads;
    for (std::size_t n = 0; n < 16; ++n) {
      threads.push_back(std::make_unique<background>([&, n] {
        detent::timer t(service, [&] { ++fired; });
        const std::size_t rounds = support::times(20'000, 1'000);
        for (std::size_t i = 0; i < rounds; ++i) {
          const auto result = t.arm_after(std::chrono::microseconds((i * 7 + n) % 100));
          ++armed;
          if (result == detent::arm_result::rearmed) ++withdrawn;
          if (i % 2 == 0) {
            const auto found = t.cancel();
            if (found == detent::cancel_result::cancelled || found == detent::cancel_result::cancelled_running) {
              ++withdrawn;
            }
          }
        }
        const auto found = t.close_and_wait().outcome;
        if (found == detent::cancel_result::cancelled || found == detent::cancel_result::cancelled_running) ++withdrawn;
      }));
    }
  }
  EXPECT_EQ(armed, fired + withdrawn);
  EXPECT_EQ(service.active().size(), count);
}

#if DETENT_EXCEPTIONS
// The callback throws, in a one-shot and in a series. (Without exceptions there is nothing to throw.)
TEST(F24, shenyu_6608_and_allwpilib_926) {
  detent::manual_clock clock;
  detent::service_options options;
  options.clock = &clock;
  options.executor = detent::on_driver{};
  std::vector<std::string> told;
  options.on_error = [&](const detent::callback_error& e) { told.push_back(e.timer.name); };
  detent::timer_service service(std::move(options));
  int calls = 0;
  detent::timer once(service, {.name = "once"}, [&] {
    ++calls;
    throw std::runtime_error("thrown by a callback");
  });
  detent::timer ticking(service, {.name = "ticking"}, [&] {
    ++calls;
    throw 42;
  });
  once.arm_after(1s);
  ticking.arm_every(10s);
  clock.advance(30s);
  EXPECT_EQ(calls, 4) << "the series goes on";
  EXPECT_EQ(told, (std::vector<std::string>{"once", "ticking", "ticking", "ticking"}));
  EXPECT_EQ(once.arm_after(1s), detent::arm_result::armed) << "and so does the one-shot's timer";
}
#endif

// Deadlines below a millisecond under a storm of signals: never early, and no spinning.
TEST(F25, bun_34780_and_smol_109) {
  struct sigaction quiet {};
  quiet.sa_handler = [](int) {};  // without SA_RESTART: every sleep of every thread may be broken off
  struct sigaction before {};
  ASSERT_EQ(::sigaction(SIGALRM, &quiet, &before), 0);
  const itimerval storm{{0, 200}, {0, 200}};
  const itimerval calm{};
  ASSERT_EQ(::setitimer(ITIMER_REAL, &storm, nullptr), 0);
  {
    detent::timer_service service;
    std::atomic<int> fired{0};
    std::atomic<bool> early{false};
    std::atomic<std::int64_t> due{0};
    detent::timer t(service, [&](detent::firing& f) {
      const std::int64_t now = detent::steady_clock::now().time_since_epoch().count();
      if (now < due || f.lateness() < 0ns) early = true;
      ++fired;
    });
    for (int round = 1; round <= 300; ++round) {
      const auto at = service.now() + std::chrono::microseconds(50 + round);
      due = at.time_since_epoch().count();
      t.arm_at(at);
      if (!support::eventually([&] { return fired == round; })) break;
    }
    EXPECT_FALSE(early);
    EXPECT_EQ(service.counters().early, 0U);
    EXPECT_EQ(service.counters().rescues, 0U);
  }
  ::setitimer(ITIMER_REAL, &calm, nullptr);
  ::sigaction(SIGALRM, &before, nullptr);
}

// The id of a finished timer is used to cancel after its slot was reused.
TEST(F26, picotcp_308) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  const detent::timer_id finished = service.once(1ms, [] {});
  clock.advance(1ms);
  int calls = 0;
  const detent::timer_id tenant = service.once(1ms, [&] { ++calls; });
  ASSERT_EQ(tenant.index, finished.index);
  EXPECT_EQ(service.cancel(finished), detent::cancel_result::closed);
  clock.advance(1ms);
  EXPECT_EQ(calls, 1);
}

}  // namespace
