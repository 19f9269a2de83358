#include "trace_deadlines.hpp"

#include <algorithm>
#include <limits>
#include <ranges>

namespace detent::cli {
namespace {

constexpr std::int64_t ns_per_s = 1'000'000'000;

/// How an arming ended in the trace.
struct recorded_end {
  std::int64_t time_ns = 0;
  bool seen = false;
  bool by_expiry = false;
};

std::int64_t clamp_delay(std::int64_t delay_ns, deadline_counts& counts) {
  if (delay_ns < 0) ++counts.already_due;
  return std::clamp<std::int64_t>(delay_ns, 0, trace_deadlines::longest_delay_ns);
}

std::int64_t wheel_delay(std::int64_t timeout_jiffies, std::uint32_t hz, deadline_counts& counts) {
  const std::int64_t jiffy_ns = ns_per_s / hz;
  // Beyond the longest delay the product does not matter, and could overflow.
  const std::int64_t most_jiffies = trace_deadlines::longest_delay_ns / jiffy_ns + 1;
  return clamp_delay(std::clamp(timeout_jiffies, -most_jiffies, most_jiffies) * jiffy_ns, counts);
}

/// Stops at the ends of the type: a broken file may hold any two numbers, and that far apart all are absurd alike.
std::int64_t difference(std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  if (!__builtin_sub_overflow(left, right, &result)) return result;
  return right > 0 ? std::numeric_limits<std::int64_t>::min() : std::numeric_limits<std::int64_t>::max();
}

/// What the trace itself shows of a deadline that cannot be read: it lay at the expiry, or beyond whatever ended the
/// arming before. How far beyond is not known; as far again keeps the order of magnitude, and the timer unfired.
std::int64_t delay_from_end(std::int64_t armed_at_ns, const recorded_end& end) {
  if (!end.seen) return trace_deadlines::longest_delay_ns;
  const std::int64_t until_end_ns = std::min(end.time_ns - armed_at_ns, trace_deadlines::longest_delay_ns / 2);
  return end.by_expiry ? until_end_ns : until_end_ns * 2;
}

/// `read_ns` is what the deadline says if it is on the monotonic clock, `shown_ns` what the arming's end shows.
std::int64_t hrtimer_delay(std::int64_t read_ns, std::int64_t shown_ns, deadline_counts& counts) {
  if (read_ns >= -trace_deadlines::clock_jitter_ns && read_ns <= trace_deadlines::longest_delay_ns) {
    return clamp_delay(read_ns, counts);
  }
  ++counts.foreign_clock;
  return shown_ns;
}

}  // namespace

void trace_deadlines::add(const trace_event& event) {
  const bool wheel = event.family == timer_family::wheel;
  if (event.verb == trace_verb::start && wheel) {
    any_wheel_ = true;
    rate_.add(event.time_ns, static_cast<std::int64_t>(static_cast<std::uint64_t>(event.expires) -
                                                       static_cast<std::uint64_t>(event.timeout_jiffies)));
  } else if (event.verb == trace_verb::expire_entry) {
    wheel ? rate_.add(event.time_ns, event.now) : offset_.add(event.time_ns, event.now);
  }
}

std::uint32_t trace_deadlines::jiffies_per_second(std::optional<std::uint32_t> given) const {
  if (given) return *given;
  if (!any_wheel_) return 0;
  if (const auto derived = rate_.derive()) return *derived;
  throw unknown_jiffies_rate(
      "the kernel's jiffies per second cannot be derived: " + rate_.reason() +
      ", which fits not exactly one of 100, 250, 300 and 1000; give it with --hz (on the machine that "
      "recorded: grep CONFIG_HZ= /boot/config-$(uname -r))");
}

deadline_counts trace_deadlines::convert(std::vector<operation>& operations, const std::vector<traced_timer>& timers,
                                         std::uint32_t hz, std::int64_t started_at_ns) {
  deadline_counts counts;
  offset_.settle();
  // Backwards, so that the end of each arming is known when the arming comes.
  std::vector<recorded_end> ends(timers.size());
  for (operation& one : operations | std::views::reverse) {
    recorded_end& end = ends[one.timer];
    if (is_arming(one)) {
      const bool wheel = timers[one.timer].family == timer_family::wheel;
      const std::int64_t now_ns = started_at_ns + one.time_ns;
      one.delay_ns = wheel ? wheel_delay(one.delay_ns, hz, counts)
                           : hrtimer_delay(difference(difference(one.delay_ns, offset_.at(now_ns)), now_ns),
                                           delay_from_end(one.time_ns, end), counts);
    }
    end = {one.time_ns, one.kind != operation_kind::arm, one.kind == operation_kind::expiry};
  }
  return counts;
}

}  // namespace detent::cli
