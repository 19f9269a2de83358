#include "lateness_meter.hpp"

#include <algorithm>
#include <bit>

namespace detent::cli {

lateness_meter::lateness_meter() { histogram_.buckets.resize(lateness_histogram::bucket_count); }

std::size_t lateness_meter::bucket_of(std::uint64_t ns) noexcept {
  if (ns < 8) return static_cast<std::size_t>(ns);
  const auto power = static_cast<std::size_t>(std::bit_width(ns)) - 1;
  return power * 8 + static_cast<std::size_t>(ns >> (power - 3) & 7U);
}

void lateness_meter::add(std::int64_t lateness_ns) noexcept {
  const auto late = static_cast<std::uint64_t>(std::max<std::int64_t>(lateness_ns, 0));
  ++histogram_.count;
  histogram_.max_ns = std::max(histogram_.max_ns, late);
  ++histogram_.buckets[bucket_of(late)];
}

void lateness_meter::add(const lateness_meter& other) noexcept {
  histogram_.count += other.histogram_.count;
  histogram_.max_ns = std::max(histogram_.max_ns, other.histogram_.max_ns);
  for (std::size_t at = 0; at < histogram_.buckets.size(); ++at) {
    histogram_.buckets[at] += other.histogram_.buckets[at];
  }
}

lateness_record to_record(const lateness_histogram& histogram) {
  lateness_record record;
  record.count = histogram.count;
  record.p50_ns = static_cast<std::int64_t>(histogram.quantile_ns(0.5));
  record.p99_ns = static_cast<std::int64_t>(histogram.quantile_ns(0.99));
  record.p999_ns = static_cast<std::int64_t>(histogram.quantile_ns(0.999));
  record.max_ns = static_cast<std::int64_t>(histogram.max_ns);
  std::int64_t from_ns = 0;
  for (std::size_t at = 0; at < histogram.buckets.size(); ++at) {
    const std::uint64_t upper_ns = lateness_histogram::bucket_upper_ns(at);
    if (upper_ns >= static_cast<std::uint64_t>(INT64_MAX)) break;
    const std::int64_t to_ns = static_cast<std::int64_t>(upper_ns) + 1;
    if (histogram.buckets[at] != 0) record.buckets.push_back({from_ns, to_ns, histogram.buckets[at]});
    from_ns = to_ns;
  }
  return record;
}

}  // namespace detent::cli
