// shutdown: the service's own close, in stages, each bounded (G19).
//
//   refuse -> (run what is due) -> resolve every pending firing, ask running calls to stop -> wait for them
//          -> run continuations that have not started -> report
//
// The first caller works the stages; later callers can only shorten its wait, and get the same report.
#include "engine/core.hpp"
#include "engine/on_stack.hpp"

#include <cstdio>
#include <new>
#include <utility>

namespace detent::inline v0::detail {

namespace {
constexpr std::int64_t look_again_ns = 5'000'000;
// As long an executor that this thread may have to serve itself gets for its next call to begin or to end.
constexpr std::int64_t patience_ns = 100'000'000;
}  // namespace

// U1, then every registry lock once: a creation that did not see U1 has published its timer (T8), and `resolve` finds
// it.
void core::refuse() noexcept {
  refusing_.store(true, memory_order_relaxed);  // U1 -> U2, by the locks.
  for (std::uint32_t i = 0; i < record_registry::lock_count * 16; i += 16) {
    lock_guard guard(registry_.lock_of(i));
  }
}

// Whether what a user's executor was given may be waiting for this very thread: nobody else has driven the service, and
// no call of it is in progress.
bool core::may_serve_executor() const noexcept {
  if (own_thread_ || options_.executor.which() != executor_choice::kind::custom) return false;
  const std::uint64_t driver = driving_thread_.load(memory_order_relaxed);
  if (driver != 0 && driver != platform::this_thread()) return false;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (state::is_calling(registry_.hot(i).state.load(memory_order_relaxed))) return false;  // T13: only whether.
  }
  return true;
}

// Whatever is due at this moment still runs: where nobody else can run it, here. What is queued at an executor is
// waited for, unless that cannot end: inside a callback of this service, where the wait graph refuses, and where the
// executor seems to be a loop of this very thread.
void core::run_what_is_due(std::int64_t until_ns) noexcept {
  std::int64_t due_by[platform::clock_count];
  for (std::size_t i = 0; i < platform::clock_count; ++i) due_by[i] = now_ns(static_cast<clock_id>(i));
  const bool inside = inside_own_callback();
  std::uint64_t fired = 0;
  std::int64_t patient_until_ns = 0;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    record& r = registry_.hot(i);
    const auto is_due = [&] {
      // T13: who is pending was born before U1's locks, which ordered its cold part; or it is a continuation, whose
      // clock is the one of a record never used.
      const std::uint64_t s = r.state.load(memory_order_relaxed);
      if (state::look_at(s) == never) return false;  // Perhaps not born yet: the cold part is its creator's.
      return state::is_due(s, to_instant_rounded_down(due_by[static_cast<std::size_t>(registry_.cold(i).clock)]));
    };
    while (is_due() && platform::read_clock_ns(clock_id::steady) < until_ns) {
      if (!own_thread_ && take_role()) {
        const std::size_t handed = look(SIZE_MAX);
        leave_role();
        if (is_gone()) return;  // A callback forked, and this is the child.
        if (handed != 0) continue;
      }
      if (inside) break;  // The executor may be this very thread: it runs after the callback, or is withdrawn.
      const std::int64_t begin_ns = platform::read_clock_ns(clock_id::steady);
      if (access_ == access::alone) return;  // Nobody else may call into this service.
      const std::uint64_t fired_now = tallies_.fired();
      if (patient_until_ns == 0 || fired_now != fired || !may_serve_executor()) {
        fired = fired_now;
        patient_until_ns = add_ns(begin_ns, patience_ns);
      } else if (begin_ns >= patient_until_ns) {
        return;
      }
      // An arming may replace what is waited for by a far deadline, and tells no waiter: look again now and then.
      const std::int64_t slice_ns = add_ns(begin_ns, look_again_ns);
      if (await_due(i, slice_ns < until_ns ? slice_ns : until_ns) == wait_result::would_deadlock) break;
    }
  }
}

// T3 on every record: nothing can start any more. Answers how many firings were withdrawn. One record after the other:
// a capture may own the handle of another timer, whose destructor would wait for ever if this thread held that one too.
std::uint64_t core::resolve() noexcept {
  std::uint64_t withdrawn = 0;
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (state::is_terminal(registry_.hot(i).state.load(memory_order_relaxed))) continue;  // T13 <- T8, by U1's locks.
    ending found{};
    {
      lock_guard guard(registry_.lock_of(i));
      if (!is_open_locked(i)) continue;
      const cold_part& c = registry_.cold(i);
      if (c.held_by == tenure::continuation) continue;
      found = close_word(i, state::shut_down | (c.held_by == tenure::handle ? 0 : state::orphan_bit));
    }
    if (found.outcome == cancel_result::cancelled || found.outcome == cancel_result::cancelled_running) ++withdrawn;
    if (found.ours_to_end) end_here(i);
  }
  return withdrawn;
}

