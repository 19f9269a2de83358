// scopes: who owns which timers, and what happens to them when a mode is left.
#include "body.hpp"
#include "fault.hpp"

#include <utility>

DETENT_BEGIN_NAMESPACE

script_scope script_timers::body::open_scope(std::optional<script_scope> parent) {
  const bool is_own = host_.is_own_thread();
  const std::lock_guard guard(lock_);
  const script_scope inside = parent ? *parent : is_own ? maker_.scope : script_scope{};
  const auto found = scopes_.find(inside.index);
  const script_scope made{next_scope_++};
  // A scope inside a closed one is born closed: nobody has to look.
  if (found != scopes_.end() && found->second.open) scopes_[made.index].parent = inside.index;
  return made;
}

bool script_timers::body::is_open(script_scope scope) {
  const std::lock_guard guard(lock_);
  const auto found = scopes_.find(scope.index);
  return found != scopes_.end() && found->second.open;
}

script_scope script_timers::body::current_scope() {
  const std::lock_guard guard(lock_);
  return maker_.scope;
}

void script_timers::body::enter_scope(script_scope scope) {
  const std::lock_guard guard(lock_);
  maker_.scope = scope;
}

// A scope is made behind the one around it.
bool script_timers::body::is_inside_locked(script_scope inner, script_scope outer) const {
  for (;;) {
    if (inner == outer) return true;
    if (inner.index < outer.index) return false;
    const auto found = scopes_.find(inner.index);
    if (found == scopes_.end() || planted("a scope forgets those inside it")) return false;
    inner = {found->second.parent};
  }
}

script_closed script_timers::body::close_scope(script_scope scope) {
  ended_list then;
  script_closed answer;
  bool has_call = false;
  {
    const std::lock_guard guard(lock_);
    for (auto at = live_.begin(); at != live_.end();) {
      const auto of = (at++)->second;
      if (!is_inside_locked(of->scope, scope)) continue;
      ++answer.ended;
      end_locked(of, then);
    }
    has_call = calling_ != nullptr && is_inside_locked(calling_->scope, scope);
    for (auto at = scopes_.lower_bound(scope.index); at != scopes_.end(); ++at) {
      at->second.open = at->second.open && !is_inside_locked({at->first}, scope);
    }
    has_closed_ = true;
    forget_closed_scopes_locked();
    if (has_call) ++leaving_;
  }
  if (has_call) {
    answer.wait = alarm_.cancel_and_wait().wait;
    const std::lock_guard guard(lock_);
    --leaving_;
    alarm_ns_ = detail::ns_max;
    set_alarm_locked();
  }
  perform(std::move(then));
  return answer;
}

// A call in progress stays where its scope was, for whoever closes a scope around it.
void script_timers::body::forget_closed_scopes_locked() {
  if (calling_ != nullptr || !has_closed_) return;
  has_closed_ = false;
  std::erase_if(scopes_, [](const auto& one) { return one.first != 0 && !one.second.open; });
}

script_change script_timers::body::leave(std::int64_t id, script_leave how) {
  ended_list then;
  script_change answer = script_change::unknown;
  {
    const std::lock_guard guard(lock_);
    const auto found = find_locked(id);
    if (found != nullptr) {
      answer = found->away ? script_change::unchanged : script_change::changed;
      if (how == script_leave::cancel) {
        end_locked(found, then);
      } else if (!found->away) {
        found->away = how;
        if (is_held_locked(*found)) hold_locked(*found);
      }
    }
  }
  // The caller holds the lock of the modes, and a release may run destructors of captures.
  perform_later(std::move(then));
  return answer;
}

script_change script_timers::body::come_back(std::int64_t id, script_return how) {
  const std::lock_guard guard(lock_);
  const auto found = find_locked(id);
  if (found == nullptr) return script_change::unknown;
  if (!found->away) return script_change::unchanged;
  return_locked(*found, how, *std::exchange(found->away, std::nullopt), now_ns());
  return script_change::changed;
}

script_change script_timers::body::leave(script_scope scope, script_leave how) {
  ended_list then;
  {
    const std::lock_guard guard(lock_);
    const auto of = scopes_.find(scope.index);
    if (of == scopes_.end() || !of->second.open) return script_change::unknown;
    if (of->second.away) return script_change::unchanged;
    of->second.away = how;
    for (auto at = live_.begin(); at != live_.end();) {
      const auto one = (at++)->second;
      if (!is_inside_locked(one->scope, scope)) continue;
      if (how == script_leave::cancel) {
        end_locked(one, then);
      } else if (is_held_locked(*one)) {
        hold_locked(*one);
      }
    }
  }
  perform_later(std::move(then));
  return script_change::changed;
}

script_change script_timers::body::come_back(script_scope scope, script_return how) {
  const std::lock_guard guard(lock_);
  const auto of = scopes_.find(scope.index);
  if (of == scopes_.end() || !of->second.open) return script_change::unknown;
  if (!of->second.away) return script_change::unchanged;
  const script_leave left = *std::exchange(of->second.away, std::nullopt);
  const std::int64_t now = now_ns();
  for (const auto& [id, one] : live_) {
    if (is_inside_locked(one->scope, scope)) return_locked(*one, how, left, now);
  }
  return script_change::changed;
}

// The strictest of what its own mode and those of its scopes have left it with; none while all of them are current.
std::optional<script_leave> script_timers::body::absence_locked(const entry& of) const {
  std::optional<script_leave> strictest = of.away;
  for (script_scope inner = of.scope;;) {
    const auto found = scopes_.find(inner.index);
    if (found == scopes_.end()) return strictest;
    const auto& away = found->second.away;
    if (away && (!strictest || *away < *strictest)) strictest = away;
    if (inner.index == 0) return strictest;
    inner = {found->second.parent};
  }
}

// Whether its time stands still.
bool script_timers::body::is_held_locked(const entry& of) const {
  return of.paused || (!planted("a suspended timer ticks") && absence_locked(of) == script_leave::suspend);
}

// A timer that was just made: in a scope that was left it is left too.
void script_timers::body::begin_locked(const std::shared_ptr<entry>& made, ended_list& then) {
  const bool is_left = !planted("a timer made in a scope that was left ticks");
  if (is_left && absence_locked(*made) == script_leave::cancel) {
    end_locked(made, then);
  } else if (is_left && is_held_locked(*made)) {
    made->remaining_ns = made->delay_ns;
    made->at.arming = next_arming_locked();
  } else {
    arm_locked(*made, detail::add_ns(now_ns(), made->delay_ns));
  }
}

// What had left `which` is over. Another may hold it still.
void script_timers::body::return_locked(entry& which, script_return how, script_leave left, std::int64_t now_ns) {
  // It waits for its script to say `resume`.
  if (how == script_return::stay && left == script_leave::suspend) which.paused = true;
  if (how == script_return::restart) {
    hold_locked(which);
    which.remaining_ns = which.delay_ns;
  }
  // In its former place among those that come back with it, in whichever order they are visited.
  if (which.now != stage::still || is_held_locked(which)) return;
  put_locked(which, {detail::add_ns(now_ns, which.remaining_ns), which.at.arming});
}

DETENT_END_NAMESPACE
