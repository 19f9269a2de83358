// observing: what the service tells about itself. Strings are built here and nowhere else.
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <cstdio>
#include <cstdlib>

namespace detent::inline v0::detail {

timer_state core::status(named timer) const noexcept {
  if (is_gone()) return timer_state::shut_down;
  if (!registry_.exists(timer.index)) return timer_state::closed;
  const record& r = registry_.hot(timer.index);
  const std::uint64_t s = r.state.load(memory_order_acquire);  // T13 <- T1, T5.
  if (timer.generation != 0 && registry_.has_passed(timer.index, timer.generation)) return timer_state::closed;
  if (state::is_shut_down(s)) return timer_state::shut_down;
  if (state::is_terminal(s)) return timer_state::closed;
  if (state::is_calling(s)) return timer_state::running;
  if (!state::is_pending(s)) return timer_state::idle;
  const bool queued = hint::is_in_hand(r.hint.load(memory_order_relaxed)) &&  // H7: only whether.
                      state::is_due(s, to_instant_rounded_down(now_ns(registry_.cold(timer.index).clock)));
  return queued ? timer_state::queued : timer_state::pending;
}

// Requires: nothing; a timer that is gone has an empty name.
timer_name core::describe(std::uint32_t index) const {
  timer_name name;
  lock_guard guard(registry_.lock_of(index));
  const cold_part& c = registry_.cold(index);
  name.id = {index, registry_.generation(index)};
  const std::uint64_t s = registry_.hot(index).state.load(memory_order_relaxed);  // T13 <- T8, by the lock.
  if (state::is_terminal(s) && c.ended && !state::is_calling(s)) return name;
  if (c.name != nullptr) name.name = c.name;
  name.place = c.place;
  return name;
}

// For a caller who holds the record's lock: of an open timer. Without its name when memory is short.
timer_name core::name_locked(std::uint32_t index) const noexcept {
  const cold_part& c = registry_.cold(index);
  timer_name name{{index, registry_.generation(index)}, {}, c.place};
#if DETENT_EXCEPTIONS
  try {
    if (c.name != nullptr) name.name = c.name;
  } catch (...) {
  }
#else
  if (c.name != nullptr) name.name = c.name;
#endif
  return name;
}

std::optional<timer_info> core::info(named timer) const {
  if (is_gone() || !registry_.exists(timer.index)) return std::nullopt;
  timer_info told;
  lock_guard guard(registry_.lock_of(timer.index));
  const std::uint32_t index = timer.index;
  if (registry_.generation(index) != timer.generation) return std::nullopt;
  const record& r = registry_.hot(index);
  const cold_part& c = registry_.cold(index);
  const std::uint64_t s = r.state.load(memory_order_relaxed);  // T13 <- T8, by the lock.
  if (state::is_terminal(s) && !state::is_calling(s)) return std::nullopt;
  // Its id stays unknown: a verb that ended it would leave its target a record of somebody else's to arm.
  if (c.held_by == tenure::continuation) return std::nullopt;
  told.id = {index, timer.generation};
  if (c.name != nullptr) told.name = c.name;
  if (c.group != nullptr) told.group = c.group->name;
  told.place = c.place;
  told.clock = static_cast<clock_kind>(c.clock);
  told.state = status({index, timer.generation});
  told.due_known = state::is_pending(s) && state::look_at(s) != never;
  const std::int64_t now = now_ns(c.clock);
  if (told.due_known) {
    std::int64_t ahead = 0;
    const std::int64_t at = to_ns(state::deadline(s));
    told.due_in = duration(__builtin_sub_overflow(at, now, &ahead) ? ns_max : ahead);
  }
  if (state::is_guarded(s)) told.period = duration(registry_.rare(index).series.period_ns);
  told.calls = r.calls.load(memory_order_relaxed) - c.calls_before;  // K2: only how many.
  return told;
}

std::vector<timer_info> core::snapshot() const {
  std::vector<timer_info> all;
  if (is_gone()) return all;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    // One record's lock at a time: a snapshot holds nobody up.
    if (state::is_terminal(registry_.hot(i).state.load(memory_order_relaxed))) continue;  // T13: `info` looks again.
    std::uint32_t generation = 0;
    {
      lock_guard guard(registry_.lock_of(i));
      generation = registry_.generation(i);
    }
    if (auto told = info({i, generation})) all.push_back(std::move(*told));
  }
  return all;
}

