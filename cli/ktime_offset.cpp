#include "ktime_offset.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <utility>

namespace detent::cli {
namespace {

/// Samples further than this from the median of all belong to a timer on another clock, not to drift.
constexpr std::uint64_t same_clock_ns = 1'000'000'000;

std::int64_t median_of(std::vector<std::int64_t>& values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

}  // namespace

void ktime_offset::add(std::int64_t time_ns, std::int64_t ktime_ns) {
  // Unsigned, because a broken file may hold any two numbers.
  const auto offset_ns =
      static_cast<std::int64_t>(static_cast<std::uint64_t>(ktime_ns) - static_cast<std::uint64_t>(time_ns));
  samples_.push_back({time_ns, offset_ns});
}

void ktime_offset::settle() {
  if (samples_.empty()) return;
  std::vector<std::int64_t> offsets_ns;
  offsets_ns.reserve(samples_.size());
  for (const sample& one : samples_) offsets_ns.push_back(one.offset_ns);
  const std::int64_t overall_ns = median_of(offsets_ns);
  // In unsigned numbers, which wrap, because a broken file may hold offsets at the ends of the type.
  std::erase_if(samples_, [overall_ns](const sample& one) {
    const std::uint64_t apart = static_cast<std::uint64_t>(one.offset_ns) - static_cast<std::uint64_t>(overall_ns);
    return apart + same_clock_ns > 2 * same_clock_ns;
  });
  std::ranges::stable_sort(samples_, {}, &sample::time_ns);

  std::vector<sample> windows;
  for (auto first = samples_.begin(); first != samples_.end();) {
    const std::int64_t window = first->time_ns / window_ns;
    const auto last =
        std::find_if(first, samples_.end(), [window](const sample& one) { return one.time_ns / window_ns != window; });
    offsets_ns.clear();
    std::transform(first, last, std::back_inserter(offsets_ns), [](const sample& one) { return one.offset_ns; });
    windows.push_back({window * window_ns, median_of(offsets_ns)});
    first = last;
  }
  samples_ = std::move(windows);
}

std::int64_t ktime_offset::at(std::int64_t time_ns) const {
  if (samples_.empty()) return 0;
  const auto after = std::ranges::upper_bound(samples_, time_ns, {}, &sample::time_ns);
  return after == samples_.begin() ? after->offset_ns : std::prev(after)->offset_ns;
}

}  // namespace detent::cli