// U3 first, as a read-modify-write: an armer whose U4 came before it has published its record and its arming (U3 reads
// from U4, so the scan sees them); one whose U4 comes after runs the continuation itself.
void core::run_continuations() noexcept {
  after_shutdown_.fetch_or(1, memory_order_acquire);  // U3 <- U4.
  for (bool again = true; again;) {
    again = false;
    const std::uint32_t count = registry_.handed_out();
    for (std::uint32_t i = 0; i < count; ++i) {
      record& r = registry_.hot(i);
      if (state::is_terminal(r.state.load(memory_order_relaxed))) continue;  // T13 <- T8, by U3.
      {
        lock_guard guard(registry_.lock_of(i));
        if (!is_open_locked(i) || registry_.cold(i).held_by != tenure::continuation) continue;
        const std::uint64_t s = r.state.load(memory_order_relaxed);  // T13 <- T1, by U3.
        if (!state::is_pending(s)) continue;
        // Its executor dropped it. It is armed here only, under the lock: else another thread might have run it to its
        // end meanwhile, and this would arm the next continuation in the record, whose target still lives.
        if (state::look_at(s) == never) {
          static_cast<void>(arm_word(i, to_instant_rounded_down(now_ns(clock_id::steady)), 0));
        }
      }
      if (fire_without_entry(i)) again = true;
    }
  }
}

// Names as far as memory goes; that a call is still running is told without.
void core::fill_report(shutdown_report& report) const noexcept {
  report.complete = true;
  report.fired = tallies_.fired() - shutdown_fired_before_;
  report.dropped = tallies_.dropped.load(memory_order_relaxed) - shutdown_dropped_before_;
  report.cancelled = shutdown_cancelled_;
  report.detached_threads = threads_let_go_.load(memory_order_relaxed);
  const std::uint32_t count = registry_.handed_out();
  for (std::uint32_t i = 0; i < count; ++i) {
    if (!state::is_calling(registry_.hot(i).state.load(memory_order_acquire))) continue;  // T13 <- T5.
    report.complete = false;  // Also of the calls that this caller cannot wait for: its own.
#if DETENT_EXCEPTIONS
    try {
#endif
      report.still_running.push_back(describe(i));
#if DETENT_EXCEPTIONS
    } catch (const std::bad_alloc&) {
      return;
    }
#endif
  }
}

shutdown_report core::shutdown(shutdown_policy policy, std::int64_t limit_ns) {
  shutdown_report report;
  if (is_gone()) {
    report.complete = true;
    return report;
  }
  // A callback that ends may destroy the service.
  const held_share held(this);
  order_wait_for_all(limit_ns, "shutdown");
  const std::int64_t until_ns = until(limit_ns);
  bool first = false;
  bool work_on = false;
  {
    lock_guard guard(shutdown_lock_);
    if (until_ns < shutdown_until_ns_) shutdown_until_ns_ = until_ns;
    first = !std::exchange(shutdown_begun_, true);
    if (first) {
      shutdown_fired_before_ = tallies_.fired();
      shutdown_dropped_before_ = tallies_.dropped.load(memory_order_relaxed);
    }
    work_on = shutdown_over_.load(memory_order_relaxed);  // The lock orders it.
  }
  shutdown_moved_.notify();
  bool refused = false;
  if (first) {
    refuse();
    if (policy == shutdown_policy::run_due) run_what_is_due(until_ns);
    if (is_gone()) {  // In the fork child there is nothing left to end, and a lock's holder may not exist.
      report.complete = true;
      return report;
    }
    const std::uint64_t withdrawn = resolve();
    {
      lock_guard guard(shutdown_lock_);
      shutdown_cancelled_ = withdrawn;
    }
    const bool complete = await_calls_shortened(until_ns, &refused);
    run_continuations();
    // A continuation that another thread began meanwhile is a call like any other.
    if (complete) static_cast<void>(await_calls_shortened(until_ns, &refused));
    {
      lock_guard guard(shutdown_lock_);
      shutdown_over_.store(true, memory_order_relaxed);  // The lock orders it.
    }
    chaos(chaos_at::unlock);
  } else if (!work_on) {
    static_cast<void>(await_shutdown(until_ns, &refused));
  }
  if (first) shutdown_moved_.notify();
  if (!first && work_on) static_cast<void>(await_calls(until_ns, true, &refused));
  {
    lock_guard guard(shutdown_lock_);
    fill_report(report);
  }
  return report;
}

// The first caller's wait: a later call with an earlier deadline shortens it.
bool core::await_calls_shortened(std::int64_t until_ns, bool* refused) noexcept {
  for (;;) {
    std::int64_t now_until_ns = until_ns;
    {
      lock_guard guard(shutdown_lock_);
      if (shutdown_until_ns_ < now_until_ns) now_until_ns = shutdown_until_ns_;
    }
    const std::int64_t now = platform::read_clock_ns(clock_id::steady);
    const std::int64_t slice_ns = add_ns(now, 20'000'000);
    const bool last = now_until_ns <= slice_ns;
    if (await_calls(last ? now_until_ns : slice_ns, true, refused)) return true;
    if (last || *refused) return false;
  }
}

