// What the bench sums its figures up to.
#include "statistics.hpp"

#include <cstdint>
#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace detent::bench;

TEST(Statistics, MedianOfAnOddNumberIsOneOfThem) {
  const spread s = spread_of({5, 1, 9});
  EXPECT_EQ(s.median, 5);
  EXPECT_EQ(s.min, 1);
  EXPECT_EQ(s.max, 9);
}

TEST(Statistics, MedianOfAnEvenNumberIsBetweenTheMiddleTwo) { EXPECT_EQ(spread_of({4, 1, 2, 100}).median, 3); }

TEST(Statistics, PercentileIsTheSmallestValueThatCoversTheShare) {
  std::vector<std::int64_t> values(100);
  std::iota(values.begin(), values.end(), 1);
  EXPECT_EQ(percentile(values, 0.5), 50);
  EXPECT_EQ(percentile(values, 0.99), 99);
  EXPECT_EQ(percentile(values, 1), 100);
  EXPECT_EQ(percentile(values, 0), 1);
  EXPECT_EQ(percentile({-7}, 0.99), -7);
}

TEST(Statistics, DistributionKeepsEveryValueInABucketThatHoldsIt) {
  distribution d;
  for (const std::int64_t value : {-5, 0, 1, 3, 1000, 1001}) d.add(value);
  std::uint64_t count = 0;
  bool holds_1000 = false;
  for (const distribution::bucket& b : d.buckets()) {
    count += b.count;
    EXPECT_LT(b.from, b.to);
    if (b.from <= 1000 && 1000 < b.to) holds_1000 = b.count == 2;
  }
  EXPECT_EQ(count, 6U);
  EXPECT_TRUE(holds_1000);
}

}  // namespace
