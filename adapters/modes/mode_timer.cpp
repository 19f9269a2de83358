// mode_timer: a timer and the gate it passes at each tick.
#include "body.hpp"

#include <detent/timer.hpp>

#include <algorithm>
#include <optional>

DETENT_BEGIN_NAMESPACE

// The members are guarded by the lock of the modes, but for those whose comment says more. Every tick takes that lock
// to pass the gate: once a change has closed it, a tick that was queued already finds it closed.
struct mode_timer::body : mode_bound {
  body(timer_service& where, std::shared_ptr<modes::body> of, mode_timer_options made, detail::hook<void(firing&)> call)
      : service(where), shared(std::move(of)), options(std::move(made)), tick(std::move(call)) {}

  std::int64_t now_ns() const { return service.now().time_since_epoch().count(); }

  // The alarm has the series itself: it goes on behind a tick that the executor dropped. Its phase is known here.
  void arm_locked(std::int64_t at_ns) {
    deadline_ns = at_ns;
    const steady_clock::time_point at{std::chrono::nanoseconds(at_ns)};
    result = period_ns > 0 ? alarm.arm_every(at, std::chrono::nanoseconds(period_ns)) : alarm.arm_at(at);
  }

  void leave() noexcept override {
    away = true;
    if (options.left == on_leave::skip || !deadline_ns) return;
    // What is cancelled keeps nothing; `restart` knows the whole delay.
    if (options.left == on_leave::suspend) {
      remaining_ns = std::max<std::int64_t>(0, detail::subtract_ns(*deadline_ns, now_ns()));
    }
    was_pending = true;
    deadline_ns.reset();
    alarm.cancel();
  }

  void come_back() noexcept override {
    away = false;
    const bool is_ours = std::exchange(was_pending, false) || (deadline_ns && options.left == on_leave::skip);
    const auto kept = std::exchange(remaining_ns, std::nullopt);
    if (!is_ours) return;
    if (options.entered == on_return::restart) {
      arm_locked(detail::add_ns(now_ns(), delay_ns));
    } else if (options.entered == on_return::resume && kept) {
      arm_locked(detail::add_ns(now_ns(), *kept));
    }
  }

  // Whether this tick is called. Says when the next one of a series is.
  bool pass_gate() {
    const std::lock_guard guard(shared->lock);
    if (!deadline_ns || now_ns() < *deadline_ns) return false;  // withdrawn, or armed anew, since it was claimed
    if (period_ns > 0) {
      deadline_ns = detail::place_in_series(*deadline_ns, period_ns, now_ns()).next_ns;
    } else {
      deadline_ns.reset();
    }
    if (away) ++skipped;
    return !away;
  }

  timer_service& service;                     // set once
  const std::shared_ptr<modes::body> shared;  // set once
  const mode_timer_options options;           // set once
  const detail::hook<void(firing&)> tick;     // called by one thread at a time
  timer alarm;                                // set once, has locks of its own
  bool away = false;
  bool was_pending = false;                 // when it was left
  std::optional<std::int64_t> deadline_ns;  // of what is pending
  std::optional<std::int64_t> remaining_ns;
  std::int64_t delay_ns = 0;
  std::int64_t period_ns = 0;  // 0: one tick
  std::uint64_t skipped = 0;
  arm_result result = arm_result::armed;
};

mode_timer::mode_timer(timer_service& service, modes& in, mode_timer_options options, detail::hook<void(firing&)> tick)
    : body_(std::make_shared<body>(service, in.body_, std::move(options), std::move(tick))) {
  body_->alarm = timer(service, [weak = std::weak_ptr<body>(body_)](firing& current) {
    // Kept while the call lasts: the callback may destroy the timer.
    const auto self = weak.lock();
    if (self != nullptr && self->pass_gate()) self->tick(current);
  });
  in.bind(*body_, body_->options.modes);
}

mode_timer::~mode_timer() { close_and_wait(); }

arm_result mode_timer::arm_ns(std::int64_t delay_ns, std::int64_t period_ns) {
  const std::lock_guard guard(body_->shared->lock);
  body& self = *body_;
  self.delay_ns = delay_ns;
  self.period_ns = period_ns;
  if (!self.away || self.options.left == on_leave::skip) {
    self.arm_locked(detail::add_ns(self.now_ns(), delay_ns));
    return self.result;
  }
  self.was_pending = true;
  if (self.options.left == on_leave::suspend) self.remaining_ns = std::max<std::int64_t>(0, delay_ns);
  return arm_result::armed;
}

cancel_result mode_timer::cancel() {
  const std::lock_guard guard(body_->shared->lock);
  const bool was_kept = std::exchange(body_->was_pending, false);
  body_->remaining_ns.reset();
  body_->deadline_ns.reset();
  const cancel_result found = body_->alarm.cancel();
  return was_kept && found == cancel_result::idle ? cancel_result::cancelled : found;
}

cancel_answer mode_timer::close_and_wait() {
  {
    const std::lock_guard guard(body_->shared->lock);
    body_->shared->bound.erase(body_.get());
  }
  return body_->alarm.close_and_wait();
}

std::uint64_t mode_timer::skipped() const {
  const std::lock_guard guard(body_->shared->lock);
  return body_->skipped;
}

DETENT_END_NAMESPACE
