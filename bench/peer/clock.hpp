// The steady clock in nanoseconds, and sleeping to an instant of it.
#pragma once

#include <cerrno>
#include <cstdint>
#include <ctime>

namespace detent::bench {

inline constexpr std::int64_t ns_per_s = 1'000'000'000;
inline constexpr std::int64_t ns_per_ms = 1'000'000;

inline std::int64_t clock_ns(clockid_t clock) noexcept {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<std::int64_t>(now.tv_sec) * ns_per_s + now.tv_nsec;
}

inline std::int64_t now_ns() noexcept { return clock_ns(CLOCK_MONOTONIC); }

inline void sleep_until_ns(std::int64_t at_ns) noexcept {
  const timespec until{static_cast<time_t>(at_ns / ns_per_s), static_cast<long>(at_ns % ns_per_s)};
  while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr) == EINTR) {
  }
}

}  // namespace detent::bench
