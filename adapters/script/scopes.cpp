// scopes: who owns which timers, and what happens to them when a mode is left.
#include "body.hpp"
#include "fault.hpp"

#include <utility>

DETENT_BEGIN_NAMESPACE

script_timers::body::scope_record* script_timers::body::scope_locked(script_scope scope) {
  const auto found = scopes_.find(scope.index);
  return found == scopes_.end() ? nullptr : &found->second;
}

// Each of a tree before those inside it; null behind the last. Without recursion: a chain may be very long.
script_timers::body::scope_record* script_timers::body::next_inside(scope_record* at, const scope_record* top) {
  if (at->first_inside != nullptr) return at->first_inside;
  for (; at != top; at = at->parent) {
    if (at->next != nullptr) return at->next;
  }
  return nullptr;
}

void script_timers::body::link(entry& made, scope_record& home) {
  made.home = &home;
  made.next_there = std::exchange(home.first_timer, &made);
  if (made.next_there != nullptr) made.next_there->previous_there = &made;
}

// The timer is over. Its scope may be with it.
void script_timers::body::unlink_locked(entry& gone) {
  scope_record* const home = std::exchange(gone.home, nullptr);
  (gone.previous_there == nullptr ? home->first_timer : gone.previous_there->next_there) = gone.next_there;
  if (gone.next_there != nullptr) gone.next_there->previous_there = gone.previous_there;
  if (!gone.waiters.empty()) pin_locked(gone, home);
  forget_unneeded_locked(home);
}

void script_timers::body::link(scope_record& made, scope_record& parent) {
  made.parent = &parent;
  made.previous = nullptr;
  made.next = std::exchange(parent.first_inside, &made);
  if (made.next != nullptr) made.next->previous = &made;
}

void script_timers::body::unlink(scope_record& gone) {
  (gone.previous == nullptr ? gone.parent->first_inside : gone.previous->next) = gone.next;
  if (gone.next != nullptr) gone.next->previous = gone.previous;
}

// The scope has lost something. With nothing in it that could make a timer there, nobody can name it any more; then the
// one around it has lost something too.
void script_timers::body::forget_unneeded_locked(scope_record* of) {
  while (of->open && of->detached && of != calling_in_ && of->pins == 0 && of->first_timer == nullptr) {
    scope_record* const only = of->first_inside;
    if (only != nullptr && (only->next != nullptr || of->detached == script_tie::modes || of->away)) return;
    scope_record* const parent = of->parent;
    unlink(*of);
    if (only != nullptr) link(*only, *parent);
    scopes_.erase(of->self.index);
    of = parent;
  }
}

// While something waits to be called there, the scope stays.
void script_timers::body::pin_locked(entry& of, scope_record* home) {
  if (home == nullptr || !home->open) return;
  ++home->pins;
  of.pins_scope = true;
}

void script_timers::body::unpin(const entry& of) {
  if (!of.pins_scope) return;
  const std::lock_guard guard(lock_);
  scope_record* const home = scope_locked(of.scope);
  if (home == nullptr || !home->open) return;
  --home->pins;
  forget_unneeded_locked(home);
}

// The call in progress is another, or none.
void script_timers::body::set_calling_locked(std::shared_ptr<entry> next) {
  while (first_closed_ != nullptr) scopes_.erase(std::exchange(first_closed_, first_closed_->next)->self.index);
  scope_record* const former = std::exchange(calling_in_, next == nullptr ? nullptr : next->home);
  maker_ = next == nullptr ? maker{} : maker{next->scope, next->nesting + 1};
  calling_ = std::move(next);
  if (former != nullptr) forget_unneeded_locked(former);
}

script_scope script_timers::body::open_scope(std::optional<script_scope> parent) {
  const bool is_own = host_.is_own_thread();
  const std::lock_guard guard(lock_);
  scope_record* inside = scope_locked(parent ? *parent : is_own ? maker_.scope : script_scope{});
  const script_scope made{next_scope_++};
  // A scope inside a closed one is born closed: nobody has to look.
  if (inside == nullptr || !inside->open) return made;
  scope_record& record = scopes_[made.index];
  if (planted("a scope forgets those inside it")) inside = &root_;
  record.self = made;
  record.absence = inside->absence;
  link(record, *inside);
  return made;
}

script_change script_timers::body::detach_scope(script_scope scope, script_tie tie) {
  const std::lock_guard guard(lock_);
  scope_record* const found = scope_locked(scope);
  if (found == nullptr || !found->open || found == &root_) return script_change::unknown;
  if (found->detached) return script_change::unchanged;
  found->detached = tie;
  forget_unneeded_locked(found);
  return script_change::changed;
}

std::size_t script_timers::body::scope_count() {
  const std::lock_guard guard(lock_);
  return scopes_.size() - 1;
}

