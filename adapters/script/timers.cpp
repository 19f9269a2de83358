// timers: the verbs of `script_timers`. What is due is run in pass.cpp.
#include "body.hpp"
#include "fault.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

DETENT_BEGIN_NAMESPACE

namespace {

constexpr double ns_per_ms = 1e6;
constexpr std::uint32_t deep = 5;  // levels of nesting above which a delay has a lower bound

service_options options_of(const script_options& options, host_executor& executor) {
  service_options made;
  made.name = options.name;
  made.clock = options.clock;
  made.executor = executor;
  if (options.clock != nullptr && options.under_clock == script_pass::inside_move) made.executor = on_driver{};
  return made;
}

}  // namespace

script_timers::body::body(script_host& host, script_options options)
    : host_(host), options_(std::move(options)), executor_(host), service_(options_of(options_, executor_)) {
  scopes_[0] = {};
}

void script_timers::body::begin() {
  alarm_ = timer(service_, timer_options{.name = options_.name}, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pass();
  });
}

std::int64_t script_timers::body::delay_ns(double delay_ms, script_timer_kind kind, std::uint32_t nesting) const {
  double whole = std::trunc(delay_ms);
  if (options_.rules == script_rules::web) {
    if (!(whole >= 1) || whole > 2147483647.0) whole = planted("overflow never fires") && whole > 1 ? 1e300 : 1;
    if (planted("negative never fires") && !(delay_ms >= 0)) whole = 1e300;
  } else {
    whole = std::isnan(whole) ? 0 : std::fabs(whole);
    if (whole < 1 && kind == script_timer_kind::interval) whole = 1;
  }
  if (planted("half the delay")) whole /= 2;
  if (planted("ten milliseconds late")) whole += 10;
  const double ns = whole * ns_per_ms;
  const auto exact = ns >= static_cast<double>(detail::ns_max) ? detail::ns_max : static_cast<std::int64_t>(ns);
  return std::max(exact, least_delay_ns(nesting));
}

std::int64_t script_timers::body::least_delay_ns(std::uint32_t nesting) const {
  if (nesting <= deep || planted("no lower bound when nested")) return 0;
  // With Havel's rules a chain of zero delays must let time go on too, or a manual clock would never move.
  return options_.rules == script_rules::web ? 4'000'000 : 1'000'000;
}

bool script_timers::body::is_in_own_call_locked() const { return running_ != nullptr && host_.is_own_thread(); }

script_created script_timers::body::create(script_timer_kind kind, double delay_ms, script_reference what,
                                           std::optional<script_scope> where) {
  afterwards then;
  script_created made;
  {
    const std::lock_guard guard(lock_);
    const bool nested = is_in_own_call_locked();
    const script_scope scope = where ? *where : nested ? running_->scope : script_scope{};
    const auto found = scopes_.find(scope.index);
    if (found == scopes_.end() || !found->second.open) {
      made.outcome = script_creation::closed;
    } else if (live_.size() >= options_.live_limit) {
      made.outcome = script_creation::too_many;
    } else {
      const auto created = std::make_shared<entry>();
      created->id = next_id_++;
      created->kind = kind;
      created->what = what;
      created->scope = scope;
      created->nesting = nested ? running_->nesting + 1 : 0;
      created->delay_ns = delay_ns(delay_ms, kind, created->nesting);
      try {
        live_.emplace(created->id, created);
        arm_locked(*created, detail::add_ns(now_ns(), created->delay_ns));
        made = {created->id, script_creation::created};
      } catch (const std::bad_alloc&) {
        live_.erase(created->id);
        made.outcome = script_creation::no_memory;
      }
    }
    if (made.outcome != script_creation::created && what) then.released.push_back(what);
  }
  perform(then);
  if (planted("a short delay runs at once") && made.id != 0 && delay_ms <= 1) host_.call(what, {{}, made.id, 0});
  return made;
}

std::shared_ptr<script_timers::body::entry> script_timers::body::find_locked(std::int64_t id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : found->second;
}

// Requires: `which` is live and not armed.
void script_timers::body::arm_locked(entry& which, std::int64_t deadline_ns) {
  const auto self = find_locked(which.id);
  which.at = {deadline_ns, planted("last in, first out") ? ~next_arming_++ : next_arming_++};
  which.now = stage::armed;
  armed_.emplace(which.at, self);
  set_alarm_locked();
}

