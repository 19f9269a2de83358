// One replaying thread: does to the live timers what one recorded CPU did to the kernel's.
#pragma once

#include "activity_track.hpp"
#include "lateness_meter.hpp"
#include "live_population.hpp"
#include "replay_plan.hpp"

#include <atomic>
#include <cstdint>
#include <vector>

namespace detent::cli {

/// What all replaying threads have in common.
struct replay_course {
  const rebuilt_trace& trace;
  const replay_plan& plan;
  live_population& population;
  const std::atomic<bool>& stop;  ///< ends the replay before its end
  double speed = 1;               ///< 0: without any pause, and with the recorded delays
  std::uint32_t repeat = 1;
  std::int64_t start_ns = 0;
  std::int64_t clock_cost_ns = 0;  ///< of one reading of the clock, taken off what is timed

  /// For each recorded timer, how many of its operations are done.
  std::vector<std::atomic<std::uint32_t>> done = std::vector<std::atomic<std::uint32_t>>(plan.steps_of_timer.size());

  std::int64_t scaled(std::int64_t recorded_ns) const noexcept;
  std::int64_t round_length_ns() const noexcept { return scaled(trace.length_ns); }
};

/// Written by its replaying thread; the counts may be read by others while it runs.
struct replay_tally {
  std::atomic<std::uint64_t> armed{0};  ///< found nothing pending
  std::atomic<std::uint64_t> cancelled{0};
  std::atomic<std::uint64_t> operations{0};
  activity_track armed_track;
  activity_track rearmed_track;
  activity_track cancelled_track;
  lateness_meter behind;  ///< begin of an operation minus its recorded instant
  lateness_meter timed;   ///< time inside a verb, of some of them
  std::int64_t timed_sum_ns = 0;
};

/// Runs the operations of `steps`, as often as the course says. Answers when all are done, or soon after `stop`.
void replay_steps(replay_course& course, const std::vector<planned_step>& steps, replay_tally& tally);

}  // namespace detent::cli
