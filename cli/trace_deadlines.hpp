// From the kernel's deadlines, in jiffies or on the timer's own clock, to delays in nanoseconds.
#pragma once

#include "jiffies_rate.hpp"
#include "ktime_offset.hpp"
#include "trace_event.hpp"
#include "trace_operation.hpp"

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <vector>

namespace detent::cli {

struct deadline_counts {
  std::uint64_t already_due = 0;    ///< armed for an instant that had passed, within the reading error of two clocks
  std::uint64_t foreign_clock = 0;  ///< hrtimers whose deadline makes sense on another clock only
};

/// The trace does not tell how long a jiffy is, and the user did not either.
class unknown_jiffies_rate : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A delay needs the length of a jiffy and the offset of the hrtimers' clock, which are known only after the last
/// event. So operations first carry the deadline as the trace has it, and all are converted at the end.
class trace_deadlines {
 public:
  /// Readings of two clocks in one event can be this far apart.
  static constexpr std::int64_t clock_jitter_ns = 1'000'000;
  /// Longer delays are cut to this: a day in which nothing fires is as good as a month.
  static constexpr std::int64_t longest_delay_ns = 86'400'000'000'000;

  /// Learns from one event what it tells about the clocks.
  void add(const trace_event& event);

  /// The rate to use: `given`, else the derived one; 0 when no wheel timer was seen. Throws `unknown_jiffies_rate`.
  std::uint32_t jiffies_per_second(std::optional<std::uint32_t> given) const;

  /// Replaces the raw deadline in `delay_ns` of every arming (wheel: the timeout in jiffies, hrtimer: ns on its own
  /// clock).
  deadline_counts convert(std::vector<operation>& operations, const std::vector<traced_timer>& timers, std::uint32_t hz,
                          std::int64_t started_at_ns);

 private:
  bool any_wheel_ = false;
  jiffies_rate rate_;
  ktime_offset offset_;
};

}  // namespace detent::cli
