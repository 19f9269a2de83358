#include "lateness_strip.hpp"

#include "text_columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <string_view>

namespace detent::cli {
namespace {

constexpr std::size_t columns_per_decade = 10;
constexpr std::array<std::string_view, 9> blocks = {" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};
/// Powers of ten, in ns; a replay that is late by more than the last has other worries than its scale.
constexpr std::array<std::string_view, 13> decade_names = {
    "1 ns", "10 ns", "100 ns", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s", "1000 s"};
constexpr std::string_view timers_name = "timers ";
constexpr std::string_view sleep_name = "sleep  ";

struct decade_span {
  int first = 0;  ///< powers of ten, in ns
  int last = 0;   ///< one past

  std::size_t columns() const { return static_cast<std::size_t>(last - first) * columns_per_decade; }
};

/// Whole decades, or the labels under them would not be round numbers.
decade_span span_of(const lateness_record& timers, const lateness_record& bare_sleep) {
  std::int64_t lowest_ns = INT64_MAX;
  std::int64_t highest_ns = 0;
  for (const lateness_record* record : {&timers, &bare_sleep}) {
    for (const lateness_bucket& bucket : record->buckets) {
      if (bucket.count == 0) continue;
      lowest_ns = std::min(lowest_ns, std::max<std::int64_t>(bucket.from_ns, 1));
      highest_ns = std::max(highest_ns, std::max<std::int64_t>(bucket.to_ns - 1, 1));
    }
  }
  if (highest_ns == 0) return {};
  return {static_cast<int>(std::floor(std::log10(static_cast<double>(lowest_ns)))),
          static_cast<int>(std::floor(std::log10(static_cast<double>(highest_ns)))) + 1};
}

/// Spreads each bucket over the columns that it covers, in proportion.
std::vector<double> column_heights(const lateness_record& record, const decade_span& span) {
  std::vector<double> heights(span.columns());
  const auto position = [&span](std::int64_t at_ns) {
    const double decades = std::log10(static_cast<double>(std::max<std::int64_t>(at_ns, 1))) - span.first;
    return decades * static_cast<double>(columns_per_decade);
  };
  for (const lateness_bucket& bucket : record.buckets) {
    const double from = position(bucket.from_ns);
    const double to = std::max(position(bucket.to_ns), from + 1e-9);
    for (auto column = static_cast<std::size_t>(from); column < heights.size() && static_cast<double>(column) < to;
         ++column) {
      const double covered =
          std::min(to, static_cast<double>(column + 1)) - std::max(from, static_cast<double>(column));
      heights[column] += static_cast<double>(bucket.count) * covered / (to - from);
    }
  }
  return heights;
}

std::string strip_of(const std::vector<double>& heights) {
  const double highest = *std::ranges::max_element(heights);
  std::string strip;
  for (const double height : heights) {
    // The square root lets the tail be seen; what is not nought shows at least the lowest block.
    const double scaled = highest > 0 ? std::sqrt(height / highest) * static_cast<double>(blocks.size() - 1) : 0;
    strip += blocks[std::min(static_cast<std::size_t>(std::ceil(scaled - 1e-9)), blocks.size() - 1)];
  }
  return strip;
}

std::string scale_of(const decade_span& span) {
  std::string scale;
  for (int decade = span.first; decade <= span.last; ++decade) {
    const std::size_t at = static_cast<std::size_t>(decade - span.first) * columns_per_decade;
    scale.append(at - std::min(at, width_of(scale)), ' ');
    const auto label = decade_names[std::min(static_cast<std::size_t>(decade), decade_names.size() - 1)];
    scale.append("╵").append(label);
  }
  return scale;
}

}  // namespace

std::vector<std::string> lateness_strips(const lateness_record& timers, const lateness_record& bare_sleep) {
  const decade_span span = span_of(timers, bare_sleep);
  if (span.columns() == 0) return {};
  std::vector<std::string> lines;
  if (timers.count != 0) lines.push_back(std::string(timers_name) + strip_of(column_heights(timers, span)));
  if (bare_sleep.count != 0) lines.push_back(std::string(sleep_name) + strip_of(column_heights(bare_sleep, span)));
  lines.push_back(std::string(timers_name.size(), ' ') + scale_of(span));
  return lines;
}

}  // namespace detent::cli
