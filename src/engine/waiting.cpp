// waiting: sleeping until a call has ended, without hiding a deadlock (G08).
//
// A verb takes its effect first, then comes here. What it waits for is the call that was in progress then: for `call` told
// by the call number, for `end` (after a close) by `calling` alone, because no later call can begin.
#include "engine/core.hpp"

namespace detent::inline v0::detail {

namespace {

struct record_name {
  const core* owner;
  std::uint32_t index;
};

}  // namespace

bool core::covers_record(const void* context, const call_key& call) noexcept {
  const auto& target = *static_cast<const record_name*>(context);
  return call.core == target.owner && call.index == target.index && !call.detached;
}

bool core::covers_group(const void* context, const call_key& call) noexcept {
  return static_cast<const group_record*>(context)->holds(static_cast<const group_record*>(call.group));
}

bool core::covers_core(const void* context, const call_key& call) noexcept { return call.core == context; }

bool core::inside_own_callback() const noexcept { return covers_own_call({&covers_core, this}); }

// The steady instant, on the operating system's clock, at which a wait of `limit_ns` ends.
std::int64_t core::until(std::int64_t limit_ns) noexcept {
  if (limit_ns == ns_max) return platform::forever_ns;
  return add_ns(platform::read_clock_ns(clock_id::steady), limit_ns < 0 ? 0 : limit_ns);
}

bool core::is_detached(std::uint32_t index) const noexcept {
  const std::uint32_t number = registry_.hot(index).calls.load(std::memory_order_acquire) + 1;  // C2 <- C1.
  return registry_.cold(index).detached_call.load(std::memory_order_acquire) == number;         // A2 <- A1.
}

// T7. Answers whether there is something to wait for; then whoever ends it will wake this record's bucket.
bool core::await_bit(std::uint32_t index, bool pending_too) noexcept {
  record& r = registry_.hot(index);
  std::uint64_t s = r.state.load(std::memory_order_acquire);  // T13 <- T5.
  for (;;) {
    if (!state::is_calling(s) && !(pending_too && state::is_pending(s))) return false;
    chaos(chaos_at::await_T7);
    if (compare_exchange(r.state, s, s | state::waited, access_)) return true;  // T7 -> T5.
  }
}

wait_result core::await_call(named timer, wait_for what, std::uint32_t calls_seen, std::int64_t until_ns,
                             bool can_refuse) noexcept {
  const record& r = registry_.hot(timer.index);
  const record_name name{this, timer.index};
  const wait_target target{&covers_record, &name};
  const auto is_over = [&] {
    if (!state::is_calling(r.state.load(std::memory_order_acquire))) return true;                        // T13 <- T5.
    if (what == wait_for::call && r.calls.load(std::memory_order_acquire) != calls_seen) return true;    // C2 <- C1.
    if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return true;
    return is_detached(timer.index);
  };
  if (is_over()) return wait_result::quiet;
  if (!busted(bug::self_wait) && covers_own_call(target)) return wait_result::from_callback;
  cycle found;
  std::optional<registered_wait> entered;
  for (;;) {
    const eventcount::ticket ticket = bucket_of(timer.index).prepare();
    if (is_over() || !await_bit(timer.index, false) || is_detached(timer.index)) return wait_result::quiet;
    if (!entered.has_value()) {
      entered.emplace(target, &found);
      if (entered->is_refused()) {
        report_deadlock(found, can_refuse);
        return wait_result::would_deadlock;
      }
    }
    if (until_ns != platform::forever_ns && platform::read_clock_ns(clock_id::steady) >= until_ns) {
      return wait_result::timed_out;
    }
    sleep_for_end(timer.index, ticket, until_ns, is_over);
  }
}

cancel_answer core::cancel_and_wait(named timer, std::int64_t limit_ns) noexcept {
  const std::int64_t until_ns = until(limit_ns);
  const cancel_result outcome = cancel(timer);
  if (outcome == cancel_result::closed && timer.generation != 0) return {outcome, wait_result::quiet};
  if (is_gone()) return {outcome, wait_result::quiet};
  const std::uint32_t calls = registry_.hot(timer.index).calls.load(std::memory_order_acquire);  // C2 <- C1.
  return {outcome, await_call(timer, wait_for::call, calls, until_ns, true)};
}

cancel_answer core::close_and_wait(named timer, std::int64_t limit_ns) noexcept {
  const std::int64_t until_ns = until(limit_ns);
  if (busted(bug::check_first) && timer.generation == 0) {
    const std::uint64_t s = registry_.hot(timer.index).state.load(std::memory_order_acquire);  // T13: the planted bug.
    if (!state::is_calling(s)) return {close(timer), wait_result::quiet};
  }
  const cancel_result outcome = close(timer);
  if (is_gone() || !registry_.exists(timer.index)) return {outcome, wait_result::quiet};
  if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return {outcome, wait_result::quiet};
  return {outcome, await_call(timer, wait_for::end, 0, until_ns, true)};
}

// Waits for what is pending and for the call in progress, but for no later arming: the calls it has seen coming are
// counted off.
wait_result core::wait(named timer, std::int64_t limit_ns) noexcept {
  if (is_gone() || !registry_.exists(timer.index)) return wait_result::quiet;
  const std::int64_t until_ns = until(limit_ns);
  const record& r = registry_.hot(timer.index);
  const std::uint32_t calls_before = r.calls.load(std::memory_order_acquire);  // C2 <- C1.
  const std::uint64_t seen = r.state.load(std::memory_order_acquire);          // T13 <- T1, T4.
  if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return wait_result::quiet;
  if (!state::is_pending(seen)) return await_call(timer, wait_for::call, calls_before, until_ns, true);
  const record_name name{this, timer.index};
  if (inside_own_callback()) return wait_result::from_callback;
  const bool driven_here = !driver_.is_running() && !clocks_.is_manual() &&
                           driving_thread_.load(std::memory_order_relaxed) == platform::this_thread();
  if (driven_here) return wait_result::would_deadlock;  // Only this thread could run what it would wait for.

  const std::uint32_t enough = state::is_calling(seen) ? 2 : 1;
  const auto is_over = [&] {
    const std::uint64_t s = r.state.load(std::memory_order_acquire);  // T13 <- T2, T5.
    if (!state::is_pending(s) && !state::is_calling(s)) return true;
    if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return true;
    return r.calls.load(std::memory_order_acquire) - calls_before >= enough;  // C2 <- C1.
  };
  cycle found;
  std::optional<registered_wait> entered;
  for (;;) {
    const eventcount::ticket ticket = bucket_of(timer.index).prepare();
    if (is_over() || !await_bit(timer.index, true)) return wait_result::quiet;
    if (!entered.has_value()) {
      entered.emplace(wait_target{&covers_record, &name}, &found);
      if (entered->is_refused()) {
        report_deadlock(found, true);
        return wait_result::would_deadlock;
      }
    }
    if (until_ns != platform::forever_ns && platform::read_clock_ns(clock_id::steady) >= until_ns) {
      return wait_result::timed_out;
    }
    sleep_for_end(timer.index, ticket, until_ns, is_over);
  }
}

template <class Accepts>
std::uint32_t core::next_calling(std::uint32_t from, Accepts accepts) noexcept {
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = from; i < count; ++i) {
    if (state::is_calling(registry_.hot(i).state.load(std::memory_order_acquire)) && accepts(i)) return i;  // T13 <- T5.
  }
  return no_index;
}

