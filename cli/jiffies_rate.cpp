#include "jiffies_rate.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

namespace detent::cli {
namespace {

constexpr std::array<std::uint32_t, 4> usual_rates = {100, 250, 300, 1000};
constexpr double ns_per_s = 1e9;

}  // namespace

void jiffies_rate::add(std::int64_t time_ns, std::int64_t jiffies) {
  if (!any_) {
    any_ = true;
    first_time_ns_ = time_ns;
    last_jiffies_ = jiffies;
  }
  // In 32 bits, because the counter of a 32-bit kernel wraps five minutes after boot; a step between two events is
  // small.
  advance_ +=
      static_cast<std::int32_t>(static_cast<std::uint32_t>(jiffies) - static_cast<std::uint32_t>(last_jiffies_));
  last_jiffies_ = jiffies;
  last_time_ns_ = time_ns;
}

jiffies_rate::bounds jiffies_rate::per_second() const {
  const double seconds = static_cast<double>(last_time_ns_ - first_time_ns_) / ns_per_s;
  if (seconds <= 0) return {};
  // Each of the two readings can lie anywhere inside its jiffy. The widening is for a clock that the kernel was
  // steering.
  constexpr double clock_tolerance = 0.01;
  const auto advance = static_cast<double>(advance_);
  return {std::max(0.0, advance - 1) / seconds * (1 - clock_tolerance),
          (advance + 1) / seconds * (1 + clock_tolerance)};
}

std::optional<std::uint32_t> jiffies_rate::derive() const {
  const auto [low, high] = per_second();
  std::optional<std::uint32_t> fitting;
  for (const std::uint32_t rate : usual_rates) {
    if (rate < low || rate > high) continue;
    if (fitting) return std::nullopt;
    fitting = rate;
  }
  return fitting;
}

std::string jiffies_rate::reason() const {
  if (!any_) return "no event shows the jiffies counter";
  const auto [low, high] = per_second();
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(),
                "the jiffies counter advanced by %lld in %.6f s, that is between %.0f and %.0f per second",
                static_cast<long long>(advance_), static_cast<double>(last_time_ns_ - first_time_ns_) / ns_per_s, low,
                high);
  return text.data();
}

}  // namespace detent::cli
