// calling: the way of one firing, from the entry an executor holds to the settling of its record.
//
//   claim (T4) -> call_user -> series resumes (T6) -> a spent id-only timer ends (T11), finish (T5) -> settle (H4)
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <bit>
#include <cstdio>

namespace detent::inline v0::detail {

call_frame::call_frame(core* the_core, std::uint32_t index, const group_record* group,
                       std::uint32_t call_number) noexcept
    : owner(the_core), stack(__builtin_frame_address(0)), number(call_number), innermost(innermost_call()) {
  key = {the_core, index, group, false};
  outer = innermost;
  current.frame_ = this;
  innermost = this;  // NOLINT(cppcoreguidelines-prefer-member-initializer): what the reference names
}

// Stacks grow downwards: a live call stands above whoever it has called. On a stack of the user's making (a
// coroutine's) nothing can be said.
__attribute__((noinline)) void call_frame::check_not_left() noexcept {
  const call_node* const calls = current_calls();
  if (calls == nullptr || calls->key.outside != nullptr) return;
  const auto* innermost = static_cast<const call_frame*>(calls);
  const void* here = __builtin_frame_address(0);
  DETENT_CHECK(innermost->stack > here || !platform::are_on_own_stack(innermost->stack, here),
               "a callback was left by longjmp or the like: its call never ends, and nothing can be driven here again");
}

void call_frame::describe(std::int64_t deadline_ns, std::int64_t lateness_ns, std::uint64_t missed) noexcept {
  current.deadline_ns_ = deadline_ns;
  current.lateness_ns_ = lateness_ns < 0 ? 0 : lateness_ns;
  current.missed_ = missed;
}

void core::run_entry(std::uint32_t index) noexcept {
  if (index != no_index) run_turn(index, take_turn(index));
}

// Nearly no entry has a turn: where there is none, the rare part is only read.
group_record* core::take_turn(std::uint32_t index) noexcept {
  group_record*& turn = registry_.rare(index).handed_for;
  return turn == nullptr ? nullptr : std::exchange(turn, nullptr);
}

// A serial group hands its turn on: the next member runs here, on the same thread.
void core::run_turn(std::uint32_t index, group_record* turn) noexcept {
  for (;;) {
    index = run_one(index, turn);
    if (index == no_index) return;
    turn = take_turn(index);
  }
}

std::uint32_t core::run_one(std::uint32_t index, group_record* turn) noexcept {
  record& r = registry_.hot(index);
  if (!is_gone()) {
    const claim won = claim_firing(r, index, turn);
    if (won.won) call(r, index, won);
  }
  if (is_gone()) return no_index;
  settle_entry(r, index);
  if (turn == nullptr) return no_index;
  const std::uint32_t next = pass_turn(turn);
  unshare_group(turn);
  return next;
}

// H4. From here on the record is the driver's again, or the next tenant's.
[[gnu::always_inline]] inline void core::settle_entry(record& r, std::uint32_t index) noexcept {
  const clock_id clock = order_word::clock(r.order.load(memory_order_relaxed));  // The same for every tenant.
  const instant awake_by = settle(mail_, words(r, index), access_);
  if (awake_by != never) wake_driver_for(clock, awake_by);
}

// Before T4, so that whoever sees `calling` sees the number of that call. A claim that is lost leaves a gap. Numbers
// wrap, and leave out 0, which no call has.
//
// The holder of the record's one entry is the only writer, but of a continuation's record after U3: there several
// threads may try to claim, and one that loses may write during the call that won, or during a later one. Nobody asks
// for these numbers: a continuation gets no firing, so it can neither detach itself nor ask whether to stop; its id is
// told to nobody; and since U1 came first, every later tenant that is ever called is a continuation too.
[[gnu::always_inline]] inline void core::number_call(record& r) noexcept {
  const std::uint32_t next = r.calls.load(memory_order_relaxed) + 1;
  r.calls.store(next == 0 ? 1 : next, memory_order_release);  // K1 -> K2.
}

// T4. The one place where a firing is won.
[[gnu::always_inline]] inline core::claim core::claim_firing(record& r, std::uint32_t index,
                                                             const group_record* turn) noexcept {
  const std::int64_t start_ns = now_ns(order_word::clock(r.order.load(memory_order_relaxed)));  // For every tenant.
  const instant now = to_instant_rounded_down(start_ns);
  std::uint64_t s = r.state.load(memory_order_relaxed);  // T4: a guess, the exchange decides.
  for (;;) {
    if (!state::is_due(s, now) && !(busted(bug::undue_claimed) && state::is_pending(s))) {
      if (!busted(bug::queued_obeyed) || state::is_terminal(s) || state::is_pending(s) || r.ops == nullptr) return {};
    }
    if (state::is_guarded(s)) {
      const claim won = claim_guarded(index, turn, start_ns);
      if (won.won) return won;
      const std::uint64_t again = r.state.load(memory_order_relaxed);  // T4: a guess.
      if (again == s) return {};  // Another serial group's turn is needed: the driver hands it out anew.
      s = again;
      continue;
    }
    number_call(r);
    chaos(chaos_at::claim_T4);
    // T4 <- T1, T5; T4 -> T13.
    if (compare_exchange(r.state, s, state::calling | (s & state::waited), access_, memory_order_acq_rel,
                         memory_order_relaxed)) {
      return {true, to_ns(state::deadline(s)), start_ns, 0};
    }
  }
}

// T4 for a series, or for a member of a serial group: under the lock no other tenant can take the record.
core::claim core::claim_guarded(std::uint32_t index, const group_record* turn, std::int64_t start_ns) noexcept {
  lock_guard guard(registry_.lock_of(index));
  record& r = registry_.hot(index);
  cold_part& c = registry_.cold(index);
  std::uint64_t s = r.state.load(memory_order_relaxed);  // T4: a guess, the exchange decides.
  while (state::is_guarded(s) && state::is_due(s, to_instant_rounded_down(start_ns))) {
    if (c.serial && c.group != turn) return {};
    claim won{true, to_ns(state::deadline(s)), start_ns, 0};
    series_state& series = registry_.rare(index).series;
    series_state after = series;
    const std::uint64_t next = after.period_ns == 0 ? state::none : next_tick(c, after, start_ns, won);
    number_call(r);
    chaos(chaos_at::claim_T4);
    // T4 -> T13. What T1 and T5 published, the lock and the entry's way here have ordered.
    if (compare_exchange(r.state, s, next | state::calling | (s & state::waited), access_, memory_order_release,
                         memory_order_relaxed)) {
      series = after;
      return won;
    }
  }
  return {};
}

// The word of the tick after this one, and how many ticks this one stands for. The phase is kept in whole nanoseconds.
std::uint64_t core::next_tick(const cold_part& c, series_state& series, std::int64_t at_ns, claim& won) const noexcept {
  if (series.phase == pace::fixed_delay) return state::held;
  const auto behind = static_cast<std::uint64_t>(at_ns) - static_cast<std::uint64_t>(series.due_ns);
  const auto period = static_cast<std::uint64_t>(series.period_ns);
  std::uint64_t ticks = 1;
  if (series.missed != missed_ticks::burst) {
    won.missed = behind / period;
    ticks += won.missed;
  }
  if ((series.missed == missed_ticks::delay && won.missed != 0) || busted(bug::period_drift)) {
    series.due_ns = add_ns(at_ns, series.period_ns);
  } else {
    // Unsigned: from the first instant to the last is more than a signed distance holds.
    const auto due = static_cast<std::uint64_t>(series.due_ns);
    std::uint64_t ahead = 0;
    const bool too_far =
        __builtin_mul_overflow(ticks, period, &ahead) || ahead > static_cast<std::uint64_t>(ns_max) - due;
    series.due_ns = too_far ? ns_max : static_cast<std::int64_t>(due + ahead);
  }
  if (busted(bug::missed_lost)) won.missed = 0;
  return tolerated(c, to_instant_rounded_up(series.due_ns)) | state::guarded;
}

[[gnu::always_inline]] inline void core::call(record& r, std::uint32_t index, const claim& won) noexcept {
  const std::uint32_t continuations = call_and_finish(r, index, won);
  if (continuations != no_index) start_continuations(continuations);
}

[[gnu::always_inline]] inline std::uint32_t core::call_and_finish(record& r, std::uint32_t index,
                                                                  const claim& won) noexcept {
  const bool grouped = (r.order.load(memory_order_relaxed) & order_word::grouped) != 0;  // T8 published it, by T4.
  const group_record* group = grouped ? registry_.cold(index).group : nullptr;
  call_frame frame(this, index, group, r.calls.load(memory_order_relaxed));  // Written before T4 by this thread.
  std::int64_t late_ns = 0;  // From the first instant to the last is more than a signed distance holds.
  if (__builtin_sub_overflow(won.start_ns, won.deadline_ns, &late_ns)) late_ns = ns_max;
  frame.describe(won.deadline_ns, late_ns, won.missed);
  if (won.missed != 0) tallies_.missed.fetch_add(won.missed, memory_order_relaxed);
  if (won.start_ns < won.deadline_ns) tallies_.early.fetch_add(1, memory_order_relaxed);
  note_lateness(late_ns);
  const bool watched = options_.call_limit.count() > 0;
  if (watched) watch(frame);
  call_user(r, frame);
  if (is_gone()) return no_index;  // The callback forked and this is the child: nothing here is anybody's any more.
  if (watched) unwatch(frame);
  if (state::is_held(r.state.load(memory_order_relaxed)) ||
      busted(bug::series_revived)) {  // T6: looked at again there.
    resume_series(index);
  }
  return finish(r, index, frame.key.detached);
}

// For who holds no entry: T4 and the call. Answers whether something was due.
bool core::fire_without_entry(std::uint32_t index) noexcept {
  record& r = registry_.hot(index);
  const claim won = claim_firing(r, index, nullptr);
  if (won.won) call(r, index, won);
  return won.won;
}

// The one door to a user's callback. No lock of the library is held here.
[[gnu::always_inline]] inline void core::call_user(record& r, call_frame& frame) noexcept {
  const user_code running(this, frame.key.index);
#if DETENT_EXCEPTIONS
  try {
    r.ops->call(r.storage, frame.current);
  } catch (...) {
    note_throw(frame.key.index, std::current_exception());
  }
#else
  r.ops->call(r.storage, frame.current);
#endif
}

[[gnu::always_inline]] inline void core::note_lateness(std::int64_t lateness_ns) noexcept {
  const auto late = lateness_ns < 0 ? std::uint64_t{0} : static_cast<std::uint64_t>(lateness_ns);
  const auto power = static_cast<std::size_t>(std::bit_width(late));
  const std::size_t eighth = power <= 3 ? static_cast<std::size_t>(late) : (late >> (power - 4)) & 7;
  tallies_.lateness[power <= 3 ? eighth : (power - 1) * 8 + eighth].fetch_add(1, memory_order_relaxed);
  std::uint64_t max = tallies_.lateness_max_ns.load(memory_order_relaxed);
  while (late > max &&
         !tallies_.lateness_max_ns.compare_exchange_weak(max, late, memory_order_relaxed, memory_order_relaxed)) {
  }
}

void core::note_throw(std::uint32_t index, std::exception_ptr error) noexcept {
  if (is_gone()) return;  // The callback forked, and this is the child: a lock's holder may not exist here.
  tallies_.threw.fetch_add(1, memory_order_relaxed);
  report_error(callback_error::what::threw, index, std::move(error));
  if (registry_.cold(index).throws == on_throw::end_series) static_cast<void>(cancel_word(index, false, false));
}

// T6. The call of a fixed-delay tick is over: its series goes on, unless somebody took it meanwhile.
void core::resume_series(std::uint32_t index) noexcept {
  record& r = registry_.hot(index);
  lock_guard guard(registry_.lock_of(index));
  series_state& series = registry_.rare(index).series;
  const bool revives = busted(bug::series_revived) && series.phase == pace::fixed_delay;
  std::uint64_t s = r.state.load(memory_order_relaxed);  // T6: a guess, the exchange decides.
  while (state::is_held(s) || (revives && (s & ~(state::calling | state::waited)) == state::none)) {
    const cold_part& c = registry_.cold(index);
    const std::int64_t due_ns = add_ns(now_ns(c.clock), series.period_ns);
    const instant at = tolerated(c, to_instant_rounded_up(due_ns));
    const std::uint64_t next = at | state::guarded | (s & (state::calling | state::waited));
    if (compare_exchange(r.state, s, next, access_, memory_order_relaxed,
                         memory_order_relaxed)) {  // T6: settle looks (T9), on this thread.
      series.due_ns = due_ns;
      return;
    }
  }
}

// Nobody holds an id-only timer: when nothing is pending it is over. Requires: `calling` held.
bool core::is_spent(std::uint32_t index, std::uint64_t s) const noexcept {
  if (state::is_terminal(s) || state::is_pending(s)) return false;
  return (registry_.hot(index).order.load(memory_order_relaxed) & order_word::by_id) != 0;  // T8 published it.
}

// T11. Leaves in `s` the word as it is now.
void core::end_spent(std::uint32_t index, std::uint64_t* s) noexcept {
  const std::uint64_t ended = state::closed | state::orphan_bit | (*s & (state::calling | state::waited));
  // T11 <- T3: what it finds instead may be the end, and the callable ours to destroy.
  if (compare_exchange(registry_.hot(index).state, *s, ended, access_, memory_order_acquire, memory_order_acquire))
    *s = ended;
}

// T5. The call, and under a terminal value the callable, are over. After T5 the record may be the owner's to free. The
// word that T5 replaces is never that of a spent timer: a cancel that found this call has left the timer's end to it.
// Answers the continuations that are due; they are started when this call is on no list any more, for they may free
// all that its frame names.
std::uint32_t core::finish(record& r, std::uint32_t index, bool detached) noexcept {
  std::uint32_t continuations = no_index;
  bool destroyed = busted(bug::early_end);
  std::uint64_t s = r.state.load(memory_order_acquire);  // T13 <- T3, T5.
  for (;;) {
    while (is_spent(index, s)) end_spent(index, &s);
    if (state::is_terminal(s) && !destroyed) {
      continuations = end_callable(r, index);
      destroyed = true;
    }
    chaos(chaos_at::finish_T5);
    if (state::is_waited(s) || detached) {
      if (finish_waited(index, destroyed, &s)) break;
    } else if (compare_exchange(r.state, s, s & ~state::calling, access_, memory_order_release,
                                memory_order_acquire)) {  // T5 -> T2 T3 T4 T7.
      break;
    }
  }
  if (busted(bug::early_end) && state::is_terminal(s)) continuations = end_callable(r, index);
  if (state::is_orphan(s)) release(index);
  return continuations;
}

// T5 of a call that somebody waits for: one step with the count of its end (words.hpp, WAITING). Answers false, with
// the word found, when the timer has to end or its callable to be destroyed first.
bool core::finish_waited(std::uint32_t index, bool destroyed, std::uint64_t* found) noexcept {
  record& r = registry_.hot(index);
  lock_guard guard(registry_.lock_of(index));
  *found = r.state.load(memory_order_acquire);  // T13 <- T3, T7.
  do {
    if ((state::is_terminal(*found) && !destroyed) || is_spent(index, *found)) return false;
  } while (!compare_exchange(r.state, *found, *found & ~(state::calling | state::waited), access_, memory_order_release,
                             memory_order_acquire));  // T5 -> T13.
  // Forgotten with the call: a wait for the destruction of the callable, which is no call of its own, does count.
  if (!busted(bug::detached_stays)) {
    registry_.rare(index).detached_call.store(0, memory_order_relaxed);  // A1: the lock orders it.
  }
  count_end(index);
  return true;
}

// Answers everybody who waits for what has just ended in this record.
void core::count_end(std::uint32_t index) noexcept {
  sync_atomic<std::uint32_t>& ends = registry_.rare(index).ends;
  ends.store(ends.load(memory_order_relaxed) + 1,
             memory_order_release);  // X1 -> X2; the lock orders writers.
  if (!busted(bug::end_untold)) bucket_of(index).notify();
}

// --- Serial groups: one member's entry at a time, in the order handed out. ------------------------------------------

namespace {

// A group's turn that this thread is giving to the user's executor. An executor that runs the task at once, or drops
// it, comes back here from inside: the entry that is next then is left for the outer one. Otherwise a group would need
// a frame of the stack for each member that is due.
class turn_post {
 public:
  explicit turn_post(const group_record* group) noexcept : group_(group), outer_(innermost()) { innermost() = this; }
  ~turn_post() { innermost() = outer_; }
  turn_post(const turn_post&) = delete;
  turn_post& operator=(const turn_post&) = delete;