// Takes an armed timer out of the order and keeps what is left of its delay.
void script_timers::body::hold_locked(entry& which) {
  if (which.now != stage::armed) return;
  armed_.erase(which.at);
  which.remaining_ns = which.at.deadline_ns == detail::ns_max
                           ? detail::ns_max
                           : std::max<std::int64_t>(0, which.at.deadline_ns - now_ns());
  which.now = stage::still;
  set_alarm_locked();
}

void script_timers::body::go_on_locked(entry& which, std::int64_t after_ns) {
  if (which.now == stage::still) arm_locked(which, detail::add_ns(now_ns(), after_ns));
}

void script_timers::body::end_locked(const std::shared_ptr<entry>& which, afterwards& then) {
  if (which->now == stage::armed) armed_.erase(which->at);
  const bool in_call = which->now == stage::running;
  which->now = stage::over;
  live_.erase(which->id);
  for (const script_reference waiter : which->waiters) then.ended.emplace_back(which->id, waiter);
  which->waiters.clear();
  // Who runs the call releases the function behind it.
  if (!in_call && which->what && !planted("a function is never released")) {
    then.released.push_back(std::exchange(which->what, {}));
  }
  set_alarm_locked();
}

// The alarm is for the earliest armed timer. Arming it runs nothing of the user's, so it may be done under the lock.
void script_timers::body::set_alarm_locked() {
  if (in_pass_) return;
  const std::int64_t earliest = armed_.empty() ? detail::ns_max : armed_.begin()->first.deadline_ns;
  if (earliest == alarm_ns_) return;
  alarm_ns_ = earliest;
  if (earliest == detail::ns_max) {
    alarm_.cancel();
  } else {
    alarm_.arm_at(steady_clock::time_point(std::chrono::nanoseconds(earliest)));
  }
}

// Requires: no lock is held.
void script_timers::body::perform(afterwards& then) {
  if (!then.ended.empty() || !host_.is_own_thread()) return perform_later(then);
  for (const script_reference what : then.released) host_.release(what);
  then = {};
}

// Waiters are functions too: they are not called inside whichever verb ended their timer.
void script_timers::body::perform_later(afterwards& then) {
  if (then.is_empty()) return;
  host_.post([host = &host_, work = std::move(then)] {
    for (const auto& [id, what] : work.ended) {
      const script_outcome outcome = call(*host, what, {script_occasion::reason::ended, id, 0});
      const bool threw = outcome.ended != script_outcome::kind::returned && !planted("a late waiter's throw is lost");
      if (threw) host->report(id, outcome.error);
      host->release(what);
    }
    for (const script_reference what : work.released) host->release(what);
  });
  then = {};
}

script_change script_timers::body::clear(std::int64_t id) {
  if (planted("clear does nothing")) return script_change::changed;
  afterwards then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    auto found = find_locked(id);
    if (found == nullptr && planted("a dead id ends another timer") && !live_.empty() && id > 0 && id < next_id_) {
      found = live_.begin()->second;
    }
    const bool spared = found != nullptr && found == running_ && planted("an interval cannot end itself");
    if (found != nullptr && !spared) {
      end_locked(found, then);
      answer = script_change::changed;
    }
  }
  perform(then);
  return answer;
}

script_change script_timers::body::pause(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return script_change::unknown;
  if (std::exchange(found->paused, true)) return script_change::unchanged;
  if (planted("a paused timer ticks")) return script_change::changed;
  hold_locked(*found);
  return script_change::changed;
}

script_change script_timers::body::resume(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return script_change::unknown;
  if (!std::exchange(found->paused, false)) return script_change::unchanged;
  const std::int64_t rest = planted("resume starts anew") ? found->delay_ns : found->remaining_ns;
  if (!found->away || found->skipping) go_on_locked(*found, rest);
  return script_change::changed;
}

script_change script_timers::body::refresh(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return script_change::unknown;
  if (planted("refresh is ignored")) return script_change::changed;
  if (found->now == stage::running) {
    found->rearmed = true;
  } else if (found->now == stage::armed) {
    hold_locked(*found);
    go_on_locked(*found, found->delay_ns);
  } else {
    found->remaining_ns = found->delay_ns;
  }
  return script_change::changed;
}

