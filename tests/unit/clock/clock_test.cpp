// Goal: a manual clock moves only when told, each clock by itself, and stays at the end of time.
#include "clock/clock.hpp"

#include <memory>

#include <gtest/gtest.h>

namespace {

using detent::detail::clock_id;
using detent::detail::clock_source;
using detent::detail::manual_readings;

TEST(manual_readings, move_one_clock_at_a_time_and_saturate) {
  const auto readings = std::make_shared<manual_readings>(1000);
  manual_readings& manual = *readings;
  const clock_source clocks(readings);
  EXPECT_TRUE(clocks.is_manual());
  manual.shift(clock_id::system, -3000);
  EXPECT_EQ(clocks.now_ns(clock_id::steady), 1000);
  EXPECT_EQ(clocks.now_ns(clock_id::system), -2000);
  manual.shift(clock_id::boottime, INT64_MAX);
  EXPECT_EQ(clocks.now_ns(clock_id::boottime), INT64_MAX);
  manual.shift(clock_id::system, INT64_MIN);
  EXPECT_EQ(clocks.now_ns(clock_id::system), INT64_MIN);
}

TEST(clock_source, without_a_manual_clock_the_system_answers) {
  const clock_source clocks(nullptr);
  EXPECT_FALSE(clocks.is_manual());
  EXPECT_GE(clocks.now_ns(clock_id::steady), 0);
  EXPECT_GT(clocks.now_ns(clock_id::system), std::int64_t{1'600'000'000} * 1'000'000'000);
}

}  // namespace
