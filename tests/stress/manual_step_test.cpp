// Single steps of a manual clock: where the random driver and the reference model disagreed.
#include <detent/detent.hpp>

#include <chrono>

#include <gtest/gtest.h>

namespace {

// Found by seed 208 of reference_test: the step left an overdue timer at the wrong instant, and the clock's step then
// took it along.
TEST(ManualStep, AStepOfOneLeavesOverdueTimersOverdue) {
  detent::manual_clock clock(std::chrono::hours(1));
  detent::timer_service service(clock);
  int steady_fired = 0, system_fired = 0;
  detent::timer steady{service, [&] { ++steady_fired; }};
  detent::system_timer system{service, [&] { ++system_fired; }};
  steady.arm_after(std::chrono::seconds(0));
  system.arm_at(clock.now<detent::system_clock>() - std::chrono::minutes(5));
  EXPECT_EQ(clock.step(), 1U);
  EXPECT_EQ(clock.step_system(-std::chrono::minutes(1)), 1U);
  EXPECT_EQ(steady_fired, 1);
  EXPECT_EQ(system_fired, 1);
}

// Found by seed 1338 of reference_test: what was withdrawn is no deadline to move to.
TEST(ManualStep, AStepWithNothingPendingDoesNotMoveTheClock) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  detent::timer t{service, [] {}};
  t.arm_after(std::chrono::hours(1));
  clock.advance(std::chrono::seconds(1));
  t.cancel();
  const auto before = clock.now();
  EXPECT_EQ(clock.step(), 0U);
  EXPECT_EQ(clock.now(), before);
}

}  // namespace
