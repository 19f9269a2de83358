// What a wait for a shutdown means to the wait graph, between the end of the shutdown and the moment at which the
// sleeping caller wakes: nothing. A step of another party is put exactly there.
#include "engine/engine.hpp"

#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <support/gate.hpp>
#include <thread>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

std::atomic<std::thread::id> first_caller{};
support::gate shutdown_is_over;
support::gate answered;

void between(detent::detail::chaos_at point) noexcept {
  if (point != detent::detail::chaos_at::unlock || first_caller.load() != std::this_thread::get_id()) return;
  if (shutdown_is_over.is_open()) return;
  shutdown_is_over.open();
  answered.pass();
}

// `held` belongs to the service that is shut down, and outlasts the shutdown's limit; `second` belongs to another
// service and calls shutdown too. Once the shutdown is over, `held` may wait for `second`, which is about to return.
TEST(shutdown_over, a_second_caller_that_has_not_woken_yet_holds_nobody_up) {
  const auto options = [] {
    detent::service_options made;
    made.executor = detent::pool{1};
    return made;
  };
  detent::timer_service other(options());
  detent::timer_service ending(options());
  support::gate runs;
  support::gate about_to_wait;
  detent::wait_result answer{};
  detent::timer second(other, [&] {
    about_to_wait.open();
    static_cast<void>(ending.shutdown());
  });
  detent::timer held(ending, [&] {
    runs.open();
    shutdown_is_over.pass();
    answer = second.wait_for(20ms);
    answered.open();
  });
  held.arm_after(0ns);
  ASSERT_TRUE(runs.pass());

  detent::detail::set_chaos_hook(&between);
  {
    // The second caller has to sleep before the first is over: it gets a good part of the first one's limit.
    const support::background first([&] {
      first_caller = std::this_thread::get_id();
      static_cast<void>(ending.shutdown(detent::shutdown_policy::cancel_pending, 300ms));
    });
    EXPECT_TRUE(support::eventually([&] { return !ending.once(1h, [] {}); }));  // It has begun.
    second.arm_after(0ns);
    EXPECT_TRUE(about_to_wait.pass());
    EXPECT_TRUE(answered.pass());
  }
  detent::detail::set_chaos_hook(nullptr);
  EXPECT_NE(answer, detent::wait_result::would_deadlock);
}

}  // namespace
