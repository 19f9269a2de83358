// How far the clock of the kernel's hrtimers is ahead of the clock of the trace.
#pragma once

#include <cstdint>
#include <vector>

namespace detent::cli {

/// Each hrtimer expiry shows both clocks: the trace's in its time stamp and the timer's in `now=`. Most hrtimers are on
/// the monotonic clock, so the median over all of them is that clock's offset, whatever a few timers on the wall clock
/// say. The trace's default clock drifts against it; so one median is kept for every `window_ns`.
class ktime_offset {
 public:
  static constexpr std::int64_t window_ns = 1'000'000'000;

  void add(std::int64_t time_ns, std::int64_t ktime_ns);

  /// Call once, after the last `add` and before the first `at`.
  void settle();

  /// Ktime minus trace time around `time_ns`; 0 when no expiry was seen, because trace clocks count from boot as well.
  std::int64_t at(std::int64_t time_ns) const;

 private:
  struct sample {
    std::int64_t time_ns;
    std::int64_t offset_ns;
  };
  std::vector<sample> samples_;  // until settled: one per expiry; then one per window, in order of time
};

}  // namespace detent::cli
