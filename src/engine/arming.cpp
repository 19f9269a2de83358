// arming: setting and withdrawing the pending firing. Lock-free by handle; by id under the record's registry lock.
#include "engine/core.hpp"

#include <bit>

namespace detent::inline v0::detail {

namespace {

// One thread's armings in their order (G21). Threads without an order of their own need no common counter.
struct armings;
std::uint64_t next_order() noexcept { return ++of_this_thread<armings, std::uint64_t>(); }

constexpr arm_result refusal(std::uint64_t s) noexcept {
  return state::is_shut_down(s) ? arm_result::shut_down : arm_result::closed;
}

}  // namespace

// T1, then whatever the driver has to be told. Inlined where it is used: a verb is a few dozen instructions, and every
// one more is a cache miss of another verb that the processor sees too late (docs/decisions/0060).
[[gnu::always_inline]] inline arm_result core::arm_word(record& r, std::uint32_t index, instant deadline,
                                                        std::uint64_t guarded) noexcept {
  const std::uint64_t kept = r.order.load(memory_order_relaxed) & order_word::kept_mask;  // T8 published it.
  // Published by T1; a racing armer has no order with us.
  r.order.store(next_order() << order_word::stamp_shift | kept, memory_order_relaxed);
  std::uint64_t s = r.state.load(memory_order_relaxed);  // T1: a guess, the exchange decides.
  for (;;) {
    if (state::is_terminal(s) && !busted(bug::closed_armed)) return refusal(s);
    const std::uint64_t next = deadline | guarded | (s & (state::calling | state::waited));
    chaos(chaos_at::arm_T1);
    if (compare_exchange(r.state, s, next, access_, memory_order_acq_rel, memory_order_relaxed))
      break;  // T1 -> T4, T9.
  }
  const std::uint64_t h = r.hint.load(memory_order_relaxed);  // H7 <- H2, by T9.
  const bool trusted = busted(bug::late_rearm) && hint::look_at(h) != never;
  const bool was_pending = (s & ~(state::calling | state::waited)) != state::none;  // Terminal it was not.
  const arm_result answer = was_pending ? arm_result::rearmed : arm_result::armed;
  if (hint::look_at(h) > deadline && !trusted) return announce(index, deadline, answer);
  return answer;
}

arm_result core::arm_word(std::uint32_t index, instant deadline, std::uint64_t guarded) noexcept {
  return arm_word(registry_.hot(index), index, deadline, guarded);
}

// The hint promises a look that is too late. Answers `answer`, so that the verb ends with this call or without any.
[[gnu::noinline]] arm_result core::announce(std::uint32_t index, instant deadline, arm_result answer) noexcept {
  const mail_words w = words(registry_.hot(index), index);
  const instant awake_by = send(mail_, w, deadline, lower_hint(w, deadline, access_), access_);
  if (awake_by != never) wake_driver_for(clock_of(index), awake_by);
  return answer;
}

void core::wake_driver_for(clock_id clock, instant at) noexcept {
  if (!busted(bug::no_wake) && sleeps_past(sleepers_[static_cast<std::size_t>(clock)], at)) wake_driver();  // S2.
}

void core::wake_driver() noexcept {
  chaos(chaos_at::wake_S3);
  if (sleeps_in_poll_.load(memory_order_acquire)) poll_.notify();  // P1.
  if (own_thread_) driver_sleep_.notify(1);                        // S3 -> S4.
}

// The grid on which a tolerant timer fires: the largest power of two nanoseconds within its tolerance. Timers of like
// tolerance meet on it, and none is early.
instant core::tolerated(const cold_part& c, instant deadline) const noexcept {
  if (c.tolerance_ns < static_cast<std::int64_t>(2 * resolution_ns) || deadline == never) return deadline;
  const std::uint64_t grid = std::bit_floor(static_cast<std::uint64_t>(c.tolerance_ns));
  const std::uint64_t up = (deadline + (grid - 1)) & ~(grid - 1);
  return up < deadline || up >= never ? deadline : up;
}

arm_result core::arm_by_handle(std::uint32_t index, std::int64_t at_ns) noexcept {
  check_thread();
  record& r = registry_.hot(index);
  const std::uint64_t h = r.hint.load(memory_order_relaxed);  // `special` is fixed by T8.
  if ((h & hint::special) != 0 || is_gone()) [[unlikely]]
    return arm_special(index, at_ns);
  return arm_word(r, index, to_instant_rounded_up(at_ns), 0);
}

[[gnu::noinline]] arm_result core::arm_special(std::uint32_t index, std::int64_t at_ns) noexcept {
  if (is_gone()) return arm_result::shut_down;
  const cold_part& c = registry_.cold(index);
  // Tolerance and membership are the tenant's for life, and the handle keeps the tenant: no lock for the one.
  if (!c.serial) return arm_word(index, tolerated(c, to_instant_rounded_up(at_ns)), 0);
  lock_guard guard(registry_.lock_of(index));
  return arm_one_shot_locked(index, at_ns);
}

arm_result core::arm_one_shot_locked(std::uint32_t index, std::int64_t at_ns) noexcept {
  cold_part& c = registry_.cold(index);
  const instant deadline = tolerated(c, to_instant_rounded_up(at_ns));
  if (!c.serial) return arm_word(index, deadline, 0);
  registry_.rare(index).series = {.due_ns = to_ns(deadline)};
  return arm_word(index, deadline, state::guarded);
}

arm_result core::arm_at(named timer, std::int64_t at_ns) noexcept {
  if (timer.generation == 0) return arm_by_handle(timer.index, at_ns);
  check_thread();
  if (is_gone()) return arm_result::shut_down;
  return with_record(timer, arm_result::closed, [&] {
    registry_.is_locked(timer.index);
    return arm_one_shot_locked(timer.index, at_ns);
  });
}

arm_result core::arm_at_on(named timer, clock_id clock, std::int64_t at_ns) noexcept {
  if (!registry_.exists(timer.index)) return arm_result::closed;
  return clock_of(timer.index) == clock ? arm_at(timer, at_ns) : arm_result::refused;
}

arm_result core::arm_after(named timer, std::int64_t delay_ns) noexcept {
  if (is_gone()) return arm_result::shut_down;
  if (!registry_.exists(timer.index)) return arm_result::closed;
  return arm_after(timer, clock_of(timer.index), delay_ns);
}

arm_result core::arm_after(named timer, clock_id clock, std::int64_t delay_ns) noexcept {
  const std::int64_t now = now_ns(clock);
  // Due at once, also by a clock that stands between two multiples of the resolution.
  if (delay_ns <= 0) return arm_at(timer, to_ns(to_instant_rounded_down(now)));
  // The largest delay means never, also on a clock before its epoch.
  return arm_at(timer, delay_ns == ns_max ? ns_max : add_ns(now, delay_ns));
}

arm_result core::arm_series_locked(std::uint32_t index, std::optional<std::int64_t> first_at_ns, std::int64_t period_ns,
                                   const series_options& options) noexcept {
  cold_part& c = registry_.cold(index);
  std::int64_t first_ns = 0;
  if (first_at_ns.has_value()) {
    first_ns = *first_at_ns;
  } else {
    const std::int64_t delay = options.first.count() < 0 ? period_ns : options.first.count();
    first_ns = delay == ns_max ? ns_max : add_ns(now_ns(c.clock), delay);
  }
  series_state& series = registry_.rare(index).series;
  const series_state before = series;
  series = {period_ns, first_ns, options.missed, options.pace};
  if (busted(bug::terms_apart)) {
    registry_.lock_of(index).unlock();
    platform::yield();
    registry_.lock_of(index).lock();
  }
  const arm_result answer = arm_word(index, tolerated(c, to_instant_rounded_up(first_ns)), state::guarded);
  if (answer == arm_result::closed || answer == arm_result::shut_down) series = before;
  return answer;
}

arm_result core::arm_every(named timer, std::optional<std::int64_t> first_at_ns, std::int64_t period_ns,
                           const series_options& options) noexcept {
  check_thread();
  if (is_gone()) return arm_result::shut_down;
  if (period_ns <= 0) return arm_result::refused;
  if (timer.generation == 0) {
    lock_guard guard(registry_.lock_of(timer.index));
    return arm_series_locked(timer.index, first_at_ns, period_ns, options);
  }
  return with_record(timer, arm_result::closed, [&] {
    registry_.is_locked(timer.index);
    return arm_series_locked(timer.index, first_at_ns, period_ns, options);
  });
}

// T2; with `awaits` T7 in the same step (words.hpp, WAITING). `locked`: the caller holds the record's registry lock,
// which both `awaits` and the withdrawal of a firing that somebody waits for need.
cancel_result core::cancel_word(std::uint32_t index, bool awaits, bool locked) noexcept {
  record& r = registry_.hot(index);
  const std::uint64_t wait_bit = awaits ? state::waited : 0;
  std::uint64_t s = r.state.load(memory_order_acquire);  // T13 <- T5.
  for (;;) {
    if (state::is_terminal(s)) return state::is_shut_down(s) ? cancel_result::shut_down : cancel_result::closed;
    const bool in_call = state::is_calling(s);
    const bool pending = state::is_pending(s);
    if (!in_call && !pending) return cancel_result::idle;
    const bool keeps_calling = in_call && !busted(bug::calling_dropped);
    const std::uint64_t next = keeps_calling ? (s & (state::calling | state::waited)) | wait_bit : state::none;
    if (next == s) return busted(bug::counted_twice) ? cancel_result::cancelled_running : cancel_result::running;
    if (state::is_waited(s) && !in_call && !locked) {
      lock_guard guard(registry_.lock_of(index));
      return cancel_word(index, awaits, true);
    }
    chaos(chaos_at::cancel_T2);
    if (!compare_exchange(r.state, s, next, access_, memory_order_acquire, memory_order_acquire))
      continue;  // T2 <- T5.
    if (state::is_waited(s) && !in_call) {
      // Who waited for the firing is answered here; a call in progress answers its waiters itself.
      registry_.is_locked(index);
      count_end(index);
    }
    if (!pending) return cancel_result::running;
    return in_call ? cancel_result::cancelled_running : cancel_result::cancelled;
  }
}

// A timer that only its id names ends when it is cancelled: there is nobody left who would close it. Requires: nothing
// pending; under the record's registry lock. Answers whether the caller has to end it.
bool core::ends_when_cancelled(named timer) noexcept {
  if (registry_.cold(timer.index).held_by == tenure::handle) return false;
  return close_word(timer.index, state::closed | state::orphan_bit).ours_to_end;
}

// Of what is idle, or a one-shot that is pending, with no call in progress and nobody waiting: nearly every cancel by
// far. `otherwise` makes the answer where it is something else, or another thread came between.
template <class F>
inline cancel_result core::cancel_outside_calls(std::uint32_t index, F otherwise) noexcept {
  record& r = registry_.hot(index);
  std::uint64_t s = r.state.load(memory_order_acquire);  // T13 <- T5.
  if (s == state::none) return cancel_result::idle;
  if ((s & state::flag_mask) != 0 || state::is_terminal(s)) return otherwise();
  chaos(chaos_at::cancel_T2);
  if (!compare_exchange(r.state, s, state::none, access_, memory_order_acquire, memory_order_relaxed))
    return otherwise();  // T2 <- T5.
  return cancel_result::cancelled;
}

cancel_result core::cancel_by_handle(std::uint32_t index) noexcept {
  check_thread();
  if (is_gone()) [[unlikely]]
    return cancel_result::shut_down;
  return cancel_outside_calls(index, [&] { return cancel_word(index, false, false); });
}

cancel_result core::cancel(named timer) noexcept {
  if (timer.generation == 0) return cancel_by_handle(timer.index);
  check_thread();
  if (is_gone()) return cancel_result::shut_down;
  bool ends = false;
  const cancel_result answer = with_record(timer, cancel_result::closed, [&] {
    const cancel_result found = cancel_word(timer.index, false, true);
    ends = found == cancel_result::cancelled && ends_when_cancelled(timer);
    return found;
  });
  if (ends) end_here(timer.index);
  return answer;
}

cancel_answer core::cancel_and_wait(named timer, std::int64_t limit_ns) noexcept {
  if (is_gone()) return {cancel_result::shut_down, wait_result::quiet};
  if (!registry_.exists(timer.index)) return {cancel_result::closed, wait_result::quiet};
  order_wait_for(timer, limit_ns, "cancel_and_wait");
  if (timer.generation != 0) return cancel_and_await(timer, limit_ns);
  wait_result waited = wait_result::quiet;
  const cancel_result outcome = cancel_outside_calls(timer.index, [&] {
    const cancel_answer answer = cancel_and_await(timer, limit_ns);
    waited = answer.wait;
    return answer.outcome;
  });
  return {outcome, waited};
}

std::size_t core::cancel_all() noexcept {
  if (is_gone()) return 0;
  std::size_t withdrawn = 0;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!state::is_pending(registry_.hot(i).state.load(memory_order_relaxed))) continue;  // T13: `cancel` looks again.
    std::uint32_t generation = 0;
    {
      lock_guard guard(registry_.lock_of(i));
      if (!is_open_locked(i) || registry_.cold(i).held_by == tenure::continuation) continue;
      generation = registry_.generation(i);
    }
    const cancel_result found = cancel({i, generation});
    if (found == cancel_result::cancelled || found == cancel_result::cancelled_running) ++withdrawn;
  }
  return withdrawn;
}