script_change script_timers::body::keep(std::int64_t id, script_keeping keeping) {
  afterwards then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    const auto found = find_locked(id);
    if (found != nullptr) {
      answer = found->keeping == keeping ? script_change::unchanged : script_change::changed;
      if (!planted("unref is ignored")) found->keeping = keeping;
      if (planted("unref cancels") && keeping == script_keeping::unkept) end_locked(found, then);
    }
  }
  perform(then);
  return answer;
}

std::optional<script_keeping> script_timers::body::keeping(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  return found == nullptr ? std::nullopt : std::optional(found->keeping);
}

script_change script_timers::body::next_tick(std::int64_t id, script_reference what) {
  afterwards then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    const auto found = find_locked(id);
    if (found != nullptr) {
      found->waiters.push_back(what);
      answer = script_change::changed;
    } else {
      then.ended.emplace_back(id, what);
    }
  }
  perform(then);
  return answer;
}

std::optional<script_timer_status> script_timers::body::status(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return std::nullopt;
  script_timer_status told;
  told.id = id;
  told.kind = found->kind;
  std::int64_t remaining_ns = 0;
  switch (found->now) {
    case stage::running: told.state = script_timer_state::running; break;
    case stage::armed: remaining_ns = found->at.deadline_ns - now_ns(); break;
    default:
      told.state = found->paused ? script_timer_state::paused : script_timer_state::suspended;
      remaining_ns = found->remaining_ns;
  }
  told.remaining_ms = static_cast<double>(remaining_ns) / ns_per_ms;
  if (found->kind == script_timer_kind::interval) told.period_ms = static_cast<double>(found->delay_ns) / ns_per_ms;
  told.fires = found->fires;
  told.missed = found->missed;
  told.lateness_ms = static_cast<double>(found->lateness_ns) / ns_per_ms;
  told.last_error = found->last_error;
  return told;
}

std::vector<std::int64_t> script_timers::body::active() {
  std::vector<std::int64_t> ids;
  {
    const std::lock_guard guard(lock_);
    ids.reserve(live_.size());
    for (const auto& [id, unused] : live_) ids.push_back(id);
  }
  std::sort(ids.begin(), ids.end());
  return ids;
}

std::size_t script_timers::body::cleanup() {
  afterwards then;
  std::size_t ended = 0;
  {
    const std::lock_guard guard(lock_);
    for (ended = live_.size(); !live_.empty();) end_locked(std::shared_ptr(live_.begin()->second), then);
  }
  perform(then);
  return ended;
}

bool script_timers::body::is_keeping(const entry& of) {
  return of.keeping == script_keeping::kept && of.now != stage::still;
}

std::size_t script_timers::body::kept_count() {
  const std::lock_guard guard(lock_);
  return static_cast<std::size_t>(
      std::count_if(live_.begin(), live_.end(), [](const auto& of) { return is_keeping(*of.second); }));
}

bool script_timers::body::keeps_program() {
  const std::lock_guard guard(lock_);
  return std::any_of(live_.begin(), live_.end(), [](const auto& of) { return is_keeping(*of.second); });
}

script_scope script_timers::body::open_scope(std::optional<script_scope> parent) {
  const std::lock_guard guard(lock_);
  const script_scope inside = parent ? *parent : is_in_own_call_locked() ? running_->scope : script_scope{};
  const auto found = scopes_.find(inside.index);
  const script_scope made{next_scope_++};
  // A scope inside a closed one is born closed: nobody has to look.
  if (found != scopes_.end() && found->second.open) scopes_[made.index] = {inside.index, true};
  return made;
}

bool script_timers::body::is_inside_locked(script_scope inner, script_scope outer) const {
  for (;;) {
    if (inner == outer) return true;
    const auto found = scopes_.find(inner.index);
    if (inner.index == 0 || found == scopes_.end() || planted("a scope forgets those inside it")) return false;
    inner = {found->second.parent};
  }
}

