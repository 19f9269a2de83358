// HZ from readings of the jiffies counter beside the clock.
#include "jiffies_rate.hpp"

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

constexpr std::int64_t ms = 1'000'000;

jiffies_rate readings(std::int64_t hz, std::int64_t length_ns, std::int64_t first_jiffies = 4'294'900'000) {
  jiffies_rate rate;
  constexpr std::int64_t started_at_ns = 3'767'718'457'000;
  for (std::int64_t at = 0; at <= length_ns; at += 700'000) {
    rate.add(started_at_ns + at, first_jiffies + at * hz / 1'000'000'000);
  }
  return rate;
}

TEST(jiffies_rate, every_usual_rate_is_found) {
  for (const std::uint32_t hz : {100U, 250U, 300U, 1000U}) {
    EXPECT_EQ(readings(hz, 5000 * ms).derive(), hz);
    EXPECT_EQ(readings(hz, 200 * ms).derive(), hz);
  }
}

TEST(jiffies_rate, the_wrap_of_a_32_bit_counter_is_passed) {
  EXPECT_EQ(readings(250, 1000 * ms, 0xffff'ff80).derive(), 250U);
  jiffies_rate wrapped;
  wrapped.add(0, 0xffff'ff80);
  wrapped.add(1000 * ms, 0x7a);  // 250 later, in 32 bits
  EXPECT_EQ(wrapped.derive(), 250U);
}

TEST(jiffies_rate, too_short_a_trace_is_not_guessed) {
  EXPECT_EQ(readings(250, 4 * ms).derive(), std::nullopt);
  EXPECT_EQ(readings(250, 0).derive(), std::nullopt);
  EXPECT_EQ(jiffies_rate{}.derive(), std::nullopt);
  EXPECT_EQ(jiffies_rate{}.reason(), "no event shows the jiffies counter");
}

TEST(jiffies_rate, an_unusual_rate_is_told_in_the_reason) {
  const auto rate = readings(512, 2000 * ms);
  EXPECT_EQ(rate.derive(), std::nullopt);
  EXPECT_NE(rate.reason().find("between 506 and 517 per second"), std::string::npos) << rate.reason();
}

}  // namespace
}  // namespace detent::cli
