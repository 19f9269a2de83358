// firing: what a running callback may ask about the call it is in.
#pragma once

#include <detent/time.hpp>
#include <detent/timer_id.hpp>
#include <detent/version.hpp>

#include <cstdint>

DETENT_BEGIN_NAMESPACE

namespace detail {
struct call_frame;
}

// Says whether the call in progress was asked to end early: by `stop`, by a close, by shutdown or by a destructor; not
// by cancel. It lives in the engine's frame of that call and allocates nothing: use it on any thread, but only while
// the call lasts.
class DETENT_EXPORT stop_token {
 public:
  bool stop_requested() const noexcept;

 private:
  friend class firing;
  explicit stop_token(const detail::call_frame* frame) noexcept : frame_(frame) {}
  const detail::call_frame* frame_;
};

// One due occurrence, while its call is in progress. A callback takes it as `firing&`, or takes nothing.
//
//   Blocks:      nothing here blocks.
//   Threads:     the thread of the call; `token()` may be handed to others.
//   Errors:      none.
//   Visibility:  what happened before the arming, and what the timer's earlier calls did, is visible here (G11).
class DETENT_EXPORT firing {
 public:
  firing(const firing&) = delete;
  firing& operator=(const firing&) = delete;

  // The deadline as it was kept: rounded up to `timer_service::resolution`. Ask with the timer's own clock.
  template <class Clock = steady_clock>
  typename Clock::time_point deadline() const noexcept {
    return typename Clock::time_point(
        std::chrono::duration_cast<typename Clock::duration>(std::chrono::nanoseconds(deadline_ns_)));
  }

  // Start of the call minus deadline; never negative (G01).
  duration lateness() const noexcept { return duration(lateness_ns_); }

  // How many ticks of a series this firing stands for besides its own.
  std::uint64_t missed() const noexcept { return missed_; }

  timer_id id() const noexcept;

  // For a long call: ask it now and then, and return early.
  stop_token token() const noexcept { return stop_token(frame_); }

  // From here on the rest of this call no longer counts for waits on its timer; it still counts for G07, for its group
  // and for shutdown. It may use only what it has taken over. (Source: DisassociateCurrentThreadFromCallback.)
  void detach() noexcept;

  // Closes the timer this call belongs to. The callable is destroyed when the call has returned.
  void close() noexcept;

 private:
  friend struct detail::call_frame;
  firing() noexcept = default;
  detail::call_frame* frame_ = nullptr;
  std::int64_t deadline_ns_ = 0;
  std::int64_t lateness_ns_ = 0;
  std::uint64_t missed_ = 0;
};

DETENT_END_NAMESPACE
