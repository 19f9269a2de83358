// outcome: what the verbs answer. Every value reads as an adjective; there is no bool whose polarity could be asked.
#pragma once

#include <detent/version.hpp>

#include <cstdint>

DETENT_BEGIN_NAMESPACE

namespace detail {
class core;
}  // namespace detail

// What `arm_…` did.
enum class arm_result : std::uint8_t {
  armed,      // nothing was pending
  rearmed,    // a pending firing (or a live series) was replaced and will not start
  closed,     // refused: the timer is closed, gone, or its handle is empty
  shut_down,  // refused: the service is shut down, or this is a fork child
  refused,    // refused: a period that is zero or negative
};

// What `cancel` and `close` found. Only `cancelled` and `idle` say that the callback is not running now.
enum class cancel_result : std::uint8_t {
  cancelled,          // a firing was withdrawn, no call is in progress
  cancelled_running,  // a firing was withdrawn while the call of an earlier one is in progress
  running,            // nothing was pending, a call is in progress
  idle,               // neither
  closed,             // the timer was closed already, is gone, or its handle is empty
  shut_down,          // the service is shut down, or this is a fork child
};

// How a waiting verb ended.
enum class wait_result : std::uint8_t {
  quiet,           // the calls it had to wait for are over
  from_callback,   // not waited for: it would wait for the call (or for the executor) it was made from
  would_deadlock,  // refused: the wait would close a cycle; the verb's own effect has been taken all the same
  timed_out,       // the limit passed first
};

// How far a wait has come that `timed_out`: the next `wait_for` with it goes on there, as if the wait had lasted all
// the time, so that what ended in between ends it. For a thread that has to look up from its wait now and then. Begins
// empty; for one wait, by one thread, on one timer or group.
class wait_progress {
  friend class detail::core;
  std::uint32_t index_ = 0;            // of the member of a group that is waited for
  std::uint32_t ends_ = 0;             // its record's counts when the wait for it began
  std::uint32_t detaches_ = 0;         // the same
  std::uint32_t detached_before_ = 0;  // the detached call that ran when the wait began
  std::uint8_t calls_left_ = 0;        // ends that are still waited for
  bool has_begun_ = false;
  bool sleeps_ = false;  // the wait timed out with `ends_` and `detaches_` set
  bool behind_detached_ = false;
};

enum class stop_result : std::uint8_t {
  asked,  // the call in progress was told through its stop token
  idle,   // no call is in progress
};

enum class then_result : std::uint8_t {
  accepted,   // the continuation runs once, after the last call and the destruction of the callable
  no_memory,  // nothing was changed: the continuation is untouched, the timer open
};

// What a timer is doing at the moment of asking.
enum class timer_state : std::uint8_t {
  idle,       // open, nothing pending
  pending,    // a firing is pending
  queued,     // a firing is due and handed to the executor
  running,    // a call is in progress (whatever is pending besides)
  closed,     // closed, or gone
  shut_down,  // its service is shut down
};

struct cancel_answer {
  cancel_result outcome;
  wait_result wait;
};

DETENT_EXPORT const char* to_string(arm_result) noexcept;
DETENT_EXPORT const char* to_string(cancel_result) noexcept;
DETENT_EXPORT const char* to_string(wait_result) noexcept;
DETENT_EXPORT const char* to_string(stop_result) noexcept;
DETENT_EXPORT const char* to_string(then_result) noexcept;
DETENT_EXPORT const char* to_string(timer_state) noexcept;

DETENT_END_NAMESPACE
