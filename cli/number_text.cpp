#include "number_text.hpp"

#include <array>
#include <cstdio>
#include <limits>
#include <string_view>

namespace detent::cli {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;
constexpr std::int64_t s_per_min = 60;
constexpr std::int64_t s_per_h = 3600;

/// Three significant digits: 8.12, 54.1, 812.
std::string three_digits(double value) {
  constexpr double below_rounding = 0.5;
  // 9.996 would be printed as "10.00": what decides is the value after rounding.
  const int decimals = value < 10 - below_rounding / 100 ? 2 : value < 100 - below_rounding / 10 ? 1 : 0;
  std::array<char, 48> text{};
  std::snprintf(text.data(), text.size(), "%.*f", decimals, value);
  return text.data();
}

std::string two_units(std::int64_t large, std::string_view large_unit, std::int64_t small,
                      std::string_view small_unit) {
  std::string text = std::to_string(large).append(" ").append(large_unit);
  if (small != 0) text.append(" ").append(std::to_string(small)).append(" ").append(small_unit);
  return text;
}

}  // namespace

std::string grouped(std::uint64_t number) {
  std::string text = std::to_string(number);
  constexpr std::size_t group = 3;
  for (std::size_t at = text.size(); at > group; at -= group) text.insert(at - group, ",");
  return text;
}

std::string duration_text(std::int64_t duration_ns) {
  if (duration_ns < 0) {
    return "-" + duration_text(duration_ns == std::numeric_limits<std::int64_t>::min()
                                   ? std::numeric_limits<std::int64_t>::max()
                                   : -duration_ns);
  }
  const std::int64_t seconds = duration_ns / ns_per_s;
  if (seconds >= s_per_h) return two_units(seconds / s_per_h, "h", seconds % s_per_h / s_per_min, "min");
  if (seconds >= s_per_min) return two_units(seconds / s_per_min, "min", seconds % s_per_min, "s");
  if (duration_ns < 1000) return std::to_string(duration_ns) + " ns";
  auto value = static_cast<double>(duration_ns);
  std::string_view unit = "ns";
  for (const std::string_view larger : {"µs", "ms", "s"}) {
    constexpr double rounds_up_to_1000 = 999.5;
    if (value < rounds_up_to_1000) break;
    value /= 1000;
    unit = larger;
  }
  return three_digits(value).append(" ").append(unit);
}

std::string bytes_text(std::uint64_t bytes) {
  constexpr double step = 1024;
  if (static_cast<double>(bytes) < step) return std::to_string(bytes) + " B";
  auto value = static_cast<double>(bytes);
  std::string_view unit = "B";
  for (const std::string_view larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < step) break;
    value /= step;
    unit = larger;
  }
  return three_digits(value).append(" ").append(unit);
}

std::string share_text(std::uint64_t part, std::uint64_t whole) {
  if (whole == 0) return {};
  const double percent = 100.0 * static_cast<double>(part) / static_cast<double>(whole);
  if (part != 0 && percent < 0.1) return "< 0.1 %";
  if (part != whole && percent > 99.9) return "> 99.9 %";
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.1f %%", percent);
  return text.data();
}

}  // namespace detent::cli
