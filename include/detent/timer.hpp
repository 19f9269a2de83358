// timer: the movable handle that owns a timer. When its destructor has returned, the callback is not running, will
// never run, and all it captured has been destroyed.
#pragma once

#include <detent/detail/call_site.hpp>
#include <detent/detail/callback.hpp>
#include <detent/firing.hpp>
#include <detent/outcome.hpp>
#include <detent/policy.hpp>
#include <detent/time.hpp>
#include <detent/timer_id.hpp>
#include <detent/version.hpp>

#include <cstdint>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

class timer_group;
class timer_service;

namespace detail {

class core;

// Where a timer is to be created: in a service, or in a group of one.
class DETENT_EXPORT home {
 public:
  home(timer_service& service) noexcept;  // NOLINT: meant to convert
  home(timer_group& group) noexcept;      // NOLINT: meant to convert
  core* owner() const noexcept { return core_; }
  void* group() const noexcept { return group_; }  // its record, or null

 private:
  friend class creation;
  core* core_;
  void* group_;
};

// A record reserved but not yet open. Unless `open` is reached, the record is given back.
class DETENT_EXPORT creation {
 public:
  creation(const home& where, clock_kind clock, const timer_options& options, std::source_location place);
  creation(const home& where, clock_kind clock, const timer_options& options, std::source_location place,
           std::error_code& error) noexcept;
  creation(core* owner, std::uint32_t index) noexcept : core_(owner), index_(index) {}  // takes over what is reserved
  creation(const creation&) = delete;
  creation& operator=(const creation&) = delete;
  ~creation();
  explicit operator bool() const noexcept { return core_ != nullptr; }
  void* storage() const noexcept;
  // Takes over the callable in `storage` and returns the timer's id. With `owned` the caller now holds a handle's share
  // of the core. A closed group or a service that is shut down makes the timer born closed.
  timer_id open(const callback_ops& ops, bool owned) noexcept;
  core* owner() const noexcept { return core_; }

 private:
  void reserve(const home& where, clock_kind clock, const timer_options& options, std::source_location place);
  core* core_ = nullptr;
  std::uint32_t index_ = 0;
};

template <class F>
timer_id open_with(creation& record, F&& f, bool owned) {
  if (!record) return {};  // In a fork child: the service exists in the parent only.
  using traits = callback_traits<std::decay_t<F>>;
  traits::construct(record.storage(), std::forward<F>(f));
  return record.open(traits::ops, owned);
}

// Without memory for the callable `error` is set, and the id is that of no timer.
template <class F>
timer_id open_with(creation& record, F&& f, std::error_code& error) {
  if (!record) return {};
  using traits = callback_traits<std::decay_t<F>>;
  if (!traits::construct_if_memory(record.storage(), std::forward<F>(f))) {
    error = std::make_error_code(std::errc::not_enough_memory);
    return {};
  }
  return record.open(traits::ops, true);
}

// The handle without its clock's type; instants are nanoseconds since the epoch of the timer's clock.
class DETENT_EXPORT timer_base {
 public:
  timer_base(const timer_base&) = delete;
  timer_base& operator=(const timer_base&) = delete;

  // A series: first after `options.first` (default: one period), then every `period`.
  template <class Rep, class Period>
  arm_result arm_every(std::chrono::duration<Rep, Period> period, series_options options = {}) noexcept {
    return arm_every_ns(ceil_ns(period), options);
  }

  // Withdraws what is pending. The timer may be armed again and keeps its callable.
  cancel_result cancel() noexcept;
  // Then waits for the call that was in progress when the cancel took effect, and for no later one. A limit is a
  // duration of the steady clock, also under a manual clock.
  cancel_answer cancel_and_wait() noexcept;
  template <class Rep, class Period>
  cancel_answer cancel_and_wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return cancel_and_wait_ns(ceil_ns(limit));
  }

