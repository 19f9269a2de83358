#include "activity_track.hpp"

#include <algorithm>

namespace detent::cli {

void activity_track::add(std::int64_t time_ns, std::uint64_t count) noexcept {
  time_ns = std::max<std::int64_t>(time_ns, 0);
  while (time_ns / span_ns_ >= static_cast<std::int64_t>(most_spans)) double_spans();
  counts_[static_cast<std::size_t>(time_ns / span_ns_)] += count;
}

void activity_track::double_spans() noexcept {
  for (std::size_t at = 0; at < most_spans; ++at) {
    counts_[at] = 2 * at < most_spans ? counts_[2 * at] + counts_[2 * at + 1] : 0;
  }
  span_ns_ *= 2;
}

std::vector<std::uint64_t> activity_track::in_spans_of(std::int64_t span_ns) const {
  std::vector<std::uint64_t> sums(most_spans);
  const auto together = static_cast<std::size_t>(span_ns / span_ns_);
  for (std::size_t at = 0; at < most_spans; ++at) sums[at / together] += counts_[at];
  return sums;
}

}  // namespace detent::cli
