#include "statistics.hpp"

#include <algorithm>
#include <cmath>

namespace detent::bench {

spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  const double median = values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

std::int64_t percentile(const std::vector<std::int64_t>& sorted, double share) {
  const double rank = std::ceil(share * static_cast<double>(sorted.size()));
  const auto at = static_cast<std::size_t>(std::max(rank, 1.0)) - 1;
  return sorted[std::min(at, sorted.size() - 1)];
}

void distribution::add(std::int64_t value) {
  const double size = value < 1 ? 0 : std::log2(static_cast<double>(value)) * steps_per_doubling;
  const auto at = static_cast<std::size_t>(size);
  if (counts_.size() <= at) counts_.resize(at + 1);
  ++counts_[at];
}

std::vector<distribution::bucket> distribution::buckets() const {
  std::vector<bucket> filled;
  for (std::size_t at = 0; at < counts_.size(); ++at) {
    if (counts_[at] == 0) continue;
    const auto edge = [](std::size_t step) { return std::exp2(static_cast<double>(step) / steps_per_doubling); };
    filled.push_back({edge(at), edge(at + 1), counts_[at]});
  }
  return filled;
}

}  // namespace detent::bench
