// pass: calls what is due, in order, on the engine's thread.
#include "body.hpp"
#include "fault.hpp"

#include <algorithm>
#include <exception>

DETENT_BEGIN_NAMESPACE

// The alarm's callback. A pass reads the clock once, and takes only what was armed before it began.
void script_timers::body::pass() noexcept {
  if (planted("timers never fire")) return;
  std::uint64_t before = 0;
  const std::int64_t now = now_ns();
  ended_list owed;
  {
    const std::lock_guard guard(lock_);
    alarm_ns_ = detail::ns_max;
    not_before_ns_ = detail::ns_min;
    retry_ns_ = 0;
    in_pass_ = true;
    owed = std::move(owed_);
    before =
        planted("nested timers in the same pass") || planted("last in, first out") ? ~std::uint64_t{0} : next_arming_;
  }
  settle(host_, this, owed);
  for (;;) {
    std::shared_ptr<entry> due;
    script_reference what;
    script_occasion occasion;
    bool is_skipped = false;
    {
      const std::lock_guard guard(lock_);
      due = take_due_locked(planted("nested timers in the same pass") ? now_ns() : now, before);
      set_calling_locked(due);
      if (due == nullptr) {
        in_pass_ = false;
        set_alarm_locked();
        return;
      }
      what = std::exchange(due->what, {});
      occasion = {script_occasion::reason::tick, due->id, due->missed - std::exchange(due->told_missed, due->missed)};
      is_skipped = due->skipped;
    }
    script_outcome outcome;
    const std::int64_t started = planted("an interval counts from its end") ? -1 : now_ns();
    if (what && !is_skipped) outcome = call(host_, what, occasion);
    ended_list then;
    finish(due, what, outcome, started < 0 ? now_ns() : started, then);
    report(host_, due->id, outcome);
    call_waiters(due);
    perform(std::move(then));
    if (what) host_.release(what);
    if (planted("the loop stops after a throw") && outcome.ended != script_outcome::kind::returned) return;
  }
}

// The next timer of this pass, taken from armed to running, or null at its end. Once a clear has come before this,
// under the same lock, the timer is not found here.
std::shared_ptr<script_timers::body::entry> script_timers::body::take_due_locked(std::int64_t now_ns,
                                                                                 std::uint64_t before) {
  if (leaving_ != 0 || armed_.empty()) return nullptr;
  const auto first = armed_.begin();
  if (first->first.deadline_ns > now_ns || first->first.arming >= before) return nullptr;
  auto due = first->second;
  disarm_locked(*due);
  due->now = stage::running;
  due->rearmed = false;
  due->lateness_ns = detail::subtract_ns(this->now_ns(), due->at.deadline_ns);
  due->skipped = absence_locked(*due).has_value();
  if (due->skipped) {
    ++due->missed;
    return due;
  }
  ++due->fires;
  due->called = std::move(due->waiters);
  due->waiters.clear();
  return due;
}

namespace {

// Short of memory, the words are given up before the outcome is.
script_outcome threw(const char* error) noexcept {
  script_outcome made{script_outcome::kind::threw, {}};
  try {
    made.error = error;
  } catch (...) {  // NOLINT(bugprone-empty-catch): told without words
  }
  return made;
}

}  // namespace

script_outcome script_timers::body::call(script_host& host, script_reference what,
                                         const script_occasion& occasion) noexcept {
  try {
    return host.call(what, occasion);
  } catch (const std::exception& thrown) {
    return threw(thrown.what());
  } catch (...) {
    return threw("an exception that is no std::exception");
  }
}

void script_timers::body::report(script_host& host, std::int64_t id, const script_outcome& outcome) noexcept {
  if (outcome.ended == script_outcome::kind::returned) return;
  try {
    host.report(id, outcome.error);
  } catch (...) {  // NOLINT(bugprone-empty-catch): nobody is left to be told
  }
}

// Requires: the engine's thread, no lock is held, and none of the work's waiters is called inside another function.
// `of` is null when the timers have gone.
void script_timers::body::settle(script_host& host, body* of, ended_list& work) noexcept {
  const auto set_maker = [of](maker next) {
    if (of == nullptr) return;
    const std::lock_guard guard(of->lock_);
    of->maker_ = next;
  };
  while (const auto done = work.take()) {
    const bool has_waiters = !done->waiters.empty();
    if (has_waiters) set_maker({done->scope, 0});
    for (const script_reference waiter : std::exchange(done->waiters, {})) {
      const script_outcome outcome = call(host, waiter, {script_occasion::reason::ended, done->id, 0});
      if (!planted("a late waiter's throw is lost")) report(host, done->id, outcome);
      host.release(waiter);
    }
    if (has_waiters) set_maker({});
    if (of != nullptr) of->unpin(*done);
    if (done->what) host.release(std::exchange(done->what, {}));
  }
}

// Havel keeps the phase and skips what was missed; the web counts from the start of the call.
std::int64_t script_timers::body::next_deadline_locked(entry& of, std::int64_t started_ns) const {
  if (options_.rules == script_rules::web) return detail::add_ns(started_ns, of.delay_ns);
  const auto next = detail::place_in_series(detail::add_ns(of.at.deadline_ns, of.delay_ns), of.delay_ns, now_ns());
  of.missed += next.passed;
  return next.next_ns;
}

// Gives the function back to the timer, but for one that ended during its call: whoever ended it has the rest of it.
void script_timers::body::finish(const std::shared_ptr<entry>& done, script_reference& what,
                                 const script_outcome& outcome, std::int64_t started_ns, ended_list& then) {
  const std::lock_guard guard(lock_);
  const bool threw = outcome.ended != script_outcome::kind::returned;
  if (threw) {
    try {
      done->last_error = outcome.error;
    } catch (...) {
      done->last_error.clear();
    }
  }
  if (done->now == stage::over) return;
  done->what = std::exchange(what, {});
  done->now = stage::still;
  bool goes_on = done->kind == script_timer_kind::interval || done->rearmed;
  if (planted("a throw ends the interval") && threw) goes_on = false;
  if (planted("an interval fires once") && !done->rearmed) goes_on = false;
  if (!goes_on) {
    end_locked(done, then);
    return;
  }
  if (done->kind == script_timer_kind::interval) {
    ++done->nesting;
    done->delay_ns = std::max(done->delay_ns, least_delay_ns(options_.rules, done->nesting));
  }
  const std::int64_t next =
      done->rearmed ? detail::add_ns(now_ns(), done->delay_ns) : next_deadline_locked(*done, started_ns);
  if (is_held_locked(*done)) {
    done->remaining_ns = left_ns(next);
  } else {
    arm_locked(*done, next);
  }
}

void script_timers::body::call_waiters(const std::shared_ptr<entry>& done) {
  for (const script_reference what : std::exchange(done->called, {})) {
    report(host_, done->id, call(host_, what, {script_occasion::reason::tick, done->id, 0}));
    host_.release(what);
  }
}

DETENT_END_NAMESPACE
