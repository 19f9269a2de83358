// timers: the verbs of `script_timers`. What is due is run in pass.cpp, scopes and modes are in scopes.cpp.
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
    : host_(host),
      options_(std::move(options)),
      executor_(host, [this] { alarm_dropped(); }),
      root_(scopes_[0]),
      service_(options_of(options_, executor_)) {}

void script_timers::body::begin() {
  alarm_ = timer(service_, timer_options{.name = options_.name}, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pass();
  });
}

// A sleep is as long as it says under both sets of rules, with no bound above; less than nothing is nothing on the web.
std::int64_t script_timers::body::delay_ns(double delay_ms, purpose what_for, std::uint32_t nesting) const {
  const script_rules rules = what_for == purpose::sleep ? script_rules::havel : options_.rules;
  double whole = std::trunc(delay_ms);
  if (rules == script_rules::web) {
    if (!(whole >= 1) || whole > 2147483647.0) whole = planted("overflow never fires") && whole > 1 ? 1e300 : 1;
    if (planted("negative never fires") && !(delay_ms >= 0)) whole = 1e300;
  } else {
    const bool is_over = what_for == purpose::sleep && options_.rules == script_rules::web && whole < 0;
    whole = std::isnan(whole) || is_over ? 0 : std::fabs(whole);
    if (whole < 1 && what_for == purpose::interval) whole = 1;
  }
  if (planted("half the delay")) whole /= 2;
  if (planted("ten milliseconds late")) whole += 10;
  const double ns = whole * ns_per_ms;
  const auto exact = ns >= static_cast<double>(detail::ns_max) ? detail::ns_max : static_cast<std::int64_t>(ns);
  return std::max(exact, least_delay_ns(rules, nesting));
}

std::int64_t script_timers::body::least_delay_ns(script_rules rules, std::uint32_t nesting) {
  if (nesting <= deep || planted("no lower bound when nested")) return 0;
  // With Havel's rules a chain of zero delays must let time go on too, or a manual clock would never move.
  return rules == script_rules::web ? 4'000'000 : 1'000'000;
}

// All the memory that a timer needs until its end, or null.
std::shared_ptr<script_timers::body::entry> script_timers::body::make_entry(script_reference what) noexcept {
  try {
    auto made = std::make_shared<entry>();
    order alone;
    alone.emplace(place{}, nullptr);
    made->slot = alone.extract(alone.begin());
    made->what = what;
    made->waiters.reserve(1);
    return made;
  } catch (const std::bad_alloc&) {
    return nullptr;
  }
}

script_created script_timers::body::create(purpose what_for, double delay_ms, script_reference what,
                                           std::optional<script_scope> where) {
  const bool is_own = host_.is_own_thread();
  auto created = make_entry(what);
  ended_list then;
  script_created made;
  {
    const std::lock_guard guard(lock_);
    const maker by = is_own ? maker_ : maker{};
    const script_scope scope = where.value_or(by.scope);
    scope_record* const home = scope_locked(scope);
    if (home == nullptr || !home->open) {
      made.outcome = script_creation::closed;
    } else if (live_.size() >= options_.live_limit) {
      made.outcome = script_creation::too_many;
    } else if (created == nullptr || !add_locked(created)) {
      made.outcome = script_creation::no_memory;
    } else {
      created->kind = what_for == purpose::interval ? script_timer_kind::interval : script_timer_kind::timeout;
      created->scope = scope;
      link(*created, *home);
      created->nesting = by.nesting;
      created->delay_ns = delay_ns(delay_ms, what_for, by.nesting);
      // A sleep has no function, but one that waits for it.
      if (what_for == purpose::sleep) created->waiters.push_back(std::exchange(created->what, {}));
      made = {created->id, script_creation::created};
      begin_locked(created, then);
    }
  }
  if (made.outcome != script_creation::created) {
    if (created == nullptr) {
      let_go(what);
    } else {
      then.add(std::move(created));
    }
  }
  perform(std::move(then));
  if (planted("a short delay runs at once") && made.id != 0 && delay_ms <= 1) host_.call(what, {{}, made.id, 0});
  return made;
}

// Whether it is live now: memory may be short.
bool script_timers::body::add_locked(const std::shared_ptr<entry>& made) {
  try {
    live_.emplace(next_id_, made);
  } catch (const std::bad_alloc&) {
    return false;
  }
  made->id = next_id_++;
  return true;
}

std::shared_ptr<script_timers::body::entry> script_timers::body::find_locked(std::int64_t id) const {
  const auto found = live_.find(id);
  return found == live_.end() ? nullptr : found->second;
}

std::uint64_t script_timers::body::next_arming_locked() {
  return planted("last in, first out") ? ~next_arming_++ : next_arming_++;
}

void script_timers::body::arm_locked(entry& which, std::int64_t deadline_ns) {
  put_locked(which, {deadline_ns, next_arming_locked()});
}

// Requires: `which` is live and not armed.
void script_timers::body::put_locked(entry& which, place at) {
  const auto self = find_locked(which.id);
  which.at = at;
  which.now = stage::armed;
  which.slot.key() = which.at;
  which.slot.mapped() = self;
  armed_.insert(std::move(which.slot));
  set_alarm_locked();
}

