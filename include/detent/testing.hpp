// testing: a clock that moves only when told, for users' own tests. It drives every service built on it, in order.
#pragma once

#include <detent/time.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>

DETENT_BEGIN_NAMESPACE

namespace detail {
class manual_state;
}

// All clocks of a service at once: steady, boottime and system. Callbacks run inside `advance`, on its thread, or on
// the service's pool; with a pool, `advance` waits for the calls of one instant before it moves to the next.
//
//   Blocks:   now() never; the others until the callbacks they start are over.
//   Threads:  now() any; the others one at a time.
//   Callback: inside one they do nothing and answer 0; now() is legal.
//   Errors:   more than `limit_per_instant` firings at one instant print the timer's name and abort: it re-arms itself
//             with no delay, and time would never move.
class DETENT_EXPORT manual_clock {
 public:
  static constexpr std::size_t limit_per_instant = 1'000'000;

  // All three clocks start at `start` after their epochs; any value is legal.
  explicit manual_clock(duration start = std::chrono::hours(1));
  manual_clock(const manual_clock&) = delete;
  manual_clock& operator=(const manual_clock&) = delete;
  // Destroy the services first: a service on a clock that is gone aborts with a sentence.
  ~manual_clock();

  template <class Clock = steady_clock>
  typename Clock::time_point now() const noexcept {
    return typename Clock::time_point(
        std::chrono::duration_cast<typename Clock::duration>(now_since_epoch(detail::clock_kind_of<Clock>::value)));
  }

  // Moves to every deadline in the window, in order, firing what is due there, and ends `d` later. Timers armed by
  // callbacks fire too if they are due inside the window, with now() equal to their deadline. Answers the calls made.
  std::size_t advance(duration d);
  template <class Duration>
  std::size_t advance_to(std::chrono::time_point<steady_clock, Duration> at) {
    return advance(at - now());
  }

  // Moves to the next deadline and fires exactly one timer there; answers 1, or 0 when nothing is pending.
  std::size_t step();

  // Works off what is due now, without moving.
  std::size_t settle() { return advance(duration(0)); }

  // The machine sleeps for `d`: boottime and system go on, steady stands still.
  std::size_t suspend(duration d);

  // Somebody sets the wall clock: only system timers notice.
  std::size_t step_system(duration d);

 private:
  friend class timer_service;
  duration now_since_epoch(clock_kind kind) const noexcept;
  detail::manual_state* state_;
};

DETENT_END_NAMESPACE
