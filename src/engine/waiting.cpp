// waiting: sleeping until a call has ended, without hiding a deadlock (G08).
//
// A verb takes its effect first, then waits for the call that was in progress at that moment and for no other: see
// WAITING in words.hpp. What is waited for is always the end of one call; groups and shutdown wait for one after the
// other.
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <optional>

namespace detent::inline v0::detail {

// One call as a waiter sees it. Lives on the waiter's stack.
struct core::awaited {
  core* owner;
  std::uint32_t index;
  bool detached_counts;    // groups and shutdown wait for detached calls too
  std::uint32_t ends = 0;  // the record's counts when `waited` was set
  std::uint32_t detaches = 0;

  // Under the record's registry lock, with T7 or a T2 that awaits.
  void note_counts() noexcept {
    const rare_part& c = owner->registry_.rare(index);
    ends = c.ends.load(memory_order_relaxed);          // The lock orders it.
    detaches = c.detaches.load(memory_order_relaxed);  // The lock orders it.
  }
  bool is_over() const noexcept {
    const rare_part& c = owner->registry_.rare(index);
    if (c.ends.load(memory_order_acquire) != ends) return true;                    // X2 <- X1.
    return !detached_counts && c.detaches.load(memory_order_acquire) != detaches;  // Y2 <- Y1.
  }
  static bool covers(const void* context, const call_key& call) noexcept {
    const auto& self = *static_cast<const awaited*>(context);
    return call.of == self.owner && call.index == self.index && (self.detached_counts || !call.detached);
  }
  static bool over(const void* context) noexcept { return static_cast<const awaited*>(context)->is_over(); }
};

bool core::covers_core(const void* context, const call_key& call) noexcept { return call.of == context; }
bool core::never_over(const void*) noexcept { return false; }

bool core::inside_own_callback() const noexcept { return covers_own_call({&covers_core, &never_over, this}); }

bool core::makes_call(std::uint32_t index, bool detached_counts) noexcept {
  const awaited call{this, index, detached_counts};
  return covers_own_call({&awaited::covers, &awaited::over, &call});
}

// The steady instant, on the operating system's clock, at which a wait of `limit_ns` ends.
std::int64_t core::until(std::int64_t limit_ns) noexcept {
  if (limit_ns == ns_max) return platform::forever_ns;
  return add_ns(platform::read_clock_ns(clock_id::steady), limit_ns < 0 ? 0 : limit_ns);
}

bool core::is_detached(std::uint32_t index) const noexcept {
  const std::uint32_t detached = registry_.rare(index).detached_call.load(memory_order_relaxed);  // A2 <- A1: the lock.
  return detached != 0 && registry_.hot(index).calls.load(memory_order_relaxed) == detached;      // K2 <- K1: the lock.
}

// T7. From here on the call in progress (or, with `pending_too`, what ends the firing) counts an end or wakes the
// bucket.
bool core::await_locked(std::uint32_t index, bool pending_too, bool detached_counts) noexcept {
  if (!detached_counts && is_detached(index)) return false;
  record& r = registry_.hot(index);
  std::uint64_t s = r.state.load(memory_order_acquire);  // T7 <- T5: what the call did, if it is over.
  for (;;) {
    if (!state::is_calling(s) && !(pending_too && state::is_pending(s))) return false;
    if (busted(bug::waited_unset)) return true;
    chaos(chaos_at::await_T7);
    if (compare_exchange(r.state, s, s | state::waited, access_, memory_order_acquire, memory_order_acquire))
      return true;  // T7 <- T5; -> T5: the lock.
  }
}

// Sleeps until the call is over. Refuses a wait that would close a cycle.
wait_result core::sleep_until_over(const awaited& call, std::int64_t until_ns, bool can_refuse) noexcept {
  if (call.is_over()) return wait_result::quiet;
  named_cycle found;
  const registered_wait entered({&awaited::covers, &awaited::over, &call}, &found);
  if (entered.is_refused()) {
    report_deadlock(found, can_refuse);
    return wait_result::would_deadlock;
  }
  std::optional<lock_guard> kept;
  if (busted(bug::wait_locked)) kept.emplace(registry_.lock_of(call.index));
  eventcount& ended = bucket_of(call.index);
  for (;;) {
    const eventcount::ticket ticket = ended.prepare();
    if (call.is_over()) return wait_result::quiet;
    if (until_ns != platform::forever_ns && platform::read_clock_ns(clock_id::steady) >= until_ns) {
      return wait_result::timed_out;
    }
    ended.wait_watched(ticket, until_ns, tallies_.rescues, [&] { return call.is_over(); });
    if (busted(bug::other_end)) return wait_result::quiet;
  }
}

void core::enter_of_destructor(std::optional<registered_wait>& entered, wait_target target) noexcept {
  const held_share held(this);  // What the handler does may end the wait of another in the cycle.
  named_cycle found;
  entered.emplace(target, &found);
  if (entered->is_refused()) report_deadlock(found, false);
}

// Waits for the call in progress of a record that no later call can follow (closed), or whose `waited` bit was set
// together with the verb's effect.
wait_result core::await_call(named timer, std::int64_t until_ns, bool can_refuse) noexcept {
  if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return wait_result::quiet;
  if (!busted(bug::self_wait) && makes_call(timer.index, false)) {
    return state::is_calling(
               registry_.hot(timer.index).state.load(memory_order_relaxed))  // T13: a call of this thread.
               ? wait_result::from_callback
               : wait_result::quiet;
  }
  while (busted(bug::queue_waited) && hint::is_in_hand(registry_.hot(timer.index).hint.load(memory_order_acquire))) {
    platform::yield();  // H7: the planted bug.
  }
  awaited call{this, timer.index, false};
  {
    lock_guard guard(registry_.lock_of(timer.index));
    if (timer.generation != 0 && registry_.generation(timer.index) != timer.generation) return wait_result::quiet;
    if (!await_locked(timer.index, false, false)) return wait_result::quiet;
    call.note_counts();
  }
  return sleep_until_over(call, until_ns, can_refuse);
}

// Where a call is in progress or the record may be another tenant's.
cancel_answer core::cancel_and_await(named timer, std::int64_t limit_ns) noexcept {
  const std::int64_t until_ns = until(limit_ns);
  const bool from_callback = makes_call(timer.index, false);
  awaited call{this, timer.index, false};
  cancel_result outcome = cancel_result::closed;
  bool waits = false;
  bool ends_timer = false;
  std::optional<held_share> held;  // The handle, and the service, may be destroyed while this is blocked.
  {
    lock_guard guard(registry_.lock_of(timer.index));
    if (timer.generation != 0 && registry_.generation(timer.index) != timer.generation) {
      return {outcome, wait_result::quiet};
    }
    outcome = cancel_word(timer.index, !from_callback, true);
    ends_timer = outcome == cancel_result::cancelled && ends_when_cancelled(timer);
    const bool in_call = outcome == cancel_result::running || outcome == cancel_result::cancelled_running;
    const bool terminal = outcome == cancel_result::closed || outcome == cancel_result::shut_down;
    if (!from_callback && (in_call || terminal)) {
      waits = terminal ? await_locked(timer.index, false, false) : !is_detached(timer.index);
      call.note_counts();
    }
    if (waits) held.emplace(this);  // Before the lock is free: the call's end needs it.
  }
  if (ends_timer) end_here(timer.index);
  if (from_callback) return {outcome, wait_result::from_callback};
  return {outcome, waits ? sleep_until_over(call, until_ns, true) : wait_result::quiet};
}

// `holds`: the caller has the timer's handle, or had it when it called.
cancel_answer core::close_and_wait(named timer, std::int64_t limit_ns, bool holds) noexcept {
  const held_share held(this);  // A capture may own the handle and the service, a callback may destroy them.
  order_wait_for(timer, limit_ns, "close_and_wait");
  const std::int64_t until_ns = until(limit_ns);
  if (busted(bug::check_first)) {
    const std::uint64_t s = registry_.hot(timer.index).state.load(memory_order_acquire);  // T13: the planted bug.
    if (!state::is_calling(s)) return {close(timer), wait_result::quiet};
  }
  const cancel_result outcome = close(holds ? named{timer.index, 0} : timer);
  if (is_gone() || !registry_.exists(timer.index)) return {outcome, wait_result::quiet};
  return {outcome, await_call(timer, until_ns, true)};
}

// Waits for what is pending and for the call in progress. A timer that arms itself again cannot keep the waiter: it
// waits for one call for each of the two.
wait_result core::wait(named timer, std::int64_t limit_ns, wait_progress* progress) noexcept {
  if (is_gone() || !registry_.exists(timer.index)) return wait_result::quiet;
  const held_share held(this);  // The handle, and the service, may be destroyed while this is blocked.
  if (!inside_own_callback()) order_wait_for(timer, limit_ns, "wait");
  const std::int64_t until_ns = until(limit_ns);
  wait_progress fresh;
  wait_progress& at = progress != nullptr ? *progress : fresh;
  for (;;) {
    awaited call{this, timer.index, at.behind_detached_, at.ends_, at.detaches_};
    if (!at.sleeps_) {
      lock_guard guard(registry_.lock_of(timer.index));
      if (timer.generation != 0 && registry_.generation(timer.index) != timer.generation) return wait_result::quiet;
      const record& r = registry_.hot(timer.index);
      const std::uint64_t s = r.state.load(memory_order_acquire);  // T13 <- T1, T5.
      const bool detached = state::is_calling(s) && is_detached(timer.index);
      const bool in_call = state::is_calling(s) && !detached;
      const bool pending = state::is_pending(s);
      const bool first = !std::exchange(at.has_begun_, true);
      if (!in_call && !pending) return wait_result::quiet;
      if (first) at.calls_left_ = static_cast<std::uint8_t>((in_call ? 1 : 0) + (pending ? 1 : 0));
      at.behind_detached_ = call.detached_counts = detached;
      if (detached) {
        // What is pending starts behind the detached call; another detached call is what was pending, begun.
        const std::uint32_t number = r.calls.load(memory_order_relaxed);  // K2 <- K1, by T4.
        if (first) at.detached_before_ = number;
        else if (number != at.detached_before_) return wait_result::quiet;
      }
      if (!pending && makes_call(timer.index, false)) return wait_result::from_callback;
      if (pending && inside_own_callback()) return wait_result::from_callback;
      if (!in_call && is_driven_here()) return wait_result::would_deadlock;  // Only this thread could run it.
      if (!await_locked(timer.index, true, detached)) continue;
      call.note_counts();
    }
    const wait_result answer = note_answer(sleep_until_over(call, until_ns, true), call, at);
    if (answer != wait_result::quiet) return answer;
    if (!at.behind_detached_ && --at.calls_left_ == 0) return answer;
  }
}

// A wait that goes on later sleeps on with the counts it has: to the record it is a waiter that was slow to look.
wait_result core::note_answer(wait_result answer, const awaited& call, wait_progress& at) noexcept {
  at.sleeps_ = answer == wait_result::timed_out;
  at.index_ = call.index;
  at.ends_ = call.ends;
  at.detaches_ = call.detaches;
  return answer;
}

bool core::is_driven_here() const noexcept {
  if (own_thread_) return false;
  if (access_ == access::alone) return true;  // Nobody else may call into this service.
  return !clocks_.is_manual() && driving_thread_.load(memory_order_relaxed) == platform::this_thread();
}

// For a shutdown that runs what is due: waits until the call in progress or the pending firing of a record has ended.
// It is the caller's affair whether anybody can run that firing.
wait_result core::await_due(std::uint32_t index, std::int64_t until_ns) noexcept {
  awaited call{this, index, true};
  {
    lock_guard guard(registry_.lock_of(index));
    if (!is_open_locked(index) || !await_locked(index, true, true)) return wait_result::quiet;
    call.note_counts();
  }
  return sleep_until_over(call, until_ns, true);
}

// Waits, one after the other, for the calls in progress of the whole service. A call that begins later in a record
// already passed is not waited for: after `resolve` there are none.
bool core::await_calls(std::int64_t until_ns, bool can_refuse, bool* refused) noexcept {
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!state::is_calling(registry_.hot(i).state.load(memory_order_acquire))) continue;  // T13 <- T5.
    if (makes_call(i, true) && !busted(bug::stop_waits_self)) continue;
    awaited call{this, i, true};
    {
      lock_guard guard(registry_.lock_of(i));
      if (!await_locked(i, false, true)) continue;
      call.note_counts();
    }
    switch (sleep_until_over(call, until_ns, can_refuse)) {
      case wait_result::quiet: break;
      case wait_result::would_deadlock: *refused = true; return false;
      case wait_result::from_callback:
      case wait_result::timed_out: return false;
    }
  }
  return true;
}