  // Withdraws what is pending and refuses arming for ever. Destroys the callable: inside this verb when no call is in
  // progress, else right after that call, on its thread.
  cancel_result close() noexcept;
  cancel_answer close_and_wait() noexcept;
  template <class Rep, class Period>
  cancel_answer close_and_wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return close_and_wait_ns(ceil_ns(limit));
  }

  // Closes without waiting and runs `f` once: after the last call has returned and the callable is destroyed. `f` runs
  // on the executor, never inside this verb, and may free everything, this handle and the service included. The one
  // verb that may allocate.
  template <class F>
    requires std::is_invocable_v<std::decay_t<F>&>
  then_result close_then(F&& f) noexcept;

  // Asks the call in progress, through its stop token, to end early.
  stop_result stop() noexcept;

  // Waits for what is pending and for the call in progress. Inside a callback of the same service a firing that has not
  // started is not waited for (`from_callback`): it may need this very thread.
  wait_result wait() noexcept { return wait_ns(ns_max); }
  template <class Rep, class Period>
  wait_result wait_for(std::chrono::duration<Rep, Period> limit) noexcept {
    return wait_ns(ceil_ns(limit));
  }
  template <class Rep, class Period>
  wait_result wait_for(std::chrono::duration<Rep, Period> limit, wait_progress& progress) noexcept {
    return wait_ns(ceil_ns(limit), &progress);
  }

  // What the timer is doing now; another thread may have changed it by the time the answer is looked at.
  timer_state status() const noexcept;
  timer_id id() const noexcept { return id_; }
  std::string name() const;  // may throw std::bad_alloc
  duration tolerance() const noexcept;
  std::source_location place() const noexcept;

  // Whether this handle owns a timer (open or closed).
  explicit operator bool() const noexcept { return core_ != nullptr; }

 protected:
  timer_base() noexcept = default;
  void adopt(core* owner, timer_id id) noexcept {
    core_ = owner;
    id_ = id;
  }
  timer_base(timer_base&& other) noexcept
      : core_(std::exchange(other.core_, nullptr)), id_(std::exchange(other.id_, {})) {}
  timer_base& operator=(timer_base&& other) noexcept {
    if (this != &other) {
      // The new timer is in place before the old one is closed: the old callback may look at this handle.
      timer_base old(std::move(*this));
      core_ = std::exchange(other.core_, nullptr);
      id_ = std::exchange(other.id_, {});
    }
    return *this;
  }
  ~timer_base() {
    if (core_ != nullptr) destroy();
  }

  arm_result arm_at_ns(std::int64_t at_ns) noexcept;
  arm_result arm_after_ns(clock_kind kind, std::int64_t delay_ns) noexcept;
  arm_result arm_every_ns(std::int64_t period_ns, const series_options& options) noexcept;
  arm_result arm_every_at_ns(std::int64_t first_at_ns, std::int64_t period_ns, const series_options& options) noexcept;

 private:
  cancel_answer cancel_and_wait_ns(std::int64_t limit_ns) noexcept;
  cancel_answer close_and_wait_ns(std::int64_t limit_ns) noexcept;
  wait_result wait_ns(std::int64_t limit_ns, wait_progress* progress = nullptr) noexcept;
  void destroy() noexcept;
  core* core_ = nullptr;  // counted: the handle's share of the core
  timer_id id_{};
};

// Whether this is a fork child, and the core its parent's.
DETENT_EXPORT bool is_left_behind(const core* owner) noexcept;
// Builds a `creation` for a continuation in `place`; false, and nothing built, when memory is short.
DETENT_EXPORT bool reserve_continuation(core* owner, void* place) noexcept;
DETENT_EXPORT void commit_continuation(core* owner, timer_id target, timer_id continuation, bool owned) noexcept;

// Makes the continuation `f` for `target` of `owner`, or leaves everything untouched. `owned` says that the caller is
// the target's handle; an id may be stale, and its continuation then is due at once.
template <class F>
then_result close_then_on(core* owner, timer_id target, bool owned, F&& f) noexcept {
  using function = std::decay_t<F>;
  static_assert(std::is_nothrow_constructible_v<function, F>,
                "close_then moves its function in before it touches the timer: the move must not throw");
  if (owner == nullptr || is_left_behind(owner)) {  // No executor: the caller runs what was due to run after "closed".
    function now(std::forward<F>(f));
    static_cast<void>(now());
    return then_result::accepted;
  }
  alignas(creation) unsigned char place[sizeof(creation)];
  if (!reserve_continuation(owner, place)) return then_result::no_memory;
  auto* record = std::launder(reinterpret_cast<creation*>(place));
  struct ending {
    creation* record;
    ~ending() { record->~creation(); }
  } end{record};
  using traits = callback_traits<function>;
  if constexpr (fits_inline<function>) {
    traits::construct(record->storage(), std::forward<F>(f));
  } else {
    auto* copy = new (std::nothrow) function(std::forward<F>(f));
    if (copy == nullptr) return then_result::no_memory;
    ::new (record->storage()) function*(copy);
  }
  commit_continuation(owner, target, record->open(traits::ops, false), owned);
  return then_result::accepted;
}

