#include "replaying_thread.hpp"

#include "sleep_probe.hpp"

#include <algorithm>
#include <cmath>
#include <thread>

namespace detent::cli {
namespace {

/// One verb of so many is timed: often enough for its quantiles, seldom enough that the clock does not show.
constexpr std::uint32_t timed_every = 8;
/// A sleeping thread looks this often whether it is to stop.
constexpr std::int64_t longest_sleep_ns = 50'000'000;

void add(std::atomic<std::uint64_t>& count) noexcept {
  // This thread is the only writer, so no read-modify-write is needed.
  count.store(count.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

class replaying_thread {
 public:
  replaying_thread(replay_course& course, replay_tally& tally) : course_(course), tally_(tally) {}

  void run(const std::vector<planned_step>& steps) {
    for (std::uint32_t round = 0; round < course_.repeat; ++round) {
      const std::int64_t begin_ns = course_.start_ns + round * course_.round_length_ns();
      for (const planned_step& step : steps) {
        const operation& one = course_.trace.operations[step.operation];
        if (course_.speed != 0) await_instant(begin_ns + course_.scaled(one.time_ns));
        const std::uint32_t turn = round * course_.plan.steps_of_timer[one.timer] + step.turn;
        if (!await_turn(course_.done[one.timer], turn)) return;
        for (live_timer& timer : course_.population.of(one.timer)) perform(one, timer);
        course_.done[one.timer].store(turn + 1, std::memory_order_release);
      }
    }
  }

 private:
  bool stopped() const noexcept { return course_.stop.load(std::memory_order_relaxed); }

  /// Operations that are due already are done without a pause and without a look at the clock.
  void await_instant(std::int64_t at_ns) {
    if (now_ns_ < at_ns) now_ns_ = steady_now_ns();
    while (now_ns_ < at_ns && !stopped()) {
      sleep_until_ns(std::min(at_ns, now_ns_ + longest_sleep_ns));
      now_ns_ = steady_now_ns();
    }
    if (!stopped()) tally_.behind.add(now_ns_ - at_ns);
  }

  /// Waits until the operations of the timer that come before are done, by whatever thread. The thread before is
  /// usually just about to: so this looks a few times, lets others run a few times, and only then sleeps. False:
  /// stopped.
  bool await_turn(const std::atomic<std::uint32_t>& done, std::uint32_t turn) {
    constexpr int looks = 64;
    constexpr int yields = 16;
    constexpr std::int64_t nap_ns = 20'000;
    if (done.load(std::memory_order_acquire) == turn) return !stopped();
    for (int tries = 0; done.load(std::memory_order_acquire) != turn; ++tries) {
      if (stopped()) return false;
      if (tries >= looks + yields) {
        sleep_until_ns(steady_now_ns() + nap_ns);
      } else if (tries >= looks) {
        std::this_thread::yield();
      }
    }
    now_ns_ = steady_now_ns();
    return true;
  }

  void perform(const operation& one, live_timer& timer) {
    timed_ = ++operations_ % timed_every == 0;
    // Without pauses nobody else reads the clock.
    if (timed_ || now_ns_ == 0) now_ns_ = steady_now_ns();
    if (is_arming(one)) {
      arm(timer, course_.scaled(one.delay_ns));
    } else {
      cancel(timer);
    }
    add(tally_.operations);
  }

  void arm(live_timer& timer, std::int64_t delay_ns) {
    const steady_clock::time_point now{steady_clock::duration(now_ns_)};
    timer.due_ns = now_ns_ + delay_ns;
    const arm_result answer = timer.handle.arm_after(duration(delay_ns), now);
    note_time();
    // A refused arming is counted as one without an end: the timers stay open until the replay is over.
    ++timer.armings;
    if (answer == arm_result::rearmed) {
      ++timer.replaced;
      tally_.rearmed_track.add(now_ns_ - course_.start_ns, 1);
    } else {
      add(tally_.armed);
      tally_.armed_track.add(now_ns_ - course_.start_ns, 1);
    }
  }

  void cancel(live_timer& timer) {
    const cancel_result answer = timer.handle.cancel();
    note_time();
    // On an idle timer there was nothing to end: here it had fired before the cancel came, in the recording it had not.
    if (answer != cancel_result::cancelled && answer != cancel_result::cancelled_running) return;
    ++timer.cancelled;
    add(tally_.cancelled);
    tally_.cancelled_track.add(now_ns_ - course_.start_ns, 1);
  }

  void note_time() {
    if (!timed_) return;
    const std::int64_t end_ns = steady_now_ns();
    const std::int64_t inside_ns = std::max<std::int64_t>(end_ns - now_ns_ - course_.clock_cost_ns, 0);
    tally_.timed.add(inside_ns);
    tally_.timed_sum_ns += inside_ns;
    now_ns_ = end_ns;
  }

  replay_course& course_;
  replay_tally& tally_;
  std::int64_t now_ns_ = 0;  ///< a recent reading of the clock
  std::uint32_t operations_ = 0;
  bool timed_ = false;
};

}  // namespace

std::int64_t replay_course::scaled(std::int64_t recorded_ns) const noexcept {
  if (speed == 1 || speed == 0) return recorded_ns;
  constexpr double longest_ns = 4e18;
  return std::llround(std::min(static_cast<double>(recorded_ns) / speed, longest_ns));
}

void replay_steps(replay_course& course, const std::vector<planned_step>& steps, replay_tally& tally) {
  replaying_thread(course, tally).run(steps);
}

}  // namespace detent::cli