// The call in progress reads this through its stop token; a later call has another number. A number that is the same
// before and after the look at the state is that call's: K1 comes after the end of the call before, and before T4.
bool core::stop_call(std::uint32_t index) noexcept {
  record& r = registry_.hot(index);
  std::uint32_t number = r.calls.load(memory_order_acquire);  // K2 <- K1.
  for (;;) {
    if (!state::is_calling(r.state.load(memory_order_acquire))) return false;  // T13 <- T4.
    const std::uint32_t again = r.calls.load(memory_order_acquire);            // K2 <- K1.
    if (again == number) break;
    number = again;
  }
  // Whoever asked for an earlier call and comes late takes nothing back: a later call's number seen here means that its
  // call has begun, and then K2 shows a later number too. Numbers are compared for equality only: between two requests
  // there may be more calls than half of them can count.
  sync_atomic<std::uint32_t>& stopped = registry_.rare(index).stopped_call;
  std::uint32_t last = stopped.load(memory_order_acquire);  // B1 <- B1.
  while (last != number) {
    if (r.calls.load(memory_order_relaxed) != number) break;  // K2, by B1: that call is over.
    if (compare_exchange(stopped, last, number, access_, memory_order_release, memory_order_acquire))
      break;  // B1 -> B2, B1; B1 <- B1.
  }
  return true;
}

stop_result core::stop(named timer) noexcept {
  if (is_gone()) return stop_result::idle;
  const auto ask = [&] { return stop_call(timer.index) ? stop_result::asked : stop_result::idle; };
  return timer.generation == 0 ? ask() : with_record(timer, stop_result::idle, ask);
}

bool core::is_stop_asked(const call_frame& frame) noexcept {
  const auto& stopped = frame.owner->registry_.rare(frame.key.index).stopped_call;
  return stopped.load(memory_order_acquire) == frame.number;  // B2 <- B1.
}

}  // namespace detent::inline v0::detail
