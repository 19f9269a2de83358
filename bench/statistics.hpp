// What repetitions and samples are summed up to.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace detent::bench {

struct spread {
  double median = 0;
  double min = 0;
  double max = 0;
};

/// Of at least one value; the median of an even number of them is the mean of the middle two.
spread spread_of(std::vector<double> values);

/// The smallest value that at least `share` (0..1) of all values do not exceed. Requires: values are sorted, not empty.
std::int64_t percentile(const std::vector<std::int64_t>& sorted, double share);

/// Values counted by size, in steps of an eighth of a doubling; everything below 1 is in the first.
class distribution {
 public:
  struct bucket {
    double from = 0;
    double to = 0;
    std::uint64_t count = 0;
  };

  void add(std::int64_t value);
  /// Those that hold something, smallest first.
  std::vector<bucket> buckets() const;

 private:
  static constexpr int steps_per_doubling = 8;
  std::vector<std::uint64_t> counts_;
};

}  // namespace detent::bench
