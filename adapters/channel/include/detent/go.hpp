// go: Go's time package over a timer_service: After, NewTimer, NewTicker, Tick and AfterFunc, with Stop and Reset as Go
// 1.23 defines them. docs/porting/go.md says what differs.
//
// A timer's channel holds no value. What is due is found by the receiver itself, which looks at the service's clock;
// the engine is used to wake those who are blocked. So nothing can be stale: after `stop` or `reset` no value of an
// earlier arming is received, there is nothing to drain, and a timer that nobody waits for costs no wake-up.
//
//   Verbs                       block                threads            inside a callback   errors
//   stop, reset                 never                any number at once legal               the result
//   stop_and_wait               for a call of f      any number at once legal, do not wait  the result (G08)
//   after, tick, new_…,         never                any                legal               throw std::system_error,
//   after_func                                                                              std::bad_alloc
//   receive from c()            as any channel (<detent/channel.hpp>)
//   destructor of func_timer    for a call of f      exclusive access   legal, do not wait  deadlock handler
//
//   Visibility: what happened before a reset is visible to who receives its value, and in the call of f.
//   When the service is shut down, receivers are told `closed`, and all verbs answer `shut_down`. A receiver that is
//   blocked is woken by the service's executor: do not block its only thread, nor the one that calls `run_due`.
#pragma once

#include <detent/channel.hpp>
#include <detent/detail/call_site.hpp>
#include <detent/outcome.hpp>
#include <detent/service.hpp>
#include <detent/time.hpp>
#include <detent/timer.hpp>
#include <detent/version.hpp>

#include <cstdint>
#include <memory>
#include <source_location>
#include <type_traits>
#include <utility>

DETENT_BEGIN_NAMESPACE

namespace detail {

DETENT_EXPORT port_share make_timer_port(timer_service& service, std::source_location place);

}  // namespace detail

namespace go {

// What a timer was before the verb. Go answers true for `active`.
enum class found : std::uint8_t {
  active,     // armed, and its value has not been received: it never will be
  inactive,   // its value was received, or it was stopped, or never armed
  refused,    // a ticker's period must be positive, where Go panics; nothing was changed
  shut_down,  // the service is shut down, or the handle is empty
};

// Says in a constructor's place of a duration that the timer is to be armed later, by `reset`.
struct unarmed_t {};
inline constexpr unarmed_t unarmed{};

}  // namespace go

namespace detail {

DETENT_EXPORT go::found reset_timer_port(port& at, std::int64_t delay_ns, std::int64_t period_ns) noexcept;
DETENT_EXPORT go::found stop_timer_port(port& at) noexcept;

// What the last arming of a func_timer came to; shared by the handle and its callable.
class func_log;
enum class func_step : std::uint8_t { never_armed, armed, called, stopped };
DETENT_EXPORT std::shared_ptr<func_log> make_func_log();
DETENT_EXPORT void note(func_log& log, func_step step) noexcept;
DETENT_EXPORT func_step last_step(func_log& log) noexcept;

template <class F>
struct logged_call {
  std::shared_ptr<func_log> log;
  F f;
  void operator()(firing& current) {
    note(*log, func_step::called);
    invoke_callback(f, current);
  }
};

}  // namespace detail

namespace go {

using instant = steady_clock::time_point;

// A one-shot whose value, the instant at which it was due, is received from c(). Movable; the channel may be copied,
// and keeps the timer armed when this handle is gone, as in Go. The timer is freed with the last of them, at once.
class timer {
 public:
  timer() noexcept = default;
  explicit timer(detail::port_share at) noexcept : c_(std::move(at)) {}
  timer(timer&&) noexcept = default;
  timer& operator=(timer&&) noexcept = default;
  ~timer() = default;

  const receiver<instant>& c() const noexcept { return c_; }

  // Nothing is received from now on, whether or not it was due. Twice in a row the second answer is `inactive`.
  found stop() const noexcept { return c_ ? detail::stop_timer_port(*c_.share()) : found::shut_down; }

  // The next value is received `d` from now or later; zero and negative: now; the largest duration: never.
  template <class Rep, class Period>
  found reset(std::chrono::duration<Rep, Period> d) const noexcept {
    return c_ ? detail::reset_timer_port(*c_.share(), detail::ceil_ns(d), 0) : found::shut_down;
  }

  explicit operator bool() const noexcept { return static_cast<bool>(c_); }

 private:
  receiver<instant> c_;
};

// A tick every period. Who comes late receives one tick, the first that he missed; the others are dropped, and the
// phase is kept. Otherwise as `timer`.
class ticker {
 public:
  ticker() noexcept = default;
  explicit ticker(detail::port_share at) noexcept : c_(std::move(at)) {}
  ticker(ticker&&) noexcept = default;
  ticker& operator=(ticker&&) noexcept = default;
  ~ticker() = default;

  const receiver<instant>& c() const noexcept { return c_; }
  found stop() const noexcept { return c_ ? detail::stop_timer_port(*c_.share()) : found::shut_down; }

  // The next tick comes one new period from now, the others after it.
  template <class Rep, class Period>
  found reset(std::chrono::duration<Rep, Period> period) const noexcept {
    const std::int64_t period_ns = detail::ceil_ns(period);
    if (period_ns <= 0) return found::refused;
    return c_ ? detail::reset_timer_port(*c_.share(), period_ns, period_ns) : found::shut_down;
  }

  explicit operator bool() const noexcept { return static_cast<bool>(c_); }