// As await_calls, for one group: by ascending index, each member at most once, so that one that arms itself again
// cannot keep the waiter. Calls of this thread are left out and answered for.
wait_result core::wait_group(group_record* group, std::int64_t limit_ns, bool can_refuse,
                             wait_progress* progress) noexcept {
  core* owner = group->owner;
  if (owner->is_gone()) return wait_result::quiet;
  const std::int64_t until_ns = until(limit_ns);
  const wait_target members{&covers_group, &never_over, group};
  const wait_result good = covers_own_call(members) ? wait_result::from_callback : wait_result::quiet;
  wait_progress fresh;
  wait_progress& at = progress != nullptr ? *progress : fresh;
  for (;;) {
    awaited call{owner, at.index_, true, at.ends_, at.detaches_};
    if (!at.sleeps_) {
      const std::uint32_t from = std::exchange(at.has_begun_, true) ? at.index_ + 1 : 0;
      lock_guard guard(group->tree->lock);
      call.index = owner->next_calling_member(group, from);
      if (call.index == no_index) return good;
      at.index_ = call.index;
      // A member stays listed until its record is free, so under the tree's lock it is still this tenant's call.
      lock_guard record_guard(owner->registry_.lock_of(call.index));
      if (!owner->await_locked(call.index, false, true)) continue;
      call.note_counts();
    }
    const wait_result answer = note_answer(owner->sleep_until_over(call, until_ns, can_refuse), call, at);
    if (answer != wait_result::quiet) return answer;
  }
}

bool core::is_in_call_of(const group_record* group) noexcept {
  return covers_own_call({&covers_group, &never_over, group});
}

bool core::covers_group(const void* context, const call_key& call) noexcept {
  return static_cast<const group_record*>(context)->holds(static_cast<const group_record*>(call.group));
}

}  // namespace detent::inline v0::detail