// For a walk of the wait graph: a later caller whose first one is through waits for nobody, although it may not have
// woken yet. Not under the shutdown lock: the graph's lock is held here.
bool core::is_shutdown_over(const void* context) noexcept {
  return static_cast<const core*>(context)->shutdown_over_.load(memory_order_relaxed);  // Only its truth counts.
}

// A later caller's wait for the first one, in the graph like any other: the first may wait for this caller's callback.
bool core::await_shutdown(std::int64_t until_ns, bool* refused) noexcept {
  cycle found;
  std::optional<registered_wait> entered;
  for (;;) {
    const eventcount::ticket ticket = shutdown_moved_.prepare();
    {
      lock_guard guard(shutdown_lock_);
      if (shutdown_over_.load(memory_order_relaxed)) break;  // The lock orders it.
    }
    if (!entered.has_value()) {
      entered.emplace(wait_target{&covers_core, &is_shutdown_over, this}, &found);
      if (entered->is_refused()) {
        *refused = true;
        return false;
      }
    }
    if (platform::read_clock_ns(clock_id::steady) >= until_ns) return false;
    shutdown_moved_.wait(ticket, until_ns);
  }
  return await_calls(platform::read_clock_ns(clock_id::steady), true, refused);
}

// --- The destructor -------------------------------------------------------------------------------------------------

void core::print_still_running() const noexcept {
#if DETENT_EXCEPTIONS
  try {
#endif
    const std::uint32_t count = registry_.handed_out();
    for (std::uint32_t i = 0; i < count; ++i) {
      if (!state::is_calling(registry_.hot(i).state.load(memory_order_relaxed))) continue;  // T13: only whether.
      const timer_name name = describe(i);
      std::fprintf(stderr, "detent: the destructor of service '%s' waits for timer %u '%s' created at %s:%u\n",
                   options_.name.c_str(), i, name.name.c_str(), name.place.file_name(), name.place.line());
    }
#if DETENT_EXCEPTIONS
  } catch (...) {
  }
#endif
}

void core::stop_threads() noexcept {
  stopping_.store(true, memory_order_relaxed);  // Q1 -> Q2, by the wake-ups and O2.
  wake_driver();
  watch_sleep_.notify();
}

// O2. After this the user's executor hears nothing more of this service.
void core::await_posts() noexcept {
  std::uint32_t own = 0;
  for (const call_node* c = current_calls(); c != nullptr; c = c->outer) {
    if (c->key.of == this && c->key.index == no_index) ++own;
  }
  for (;;) {
    const eventcount::ticket ticket = posted_.prepare();
    if (read_in_order(posting_, access::shared, memory_order_acq_rel) <= own) return;  // O2 <- O1; O2 -> O1.
    posted_.wait(ticket, platform::forever_ns);
  }
}

// Joins every thread but the calling one, which ends by itself after its callback; with `let_go`, all of them do.
bool core::join_threads(bool let_go) noexcept {
  const auto end = [&](platform::thread& t) {
    if (!t.is_running()) return;
    if (let_go || t.is_self()) {
      t.let_go();
      threads_let_go_.fetch_add(1, memory_order_relaxed);
    } else {
      t.join();
    }
  };
  end(driver_);
  end(watchdog_);
  if (pool_ == nullptr) return true;
  pool_->stop();  // After the driver: what it was about to hand over is still worked off.
  if (let_go) {
    pool_->let_all_go();
  } else {
    if (pool_->let_self_go()) threads_let_go_.fetch_add(1, memory_order_relaxed);
    pool_->join_until(platform::forever_ns);
  }
  return true;
}

void core::destroy_service() noexcept {
  if (is_gone()) return;  // A fork child: the threads do not exist here, and the core is left behind on purpose.
  order_wait_for_all(ns_max, "the destructor of the service");
  bool let_go = false;
  static_cast<void>(shutdown(shutdown_policy::cancel_pending, 2'000'000'000));
  for (std::int64_t limit_ns = 0;; limit_ns = 2'000'000'000) {  // Shutdown has just waited as long.
    bool refused = false;
    if (await_calls(add_ns(platform::read_clock_ns(clock_id::steady), limit_ns), false, &refused)) break;
    if (refused) {  // The deadlock handler came back: so do we, and nothing is joined.
      let_go = true;
      break;
    }
    print_still_running();
  }
  stop_threads();
  if (!let_go) await_posts();
  if (manual_ != nullptr) manual_->leave(this);
  join_threads(let_go);
  unshare();
}

}  // namespace detent::inline v0::detail