// Requires: `which` is armed. Says the order only, its stage is the caller's.
void script_timers::body::disarm_locked(entry& which) {
  which.slot = armed_.extract(which.at);
  which.slot.mapped() = nullptr;  // else it would own itself
}

// What is left until then: nothing of an instant that has passed, and all time of one that never comes.
std::int64_t script_timers::body::left_ns(std::int64_t deadline_ns) const {
  if (deadline_ns == detail::ns_max) return detail::ns_max;
  return std::max<std::int64_t>(0, detail::subtract_ns(deadline_ns, now_ns()));
}

// Takes an armed timer out of the order and keeps what is left of its delay.
void script_timers::body::hold_locked(entry& which) {
  if (which.now != stage::armed) return;
  disarm_locked(which);
  which.remaining_ns = left_ns(which.at.deadline_ns);
  which.now = stage::still;
  set_alarm_locked();
}

void script_timers::body::go_on_locked(entry& which, std::int64_t after_ns) {
  if (which.now == stage::still) arm_locked(which, detail::add_ns(now_ns(), after_ns));
}

void script_timers::body::end_locked(const std::shared_ptr<entry>& which, ended_list& then) {
  if (which->now == stage::armed) disarm_locked(*which);
  which->now = stage::over;
  live_.erase(which->id);
  unlink_locked(*which);
  // The function of a call in progress is not here: who runs the call releases it behind it.
  if (!planted("a function is never released") || !which->waiters.empty()) then.add(which);
  set_alarm_locked();
}

// The alarm is for the earliest armed timer, or for what is owed. Arming it runs nothing of the user's, so it may be
// done under the lock.
void script_timers::body::set_alarm_locked() {
  if (in_pass_) return;
  std::int64_t earliest = armed_.empty() ? detail::ns_max : armed_.begin()->first.deadline_ns;
  if (!owed_.is_empty()) earliest = detail::ns_min;
  if (earliest != detail::ns_max) earliest = std::max(earliest, not_before_ns_);
  if (earliest == alarm_ns_) return;
  alarm_ns_ = earliest;
  if (earliest == detail::ns_max) {
    alarm_.cancel();
  } else {
    alarm_.arm_at(steady_clock::time_point(std::chrono::nanoseconds(earliest)));
  }
}

// The host has failed. It is asked again, ever more seldom, until a pass says that it works.
void script_timers::body::back_off_locked() {
  retry_ns_ = std::clamp<std::int64_t>(2 * retry_ns_, 1'000'000, 1'000'000'000);
  not_before_ns_ = detail::add_ns(now_ns(), retry_ns_);
  set_alarm_locked();
}

// Any thread: the alarm's task was let go uncalled.
void script_timers::body::alarm_dropped() {
  const std::lock_guard guard(lock_);
  alarm_ns_ = detail::ns_max;
  back_off_locked();
}

// Requires: no lock is held.
void script_timers::body::perform(ended_list then) noexcept {
  if (then.has_waiters() || !host_.is_own_thread()) return perform_later(std::move(then));
  settle(host_, this, then);
}

// Waiters are functions too: they are not called inside whichever verb ended their timer.
void script_timers::body::perform_later(ended_list then) noexcept {
  if (then.is_empty() || post(then)) return;
  const bool is_own = host_.is_own_thread();
  {
    const std::lock_guard guard(lock_);
    if (!closed_) {
      owed_.add(std::move(then));
      return back_off_locked();
    }
  }
  // Nobody comes any more who could call. Elsewhere than here the references end with their engine.
  while (const auto done = is_own ? then.take() : nullptr) {
    for (const script_reference waiter : done->waiters) host_.release(waiter);
    if (done->what) host_.release(done->what);
  }
}

// Whether the host took it. Otherwise `work` is as it was.
bool script_timers::body::post(ended_list& work) noexcept {
  std::shared_ptr<ended_list> sent;
  try {
    sent = std::make_shared<ended_list>(std::move(work));
    host_.post([host = &host_, sent, weak = weak_from_this()] {
      const auto self = weak.lock();
      settle(*host, self.get(), *sent);
    });
    return true;
  } catch (...) {
    if (sent != nullptr) work = std::move(*sent);
    return false;
  }
}

// Releases a function for which there was not even the memory of a timer. When on another thread the host cannot post
// it either, the function stays until the end of its engine.
void script_timers::body::let_go(script_reference what) noexcept {
  if (!what) return;
  if (host_.is_own_thread()) return host_.release(what);
  try {
    host_.post([host = &host_, what] { host->release(what); });
  } catch (...) {  // NOLINT(bugprone-empty-catch): as the comment says
  }
}

void script_timers::body::ended_list::add(std::shared_ptr<entry> done) noexcept {
  if (!done->what && done->waiters.empty()) return;
  has_waiters_ = has_waiters_ || !done->waiters.empty();
  entry* const added = done.get();
  (last_ == nullptr ? first_ : last_->next_ended) = std::move(done);
  last_ = added;
}

void script_timers::body::ended_list::add(ended_list&& others) noexcept {
  if (others.is_empty()) return;
  (last_ == nullptr ? first_ : last_->next_ended) = std::move(others.first_);
  last_ = std::exchange(others.last_, nullptr);
  has_waiters_ = has_waiters_ || std::exchange(others.has_waiters_, false);
}

std::shared_ptr<script_timers::body::entry> script_timers::body::ended_list::take() noexcept {
  auto taken = std::move(first_);
  if (taken == nullptr) return nullptr;
  first_ = std::move(taken->next_ended);
  if (first_ == nullptr) {
    last_ = nullptr;
    has_waiters_ = false;
  }
  return taken;
}

script_change script_timers::body::clear(std::int64_t id) {
  if (planted("clear does nothing")) return script_change::changed;
  ended_list then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    auto found = find_locked(id);
    if (found == nullptr && planted("a dead id ends another timer") && !live_.empty() && id > 0 && id < next_id_) {
      found = live_.begin()->second;
    }
    const bool spared = found != nullptr && found->now == stage::running && planted("an interval cannot end itself");
    if (found != nullptr && !spared) {
      end_locked(found, then);
      answer = script_change::changed;
    }
  }
  perform(std::move(then));
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
  if (!is_held_locked(*found)) go_on_locked(*found, rest);
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
  ended_list then;
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
  perform(std::move(then));
  return answer;
}

