// policy: the choices a user makes when creating a timer, a series or a shutdown.
#pragma once

#include <detent/time.hpp>
#include <detent/version.hpp>

#include <cstdint>
#include <string_view>

DETENT_BEGIN_NAMESPACE

// What a series does about ticks whose time passed while it could not run (G15). (Source: the three behaviours of
// tokio's Interval, with another default.)
enum class missed_ticks : std::uint8_t {
  skip,   // one firing stands for all of them; the phase is kept
  burst,  // each of them fires, one after the other, until the series has caught up
  delay,  // one firing stands for all of them; the phase restarts at that firing
};

// From where a series counts its next deadline. (Source: the two schedules of Java's ScheduledExecutorService.)
enum class pace : std::uint8_t {
  fixed_rate,   // from the deadline before
  fixed_delay,  // from the end of the call
};

// What an exception that leaves a callback does to a series (G12).
enum class on_throw : std::uint8_t { resume, end_series };

enum class shutdown_policy : std::uint8_t {
  cancel_pending,  // every pending firing is withdrawn
  run_due,         // what is due or queued at this moment still runs, the rest is withdrawn
};

// Who calls into the service.
enum class sharing : std::uint8_t {
  any_thread,  // all guarantees
  one_thread,  // every verb on the creating thread only; the same semantics without read-modify-writes
};

// Who looks at the clock and works off what is due.
enum class drive : std::uint8_t {
  own_thread,  // a thread of the service
  by_user,     // the user's loop: `run_due`, `next_deadline`, `fd`
};

struct series_options {
  duration first{-1};  // delay of the first tick; negative: one period
  detent::pace pace = detent::pace::fixed_rate;
  missed_ticks missed = missed_ticks::skip;
};

struct timer_options {
  std::string_view name{};  // copied
  duration tolerance{0};    // a wake-up may be put off by at most this, to share another's; never early
  on_throw throws = on_throw::resume;
};

DETENT_END_NAMESPACE