script_closed script_timers::body::close_scope(script_scope scope) {
  afterwards then;
  script_closed answer;
  bool has_call = false;
  {
    const std::lock_guard guard(lock_);
    std::vector<std::shared_ptr<entry>> members;
    for (const auto& [id, of] : live_) {
      if (is_inside_locked(of->scope, scope)) members.push_back(of);
    }
    has_call = running_ != nullptr && is_inside_locked(running_->scope, scope);
    answer.ended = members.size();
    for (const auto& of : members) end_locked(of, then);
    std::vector<std::uint32_t> closed;
    for (const auto& [index, unused] : scopes_) {
      if (is_inside_locked({index}, scope)) closed.push_back(index);
    }
    for (const std::uint32_t index : closed) {
      if (index == 0) {
        scopes_[0].open = false;
      } else {
        scopes_.erase(index);
      }
    }
    if (has_call) ++leaving_;
  }
  if (has_call) {
    answer.wait = alarm_.cancel_and_wait().wait;
    const std::lock_guard guard(lock_);
    --leaving_;
    alarm_ns_ = detail::ns_max;
    set_alarm_locked();
  }
  perform(then);
  return answer;
}

void script_timers::body::end() {
  {
    const std::lock_guard guard(lock_);
    ++leaving_;  // for ever: a pass in progress takes nothing more
  }
  close_scope({});
  alarm_.close_and_wait();
}

script_change script_timers::body::leave(std::int64_t id, script_leave how) {
  afterwards then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    const auto found = find_locked(id);
    if (found != nullptr) {
      answer = found->away ? script_change::unchanged : script_change::changed;
      if (how == script_leave::cancel) {
        end_locked(found, then);
      } else {
        found->away = true;
        found->skipping = how == script_leave::skip;
        if (!found->skipping && !planted("a suspended timer ticks")) hold_locked(*found);
      }
    }
  }
  perform_later(then);  // the caller holds the lock of the modes, and a release may run destructors of captures
  return answer;
}

script_change script_timers::body::come_back(std::int64_t id, script_return how) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return script_change::unknown;
  if (!found->away) return script_change::unchanged;
  if (how == script_return::stay && !found->skipping) {
    // It waits for its script to say `resume`.
    found->away = false;
    found->paused = true;
    return script_change::changed;
  }
  found->away = false;
  if (how == script_return::restart) {
    hold_locked(*found);
    found->remaining_ns = found->delay_ns;
  }
  if (!found->paused) go_on_locked(*found, found->remaining_ns);
  return script_change::changed;
}

// --- The face.
// --------------------------------------------------------------------------------------------------------

script_timers::script_timers(script_host& host, script_options options)
    : body_(std::make_shared<body>(host, std::move(options))) {
  body_->begin();
}

// A pass that is on the stack of this very thread keeps the body until it has ended.
script_timers::~script_timers() { body_->end(); }

script_created script_timers::set_timeout(double delay_ms, script_reference what, std::optional<script_scope> scope) {
  return body_->create(script_timer_kind::timeout, delay_ms, what, scope);
}
script_created script_timers::set_interval(double period_ms, script_reference what, std::optional<script_scope> scope) {
  return body_->create(script_timer_kind::interval, period_ms, what, scope);
}
script_change script_timers::clear(std::int64_t id) { return body_->clear(id); }
script_change script_timers::pause(std::int64_t id) { return body_->pause(id); }
script_change script_timers::resume(std::int64_t id) { return body_->resume(id); }
script_change script_timers::refresh(std::int64_t id) { return body_->refresh(id); }
script_change script_timers::keep(std::int64_t id, script_keeping keeping) { return body_->keep(id, keeping); }
std::optional<script_keeping> script_timers::keeping(std::int64_t id) const { return body_->keeping(id); }
script_change script_timers::next_tick(std::int64_t id, script_reference what) { return body_->next_tick(id, what); }
std::optional<script_timer_status> script_timers::status(std::int64_t id) const { return body_->status(id); }
std::vector<std::int64_t> script_timers::active() const { return body_->active(); }
std::size_t script_timers::cleanup() { return body_->cleanup(); }
double script_timers::now_ms() const { return static_cast<double>(body_->now_ns()) / ns_per_ms; }
std::size_t script_timers::kept_count() const { return body_->kept_count(); }
bool script_timers::keeps_program() const { return body_->keeps_program(); }
script_scope script_timers::open_scope(std::optional<script_scope> parent) { return body_->open_scope(parent); }
script_closed script_timers::close_scope(script_scope scope) { return body_->close_scope(scope); }
script_closed script_timers::close() { return body_->close_scope({}); }
script_change script_timers::leave(std::int64_t id, script_leave how) { return body_->leave(id, how); }
script_change script_timers::come_back(std::int64_t id, script_return how) { return body_->come_back(id, how); }

DETENT_END_NAMESPACE
