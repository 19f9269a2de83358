// The one generator of all workloads. Programs in other languages have the same few lines, so that every peer gets the
// same numbers from the same seed.
#pragma once

#include <cstdint>

namespace detent::bench {

/// splitmix64 (Steele, Lea, Flood 2014).
class random_numbers {
 public:
  explicit constexpr random_numbers(std::uint64_t seed) noexcept : state_(seed) {}

  constexpr std::uint64_t next() noexcept {
    std::uint64_t z = state_ += 0x9e3779b97f4a7c15U;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }

 private:
  std::uint64_t state_;
};

/// One of `count` indices, from the low half of a drawn number.
constexpr std::uint32_t index_below(std::uint64_t drawn, std::uint32_t count) noexcept {
  return static_cast<std::uint32_t>(((drawn & 0xffffffffU) * count) >> 32);
}

/// A delay in [from, from + range), in whole microseconds, from the high half of a drawn number. Two choices thus cost
/// one draw: at a few nanoseconds an operation the generator must not be what is measured.
constexpr std::int64_t delay_ns_in(std::uint64_t drawn, std::uint64_t from_us, std::uint64_t range_us) noexcept {
  return static_cast<std::int64_t>((from_us + (((drawn >> 32) * range_us) >> 32)) * 1000);
}

/// Churn's delays: 1 ms to 60 s.
constexpr std::int64_t churn_delay_ns(std::uint64_t drawn) noexcept { return delay_ns_in(drawn, 1'000, 59'999'000); }

/// Postpone's delay.
inline constexpr std::int64_t postpone_delay_ns = 30'000'000'000;

}  // namespace detent::bench