std::optional<script_keeping> script_timers::body::keeping(std::int64_t id) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  return found == nullptr ? std::nullopt : std::optional(found->keeping);
}

script_change script_timers::body::next_tick(std::int64_t id, script_reference what) {
  ended_list then;
  script_change answer = script_change::unknown;
  try {
    std::vector<script_reference> alone{what};
    const auto over = std::make_shared<entry>();  // stands for a timer that is over
    const bool is_own = host_.is_own_thread();
    const std::lock_guard guard(lock_);
    const auto found = find_locked(id);
    if (found != nullptr) {
      found->waiters.push_back(what);
      answer = script_change::changed;
    } else {
      over->id = id;
      if (is_own) over->scope = maker_.scope;
      over->waiters.swap(alone);
      pin_locked(*over, scope_locked(over->scope));
      then.add(over);
    }
  } catch (...) {
    let_go(what);
    throw;
  }
  perform(std::move(then));
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
    case stage::armed: remaining_ns = detail::subtract_ns(found->at.deadline_ns, now_ns()); break;
    default:
      told.state = found->paused ? script_timer_state::paused : script_timer_state::suspended;
      remaining_ns = found->remaining_ns;
  }
  told.remaining_ms = static_cast<double>(remaining_ns) / ns_per_ms;
  if (found->kind == script_timer_kind::interval) told.period_ms = static_cast<double>(found->delay_ns) / ns_per_ms;
  told.fires = found->fires;
  told.missed = found->missed;
  told.lateness_ms = static_cast<double>(found->lateness_ns) / ns_per_ms;
  told.waiters = found->waiters.size();
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
  ended_list then;
  std::size_t ended = 0;
  {
    const std::lock_guard guard(lock_);
    for (ended = live_.size(); !live_.empty();) end_locked(std::shared_ptr(live_.begin()->second), then);
  }
  perform(std::move(then));
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

void script_timers::body::end() {
  {
    const std::lock_guard guard(lock_);
    ++leaving_;  // for ever: a pass in progress takes nothing more
  }
  close_scope({});
  alarm_.close_and_wait();
  executor_.shut();
  ended_list last;
  {
    const std::lock_guard guard(lock_);
    closed_ = true;
    last = std::move(owed_);
  }
  perform(std::move(last));
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
  return body_->create(body::purpose::timeout, delay_ms, what, scope);
}
script_created script_timers::set_interval(double period_ms, script_reference what, std::optional<script_scope> scope) {
  return body_->create(body::purpose::interval, period_ms, what, scope);
}
script_created script_timers::sleep(double delay_ms, script_reference what) {
  return body_->create(body::purpose::sleep, delay_ms, what, {});
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
script_change script_timers::detach_scope(script_scope scope, script_tie tie) {
  return body_->detach_scope(scope, tie);
}
std::size_t script_timers::scope_count() const { return body_->scope_count(); }
script_closed script_timers::close() { return body_->close_scope({}); }
bool script_timers::is_open(script_scope scope) const { return body_->is_open(scope); }
script_scope script_timers::current_scope() const { return body_->current_scope(); }
void script_timers::enter_scope(script_scope scope) { body_->enter_scope(scope); }
script_change script_timers::leave(std::int64_t id, script_leave how) { return body_->leave(id, how); }
script_change script_timers::come_back(std::int64_t id, script_return how) { return body_->come_back(id, how); }
script_change script_timers::leave(script_scope scope, script_leave how) { return body_->leave(scope, how); }
script_change script_timers::come_back(script_scope scope, script_return how) { return body_->come_back(scope, how); }

DETENT_END_NAMESPACE