// Waits, one after the other, for the calls in progress of the whole service. A call that begins later in a record
// already passed is not waited for: after `resolve` there are none.
bool core::await_calls(std::int64_t until_ns, bool can_refuse, bool* refused) noexcept {
  const auto not_ours = [this](std::uint32_t index) {
    for (const call_node* c = current_calls(); c != nullptr; c = c->outer) {
      if (c->key.core == this && c->key.index == index) return false;
    }
    return true;
  };
  cycle found;
  std::optional<registered_wait> entered;
  for (std::uint32_t at = next_calling(0, not_ours); at != no_index;) {
    const record& r = registry_.hot(at);
    const std::uint32_t calls = r.calls.load(std::memory_order_acquire);  // C2 <- C1.
    const auto is_over = [&] {
      return !state::is_calling(r.state.load(std::memory_order_acquire)) ||  // T13 <- T5.
             r.calls.load(std::memory_order_acquire) != calls;               // C2 <- C1.
    };
    const eventcount::ticket ticket = bucket_of(at).prepare();
    if (is_over() || !await_bit(at, false)) {
      at = next_calling(at + (is_over() ? 1U : 0U), not_ours);
      continue;
    }
    if (!entered.has_value()) {
      entered.emplace(wait_target{&covers_core, this}, &found);
      if (entered->is_refused()) {
        report_deadlock(found, can_refuse);
        *refused = true;
        return false;
      }
    }
    if (platform::read_clock_ns(clock_id::steady) >= until_ns) return false;
    sleep_for_end(at, ticket, until_ns, is_over);
  }
  return true;
}

}  // namespace detent::inline v0::detail
