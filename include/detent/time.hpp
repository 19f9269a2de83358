// time: clocks, instants and durations, and the one conversion from any std::chrono duration to nanoseconds.
//
// Every clock here counts signed 64-bit nanoseconds. A timer has one clock, fixed at creation, and `arm_at` takes only
// instants of that clock: mixing two clocks does not compile (G16).
#pragma once

#include <detent/version.hpp>

#include <chrono>
#include <cstdint>
#include <limits>
#include <numeric>
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
    // Exact in 128 bits, whatever the ratio and however wide the count, then rounded up.
    __extension__ using wide = __int128;
    constexpr std::intmax_t shared = std::gcd(std::intmax_t{1'000'000'000}, Period::type::den);
    constexpr wide num = static_cast<wide>(Period::type::num) * (1'000'000'000 / shared);
    constexpr wide den = Period::type::den / shared;
    constexpr wide most = ((static_cast<wide>(1) << 126) - 1) / num * 2;
    const auto count = static_cast<wide>(d.count());
    if (d.count() > 0 && (count < 0 || count > most)) return ns_max;
    if (count < -most) return ns_min;
    const wide product = count * num;
    wide ns = product / den;
    if (product > 0 && product % den != 0) ns += 1;
    if (ns > static_cast<wide>(ns_max)) return ns_max;
    if (ns < static_cast<wide>(ns_min)) return ns_min;
    return static_cast<std::int64_t>(ns);
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
