// service: the engine object. It owns clocks, wheels, driver and executor; none exists behind the user's back.
#pragma once

#include <detent/detail/call_site.hpp>
#include <detent/detail/callback.hpp>
#include <detent/executor.hpp>
#include <detent/firing.hpp>
#include <detent/group.hpp>
#include <detent/observe.hpp>
#include <detent/outcome.hpp>
#include <detent/policy.hpp>
#include <detent/testing.hpp>
#include <detent/time.hpp>
#include <detent/timer.hpp>
#include <detent/timer_id.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

// Real-time scheduling of the service's threads; `ordinary` leaves them as the OS made them.
struct thread_priority {
  enum class kind : std::uint8_t { ordinary, fifo, round_robin };
  kind scheduling = kind::ordinary;
  int level = 0;  // the OS's real-time priority; ignored for `ordinary`
};

// Every hook is called with no lock of the library held, may be called on any thread of the service, and what it throws
// is contained.
struct service_options {
  std::string name = "detent";  // threads are called name-driver, name-0, name-1, …
  detent::drive drive = drive::own_thread;
  detent::sharing sharing = sharing::any_thread;
  executor_choice executor{};
  thread_priority priority{};
  // The service's own driver may look at the clock, instead of sleeping, for the last microseconds before a deadline,
  // while that takes at most this share of one CPU; 0: it sleeps to the end, where many are due in a row up to
  // 50 microseconds beyond it. While clocks other than the steady one are in use it sleeps to the end too.
  unsigned spin_percent = 0;
  manual_clock* clock = nullptr;  // replaces every clock, and the driver

  detail::hook<void(const std::string& thread_name)> on_thread_start{};
  detail::hook<void(const callback_error&)> on_error{};      // default: print once per timer
  detail::hook<void(const deadlock_report&)> on_deadlock{};  // default: print and abort where a destructor waits
  detail::hook<void(duration by)> on_clock_step{};           // somebody set the wall clock
  detail::hook<void(const slow_call&)> on_slow_call{};       // default: print
  duration call_limit{0};                                    // above 0: a watchdog names calls that take longer
};

// What `run_due` did.
struct run_answer {
  enum class kind : std::uint8_t { ran, busy };
  kind outcome = kind::ran;
  std::size_t count = 0;  // firings handed out
};

// Clocks, wheels, a driver and an executor, and the timers made in it. Handles may outlive it (G20).
//
//   Verbs                   block   threads      inside a callback                     errors
//   verbs on ids            as the same verbs of `timer`
//   once, every             never   any          legal                                 throw std::bad_alloc; born closed
//                                                                                      once shut down (id of 0)
//   shutdown, destructor    yes     any          legal; do not wait for that call      the report
//   run_due                 runs    one at once  `busy`                                the answer
//   next_deadline, fd       never   any          legal                                 the answer
//   snapshot, counters,     never   any          legal                                 may throw std::bad_alloc
//   active, info
//   construction            never   any          legal                                 throws, or sets the error_code
//
//   Visibility: as for `timer`; what every callback did is visible after a shutdown that was complete. With
//   `sharing::one_thread` every verb belongs to the creating thread.
class DETENT_EXPORT timer_service {
 public:
  // Deadlines are rounded up to this.
  static constexpr duration resolution{8};

  timer_service() : timer_service(service_options{}) {}
  // Throws std::system_error naming the operation the OS refused.
  explicit timer_service(service_options options);
  // The same without exceptions: on failure `error` is set, and the object may only be asked for its bool and
  // destroyed.
  timer_service(service_options options, std::error_code& error) noexcept;
  // On a manual clock, with `on_driver`: callbacks run inside the clock's moves.
  explicit timer_service(manual_clock& clock);
  timer_service(const timer_service&) = delete;
  timer_service& operator=(const timer_service&) = delete;
  // shutdown(cancel_pending), then joins every thread however long it takes, naming what it waits for every 2 s.
  ~timer_service();
  explicit operator bool() const noexcept { return core_ != nullptr; }

  // --- Timers by id: fire-and-forget, and threads that may come too late. -------------------------------------------

  // Runs `f` once after `d`; the timer then ends by itself and its captures are destroyed.
  template <class Rep, class Period, class F>
    requires detail::timer_callback<std::decay_t<F>>
  timer_id once(std::chrono::duration<Rep, Period> d, F&& f, const timer_options& options = {},
                std::source_location place = detail::call_site::current()) {
    detail::creation record(*this, clock_kind::steady, options, place);
    return start_once(detail::open_with(record, std::forward<F>(f), false), detail::ceil_ns(d));
  }

  template <class Duration, class F>
    requires detail::timer_callback<std::decay_t<F>>
  timer_id once(std::chrono::time_point<steady_clock, Duration> at, F&& f, const timer_options& options = {},
                std::source_location place = detail::call_site::current()) {
    detail::creation record(*this, clock_kind::steady, options, place);
    return start_once_at(detail::open_with(record, std::forward<F>(f), false), detail::epoch_ns(at));
  }

  // Runs `f` every `period` until the id is closed. A period that is not positive answers the id of no timer.
  template <class Rep, class Period, class F>
    requires detail::timer_callback<std::decay_t<F>>
  timer_id every(std::chrono::duration<Rep, Period> period, F&& f, const series_options& series = {},
                 const timer_options& options = {}, std::source_location place = detail::call_site::current()) {
    if (detail::ceil_ns(period) <= 0) return {};
    detail::creation record(*this, clock_kind::steady, options, place);
    return start_every(detail::open_with(record, std::forward<F>(f), false), detail::ceil_ns(period), series);
  }