std::vector<timer_id> core::active() const {
  std::vector<timer_id> all;
  if (is_gone()) return all;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    lock_guard guard(registry_.lock_of(i));
    const std::uint64_t s = registry_.hot(i).state.load(memory_order_relaxed);  // T13 <- T8, by the lock.
    if (!state::is_pending(s) || registry_.cold(i).held_by == tenure::continuation) continue;
    all.push_back({i, registry_.generation(i)});
  }
  return all;
}

service_counters core::counters() const {
  const auto read = [](const std::atomic<std::uint64_t>& n) { return n.load(memory_order_relaxed); };  // Counters.
  service_counters told;
  told.dropped = read(tallies_.dropped);
  told.missed = read(tallies_.missed);
  told.threw = read(tallies_.threw);
  told.early = read(tallies_.early);
  told.wakeups = read(tallies_.wakeups);
  told.spun_ns = read(tallies_.spun_ns);
  told.rescues = read(tallies_.rescues);
  told.clock_steps = read(tallies_.clock_steps);
  if (!is_gone()) told.alive = registry_.in_use();  // In a fork child the lock's holder may not exist.
  told.lateness.max_ns = read(tallies_.lateness_max_ns);
  told.lateness.buckets.reserve(lateness_histogram::bucket_count);
  for (const auto& count_of : tallies_.lateness) {
    told.lateness.buckets.push_back(read(count_of));
    told.lateness.count += told.lateness.buckets.back();
  }
  told.fired = told.lateness.count;
  return told;
}

// --- Reports --------------------------------------------------------------------------------------------------------

void core::report_error(callback_error::what kind, std::uint32_t index, std::exception_ptr error,
                        const timer_name* known) noexcept {
#if DETENT_EXCEPTIONS
  try {
#endif
    callback_error told{kind, known != nullptr ? *known : describe(index), std::move(error)};
    if (options_.on_error) {
      options_.on_error(told);
      return;
    }
    {
      lock_guard guard(registry_.lock_of(index));
      if (std::exchange(registry_.cold(index).reported, true)) return;
    }
    const char* what = kind == callback_error::what::dropped ? "its executor dropped a firing" : "its callback threw";
    std::string said;
#if DETENT_EXCEPTIONS
    if (told.exception != nullptr) {
      try {
        std::rethrow_exception(told.exception);
      } catch (const std::exception& e) {
        said = std::string(": ") + e.what();
      } catch (...) {
      }
    }
#endif
    std::fprintf(stderr, "detent: timer %u '%s' created at %s:%u: %s%s (told once; set on_error to hear of all)\n",
                 index, told.timer.name.c_str(), told.timer.place.file_name(), told.timer.place.line(), what,
                 said.c_str());
#if DETENT_EXCEPTIONS
  } catch (...) {
    // The handler threw, or memory is short: contained as well (G12). The count was taken before.
  }
#endif
}

// A record's lock is taken under the graph's here; nobody takes them the other way round. Without its name when memory
// is short. A call without a record is the post of a task to a user's executor: its timer's call is named beside it.
// A call outside the engine has a name and no place.
void core::named_cycle::add_name(cycle& self, const call_key& call) noexcept {
  auto& named = static_cast<named_cycle&>(self);
  if (call.index == no_index || named.count == cycle_limit) return;
  timer_name& name = named.names[named.count++];
#if DETENT_EXCEPTIONS
  try {
#endif
    if (call.outside != nullptr) {
      name.name = call.outside;
    } else {
      name = static_cast<const core*>(call.of)->describe(call.index);
    }
#if DETENT_EXCEPTIONS
  } catch (...) {
  }
#endif
}