bool script_timers::body::is_open(script_scope scope) {
  const std::lock_guard guard(lock_);
  const auto* const found = scope_locked(scope);
  return found != nullptr && found->open;
}

script_scope script_timers::body::current_scope() {
  const std::lock_guard guard(lock_);
  return maker_.scope;
}

void script_timers::body::enter_scope(script_scope scope) {
  const std::lock_guard guard(lock_);
  maker_.scope = scope;
}

// Ends what is in the scope and takes it out of the tree, with all inside it. Answers how many timers it ended.
std::size_t script_timers::body::close_locked(scope_record& top, ended_list& then) {
  std::size_t ended = 0;
  bool has_call = false;
  scope_record* closed = nullptr;
  for (scope_record* at = &top; at != nullptr; at = next_inside(at, &top)) {
    at->open = false;  // so it is not forgotten with its last timer
    has_call = has_call || at == calling_in_;
    for (; at->first_timer != nullptr; ++ended) end_locked(find_locked(at->first_timer->id), then);
  }
  for (scope_record* at = has_call ? calling_in_ : nullptr; at != nullptr; at = at == &top ? nullptr : at->parent) {
    at->has_call = true;
  }
  scope_record* const parent = top.parent;
  if (has_call) calling_in_ = parent == nullptr ? &root_ : parent;
  if (parent != nullptr) unlink(top);
  // The links are needed until all have been visited: those that have been are in a chain by another.
  for (scope_record* at = &top; at != nullptr;) {
    scope_record* const following = next_inside(at, &top);
    at->previous = std::exchange(closed, at);
    at = following;
  }
  while (closed != nullptr) {
    scope_record* const gone = std::exchange(closed, closed->previous);
    gone->first_inside = nullptr;
    if (gone == &root_) continue;
    if (gone->has_call) {
      gone->next = std::exchange(first_closed_, gone);
    } else {
      scopes_.erase(gone->self.index);
    }
  }
  if (parent != nullptr) forget_unneeded_locked(parent);
  return ended;
}

script_closed script_timers::body::close_scope(script_scope scope) {
  ended_list then;
  script_closed answer;
  bool has_call = false;
  {
    const std::lock_guard guard(lock_);
    scope_record* const found = scope_locked(scope);
    const bool was_open = found != nullptr && found->open;
    const scope_record* const called_in = calling_in_;
    if (was_open) answer.ended = close_locked(*found, then);
    // One that is known though it was closed before is around the call in progress.
    has_call = calling_ != nullptr && (was_open ? calling_in_ != called_in || found == &root_ : found != nullptr);
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
    scope_record* const top = scope_locked(scope);
    if (top == nullptr || !top->open) return script_change::unknown;
    if (top->away) return script_change::unchanged;
    top->away = how;
    spread_absence(*top);
    ++top->pins;  // while it is walked through
    for (scope_record* at = top; at != nullptr;) {
      // Asked for first: with its last timer a scope may be forgotten.
      scope_record* const following = next_inside(at, top);
      for (entry* one = at->first_timer; one != nullptr;) {
        entry* const next = one->next_there;
        if (how == script_leave::cancel) {
          end_locked(find_locked(one->id), then);
        } else if (is_held_locked(*one)) {
          hold_locked(*one);
        }
        one = next;
      }
      at = following;
    }
    --top->pins;
    forget_unneeded_locked(top);
  }
  perform_later(std::move(then));
  return script_change::changed;
}

script_change script_timers::body::come_back(script_scope scope, script_return how) {
  const std::lock_guard guard(lock_);
  scope_record* const top = scope_locked(scope);
  if (top == nullptr || !top->open) return script_change::unknown;
  if (!top->away) return script_change::unchanged;
  const script_leave left = *std::exchange(top->away, std::nullopt);
  spread_absence(*top);
  const std::int64_t now = now_ns();
  for (scope_record* at = top; at != nullptr; at = next_inside(at, top)) {
    for (entry* one = at->first_timer; one != nullptr; one = one->next_there) return_locked(*one, how, left, now);
  }
  forget_unneeded_locked(top);
  return script_change::changed;
}

std::optional<script_leave> script_timers::body::strictest(std::optional<script_leave> one,
                                                           std::optional<script_leave> other) {
  return !one || (other && *other < *one) ? other : one;
}

// What holds for a scope holds for those inside it.
void script_timers::body::spread_absence(scope_record& from) {
  for (scope_record* at = &from; at != nullptr; at = next_inside(at, &from)) {
    at->absence = strictest(at->away, at->parent == nullptr ? std::nullopt : at->parent->absence);
  }
}

// The strictest of what its own mode and those of its scopes have left it with; none while all of them are current.
std::optional<script_leave> script_timers::body::absence_locked(const entry& of) {
  return strictest(of.away, of.home->absence);
}

// Whether its time stands still.
bool script_timers::body::is_held_locked(const entry& of) {
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
