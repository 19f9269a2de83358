// series_place: arithmetic of instants for adapters that count ticks themselves. It saturates at both ends.
#pragma once

#include <detent/time.hpp>
#include <detent/version.hpp>

#include <cstdint>

DETENT_BEGIN_NAMESPACE

namespace detail {

constexpr std::int64_t subtract_ns(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t difference = 0;
  if (__builtin_sub_overflow(a, b, &difference)) return b < 0 ? ns_max : ns_min;
  return difference;
}

// The first instant of the series that begins at `first_ns` which is later than `now_ns`, and how many are not.
struct series_place {
  std::int64_t next_ns;
  std::uint64_t passed;
};

// Requires: the period is positive.
constexpr series_place place_in_series(std::int64_t first_ns, std::int64_t period_ns, std::int64_t now_ns) noexcept {
  if (first_ns > now_ns) return {first_ns, 0};
  // The difference of two instants always fits without a sign, and so does the way from the last tick to the next.
  const std::uint64_t since_ns = static_cast<std::uint64_t>(now_ns) - static_cast<std::uint64_t>(first_ns);
  const auto period = static_cast<std::uint64_t>(period_ns);
  const auto last_ns = static_cast<std::int64_t>(static_cast<std::uint64_t>(now_ns) - since_ns % period);
  return {add_ns(last_ns, period_ns), since_ns / period + 1};
}

}  // namespace detail

DETENT_END_NAMESPACE