  template <class Rep, class Period>
  arm_result arm_after(timer_id id, std::chrono::duration<Rep, Period> d) noexcept {
    return arm_after_ns(id, detail::ceil_ns(d));
  }
  template <class Clock, class Duration>
  arm_result arm_at(timer_id id, std::chrono::time_point<Clock, Duration> at) noexcept {
    return arm_at_ns(id, detail::clock_kind_of<Clock>::value, detail::epoch_ns(at));
  }
  template <class Rep, class Period>
  arm_result arm_every(timer_id id, std::chrono::duration<Rep, Period> period, const series_options& s = {}) noexcept {
    return arm_every_ns(id, detail::ceil_ns(period), s);
  }
  // Withdraws what is pending. A timer that only its id names ends with that: nobody is left who would close it. One
  // with a handle stays open.
  cancel_result cancel(timer_id id) noexcept;
  cancel_answer cancel_and_wait(timer_id id) noexcept { return cancel_and_wait_ns(id, detail::ns_max); }
  template <class Rep, class Period>
  cancel_answer cancel_and_wait_for(timer_id id, std::chrono::duration<Rep, Period> limit) noexcept {
    return cancel_and_wait_ns(id, detail::ceil_ns(limit));
  }
  cancel_result close(timer_id id) noexcept;
  cancel_answer close_and_wait(timer_id id) noexcept { return close_and_wait_ns(id, detail::ns_max); }
  template <class Rep, class Period>
  cancel_answer close_and_wait_for(timer_id id, std::chrono::duration<Rep, Period> limit) noexcept {
    return close_and_wait_ns(id, detail::ceil_ns(limit));
  }
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  then_result close_then(timer_id id, F&& f) noexcept {
    return detail::close_then_on(core_, id, false, std::forward<F>(f));
  }
  stop_result stop(timer_id id) noexcept;
  wait_result wait(timer_id id) noexcept { return wait_ns(id, detail::ns_max); }
  template <class Rep, class Period>
  wait_result wait_for(timer_id id, std::chrono::duration<Rep, Period> limit) noexcept {
    return wait_ns(id, detail::ceil_ns(limit));
  }
  template <class Rep, class Period>
  wait_result wait_for(timer_id id, std::chrono::duration<Rep, Period> limit, wait_progress& progress) noexcept {
    return wait_ns(id, detail::ceil_ns(limit), &progress);
  }
  timer_state status(timer_id id) const noexcept;
  std::optional<timer_info> info(timer_id id) const;

  // Withdraws every pending firing of the service; the timers stay open. Answers how many.
  std::size_t cancel_all() noexcept;

  // --- Driven by the user. ------------------------------------------------------------------------------------------

  // Works off what is due at one look at the clock. A second concurrent or nested call answers `busy`. In a service
  // with a thread of its own it answers `busy` too.
  run_answer run_due() noexcept;

  // The steady instant at which `run_due` should be called next; time_point::max() when nothing is pending. From then
  // on an earlier arming on another thread makes `fd` readable. Inside a callback, and beside a look on another thread,
  // it is now: ask again when that is over.
  steady_clock::time_point next_deadline() noexcept;

  // Becomes readable when `run_due` should be called: poll it, do not read it. -1 when the OS refused, or in a service
  // with a thread of its own or a manual clock. The service owns it.
  int fd() noexcept;

  // --- The end. -----------------------------------------------------------------------------------------------------

  // Refuses arming and creation, resolves every pending firing, asks running calls to stop, waits for them up to the
  // deadline, withdraws what is still queued, and reports. Any thread, any number of times (G19).
  shutdown_report shutdown(shutdown_policy policy = shutdown_policy::cancel_pending, duration limit = duration::max());

  // --- What it tells. -----------------------------------------------------------------------------------------------

  service_counters counters() const;
  std::vector<timer_info> snapshot() const;
  // The ids of timers with a pending firing, in no order.
  std::vector<timer_id> active() const;
  // The clock's reading as this service sees it (a manual clock included).
  template <class Clock = steady_clock>
  typename Clock::time_point now() const noexcept {
    return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(
        std::chrono::nanoseconds(now_ns(detail::clock_kind_of<Clock>::value))));
  }

 private:
  friend class detail::home;
  friend class manual_clock;
  timer_id start_once(timer_id id, std::int64_t delay_ns) noexcept;
  timer_id start_once_at(timer_id id, std::int64_t at_ns) noexcept;
  timer_id start_every(timer_id id, std::int64_t period_ns, const series_options& series) noexcept;
  arm_result arm_after_ns(timer_id id, std::int64_t delay_ns) noexcept;
  arm_result arm_at_ns(timer_id id, clock_kind kind, std::int64_t at_ns) noexcept;
  arm_result arm_every_ns(timer_id id, std::int64_t period_ns, const series_options& series) noexcept;
  cancel_answer cancel_and_wait_ns(timer_id id, std::int64_t limit_ns) noexcept;
  cancel_answer close_and_wait_ns(timer_id id, std::int64_t limit_ns) noexcept;
  wait_result wait_ns(timer_id id, std::int64_t limit_ns, wait_progress* progress = nullptr) noexcept;
  std::int64_t now_ns(clock_kind kind) const noexcept;
  detail::core* core_ = nullptr;  // counted
};

DETENT_END_NAMESPACE
