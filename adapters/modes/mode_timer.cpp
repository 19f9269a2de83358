// mode_timer: a timer and the gate it passes at each tick; mode_scope: several of them, bound as one.
#include "body.hpp"

#include <detent/timer.hpp>

#include <algorithm>
#include <map>
#include <optional>

DETENT_BEGIN_NAMESPACE

// What is bound to the modes in place of its members. Everything is guarded by the lock of the modes, but what is set
// once.
struct mode_scope::body : mode_bound {
  body(timer_service& where, std::shared_ptr<modes::body> of, on_leave leaving, on_return returning)
      : service(where), shared(std::move(of)), left(leaving), entered(returning) {}
  void leave() noexcept override;
  void come_back() noexcept override;
  void end();

  timer_service& service;                              // set once
  const std::shared_ptr<modes::body> shared;           // set once
  const on_leave left;                                 // set once
  const on_return entered;                             // set once
  std::map<std::uint64_t, mode_timer::body*> members;  // by the order in which they come back
  std::uint64_t next = 0;
  bool away = false;
};

// The members are guarded by the lock of the modes, but for those whose comment says more. Every tick takes that lock
// to pass the gate: once a change has closed it, a tick that was queued already finds it closed.
struct mode_timer::body : mode_bound, std::enable_shared_from_this<body> {
  body(timer_service& where, std::shared_ptr<modes::body> of, on_leave leaving, on_return returning,
       detail::hook<void(firing&)> call)
      : service(where), shared(std::move(of)), left(leaving), entered(returning), tick(std::move(call)) {}

  void begin(detail::home where) {
    alarm = timer(where, [weak = weak_from_this()](firing& current) {
      // Kept while the call lasts: the callback may destroy the timer.
      const auto self = weak.lock();
      if (self != nullptr && self->pass_gate()) self->tick(current);
    });
  }

  std::int64_t now_ns() const { return service.now().time_since_epoch().count(); }

  // The alarm has the series itself: it goes on behind a tick that the executor dropped. Its phase is known here.
  void arm_locked(std::int64_t at_ns) {
    deadline_ns = at_ns;
    const steady_clock::time_point at{std::chrono::nanoseconds(at_ns)};
    result = period_ns > 0 ? alarm.arm_every(at, std::chrono::nanoseconds(period_ns)) : alarm.arm_at(at);
  }

  void leave() noexcept override {
    away = true;
    if (left == on_leave::skip || !deadline_ns) return;
    // What is cancelled keeps nothing; `restart` knows the whole delay.
    if (left == on_leave::suspend) {
      remaining_ns = std::max<std::int64_t>(0, detail::subtract_ns(*deadline_ns, now_ns()));
    }
    was_pending = true;
    deadline_ns.reset();
    alarm.cancel();
  }

  void come_back() noexcept override {
    away = false;
    const bool is_ours = std::exchange(was_pending, false) || (deadline_ns && left == on_leave::skip);
    const auto kept = std::exchange(remaining_ns, std::nullopt);
    if (!is_ours) return;
    if (entered == on_return::restart) {
      arm_locked(detail::add_ns(now_ns(), delay_ns));
    } else if (entered == on_return::resume && kept) {
      arm_locked(detail::add_ns(now_ns(), *kept));
    }
  }

  // Whether something was pending.
  bool withdraw_locked() {
    const bool was_kept = std::exchange(was_pending, false);
    remaining_ns.reset();
    return std::exchange(deadline_ns, std::nullopt).has_value() || was_kept;
  }

  // It is closed: from here on arming it says so.
  void end_locked() {
    withdraw_locked();
    away = false;
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
  std::shared_ptr<mode_scope::body> scope;    // set once; without one it is bound itself
  std::uint64_t number = 0;                   // set once, in the scope
  const on_leave left;                        // set once
  const on_return entered;                    // set once
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
    : body_(std::make_shared<body>(service, in.body_, options.left, options.entered, std::move(tick))) {
  body_->begin(service);
  in.bind(*body_, std::move(options.modes));
}

mode_timer::mode_timer(mode_scope& in, detail::hook<void(firing&)> tick)
    : body_(std::make_shared<body>(in.body_->service, in.body_->shared, in.body_->left, in.body_->entered,
                                   std::move(tick))) {
  body_->scope = in.body_;
  body_->begin(in.group_);
  const std::lock_guard guard(body_->shared->lock);
  body_->number = body_->scope->next++;
  body_->scope->members.emplace(body_->number, body_.get());
  body_->away = body_->scope->away;
}

mode_timer::~mode_timer() { close_and_wait(); }

arm_result mode_timer::arm_ns(std::int64_t delay_ns, std::int64_t period_ns) {
  const std::lock_guard guard(body_->shared->lock);
  body& self = *body_;
  self.delay_ns = delay_ns;
  self.period_ns = period_ns;
  if (!self.away || self.left == on_leave::skip) {
    self.arm_locked(detail::add_ns(self.now_ns(), delay_ns));
    return self.result;
  }
  self.was_pending = true;
  if (self.left == on_leave::suspend) self.remaining_ns = std::max<std::int64_t>(0, delay_ns);
  return arm_result::armed;
}

cancel_result mode_timer::cancel() {
  const std::lock_guard guard(body_->shared->lock);
  const bool was_kept = body_->was_pending;
  body_->withdraw_locked();
  const cancel_result found = body_->alarm.cancel();
  return was_kept && found == cancel_result::idle ? cancel_result::cancelled : found;
}

// Bound until it is closed: no tick starts in between that would find no gate.
cancel_answer mode_timer::close_and_wait() {
  const cancel_answer answer = body_->alarm.close_and_wait();
  const std::lock_guard guard(body_->shared->lock);
  body_->end_locked();
  if (body_->scope != nullptr) {
    body_->scope->members.erase(body_->number);
  } else {
    body_->shared->bound.erase(body_.get());
  }
  return answer;
}

std::uint64_t mode_timer::skipped() const {
  const std::lock_guard guard(body_->shared->lock);
  return body_->skipped;
}

void mode_scope::body::leave() noexcept {
  away = true;
  for (const auto& [number, member] : members) member->leave();
}

void mode_scope::body::come_back() noexcept {
  away = false;
  for (const auto& [number, member] : members) member->come_back();
}

// The timers are closed.
void mode_scope::body::end() {
  const std::lock_guard guard(shared->lock);
  shared->bound.erase(this);
  away = false;
  for (const auto& [number, member] : std::exchange(members, {})) member->end_locked();
}

mode_scope::mode_scope(timer_service& service, modes& in, mode_timer_options options)
    : body_(std::make_shared<body>(service, in.body_, options.left, options.entered)), group_(service) {
  in.bind(*body_, std::move(options.modes));
}

mode_scope::~mode_scope() {
  { const timer_group ended = std::move(group_); }
  body_->end();
}

std::size_t mode_scope::cancel() {
  const std::lock_guard guard(body_->shared->lock);
  std::size_t count = 0;
  for (const auto& [number, member] : body_->members) {
    if (member->withdraw_locked()) ++count;
    member->alarm.cancel();
  }
  return count;
}

wait_result mode_scope::close_and_wait() {
  const wait_result waited = group_.close_and_wait();
  body_->end();
  return waited;
}

DETENT_END_NAMESPACE