  static bool leave(const group_record* group, std::uint32_t next) noexcept {
    for (turn_post* post = innermost(); post != nullptr; post = post->outer_) {
      if (post->group_ != group) continue;
      post->left_ = next;
      return true;
    }
    return false;
  }
  std::uint32_t take_left() noexcept { return std::exchange(left_, no_index); }

 private:
  struct of_thread;
  static turn_post*& innermost() noexcept { return of_this_thread<of_thread, turn_post*>(); }

  const group_record* const group_;
  std::uint32_t left_ = no_index;
  turn_post* const outer_;
};

}  // namespace

// Answers the entry that runs next on this thread.
std::uint32_t core::pass_turn(group_record* group) noexcept {
  std::uint32_t next = no_index;
  {
    lock_guard guard(group->turn_lock);
    next = group->turn_first;
    if (next == no_index) {
      group->busy = false;
      return no_index;
    }
    group->turn_first = registry_.link(next).next;
    if (group->turn_first == no_index) group->turn_last = no_index;
  }
  if (options_.executor.which() != executor_choice::kind::custom) return next;
  if (turn_post::leave(group, next)) return no_index;
  turn_post post(group);
  while (next != no_index && post_turn(next)) next = post.take_left();
  return next;
}

// A task may outlive the service, the user's executor need not: O1 first, so that whoever ends the service waits for
// this post, or is seen here. Answers false when it is seen: nothing can start any more, and the entry ends here.
bool core::post_turn(std::uint32_t index) noexcept {
  posting_.fetch_add(1, memory_order_acquire);               // O1 <- O2.
  const bool posts = !stopping_.load(memory_order_relaxed);  // Q2 <- Q1, by O1.
  if (posts) {
    call_frame post(this, no_index, nullptr, 0);  // Whoever ends the service from in here does not wait for this one.
    hand_over(index);
  }
  posting_.fetch_sub(1, memory_order_acq_rel);                 // O1 -> O2.
  if (stopping_.load(memory_order_relaxed)) posted_.notify();  // Q2 <- Q1, by O1.
  return posts;
}

// Gives one entry to the user's executor. What it throws has already dropped the task.
void core::hand_over(std::uint32_t index) noexcept {
  share();
  task entry(this, index);
#if DETENT_EXCEPTIONS
  try {
    options_.executor.post(std::move(entry));
  } catch (...) {
  }
#else
  options_.executor.post(std::move(entry));
#endif
}

// T12. The executor refused: a firing that is due is over, and the driver may hand out the next one.
void core::drop_entry(std::uint32_t index) noexcept {
  if (is_gone()) return;  // A lock's holder may not exist here.
  cold_part& c = registry_.cold(index);
  group_record* turn = take_turn(index);
  record& r = registry_.hot(index);
  bool dropped = false;
  bool ends = false;
  bool stranded = false;
  timer_name dropped_timer;
  {
    lock_guard guard(registry_.lock_of(index));
    const std::int64_t at_ns = now_ns(c.clock);
    std::uint64_t s = r.state.load(memory_order_relaxed);  // T12: a guess, the exchange decides.
    while (state::is_due(s, to_instant_rounded_down(at_ns))) {
      claim unused;
      series_state after = state::is_guarded(s) ? registry_.rare(index).series : series_state{};
      const bool goes_on = after.period_ns != 0;
      std::uint64_t next = goes_on ? next_tick(c, after, at_ns, unused) : state::none;
      if (c.held_by == tenure::continuation) next = never;  // It has to run all the same: shutdown sees to it.
      if (next == state::held) {                            // No call will end: a fixed-delay series counts from now.
        after.due_ns = add_ns(at_ns, after.period_ns);
        next = tolerated(c, to_instant_rounded_up(after.due_ns)) | state::guarded;
      }
      chaos(chaos_at::drop_T12);
      if (compare_exchange(r.state, s, next, access_, memory_order_relaxed,
                           memory_order_relaxed)) {  // T12: nobody reads what it replaced.
        if (goes_on) registry_.rare(index).series = after;
        dropped = true;
        dropped_timer = name_locked(index);  // Its owner may end it as soon as the lock is free.
        if (!goes_on && c.held_by == tenure::id_only) {
          ends = close_word(index, state::closed | state::orphan_bit).ours_to_end;
        }
        stranded = c.held_by == tenure::continuation;
        if (state::is_waited(s)) count_end(index);
        break;
      }
    }
  }
  if (dropped) {
    tallies_.dropped.fetch_add(1, memory_order_relaxed);
    report_error(callback_error::what::dropped, index, nullptr, &dropped_timer);
  }
  if (ends) end_here(index);
  if (!busted(bug::drop_leaks)) settle_entry(r, index);
  if (turn != nullptr) {
    run_entry(pass_turn(turn));
    unshare_group(turn);
  }
  if (stranded && read_in_order(after_shutdown_, access::shared, memory_order_release) != 0)
    run_continuations();  // U4 <- U3.
}

}  // namespace detent::inline v0::detail
