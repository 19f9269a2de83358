// How operations are drawn, from dice or from the bytes of a fuzzer alike: amounts about powers of two, where the
// digits of a wheel change; clocks that start there; many deadlines that meet at the same instant.
#pragma once

#include "reference/operation.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace reference {

class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  int below(int limit) { return static_cast<int>(roll() % static_cast<std::uint64_t>(limit)); }
  bool is_empty() const { return false; }

 private:
  std::uint64_t state_;
};

// One byte for each decision; no bytes left reads as zeros.
class byte_source {
 public:
  byte_source(const std::uint8_t* bytes, std::size_t size) : bytes_(bytes), size_(size) {}
  int below(int limit) {
    int value = 0;
    for (int reach = 1; reach < limit && size_ > 0; reach *= 256, ++bytes_, --size_) value = value * 256 + *bytes_;
    return value % limit;
  }
  bool is_empty() const { return size_ == 0; }

 private:
  const std::uint8_t* bytes_;
  std::size_t size_;
};

template <class Source>
bool chance(Source& from, int percent) {
  return from.below(100) < percent;
}

template <class Source>
std::int64_t about_power(Source& from, int highest) {
  const int power = from.below(highest + 1);
  return (std::int64_t{1} << power) + from.below(11) - 5;
}

inline std::int64_t saturating_sum(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? INT64_MAX : INT64_MIN;
  return sum;
}

// Every 2^k - 5 .. 2^k + 5 from a clock's epoch, on either side, and from its first instant, from which the engine
// counts; and from its last one, as far as there is time left to run.
inline constexpr std::uint64_t start_count = std::uint64_t{63} * 11 * 4;
inline std::int64_t start_of(std::uint64_t number) {
  const auto k = static_cast<int>(number % 63);
  const auto off = static_cast<std::int64_t>(number / 63 % 11) - 5;
  const std::int64_t start = (std::int64_t{1} << k) + off;
  switch (number / 63 / 11 % 4) {
    case 0: return start;
    case 1: return -start;
    case 2: return first_ns + 4 + start;
    default: return INT64_MAX - (k < 44 ? (std::int64_t{1} << 62) : 0) - start;
  }
}

template <class Source>
operation draw_series(Source& from, int timer, std::int64_t now_ns, std::int64_t least_first) {
  operation o{operation::verb::arm_every, timer};
  o.amount = saturating_sum(now_ns, std::max(least_first, about_power(from, 30)));
  o.period_ns = 500 + about_power(from, 36);
  o.pace = chance(from, 30) ? detent::pace::fixed_delay : detent::pace::fixed_rate;
  o.missed = static_cast<detent::missed_ticks>(from.below(3));
  return o;
}

template <class Source>
operation draw_move(Source& from, const timer_model& m) {
  const int lot = from.below(100);
  const std::int64_t next = m.until_next();
  std::int64_t by = about_power(from, 40);
  if (next < INT64_MAX / 4 && chance(from, 60)) by = next + from.below(17) - 8;
  while (by > 0 && is_too_far(m, by)) by /= 16;
  by = std::max<std::int64_t>(by, 0);
  using verb = operation::verb;
  if (lot < 70) return {verb::advance, -1, by};
  if (lot < 88) {
    const operation step{verb::step, -1};
    return is_allowed(m, step) ? step : operation{verb::advance, -1, 0};
  }
  if (lot < 94) return {verb::suspend, -1, by};
  return {verb::step_system, -1, chance(from, 50) ? by : -about_power(from, 40)};
}

// The next operation on worlds in the state of `m`.
template <class Source>
operation draw(Source& from, const timer_model& m) {
  using verb = operation::verb;
  const int lot = from.below(100);
  const int timer = from.below(timer_count);
  // A guess at the timer's clock: on another one an instant is any instant at all.
  const std::int64_t now_ns = timer % 3 == 0   ? m.now_ns(detent::clock_kind::boottime)
                              : timer % 5 == 0 ? m.now_ns(detent::clock_kind::system)
                                               : m.now_ns(detent::clock_kind::steady);
  if (lot < 12) {
    if (chance(from, 30)) return {verb::destroy, timer};
    return {verb::create, timer, chance(from, 60) ? 0 : from.below(3)};
  }
  if (lot < 30) {
    if (chance(from, 10)) return {verb::arm_after, timer, 0};
    if (chance(from, 5)) return {verb::arm_after, timer, -about_power(from, 40)};
    return {verb::arm_after, timer, about_power(from, 45)};
  }
  if (lot < 42) {
    const std::int64_t grid = std::int64_t{1} << from.below(20);
    const std::int64_t ahead = about_power(from, 34) - (chance(from, 10) ? 1000 : 0);
    return {verb::arm_at, timer, saturating_sum(now_ns, ahead) / grid * grid};
  }
  if (lot < 47) return draw_series(from, timer, now_ns, INT64_MIN / 4);
  if (lot < 57) return {verb::cancel, timer};
  if (lot < 59) return {verb::close, timer};
  if (lot < 63) return {verb::status, timer};
  return draw_move(from, m);
}

// What a callback does follows from the script's number, the timer and the number of its call. Others are armed for
// later than now: where a timer stands that is armed anew for this very look is left open (G21).
inline void act_in_callback(world& w, int timer, int call, void* context) {
  const std::uint64_t number = *static_cast<const std::uint64_t*>(context);
  if (timer == far_timer || number == 0) return;
  dice d(number * 1'000'003 + static_cast<std::uint64_t>(timer) * 7919 + static_cast<std::uint64_t>(call));
  const int other = (timer + 1 + d.below(timer_count - 1)) % timer_count;
  const auto positive = [&d] { return std::max<std::int64_t>(1, about_power(d, 34)); };
  const int lot = d.below(100);
  using verb = operation::verb;
  if (lot < 15) perform(w, {verb::arm_after, timer, chance(d, 30) ? 0 : about_power(d, 34)});
  else if (lot < 22) perform(w, {verb::cancel, timer});
  else if (lot < 26) perform(w, {verb::close, timer});
  else if (lot < 29) perform(w, {verb::destroy, timer});
  else if (lot < 38) perform(w, {verb::arm_after, other, positive()});
  else if (lot < 44) perform(w, {verb::cancel, other});
  else if (lot < 46) perform(w, {verb::close, other});
  else if (lot < 48) perform(w, {verb::destroy, other});
  else if (lot < 52) perform(w, draw_series(d, timer, w.now_ns(detent::clock_kind::steady), 1));
  else if (lot < 56) perform(w, {verb::status, other});
}

}  // namespace reference
