#include <detent/observe.hpp>
#include <detent/outcome.hpp>

#include <bit>
#include <cmath>

namespace detent::inline v0 {

const char* to_string(arm_result r) noexcept {
  switch (r) {
    case arm_result::armed: return "armed";
    case arm_result::rearmed: return "rearmed";
    case arm_result::closed: return "closed";
    case arm_result::shut_down: return "shut_down";
    case arm_result::refused: return "refused";
  }
  return "unknown";
}

const char* to_string(cancel_result r) noexcept {
  switch (r) {
    case cancel_result::cancelled: return "cancelled";
    case cancel_result::cancelled_running: return "cancelled_running";
    case cancel_result::running: return "running";
    case cancel_result::idle: return "idle";
    case cancel_result::closed: return "closed";
    case cancel_result::shut_down: return "shut_down";
  }
  return "unknown";
}

const char* to_string(wait_result r) noexcept {
  switch (r) {
    case wait_result::quiet: return "quiet";
    case wait_result::from_callback: return "from_callback";
    case wait_result::would_deadlock: return "would_deadlock";
    case wait_result::timed_out: return "timed_out";
  }
  return "unknown";
}

const char* to_string(stop_result r) noexcept {
  switch (r) {
    case stop_result::asked: return "asked";
    case stop_result::idle: return "idle";
  }
  return "unknown";
}

const char* to_string(then_result r) noexcept {
  switch (r) {
    case then_result::accepted: return "accepted";
    case then_result::no_memory: return "no_memory";
  }
  return "unknown";
}

const char* to_string(timer_state s) noexcept {
  switch (s) {
    case timer_state::idle: return "idle";
    case timer_state::pending: return "pending";
    case timer_state::queued: return "queued";
    case timer_state::running: return "running";
    case timer_state::closed: return "closed";
    case timer_state::shut_down: return "shut_down";
  }
  return "unknown";
}

// Buckets 0 to 7 hold one nanosecond each; from there on eight buckets for each power of two.
std::uint64_t lateness_histogram::bucket_upper_ns(std::size_t bucket) noexcept {
  if (bucket < 24) return bucket < 8 ? bucket : 7;
  const std::size_t power = bucket / 8;  // the value's highest bit
  const std::uint64_t eighth = bucket % 8;
  const std::uint64_t base = (std::uint64_t{8} + eighth + 1) << (power - 3);
  return base - 1;
}

std::uint64_t lateness_histogram::quantile_ns(double q) const noexcept {
  if (count == 0) return 0;
  const auto rank = static_cast<std::uint64_t>(std::ceil(q * static_cast<double>(count)));
  std::uint64_t seen = 0;
  for (std::size_t b = 0; b < buckets.size(); ++b) {
    seen += buckets[b];
    if (seen >= rank && seen != 0) return bucket_upper_ns(b) < max_ns ? bucket_upper_ns(b) : max_ns;
  }
  return max_ns;
}

}  // namespace detent::inline v0
