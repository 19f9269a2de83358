// closing: the birth of a timer's record and its end. Captures are destroyed here, with no lock held.
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <cerrno>
#include <cstring>
#include <new>

namespace detent::inline v0::detail {

namespace {

constexpr clock_id id_of_kind(clock_kind kind) noexcept {
  switch (kind) {
    case clock_kind::steady: return clock_id::steady;
    case clock_kind::boottime: return clock_id::boottime;
    case clock_kind::system: return clock_id::system;
  }
  return clock_id::steady;
}

char* copy_name(std::string_view name) noexcept {
  char* copy = new (std::nothrow) char[name.size() + 1];
  if (copy == nullptr) return nullptr;
  if (!name.empty()) std::memcpy(copy, name.data(), name.size());
  copy[name.size()] = '\0';
  return copy;
}

}  // namespace

// --- Birth ----------------------------------------------------------------------------------------------------------

std::uint32_t core::reserve(group_record* group, clock_kind kind, const timer_options& options,
                            std::source_location place, tenure held_by, std::error_code& error) noexcept {
  check_thread();
  const clock_id clock = id_of_kind(kind);
  char* name = options.name.empty() ? nullptr : copy_name(options.name);
  if (name == nullptr && !options.name.empty()) {
    error = std::make_error_code(std::errc::not_enough_memory);
    return no_index;
  }
  if (!ensure_wheel(clock)) {
    delete[] name;
    error = std::error_code(errno == 0 ? ENOMEM : errno, std::system_category());
    return no_index;
  }
  const std::uint32_t index = registry_.acquire(static_cast<std::size_t>(clock));
  if (index == no_index) {
    delete[] name;
    error = std::make_error_code(std::errc::not_enough_memory);
    return no_index;
  }
  cold_part& c = registry_.cold(index);
  c.name = name;
  c.place = place;
  c.group = group;
  if (group != nullptr) share_group(group);
  c.tolerance_ns = options.tolerance.count();
  c.calls_before = registry_.hot(index).calls.load(memory_order_relaxed);  // The last tenant's end published it.
  c.held_by = held_by;
  c.throws = options.throws;
  c.serial = group != nullptr && group->serial;
  if (c.clock != clock) c.clock = clock;  // The first tenant's choice, for ever: entries of old tenants still read it.
  return index;
}

// A record that was never opened has no callable.
void core::give_up(std::uint32_t index) noexcept {
  cold_part& c = registry_.cold(index);
  delete[] c.name;
  c.name = nullptr;
  if (group_record* group = std::exchange(c.group, nullptr)) unshare_group(group);
  registry_.give_back(index, static_cast<std::size_t>(c.clock));
}

// Requires: reserved. Answers whether the group took the timer in.
bool core::join_group(std::uint32_t index, group_record* group) noexcept {
  if (group->closed && !busted(bug::group_reopened)) return false;
  enter_list(index, &group->first_member);
  registry_.cold(index).joined = true;
  ++group->member_count;
  return true;
}

// Requires: the tree's lock; `index` in no list.
void core::enter_list(std::uint32_t index, std::uint32_t* first) noexcept {
  cold_part& c = registry_.cold(index);
  c.group_prev = no_index;
  c.group_next = *first;
  if (*first != no_index) registry_.cold(*first).group_prev = index;
  *first = index;
}

// Does nothing for a record that is in neither list.
void core::leave_list(std::uint32_t index, group_record* group) noexcept {
  cold_part& c = registry_.cold(index);
  if (c.group_prev != no_index) registry_.cold(c.group_prev).group_next = c.group_next;
  else if (group->first_member == index) group->first_member = c.group_next;
  else if (group->first_closed == index) group->first_closed = c.group_next;
  else return;
  if (c.group_next != no_index) registry_.cold(c.group_next).group_prev = c.group_prev;
  c.group_prev = c.group_next = no_index;
}

// T8. Requires: what T8 publishes is in place. Answers the word the timer was born with; terminal: `calling` is ours.
[[gnu::always_inline]] inline std::uint64_t core::publish(record& r, cold_part& c, std::uint32_t index,
                                                          std::uint64_t born, timer_id& id) noexcept {
  access_guard guard(registry_.lock_of(index), access_);
  c.ended = false;
  c.reported = false;
  c.then_first = no_index;
  const bool refused = refusing_.load(memory_order_relaxed) && !busted(bug::born_late);  // U2: the lock orders it.
  if (refused && c.held_by != tenure::continuation) born = state::shut_down;
  if (born != state::none) born |= state::calling | (c.held_by == tenure::handle ? 0 : state::orphan_bit);
  // A read-modify-write although nobody else changes the word between two tenants: T9 of an old entry may have added 0,
  // and whoever arms now has to see the hint that was raised before it (SB-A).
  std::uint64_t last = r.state.load(memory_order_relaxed);  // T8: a guess, the exchange decides.
  while (!compare_exchange(r.state, last, born, access_, memory_order_release,
                           memory_order_relaxed)) {  // T8 -> T13 T1 T4.
  }
  id = {index, c.generation.load(memory_order_relaxed)};  // The lock orders it.
  return born;
}

// H6, then T8. A closed group or a shutdown makes the timer born closed: its callable is destroyed here.
timer_id core::open(std::uint32_t index, const callback_ops& ops, bool owned) noexcept {
  record& r = registry_.hot(index);
  cold_part& c = registry_.cold(index);
  r.ops = &ops;
  if (!owned && c.held_by == tenure::handle) c.held_by = tenure::id_only;
  const bool special = c.serial || c.tolerance_ns != 0;
  std::uint64_t order = static_cast<std::uint64_t>(c.clock);
  if (c.held_by != tenure::handle) order |= order_word::by_id;
  if (c.group != nullptr) order |= order_word::grouped;
  r.order.store(order, memory_order_relaxed);  // Published by T8.
  // Only creators change the bit: when it is right already, as it nearly always is, nothing has to be written.
  std::uint64_t h = r.hint.load(memory_order_relaxed);  // H6: a guess, the exchange decides.
  while (((h & hint::special) != 0) != special &&
         !compare_exchange(r.hint, h, h ^ hint::special, access_, memory_order_relaxed, memory_order_relaxed)) {  // H6.
  }
  timer_id id;
  std::uint64_t born = state::none;
  if (group_record* group = c.group) {
    // Membership and closing are one order: joining and opening are one step to whoever closes the group.
    lock_guard guard(group->tree->lock);
    born = publish(r, c, index, join_group(index, group) ? state::none : state::closed, id);
  } else {
    born = publish(r, c, index, state::none, id);
  }
  if (born == state::none) return id;
  end_here(index);
  return owned ? id : timer_id{};
}

// --- The end --------------------------------------------------------------------------------------------------------

// T3. `terminal` is the value the word gets, with orphan_bit when nobody owns the record.
ending core::close_word(std::uint32_t index, std::uint64_t terminal) noexcept {
  record& r = registry_.hot(index);
  std::uint64_t s = r.state.load(memory_order_relaxed);  // T3: a guess, the exchange decides.
  for (;;) {
    if (state::is_terminal(s)) {
      return {state::is_shut_down(s) ? cancel_result::shut_down : cancel_result::closed, false};
    }
    const bool in_call = state::is_calling(s);
    chaos(chaos_at::close_T3);
    const std::uint64_t next = terminal | (s & state::waited) | (in_call || !busted(bug::hidden) ? state::calling : 0);
    if (!compare_exchange(r.state, s, next, access_, memory_order_release, memory_order_relaxed))
      continue;  // T3 -> T13. Who has to end the timer sees what T5 published as he reads this word again (`finish`).
    cancel_result outcome = cancel_result::idle;
    if (state::is_pending(s)) outcome = in_call ? cancel_result::cancelled_running : cancel_result::cancelled;
    else if (in_call) outcome = cancel_result::running;
    if (in_call) stop_call(index);  // A close asks the running call to end early.
    return {outcome, !in_call || busted(bug::freed_inside)};
  }
}

// The closer holds `calling`: the destruction of the callable counts as a call of this thread, so that a verb on the
// same timer from a capture's destructor does not wait for itself.
void core::end_here(std::uint32_t index) noexcept {
  share();  // A capture may own the last handle, or the service.
  end_here_shared(index);
  unshare();
}

// The same where the caller's share outlives it.
void core::end_here_shared(std::uint32_t index) noexcept {
  std::uint32_t continuations = no_index;
  {
    call_frame frame(this, index, registry_.cold(index).group, 0);
    continuations = finish(registry_.hot(index), index, false);
  }
  if (continuations != no_index) start_continuations(continuations);
}

// Destroys the callable and answers the continuations that are due now. Requires: `calling` held under a terminal
// value.
std::uint32_t core::end_callable(record& r, std::uint32_t index) noexcept {
  cold_part& c = registry_.cold(index);
  if (const callback_ops* ops = std::exchange(r.ops, nullptr)) {
    const user_code running(this, index);
    if (busted(bug::destroy_locked)) {
      lock_guard planted(registry_.lock_of(index));
      ops->destroy(r.storage);
    } else {
      ops->destroy(r.storage);
    }
  }
  access_guard guard(registry_.lock_of(index), access_);
  c.ended = true;
  const std::uint32_t first = std::exchange(c.then_first, no_index);
  return busted(bug::continuation_lost) ? no_index : first;
}

cancel_result core::close(named timer) noexcept {
  check_thread();
  if (is_gone()) return cancel_result::shut_down;
  ending found{cancel_result::closed, false};
  if (timer.generation == 0) {
    found = close_word(timer.index, state::closed);
  } else {
    found = with_record(timer, found, [&] {
      const bool owned = registry_.cold(timer.index).held_by == tenure::handle;
      return close_word(timer.index, state::closed | (owned ? 0 : state::orphan_bit));
    });
  }
  if (found.ours_to_end) end_here(timer.index);
  return found.outcome;
}

void core::close_from_call(call_frame& frame) noexcept {
  const std::uint32_t index = frame.key.index;
  const bool owned = registry_.cold(index).held_by == tenure::handle;
  static_cast<void>(close_word(index, state::closed | (owned ? 0 : state::orphan_bit)));
}

void core::detach_call(call_frame& frame) noexcept {
  if (frame.key.detached || is_gone()) return;  // In a fork child nobody waits.
  frame.key.detached = true;
  const std::uint32_t index = frame.key.index;
  lock_guard guard(registry_.lock_of(index));
  registry_.rare(index).detached_call.store(frame.number, memory_order_relaxed);         // A1: the lock orders it.
  if (!state::is_waited(registry_.hot(index).state.load(memory_order_relaxed))) return;  // T13 <- T7, by the lock.
  if (busted(bug::detach_ends)) count_end(index);
  // Not an end: groups and shutdown go on waiting, and T5 will count it for them.
  sync_atomic<std::uint32_t>& detaches = registry_.rare(index).detaches;
  detaches.store(detaches.load(memory_order_relaxed) + 1, memory_order_release);  // Y1 -> Y2.
  bucket_of(index).notify();
}

// The handle's destructor: close, wait unless inside the timer's own callback, give the record back.
void core::destroy(std::uint32_t index) noexcept {
  if (is_gone()) {
    // A fork child: one thread, nothing to wait for. A call that was in progress leaves its captures behind on purpose.
    record& r = registry_.hot(index);
    const bool in_call = state::is_calling(r.state.load(memory_order_relaxed));  // T13: alone.
    const callback_ops* ops = in_call ? nullptr : std::exchange(r.ops, nullptr);
    if (ops != nullptr) ops->destroy(r.storage);
    return;
  }
  order_wait_for({index, 0}, ns_max, "the destructor");
  const ending found = close_word(index, state::closed);
  if (found.ours_to_end) end_here_shared(index);  // The handle's share is returned after this.
  // Who found no call has just ended the timer himself, and nothing can begin any more.
  else static_cast<void>(await_call({index, 0}, platform::forever_ns, false));
  abandon(index);  // Inside the callback, after a detached part, or past the deadlock handler: a call still runs.
}

// T10. The owner goes. If a call is in progress, that call frees the record. It takes the record's lock for that, after
// the owner's wait took it last: since then the owner has touched words only, so the lock orders all the rest.
void core::abandon(std::uint32_t index) noexcept {
  record& r = registry_.hot(index);
  std::uint64_t s =
      r.state.load(memory_order_relaxed);  // T10: a guess; `release` takes the lock that T5's thread passed.
  while (state::is_calling(s) && !busted(bug::abandon_frees)) {
    if (compare_exchange(r.state, s, s | state::orphan_bit, access_, memory_order_relaxed, memory_order_relaxed))
      return;  // T10: the lock.
  }
  release(index);
}

// Gives the record to the next tenant. Requires: terminal, no call, no owner; the caller is the only one who may.
void core::release(std::uint32_t index) noexcept {
  cold_part& c = registry_.cold(index);
  group_record* group = c.group;
  if (group != nullptr) {
    lock_guard guard(group->tree->lock);
    leave_list(index, group);
    if (std::exchange(c.joined, false)) --group->member_count;
  }
  const char* name = nullptr;
  {
    access_guard guard(registry_.lock_of(index), access_);
    registry_.retire(index);
    c.lock_order.forget();
    name = std::exchange(c.name, nullptr);
    c.group = nullptr;
  }
  delete[] name;
  const auto kind = static_cast<std::size_t>(c.clock);
  if (!busted(bug::record_kept)) registry_.give_back(index, kind);
  if (group != nullptr) unshare_group(group);
}

// --- Continuations of close_then ------------------------------------------------------------------------------------
// A continuation is an id-only timer whose callable is the user's f. It is armed when its target has ended; its own end
// arms the next one in line, so several run in order, on any executor.

void core::continue_with(named target, timer_id continuation) noexcept {
  const held_share held(this);  // The continuation may free everything, handle and service included.
  const std::uint32_t next = continuation.index;
  bool queued = false;
  registry_.rare(next).then_next = no_index;  // Nobody else knows of it yet.
  const bool by_handle = target.generation == 0;
  if (registry_.exists(target.index)) {
    lock_guard guard(registry_.lock_of(target.index));
    cold_part& c = registry_.cold(target.index);
    if ((by_handle || registry_.generation(target.index) == target.generation) && !c.ended) {
      std::uint32_t& last = registry_.rare(target.index).then_last;
      (c.then_first == no_index ? c.then_first : registry_.rare(last).then_next) = next;
      last = next;
      queued = true;
    }
  }
  if (!queued) {
    start_continuations(next);
    return;
  }
  static_cast<void>(close(target));
}

void core::start_continuations(std::uint32_t first) noexcept {
  cold_part& c = registry_.cold(first);
  {
    lock_guard guard(registry_.lock_of(first));
    rare_part& of_first = registry_.rare(first);
    c.then_first = std::exchange(of_first.then_next, no_index);
    std::uint32_t last = c.then_first;
    while (last != no_index && registry_.rare(last).then_next != no_index) last = registry_.rare(last).then_next;
    of_first.then_last = last;
  }
  static_cast<void>(arm_word(first, to_instant_rounded_down(now_ns(c.clock)), 0));
  // After a shutdown nobody else would run it.
  if (read_in_order(after_shutdown_, access::shared, memory_order_release) != 0) run_continuations();  // U4 <- U3.
}

}  // namespace detent::inline v0::detail