void core::report_deadlock(const named_cycle& found, bool refused) noexcept {
#if DETENT_EXCEPTIONS
  try {
#endif
    deadlock_report told;
    told.refused = refused;
    for (std::size_t i = 0; i < found.count; ++i) {
      const timer_name& n = found.names[i];
      told.cycle.push_back(n);
      told.text += (i == 0 ? "" : " <- ") + std::string("'") + n.name + "'";
      if (n.place.line() != 0) {
        told.text += std::string(" (") + n.place.file_name() + ":" + std::to_string(n.place.line()) + ")";
      }
    }
    if (options_.on_deadlock) {
      options_.on_deadlock(told);
      return;
    }
    if (refused) return;  // The caller has its answer.
    std::fprintf(stderr, "detent: a destructor would wait for ever: %s\n", told.text.c_str());
#if DETENT_EXCEPTIONS
  } catch (...) {
    if (options_.on_deadlock || refused) return;
  }
#endif
  std::abort();
}

// --- The watchdog: names a call that takes longer than its limit, once. ---------------------------------------------

void core::watch(call_frame& frame) noexcept {
  frame.started_ns = platform::read_clock_ns(clock_id::steady);
  bool first = false;
  {
    lock_guard guard(watch_lock_);
    first = watched_ == nullptr;
    frame.watched_next = watched_;
    watched_ = &frame;
  }
  if (first) watch_sleep_.notify();  // It sleeps without a limit while no call is in progress.
}

void core::unwatch(call_frame& frame) noexcept {
  lock_guard guard(watch_lock_);
  call_frame** at = &watched_;
  while (*at != &frame) at = &(*at)->watched_next;
  *at = frame.watched_next;
}

// Tells of one call that is over its limit; else sets when to look again.
bool core::tell_slow_call(std::int64_t at_ns, std::int64_t* until_ns) {
  slow_call slow;
  {
    lock_guard guard(watch_lock_);
    call_frame* found = nullptr;
    for (call_frame* f = watched_; f != nullptr; f = f->watched_next) {
      if (f->told) continue;
      const std::int64_t limit_at = add_ns(f->started_ns, options_.call_limit.count());
      if (limit_at <= at_ns) found = f;
      else if (limit_at < *until_ns) *until_ns = limit_at;
    }
    if (found == nullptr) return false;
    found->told = true;
    slow.running_for = duration(at_ns - found->started_ns);
    // Listed, so the call still lasts and the record is this tenant's. Without memory for its name, the rest is told.
    lock_guard record(registry_.lock_of(found->key.index));
    slow.timer = name_locked(found->key.index);
  }
  if (options_.on_slow_call) {
    options_.on_slow_call(slow);
  } else {
    std::fprintf(stderr, "detent: the callback of timer %u '%s' created at %s:%u has been running for %lld ms\n",
                 slow.timer.id.index, slow.timer.name.c_str(), slow.timer.place.file_name(), slow.timer.place.line(),
                 static_cast<long long>(slow.running_for.count() / 1'000'000));
  }
  return true;
}

void core::watch_calls() noexcept {
  for (;;) {
    const eventcount::ticket ticket = watch_sleep_.prepare();
    if (stopping_.load(memory_order_relaxed)) return;  // Q2 <- Q1, by E1.
    std::int64_t until_ns = platform::forever_ns;
    bool told = false;
#if DETENT_EXCEPTIONS
    try {
      told = tell_slow_call(platform::read_clock_ns(clock_id::steady), &until_ns);
    } catch (...) {
      told = true;
    }
#else
    told = tell_slow_call(platform::read_clock_ns(clock_id::steady), &until_ns);
#endif
    if (!told) watch_sleep_.wait(ticket, until_ns);
  }
}

}  // namespace detent::inline v0::detail
