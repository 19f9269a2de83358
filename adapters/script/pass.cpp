// pass: calls what is due, in order, on the engine's thread.
#include "body.hpp"
#include "fault.hpp"

#include <algorithm>
#include <exception>

DETENT_BEGIN_NAMESPACE

// The alarm's callback. A pass reads the clock once, and takes only what was armed before it began.
void script_timers::body::pass() {
  if (planted("timers never fire")) return;
  std::uint64_t before = 0;
  const std::int64_t now = now_ns();
  {
    const std::lock_guard guard(lock_);
    alarm_ns_ = detail::ns_max;
    in_pass_ = true;
    before =
        planted("nested timers in the same pass") || planted("last in, first out") ? ~std::uint64_t{0} : next_arming_;
  }
  for (;;) {
    afterwards then;
    std::shared_ptr<entry> due;
    bool is_away = false;
    {
      const std::lock_guard guard(lock_);
      due = take_due_locked(planted("nested timers in the same pass") ? now_ns() : now, before);
      running_ = due;
      if (due == nullptr) {
        in_pass_ = false;
        set_alarm_locked();
      } else {
        is_away = due->away;
      }
    }
    if (due == nullptr) return perform(then);
    script_outcome outcome;
    const std::int64_t started = planted("an interval counts from its end") ? -1 : now_ns();
    if (!is_away) outcome = call(host_, due->what, {script_occasion::reason::tick, due->id, due->missed});
    finish(due, outcome, started < 0 ? now_ns() : started, then);
    if (outcome.ended != script_outcome::kind::returned) host_.report(due->id, outcome.error);
    call_waiters(due);
    perform(then);
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
  armed_.erase(first);
  due->now = stage::running;
  due->rearmed = false;
  due->called = std::move(due->waiters);
  due->waiters.clear();
  due->lateness_ns = this->now_ns() - due->at.deadline_ns;
  if (due->away) {
    ++due->missed;
  } else {
    ++due->fires;
  }
  return due;
}

script_outcome script_timers::body::call(script_host& host, script_reference what, const script_occasion& occasion) {
  try {
    return host.call(what, occasion);
  } catch (const std::exception& thrown) {
    return {script_outcome::kind::threw, thrown.what()};
  } catch (...) {
    return {script_outcome::kind::threw, "an exception that is no std::exception"};
  }
}

// Havel keeps the phase and skips what was missed; the web counts from the start of the call.
std::int64_t script_timers::body::next_deadline_locked(entry& of, std::int64_t started_ns) const {
  if (options_.rules == script_rules::web) return detail::add_ns(started_ns, of.delay_ns);
  const std::int64_t next = detail::add_ns(of.at.deadline_ns, of.delay_ns);
  const std::int64_t now = now_ns();
  if (next > now) return next;
  const std::int64_t passed = (now - next) / of.delay_ns + 1;
  of.missed += static_cast<std::uint64_t>(passed);
  return next + passed * of.delay_ns;
}

void script_timers::body::finish(const std::shared_ptr<entry>& done, const script_outcome& outcome,
                                 std::int64_t started_ns, afterwards& then) {
  const std::lock_guard guard(lock_);
  running_ = nullptr;
  const bool threw = outcome.ended != script_outcome::kind::returned;
  if (threw) done->last_error = outcome.error;
  if (done->now == stage::over) {  // ended during its call, which is over now
    if (done->what) then.released.push_back(std::exchange(done->what, {}));
    return;
  }
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
    done->delay_ns = std::max(done->delay_ns, least_delay_ns(done->nesting));
  }
  const std::int64_t next =
      done->rearmed ? detail::add_ns(now_ns(), done->delay_ns) : next_deadline_locked(*done, started_ns);
  if (done->paused || (done->away && !done->skipping)) {
    done->remaining_ns = next - now_ns();
    if (done->remaining_ns < 0) done->remaining_ns = 0;
  } else {
    arm_locked(*done, next);
  }
}

void script_timers::body::call_waiters(const std::shared_ptr<entry>& done) {
  for (const script_reference what : std::exchange(done->called, {})) {
    const script_outcome outcome = call(host_, what, {script_occasion::reason::tick, done->id, 0});
    if (outcome.ended != script_outcome::kind::returned) host_.report(done->id, outcome.error);
    host_.release(what);
  }
}

DETENT_END_NAMESPACE
