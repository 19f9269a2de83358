// time: clocks, instants and durations, and the one conversion from any std::chrono duration to nanoseconds.
//
// Every clock here counts signed 64-bit nanoseconds. A timer has one clock, fixed at creation, and `arm_at` takes only
// instants of that clock: mixing two clocks does not compile (G16).
#pragma once

#include <detent/version.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <type_traits>

DETENT_BEGIN_NAMESPACE

using duration = std::chrono::nanoseconds;

// Monotonic, does not count suspend. The default.
using steady_clock = std::chrono::steady_clock;

// The wall clock. Its timers follow every step of it, both ways.
using system_clock = std::chrono::system_clock;

// Monotonic, counts the time the machine was suspended.
struct DETENT_EXPORT boottime_clock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<boottime_clock>;
  static constexpr bool is_steady = true;
  static time_point now() noexcept;
};

enum class clock_kind : std::uint8_t { steady, boottime, system };

namespace detail {

template <class Clock>
struct clock_kind_of;
template <>
struct clock_kind_of<steady_clock> {
  static constexpr clock_kind value = clock_kind::steady;
};
template <>
struct clock_kind_of<boottime_clock> {
  static constexpr clock_kind value = clock_kind::boottime;
};
template <>
struct clock_kind_of<system_clock> {
  static constexpr clock_kind value = clock_kind::system;
};

inline constexpr std::int64_t ns_max = std::numeric_limits<std::int64_t>::max();
inline constexpr std::int64_t ns_min = std::numeric_limits<std::int64_t>::min();

// Nanoseconds of `d`, rounded up, saturating at both ends: `hours::max()` is "never", not an overflow. A duration that
// is not a number can never be reached, so it is "never" too.
template <class Rep, class Period>
constexpr std::int64_t ceil_ns(std::chrono::duration<Rep, Period> d) noexcept {
  if constexpr (std::is_floating_point_v<Rep>) {
    const auto ns = static_cast<long double>(d.count()) * static_cast<long double>(Period::num) * 1e9L /
                    static_cast<long double>(Period::den);
    if (!(ns < static_cast<long double>(ns_max))) return ns_max;
    if (ns <= static_cast<long double>(ns_min)) return ns_min;
    const auto whole = static_cast<std::int64_t>(ns);
    return static_cast<long double>(whole) < ns ? whole + 1 : whole;
  } else {
    using ratio = std::ratio_divide<Period, std::nano>;
    // A count whose type is wider than 64 bits is narrowed by saturation first.
    std::int64_t count = 0;
    if (d.count() > 0 && static_cast<std::uintmax_t>(d.count()) > static_cast<std::uintmax_t>(ns_max)) {
      count = ns_max;
    } else {
      count = static_cast<std::int64_t>(d.count());
    }
    if constexpr (ratio::den == 1) {
      std::int64_t ns = 0;
      if (__builtin_mul_overflow(count, static_cast<std::int64_t>(ratio::num), &ns)) return count > 0 ? ns_max : ns_min;
      return ns;
    } else {
      // Finer than a nanosecond, or a ratio such as 1/3: exact in 128 bits, then rounded up.
      __extension__ using wide = __int128;
      const wide product = static_cast<wide>(count) * static_cast<wide>(ratio::num);
      const wide den = static_cast<wide>(ratio::den);
      wide ns = product / den;
      if (product > 0 && product % den != 0) ns += 1;
      if (ns > static_cast<wide>(ns_max)) return ns_max;
      if (ns < static_cast<wide>(ns_min)) return ns_min;
      return static_cast<std::int64_t>(ns);
    }
  }
}

// Nanoseconds since the clock's own epoch.
template <class Clock, class Duration>
constexpr std::int64_t epoch_ns(std::chrono::time_point<Clock, Duration> at) noexcept {
  return ceil_ns(at.time_since_epoch());
}

constexpr std::int64_t add_ns(std::int64_t a, std::int64_t b) noexcept {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? ns_max : ns_min;
  return sum;
}

}  // namespace detail

DETENT_END_NAMESPACE