 private:
  receiver<instant> c_;
};

[[nodiscard]] inline timer new_timer(timer_service& service, unarmed_t /*later*/,
                                     std::source_location place = detail::call_site::current()) {
  return timer(detail::make_timer_port(service, place));
}

template <class Rep, class Period>
[[nodiscard]] timer new_timer(timer_service& service, std::chrono::duration<Rep, Period> d,
                              std::source_location place = detail::call_site::current()) {
  timer made = new_timer(service, unarmed, place);
  static_cast<void>(made.reset(d));
  return made;
}

[[nodiscard]] inline ticker new_ticker(timer_service& service, unarmed_t /*later*/,
                                       std::source_location place = detail::call_site::current()) {
  return ticker(detail::make_timer_port(service, place));
}

// An empty handle if the period is not positive, where Go panics.
template <class Rep, class Period>
[[nodiscard]] ticker new_ticker(timer_service& service, std::chrono::duration<Rep, Period> period,
                                std::source_location place = detail::call_site::current()) {
  if (detail::ceil_ns(period) <= 0) return {};
  ticker made = new_ticker(service, unarmed, place);
  static_cast<void>(made.reset(period));
  return made;
}

// The channel of a timer that cannot be stopped, but is freed when the channel is dropped.
template <class Rep, class Period>
[[nodiscard]] receiver<instant> after(timer_service& service, std::chrono::duration<Rep, Period> d,
                                      std::source_location place = detail::call_site::current()) {
  return new_timer(service, d, place).c();
}

// The same of a ticker; as in Go, an empty channel if the period is not positive.
template <class Rep, class Period>
[[nodiscard]] receiver<instant> tick(timer_service& service, std::chrono::duration<Rep, Period> period,
                                     std::source_location place = detail::call_site::current()) {
  return new_ticker(service, period, place).c();
}

// What `func_timer::stop` found. Go answers true for the first two, and false for all others.
enum class func_found : std::uint8_t {
  prevented,          // f was pending and will not start; it is not running
  prevented_running,  // f was pending and will not start; a call of an earlier arming is in progress
  running,            // f has started, and has not returned
  finished,           // f has been called and has returned
  idle,               // stopped before, or never armed
  shut_down,          // the service is shut down, or the handle is empty
};

struct func_answer {
  func_found outcome;
  wait_result wait;
};

// A call of f. Calls of one timer never overlap: f that is armed again while it runs is called when it has returned,
// where Go would run both at once. The destructor stops it and waits for a call in progress; then f is destroyed.
class func_timer {
 public:
  func_timer() noexcept = default;

  template <class F>
  func_timer(timer_service& service, F&& f, std::source_location place)
      : log_(detail::make_func_log()),
        timer_(service, detail::logged_call<std::decay_t<F>>{log_, std::forward<F>(f)}, place) {}

  // Does not wait.
  func_found stop() noexcept {
    if (log_ == nullptr) return func_found::shut_down;
    return translate(timer_.cancel());
  }

  // Also waits for the call that was in progress: the outcome is what the stop found, before the wait.
  func_answer stop_and_wait() noexcept {
    if (log_ == nullptr) return {func_found::shut_down, wait_result::quiet};
    const cancel_answer answer = timer_.cancel_and_wait();
    return {translate(answer.outcome), answer.wait};
  }

  // f is called `d` from now, zero and negative: at once; the largest duration: never.
  template <class Rep, class Period>
  found reset(std::chrono::duration<Rep, Period> d) noexcept {
    if (log_ == nullptr) return found::shut_down;
    detail::note(*log_, detail::func_step::armed);
    switch (timer_.arm_after(d)) {
      case arm_result::rearmed: return found::active;
      case arm_result::armed: return found::inactive;
      default: return found::shut_down;
    }
  }

  explicit operator bool() const noexcept { return log_ != nullptr; }

 private:
  func_found translate(cancel_result result) noexcept {
    switch (result) {
      case cancel_result::cancelled: detail::note(*log_, detail::func_step::stopped); return func_found::prevented;
      case cancel_result::cancelled_running:
        detail::note(*log_, detail::func_step::called);  // The call in progress is the last one.
        return func_found::prevented_running;
      case cancel_result::running: return func_found::running;
      case cancel_result::idle:
        return detail::last_step(*log_) == detail::func_step::called ? func_found::finished : func_found::idle;
      default: return func_found::shut_down;
    }
  }

  std::shared_ptr<detail::func_log> log_;
  detent::timer timer_;  // last: it goes first
};

// Created quiet: the first `reset` arms it.
template <class F>
  requires detail::timer_callback<std::decay_t<F>>
[[nodiscard]] func_timer after_func(timer_service& service, unarmed_t /*later*/, F&& f,
                                    std::source_location place = detail::call_site::current()) {
  return func_timer(service, std::forward<F>(f), place);
}

// Calls `f` after `d` on the service's executor. Keep what is returned: without it nothing is called. For a call that
// nobody will stop, write `service.once(d, f)`.
template <class Rep, class Period, class F>
  requires detail::timer_callback<std::decay_t<F>>
[[nodiscard]] func_timer after_func(timer_service& service, std::chrono::duration<Rep, Period> d, F&& f,
                                    std::source_location place = detail::call_site::current()) {
  func_timer made(service, std::forward<F>(f), place);
  static_cast<void>(made.reset(d));
  return made;
}

}  // namespace go

DETENT_END_NAMESPACE
