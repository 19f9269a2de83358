// Goal: engine time orders like clock time and never wraps; the state word's fields do not reach into each other.
// Method: edges of the 64-bit range, and every combination of flags.
#include "lifetime/words.hpp"

#include <cstdint>
#include <limits>

#include <gtest/gtest.h>

namespace {

using namespace detent::detail;  // NOLINT(google-build-using-namespace): the words of this very header

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

TEST(instant, rounding_goes_up_for_deadlines_and_down_for_readings) {
  for (std::int64_t ns = -100; ns < 100; ++ns) {
    EXPECT_GE(to_ns(to_instant_rounded_up(ns)), ns);
    EXPECT_LT(to_ns(to_instant_rounded_up(ns)), ns + 8);
    EXPECT_LE(to_ns(to_instant_rounded_down(ns)), ns);
    EXPECT_GT(to_ns(to_instant_rounded_down(ns)), ns - 8);
  }
}

TEST(instant, order_is_kept_around_every_power_of_two) {
  for (int power = 0; power < 62; ++power) {
    for (const std::int64_t sign : {-1, 1}) {
      const std::int64_t at = sign * (std::int64_t{1} << power);
      EXPECT_LE(to_instant_rounded_up(at - 8), to_instant_rounded_up(at));
      EXPECT_LT(to_instant_rounded_up(at), to_instant_rounded_up(at + 8));
      EXPECT_LE(to_instant_rounded_down(at), to_instant_rounded_up(at));
    }
  }
}

TEST(instant, ends_of_time_saturate) {
  EXPECT_EQ(to_instant_rounded_up(highest), never);
  EXPECT_EQ(to_ns(never), highest);
  EXPECT_EQ(to_instant_rounded_up(lowest), instant_min);
  EXPECT_EQ(to_instant_rounded_down(lowest), instant_min);
  EXPECT_LT(to_instant_rounded_down(highest), never);
  EXPECT_FALSE(state::is_terminal(never));
  EXPECT_FALSE(state::is_terminal(never | state::flag_mask));
}

TEST(state_word, whole_microseconds_stay_exact) {
  for (std::int64_t us = 0; us < 1000; ++us) EXPECT_EQ(to_ns(to_instant_rounded_up(us * 1000)), us * 1000);
}

TEST(state_word, every_combination_of_flags_reads_back) {
  for (std::uint64_t flags = 0; flags < 8; ++flags) {
    for (const std::uint64_t at : {std::uint64_t{0}, instant_min, std::uint64_t{1} << 63, never}) {
      const std::uint64_t s = at | flags;
      EXPECT_TRUE(state::valid(s));
      EXPECT_FALSE(state::is_terminal(s));
      EXPECT_EQ(state::deadline(s), at);
      EXPECT_EQ(state::is_calling(s), (flags & 2) != 0);
      EXPECT_EQ(state::is_waited(s), (flags & 4) != 0);
      EXPECT_EQ(state::is_guarded(s), (flags & 1) != 0);
      EXPECT_EQ(state::is_pending(s), at != 0 || (flags & 1) != 0);
      EXPECT_EQ(state::is_due(s, never - resolution_ns), at != 0 && at != never);
    }
    for (const std::uint64_t end : {state::closed, state::shut_down}) {
      for (const std::uint64_t orphan : {std::uint64_t{0}, state::orphan_bit}) {
        const std::uint64_t s = end | orphan | (flags & ~state::guarded);
        EXPECT_TRUE(state::valid(s));
        EXPECT_TRUE(state::is_terminal(s));
        EXPECT_FALSE(state::is_pending(s));
        EXPECT_FALSE(state::is_due(s, never));
        EXPECT_EQ(state::look_at(s), never);
        EXPECT_EQ(state::is_shut_down(s), end == state::shut_down);
        EXPECT_EQ(state::is_orphan(s), orphan != 0);
      }
    }
  }
  EXPECT_FALSE(state::valid(state::closed | state::guarded));
}

}  // namespace
