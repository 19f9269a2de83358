// The generator that all workloads share, in all languages: these are the numbers that each of them must draw.
#include "peer/random.hpp"

#include <cstdint>

#include <gtest/gtest.h>

namespace {

using namespace detent::bench;

TEST(Generator, DrawsThePublishedNumbers) {
  random_numbers random(1234567);  // The reference values of splitmix64 for this seed.
  EXPECT_EQ(random.next(), 6457827717110365317ULL);
  EXPECT_EQ(random.next(), 3203168211198807973ULL);
  EXPECT_EQ(random.next(), 9817491932198370423ULL);
}

TEST(Generator, IndicesAndDelaysStayInTheirRanges) {
  EXPECT_EQ(index_below(0, 1000), 0U);
  EXPECT_EQ(index_below(~0ULL, 1000), 999U);
  EXPECT_EQ(index_below(~0ULL, 10'000'000), 9'999'999U);
  EXPECT_EQ(churn_delay_ns(0), 1'000'000);
  EXPECT_LE(churn_delay_ns(~0ULL), 60'000'000'000);
  EXPECT_GE(churn_delay_ns(~0ULL), 59'990'000'000);
}

TEST(Generator, EveryIndexIsDrawn) {
  random_numbers random(42);
  bool drawn[10] = {};
  for (int k = 0; k < 1000; ++k) drawn[index_below(random.next(), 10)] = true;
  for (const bool was : drawn) EXPECT_TRUE(was);
}

}  // namespace