template <class F>
  requires std::is_invocable_v<std::decay_t<F>&>
then_result timer_base::close_then(F&& f) noexcept {
  return close_then_on(core_, id_, true, std::forward<F>(f));
}

}  // namespace detail

// A timer on one clock.
//
//   Verbs            block   threads                    inside its own callback   errors
//   arm_…, cancel,   never   any number at once         legal                     the result; never throws, never
//   close, stop                                                                   allocates
//   …_and_wait, wait yes     any number at once         legal, do not wait        the result (G08)
//   destructor,      yes     exclusive access           legal, do not wait        deadlock handler when a wait would
//   assignment over                                                               close a cycle
//   construction     never   any                        legal                     throws, or sets the error_code
//
//   Visibility: what happened before `arm` is visible in the callback; what the callback did is visible after a wait or
//   close that outlived it. An empty or moved-from handle answers `closed`. Moving or destroying the handle is allowed
//   while another thread is blocked in a waiting verb on it.
template <class Clock>
class basic_timer : public detail::timer_base {
 public:
  using clock = Clock;
  using time_point = typename Clock::time_point;

  basic_timer() noexcept = default;

  // Creates the timer quiet. `where` is a service or a group. Throws std::system_error or std::bad_alloc.
  template <class F>
    requires detail::timer_callback<std::decay_t<F>>
  basic_timer(detail::home where, F&& f, std::source_location place = detail::call_site::current())
      : basic_timer(where, timer_options{}, std::forward<F>(f), place) {}

  template <class F>
    requires detail::timer_callback<std::decay_t<F>>
  basic_timer(detail::home where, const timer_options& options, F&& f,
              std::source_location place = detail::call_site::current())
      : basic_timer(detail::creation(where, kind, options, place), std::forward<F>(f)) {}

  // The same without exceptions: on failure `error` is set and the handle is empty.
  template <class F>
    requires detail::timer_callback<std::decay_t<F>>
  basic_timer(detail::home where, const timer_options& options, F&& f, std::error_code& error,
              std::source_location place = detail::call_site::current())
      : basic_timer(detail::creation(where, kind, options, place, error), std::forward<F>(f), error) {}

  basic_timer(basic_timer&&) noexcept = default;
  basic_timer& operator=(basic_timer&&) noexcept = default;
  ~basic_timer() = default;

  template <class Duration>
  arm_result arm_at(std::chrono::time_point<Clock, Duration> at) noexcept {
    return arm_at_ns(detail::epoch_ns(at));
  }

  // Replaces what is pending by a firing in `d`; zero and negative are due at once, the largest duration means never.
  template <class Rep, class Period>
  arm_result arm_after(std::chrono::duration<Rep, Period> d) noexcept {
    return arm_after_ns(kind, detail::ceil_ns(d));
  }

  // The caller's own reading of the clock saves one: `now` is trusted to be in the past.
  template <class Rep, class Period, class Duration>
  arm_result arm_after(std::chrono::duration<Rep, Period> d, std::chrono::time_point<Clock, Duration> now) noexcept {
    return arm_at_ns(detail::add_ns(detail::epoch_ns(now), detail::ceil_ns(d)));
  }

  using timer_base::arm_every;

  // A series whose first tick is at an instant.
  template <class Rep, class Period, class Duration>
  arm_result arm_every(std::chrono::time_point<Clock, Duration> first, std::chrono::duration<Rep, Period> period,
                       series_options options = {}) noexcept {
    return arm_every_at_ns(detail::epoch_ns(first), detail::ceil_ns(period), options);
  }

 private:
  static constexpr clock_kind kind = detail::clock_kind_of<Clock>::value;

  template <class F>
  basic_timer(detail::creation&& record, F&& f) {
    if (record) adopt(record.owner(), detail::open_with(record, std::forward<F>(f), true));
  }
  template <class F>
  basic_timer(detail::creation&& record, F&& f, std::error_code& error) {
    if (const timer_id made = detail::open_with(record, std::forward<F>(f), error)) adopt(record.owner(), made);
  }
};

using timer = basic_timer<steady_clock>;
using boottime_timer = basic_timer<boottime_clock>;
using system_timer = basic_timer<system_clock>;

static_assert(sizeof(timer) == 16);

DETENT_END_NAMESPACE
