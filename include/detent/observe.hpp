// observe: what a service tells about itself: counters, lateness, the live timers, errors, and its last report.
#pragma once

#include <detent/outcome.hpp>
#include <detent/time.hpp>
#include <detent/timer_id.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <source_location>
#include <string>
#include <vector>

DETENT_BEGIN_NAMESPACE

// Names one timer in reports, errors and cycles.
struct timer_name {
  timer_id id{};
  std::string name;
  std::source_location place{};  // where it was created
};

// One live timer, as `snapshot` saw it.
struct timer_info {
  timer_id id{};
  std::string name;
  std::string group;
  std::source_location place{};
  timer_state state{};
  clock_kind clock{};
  bool due_known = false;  // false: nothing pending, or pending for ever
  duration due_in{0};      // relative to the clock's reading at the snapshot; negative: overdue
  duration period{0};      // 0: not a series
  std::uint64_t calls = 0;
};

// Log-linear histogram of lateness in fixed memory: eight buckets for each power of two of nanoseconds.
struct lateness_histogram {
  static constexpr std::size_t bucket_count = std::size_t{64} * 8;
  std::uint64_t count = 0;
  std::uint64_t max_ns = 0;
  std::vector<std::uint64_t> buckets;  // bucket_count of them

  // The upper bound, in nanoseconds, of the bucket in which the quantile q (0..1) lies; never above `max_ns`.
  DETENT_EXPORT std::uint64_t quantile_ns(double q) const noexcept;
  DETENT_EXPORT static std::uint64_t bucket_upper_ns(std::size_t bucket) noexcept;
};

struct service_counters {
  std::uint64_t fired = 0;    // calls begun by a firing
  std::uint64_t dropped = 0;  // firings ended by an executor that refused them
  std::uint64_t missed = 0;   // ticks of series that another firing stood for
  std::uint64_t threw = 0;    // callbacks that threw
  std::uint64_t early = 0;    // firings before their deadline: any value but 0 is a defect of Detent
  std::uint64_t wakeups = 0;  // times the driver came back from a sleep
  std::uint64_t spun_ns = 0;  // time the driver looked at the clock instead of sleeping (service_options::spin_percent)
  std::uint64_t rescues = 0;  // sleeps that only the safety limit ended (proof builds): must be 0
  std::uint64_t alive = 0;    // timers that exist now
  std::uint64_t clock_steps = 0;
  lateness_histogram lateness;
};

// A callback let an exception out, or its firing was dropped.
struct callback_error {
  enum class what : std::uint8_t { threw, dropped };
  what kind{};
  timer_name timer;
  std::exception_ptr exception;  // null for `dropped`, and in builds without exceptions
};

// A wait that would never end, found at the moment it would have begun.
struct deadlock_report {
  bool refused = true;            // false: a destructor, which cannot refuse; if the handler returns, so does it
  std::vector<timer_name> cycle;  // the calls in the cycle, in order; what a worker calls has no place
  std::string text;               // the same as one line
};

// A call that exceeded the watchdog's limit, told once per call.
struct slow_call {
  timer_name timer;
  duration running_for{0};
};

struct shutdown_report {
  bool complete = false;  // no call is still running
  std::uint64_t fired = 0;
  std::uint64_t cancelled = 0;  // pending firings withdrawn by the shutdown
  std::uint64_t dropped = 0;
  std::uint64_t detached_threads = 0;     // 1 when the service was destroyed inside its own callback
  std::vector<timer_name> still_running;  // as many as memory allowed
};

DETENT_END_NAMESPACE
