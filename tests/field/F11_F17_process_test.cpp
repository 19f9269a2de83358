// The field's scenarios 11 to 17: shutdown, lost wake-ups, idling, and the process around it.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/resource.h>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::background;
using support::gate;

namespace {

// Two concurrent shutdowns; shutdown before anything ran; shutdown from a callback; asynchronous, then synchronous
// cancel.
TEST(F11, rclcpp_3172_and_poco_3921_and_events_executor_8) {
  {
    detent::timer_service service;
    EXPECT_TRUE(service.shutdown().complete);
  }
  for (int round = 0; round < 20; ++round) {
    detent::timer_service service;
    service.every(100us, [] {});
    gate go;
    const auto end = [&] {
      go.pass();
      EXPECT_TRUE(service.shutdown().complete);
    };
    background one(end);
    background other(end);
    go.open();
  }
  {
    detent::timer_service service;
    gate over;
    detent::timer t(service, [&] {
      service.shutdown();
      over.open();
    });
    t.arm_after(0ns);
    EXPECT_TRUE(over.pass());
    EXPECT_TRUE(service.shutdown().complete);
  }
  {
    detent::timer_service service;
    gate inside;
    gate leave;
    detent::timer t(service, [&] {
      inside.open();
      leave.pass();
    });
    t.arm_after(0ns);
    ASSERT_TRUE(inside.pass());
    EXPECT_EQ(t.cancel(), detent::cancel_result::running);
    const background opener([&] { leave.open(); });
    EXPECT_EQ(t.cancel_and_wait().wait, detent::wait_result::quiet);
  }
}

// Stop races with the thread's last look at the queue: no destructor may wait for a wake-up that was lost.
TEST(F12, brpc_2986_and_stdexec_2230) {
  const std::size_t rounds = support::times(1000, 200);
  for (std::size_t round = 0; round < rounds; ++round) {
    const background whole([&] {
      detent::service_options options;
      options.executor = detent::pool{static_cast<unsigned>(round % 3)};
      detent::timer_service service(std::move(options));
      if (round % 2 == 0) service.once(std::chrono::microseconds(round % 50), [] {});
    });
  }
}

// Cancel the earliest; the next must still fire, and nobody else wakes the driver.
TEST(F13, libevent_1727_and_mynewt_core_1231_and_rclcpp_2375) {
  detent::timer_service service;
  for (int round = 0; round < 30; ++round) {
    gate fired;
    detent::timer earliest(service, [] {});
    detent::timer next(service, [&] { fired.open(); });
    earliest.arm_after(3ms);
    next.arm_after(5ms);
    earliest.cancel();
    ASSERT_TRUE(fired.pass());
  }
  EXPECT_EQ(service.counters().rescues, 0U);
}

// A cancelled timer leaves the CPU at 0 %.
TEST(F14, rclcpp_319) {
  detent::timer_service service;
  detent::timer t(service, [] {});
  t.arm_every(1ms);
  std::this_thread::sleep_for(20ms);
  t.cancel_and_wait();
  rusage before{};
  rusage after{};
  ::getrusage(RUSAGE_SELF, &before);
  std::this_thread::sleep_for(300ms);
  ::getrusage(RUSAGE_SELF, &after);
  const auto us = [](const timeval& v) { return v.tv_sec * 1'000'000 + v.tv_usec; };
  const auto spent = us(after.ru_utime) + us(after.ru_stime) - us(before.ru_utime) - us(before.ru_stime);
  EXPECT_LT(spent, 30'000) << "microseconds of CPU in 300 ms";
}

// exit() with armed timers; exit() in a callback; a service in a static. All of it in depth: G24.
TEST(F15, poco_3539_and_dlib_505) {
  EXPECT_EQ(support::in_child([]() -> int {
              static detent::timer_service service;
              static detent::timer t(service, [] {});
              t.arm_every(100us);
              service.once(1h, [] {});
              std::exit(3);
            }),
            support::exited(3));
  EXPECT_EQ(support::in_child([] {
              static detent::timer_service service;
              service.once(0ns, [] { std::exit(3); });
              std::this_thread::sleep_for(support::patience);
              return 1;
            }),
            support::exited(3));
}

// fork with armed timers: the child exits; the child starts a service of its own.
TEST(F17, ros2_pulse_11_and_ldms_2367) {
  detent::timer_service service;
  std::atomic<int> calls{0};
  detent::timer t(service, [&] { ++calls; });
  t.arm_every(100us);
  EXPECT_EQ(support::in_child([]() -> int { std::_Exit(4); }), support::exited(4));
  if (support::child_may_have_threads) {
    EXPECT_EQ(support::in_child([] {
                detent::timer_service own;
                gate fired;
                own.once(1ms, [&] { fired.open(); });
                return fired.pass() ? 0 : 1;
              }),
              support::exited(0));
  }
  const int then = calls;
  EXPECT_TRUE(support::eventually([&] { return calls > then; }));
}

}  // namespace
