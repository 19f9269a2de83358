// core: one service's engine. The only place that joins wheel, registry, lifetime, clocks and dispatch.
//
// Bodies by topic: arming.cpp, calling.cpp (the way of one firing), closing.cpp (the end of a timer), waiting.cpp,
// driver.cpp, grouping.cpp, shutdown.cpp, observing.cpp, ordering.cpp (what the detectors of lock-order cycles see),
// process.cpp (birth, death, fork).
//
// Threads: verbs any. What is marked "driver role" belongs to the thread that holds that role: the driver, or whoever
// is inside `run_due` or a manual clock's move.
//
// TRANSITIONS of a service's own words, beside those of its records (words.hpp).
//  N1 share     who holds one  shares + 1                                          relaxed   N2
//  N2 drop      holder         shares - 1; the last one frees                      acq_rel   N2
//  D1 take      anyone         driver role: exchange true                          acquire   D2
//  D2 leave     its holder     driver role: false                                  release   D1
//  W1 use       anyone         load of a clock's wheel                             acquire   W2
//  W2 create    first creator, under the wheel lock: a clock's wheel is there      release   W1
//  P1 where     driver: sleeps in the poll, before S1; armer: load, after S2       rel, acq  P1 by I3 and I1
//  P2 is open   driver         load                                                acquire   P3
//  P3 open      creator        the poll is open                                    release   P2
//  Q1 stop      destroyer      threads end at their next look; then a notify       release   Q2
//  Q2 look      threads        load                                                acquire   Q1
//  O1 post      a task's thread: posts in progress + 1, then Q2; - 1 after it      acq_rel   O2
//  O2 none left destroyer      add 0, after Q1: later posts see Q1 (as SB-A)       acq_rel   O1
//  U1 refuse    shutdown       creations are born shut down; then every lock once  release   U2
//  U2 born      creator        load, under the record's lock                       acquire   U1
//  U3 take over shutdown       from here armers run continuations themselves: or 1 acq_rel   U4
//  U4 look      armer of a continuation: add 0, after its T1                       acq_rel   U3
#pragma once

#include "base/base.hpp"
#include "clock/clock.hpp"
#include "dispatch/dispatch.hpp"
#include "engine/groups.hpp"
#include "engine/manual.hpp"
#include "engine/record.hpp"
#include "engine/spin_budget.hpp"
#include "engine/tallies.hpp"
#include "lifetime/lifetime.hpp"
#include "platform/platform.hpp"
#include "registry/registry.hpp"
#include "sync/sync.hpp"
#include "wheel/wheel.hpp"

#include <detent/observe.hpp>
#include <detent/service.hpp>

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

namespace detent::inline v0::detail {

// One call in progress, on the stack of its thread; `firing` and `stop_token` are views of it.
struct call_frame : call_node {
  call_frame(core* owner, std::uint32_t index, const group_record* group, std::uint32_t number) noexcept;
  ~call_frame() { innermost = outer; }
  call_frame(const call_frame&) = delete;
  call_frame& operator=(const call_frame&) = delete;

  void describe(std::int64_t deadline_ns, std::int64_t lateness_ns, std::uint64_t missed) noexcept;

  // Fails loudly when the calling thread jumped out of the innermost of its calls: nothing of it was ended.
  static void check_not_left() noexcept;

  core* const owner;
  const void* const stack;     // where this frame is
  const std::uint32_t number;  // record::calls while this call is in progress; 0 for the end of a callable
  call_node*& innermost;       // of this thread, looked up once
  firing current;

  // The watchdog's list; guarded by its lock.
  std::int64_t started_ns = 0;
  bool told = false;
  call_frame* watched_next = nullptr;
};

// A timer as a verb names it: by handle (generation 0: the caller's handle keeps the record) or by id.
struct named {
  std::uint32_t index;
  std::uint32_t generation;
};

// What was found in the state word by a verb that ended something.
struct ending {
  cancel_result outcome;
  bool ours_to_end = false;  // T3 found no call: this thread holds `calling` and has to destroy the callable
};

class core {
 public:
  // Answers null and sets `error` and `operation` when the OS refused.
  static core* create(service_options&& options, manual_state* manual, std::error_code& error, const char** operation);

  void share() noexcept { shares_.fetch_add(1, memory_order_relaxed); }  // N1: a share is held.
  void unshare() noexcept;
  void return_shares(std::uint32_t count) noexcept;

  // No partner: set in a one-thread child.
  bool is_gone() const noexcept { return forked_.load(memory_order_relaxed); }

  // --- creating (closing.cpp) ---
  std::uint32_t reserve(group_record* group, clock_kind clock, const timer_options& options, std::source_location place,
                        tenure held_by, std::error_code& error) noexcept;
  void give_up(std::uint32_t index) noexcept;  // reserved, never opened
  void* storage_of(std::uint32_t index) noexcept { return registry_.hot(index).storage; }
  timer_id open(std::uint32_t index, const callback_ops& ops, bool owned) noexcept;

  // --- arming (arming.cpp) ---
  std::int64_t now_ns(clock_id clock) const noexcept {
    return clocks_.now_ns(busted(bug::wall_clock) && clock == clock_id::steady ? clock_id::system : clock);
  }
  clock_id clock_of(std::uint32_t index) const noexcept {
    return order_word::clock(registry_.hot(index).order.load(memory_order_relaxed));  // The same for every tenant.
  }
  arm_result arm_at(named timer, std::int64_t at_ns) noexcept;
  arm_result arm_by_handle(std::uint32_t index, std::int64_t at_ns) noexcept;  // a one-shot
  // By an id, whose clock the caller only claims to know: an instant of another clock is refused.
  arm_result arm_at_on(named timer, clock_id clock, std::int64_t at_ns) noexcept;
  arm_result arm_after(named timer, std::int64_t delay_ns) noexcept;
  arm_result arm_after(named timer, clock_id clock, std::int64_t delay_ns) noexcept;
  arm_result arm_every(named timer, std::optional<std::int64_t> first_at_ns, std::int64_t period_ns,
                       const series_options& options) noexcept;
  cancel_result cancel(named timer) noexcept;
  cancel_result cancel_by_handle(std::uint32_t index) noexcept;
  cancel_answer cancel_and_wait(named timer, std::int64_t limit_ns) noexcept;
  std::size_t cancel_all() noexcept;
  stop_result stop(named timer) noexcept;

  // --- ending (closing.cpp) ---
  cancel_result close(named timer) noexcept;
  void destroy(std::uint32_t index) noexcept;  // the handle's destructor
  void close_from_call(call_frame& frame) noexcept;
  void detach_call(call_frame& frame) noexcept;
  void continue_with(named target, timer_id continuation) noexcept;

  // --- waiting (waiting.cpp) ---
  cancel_answer close_and_wait(named timer, std::int64_t limit_ns, bool holds) noexcept;
  wait_result wait(named timer, std::int64_t limit_ns, wait_progress* progress = nullptr) noexcept;

  // --- groups (grouping.cpp) ---
  group_record* make_group(group_record* parent, const group_options& options);
  static void share_group(group_record* group) noexcept { group->shares.fetch_add(1, memory_order_relaxed); }  // N1
  static void unshare_group(group_record* group) noexcept;
  static std::size_t cancel_group(group_record* group) noexcept;
  static std::size_t close_group(group_record* group) noexcept;
  static std::size_t close_shared_group(group_record* group) noexcept;
  static std::size_t stop_group(group_record* group) noexcept;
  static std::size_t group_size(group_record* group) noexcept;
  static wait_result wait_group(group_record* group, std::int64_t limit_ns, bool can_refuse,
                                wait_progress* progress = nullptr) noexcept;
  static void destroy_group(group_record* group) noexcept;
  // Before the effect of a verb that waits for the group's calls.
#if DETENT_THREAD_SANITIZER || DETENT_TRACKS_LOCKS
  static void order_wait_for(group_record* group, std::int64_t limit_ns, const char* verb) noexcept;
#else
  static void order_wait_for(group_record*, std::int64_t, const char*) noexcept {}
#endif

  // --- entries (calling.cpp) ---
  void run_entry(std::uint32_t index) noexcept;
  void drop_entry(std::uint32_t index) noexcept;
  static bool is_stop_asked(const call_frame& frame) noexcept;

  // --- driving (driver.cpp) ---
  run_answer run_due() noexcept;
  std::int64_t next_deadline_ns() noexcept;
  int descriptor() noexcept;
  // For a manual clock, between `await_role` and `leave_role`. `await_role` waits while another thread drives; it
  // answers false when this thread does so already, further out, and in a fork child: then there is nothing to drive.
  bool await_role() noexcept;
  void leave_role() noexcept;
  std::size_t look(std::size_t limit) noexcept;
  std::int64_t until_next_ns(unsigned clock_set) noexcept;
  void notice_clock_step(std::int64_t by_ns) noexcept;
  bool has_deadline() const noexcept;  // without the role
  void wait_pool_idle() noexcept;
  std::string name_of_earliest();

  // --- the end (shutdown.cpp) ---
  shutdown_report shutdown(shutdown_policy policy, std::int64_t limit_ns);
  void destroy_service() noexcept;

  // --- observing (observing.cpp) ---
  timer_state status(named timer) const noexcept;
  timer_name describe(std::uint32_t index) const;
  timer_name name_locked(std::uint32_t index) const noexcept DETENT_REQUIRES(registry_.lock_of(index));
  // For scans over all indices. A word read without the lock may be of a tenant that is gone, whose successor is
  // writing the cold part; under the lock an open word means that T8 published all of it, and that it stays.
  bool is_open_locked(std::uint32_t index) const noexcept DETENT_REQUIRES(registry_.lock_of(index)) {
    return !state::is_terminal(registry_.hot(index).state.load(memory_order_relaxed));  // T13 <- T8, by the lock.
  }
  std::optional<timer_info> info(named timer) const;
  std::vector<timer_info> snapshot() const;
  std::vector<timer_id> active() const;
  service_counters counters() const;
  static bool is_in_call_of(const group_record* group) noexcept;
  struct named_cycle;
  void report_deadlock(const named_cycle& found, bool refused) noexcept;
  // For waits outside the engine, see destructor_wait.
  void enter_of_destructor(std::optional<registered_wait>& entered, wait_target target) noexcept;

  timer_id id_of(std::uint32_t index) const noexcept {
    // The handle keeps the generation still; a call in progress does too.
    return {index, registry_.generation(index)};
  }
  const cold_part& cold(std::uint32_t index) const noexcept { return registry_.cold(index); }

  // In a fork child: every verb answers `shut_down`, nothing waits.
  void mark_forked() noexcept { forked_.store(true, memory_order_relaxed); }

  core* next_alive = nullptr;  // guarded by the process's list lock
  core* prev_alive = nullptr;
  core* next_on_clock = nullptr;  // guarded by the lock of its manual clock

 private:
  struct links {
    core* owner;
    wheel_link& operator()(std::uint32_t index) const noexcept { return owner->registry_.link(index); }
    void soon(std::uint32_t index) const noexcept { __builtin_prefetch(&owner->registry_.hot(index), 1); }
  };
  using record_wheel = wheel<links>;
  using record_registry = registry<record, cold_part, wheel_link, rare_part>;

  struct claim {
    bool won = false;
    std::int64_t deadline_ns = 0;
    std::int64_t start_ns = 0;
    std::uint64_t missed = 0;
  };

  struct alignas(64) bucket {
    eventcount ended;
  };

  core(service_options&& options, manual_state* manual) noexcept;
  ~core();

  static mail_words words(record& r, std::uint32_t index) noexcept { return {r.state, r.hint, r.inbox_next, index}; }
  eventcount& bucket_of(std::uint32_t index) noexcept { return buckets_[index % buckets_.size()].ended; }

  // `sharing::one_thread` is a promise of the user's; checked builds hold him to it.
  void check_thread() const noexcept {
#if defined(DETENT_CHECKED) || !defined(NDEBUG)
    if (access_ == access::alone && platform::this_thread() != creator_) fail_on_wrong_thread();
#endif
  }
  [[noreturn]] void fail_on_wrong_thread() const noexcept;
  // Runs `body` on the record of an id while its generation holds, or answers `gone`.
  template <class Answer, class Body>
  Answer with_record(named timer, Answer gone, Body body) noexcept;

  // arming.cpp
  arm_result arm_word(record& r, std::uint32_t index, instant deadline, std::uint64_t guarded) noexcept;
  arm_result arm_word(std::uint32_t index, instant deadline, std::uint64_t guarded) noexcept;
  arm_result arm_special(std::uint32_t index, std::int64_t at_ns) noexcept;
  arm_result arm_one_shot_locked(std::uint32_t index, std::int64_t at_ns) noexcept
      DETENT_REQUIRES(registry_.lock_of(index));
  arm_result arm_series_locked(std::uint32_t index, std::optional<std::int64_t> first_at_ns, std::int64_t period_ns,
                               const series_options& options) noexcept DETENT_REQUIRES(registry_.lock_of(index));
  instant tolerated(const cold_part& c, instant deadline) const noexcept;
  arm_result announce(std::uint32_t index, instant deadline, arm_result answer) noexcept;
  void wake_driver_for(clock_id clock, instant at) noexcept;
  void wake_driver() noexcept;
  cancel_result cancel_word(std::uint32_t index, bool awaits, bool locked) noexcept;
  template <class F>
  cancel_result cancel_outside_calls(std::uint32_t index, F otherwise) noexcept;
  bool ends_when_cancelled(named timer) noexcept;
  bool stop_call(std::uint32_t index) noexcept;

  // calling.cpp
  std::uint32_t run_one(std::uint32_t index, group_record* turn) noexcept;
  void run_turn(std::uint32_t index, group_record* turn) noexcept;
  group_record* take_turn(std::uint32_t index) noexcept;
  bool fire_without_entry(std::uint32_t index) noexcept;
  claim claim_firing(record& r, std::uint32_t index, const group_record* turn) noexcept;
  claim claim_guarded(std::uint32_t index, const group_record* turn, std::int64_t start_ns) noexcept;
  std::uint64_t next_tick(const cold_part& c, series_state& series, std::int64_t at_ns, claim& won) const noexcept;
  void call(record& r, std::uint32_t index, const claim& won) noexcept;
  std::uint32_t call_and_finish(record& r, std::uint32_t index, const claim& won) noexcept;
  void call_user(record& r, call_frame& frame) noexcept;
  void note_lateness(std::int64_t lateness_ns) noexcept;
  void note_throw(std::uint32_t index, std::exception_ptr error) noexcept;
  void resume_series(std::uint32_t index) noexcept;
  bool is_spent(std::uint32_t index, std::uint64_t s) const noexcept;
  void end_spent(std::uint32_t index, std::uint64_t* s) noexcept;
  std::uint32_t finish(record& r, std::uint32_t index, bool detached) noexcept;
  bool finish_waited(std::uint32_t index, bool destroyed, std::uint64_t* found) noexcept;
  void count_end(std::uint32_t index) noexcept DETENT_REQUIRES(registry_.lock_of(index));
  static void number_call(record& r) noexcept;
  void settle_entry(record& r, std::uint32_t index) noexcept;
  std::uint32_t pass_turn(group_record* group) noexcept;
  bool post_turn(std::uint32_t index) noexcept;
  void hand_over(std::uint32_t index) noexcept;
  void report_error(callback_error::what kind, std::uint32_t index, std::exception_ptr error,
                    const timer_name* known = nullptr) noexcept;
  void watch(call_frame& frame) noexcept DETENT_EXCLUDES(watch_lock_);
  void unwatch(call_frame& frame) noexcept DETENT_EXCLUDES(watch_lock_);
  void watch_calls() noexcept DETENT_EXCLUDES(watch_lock_);
  bool tell_slow_call(std::int64_t now_ns, std::int64_t* until_ns) DETENT_EXCLUDES(watch_lock_);

  // closing.cpp
  ending close_word(std::uint32_t index, std::uint64_t terminal) noexcept;
  void end_here(std::uint32_t index) noexcept;
  void end_here_shared(std::uint32_t index) noexcept;
  void abandon(std::uint32_t index) noexcept;
  void release(std::uint32_t index) noexcept;
  std::uint32_t end_callable(record& r, std::uint32_t index) noexcept;
  void start_continuations(std::uint32_t first) noexcept;
  bool join_group(std::uint32_t index, group_record* group) noexcept DETENT_REQUIRES(group->tree->lock);
  void enter_list(std::uint32_t index, std::uint32_t* first) noexcept;
  void leave_list(std::uint32_t index, group_record* group) noexcept DETENT_REQUIRES(group->tree->lock);
  std::uint32_t close_members(group_record* group, std::size_t* withdrawn) noexcept DETENT_REQUIRES(group->tree->lock);
  std::uint32_t close_one_spent(group_record* group) noexcept DETENT_REQUIRES(group->tree->lock);
  std::uint64_t publish(record& r, cold_part& c, std::uint32_t index, std::uint64_t born, timer_id& id) noexcept;

  // waiting.cpp
  struct awaited;
  static wait_result note_answer(wait_result answer, const awaited& call, wait_progress& at) noexcept;
  cancel_answer cancel_and_await(named timer, std::int64_t limit_ns) noexcept;
  bool await_locked(std::uint32_t index, bool pending_too, bool detached_counts) noexcept
      DETENT_REQUIRES(registry_.lock_of(index));
  wait_result sleep_until_over(const awaited& call, std::int64_t until_ns, bool can_refuse) noexcept;
  wait_result await_call(named timer, std::int64_t until_ns, bool can_refuse) noexcept;
  wait_result await_due(std::uint32_t index, std::int64_t until_ns) noexcept;
  bool is_detached(std::uint32_t index) const noexcept;
  bool is_driven_here() const noexcept;
  static std::int64_t until(std::int64_t limit_ns) noexcept;
  static bool covers_group(const void* context, const call_key& call) noexcept;
  static bool covers_core(const void* context, const call_key& call) noexcept;
  static bool never_over(const void* context) noexcept;
  static bool is_shutdown_over(const void* context) noexcept;
  bool inside_own_callback() const noexcept;
  bool makes_call(std::uint32_t index, bool detached_counts) noexcept;
  std::uint32_t next_calling_member(group_record* group, std::uint32_t from) noexcept
      DETENT_REQUIRES(group->tree->lock);

  // driver.cpp; all of it driver role
  static void drive_main(void* self);
  void drive() noexcept;
  void sleep_until_due(std::size_t handed) noexcept;
  bool publish_sleep() noexcept;
  void spin_until(std::int64_t asked_ns, std::int64_t until_ns, eventcount::ticket seen) noexcept;
  void set_alarms() noexcept;
  void awake() noexcept;
  void file_inbox() noexcept;
  void file(std::uint32_t index, visited_from where) noexcept;
  std::size_t hand_due(clock_id clock, std::size_t limit) noexcept;
  void hand(std::uint32_t index) noexcept;
  void flush_batch() noexcept;
  std::int64_t step_since_last_look() noexcept;
  record_wheel* wheel_of(clock_id clock) noexcept {
    return wheels_[static_cast<std::size_t>(clock)].load(memory_order_acquire);  // W1 <- W2.
  }
  bool ensure_wheel(clock_id clock) noexcept DETENT_EXCLUDES(wheel_lock_) {  // Only whether: who uses it does W1.
    return wheels_[static_cast<std::size_t>(clock)].load(memory_order_relaxed) != nullptr || create_wheel(clock);
  }
  bool create_wheel(clock_id clock) noexcept DETENT_EXCLUDES(wheel_lock_);
  bool take_role() noexcept;

  // shutdown.cpp
  class held_share;
  void refuse() noexcept;
  void run_what_is_due(std::int64_t until_ns) noexcept;
  bool may_serve_executor() const noexcept;
  std::uint64_t resolve() noexcept;
  bool await_calls(std::int64_t until_ns, bool can_refuse, bool* refused) noexcept;
  bool await_calls_shortened(std::int64_t until_ns, bool* refused) noexcept;
  bool await_shutdown(std::int64_t until_ns, bool* refused) noexcept;
  void run_continuations() noexcept;
  void fill_report(shutdown_report& report) const noexcept DETENT_REQUIRES(shutdown_lock_);
  void stop_threads() noexcept;
  void await_posts() noexcept;
  bool join_threads(bool let_go) noexcept;
  void print_still_running() const noexcept;

  // ordering.cpp: for the detectors of lock-order cycles; nothing in other builds
  class user_code;
#if DETENT_THREAD_SANITIZER || DETENT_TRACKS_LOCKS
  void order_wait_for(named timer, std::int64_t limit_ns, const char* verb) noexcept;
  void order_wait_for_all(std::int64_t limit_ns, const char* verb) noexcept;
  bool may_call() noexcept;
  bool may_overlap_own() const noexcept;
#else
  void order_wait_for(named, std::int64_t, const char*) noexcept {}
  void order_wait_for_all(std::int64_t, const char*) noexcept {}
#endif

  // process.cpp
  int start(const char** operation) noexcept;
  static std::uint32_t& next_entry(void* self, std::uint32_t entry) noexcept;
  static bool run_pool_entry(void* self, std::uint32_t entry) noexcept;
  static void pool_thread_starts(void* self, const char* name) noexcept;
  static void pool_thread_ends(void* self) noexcept;
  static void watch_main(void* self);
  void thread_starts(const char* name) noexcept;

  sync_atomic<std::uint32_t> shares_{1};  // N1, N2
  sync_atomic<bool> forked_{false};
  const access access_;
  const service_options options_;
  manual_state* const manual_;
  const clock_source clocks_;
  const bool own_thread_;
  const std::uint64_t creator_;
  char creator_name_[16] = {};

  record_registry registry_;

  // Hand-off (handoff.hpp). Each on a line of its own: armers write the inbox, read the sleep instants.
  alignas(64) driver_mail mail_;
  alignas(64) std::array<sleep_instant, platform::clock_count> sleepers_;
  eventcount driver_sleep_;
  sync_atomic<bool> sleeps_in_poll_{
      false};                            // P1: stored by the driver before S1, read after S2: by I3 and I1 in order.
  platform::poll_set poll_;              // opened under wheel_lock_, once, then P3
  sync_atomic<bool> poll_ready_{false};  // P3 -> P2

  alignas(64) std::array<sync_atomic<record_wheel*>, platform::clock_count> wheels_{};  // W2 -> W1, then driver role
  sync_atomic<bool> driving_{false};              // D1, D2: who holds the driver role
  sync_atomic<std::uint64_t> driving_thread_{0};  // relaxed: compared with the asking thread's own only
  sync_atomic<std::uint64_t> role_holder_{0};     // as above, while the role is held; 0 for the service's own thread
  std::int64_t wall_offset_ns_ = 0;               // before W2 the creator's, then driver role
  spin_budget spin_;                              // driver role
  instant reached_before_ = 0;                    // driver role: by the steady clock, when it went to sleep last
  std::uint32_t batch_first_ = no_index;          // driver role: entries to post to the pool together
  std::uint32_t batch_last_ = no_index;
  std::uint32_t batch_count_ = 0;

  std::array<bucket, 4> buckets_;
  mutable tallies tallies_;

  platform::thread driver_;
  platform::thread watchdog_;
  std::unique_ptr<pool_threads> pool_;
  char driver_name_[16] = {};
  sync_atomic<bool> stopping_{false};  // Q1 -> Q2: threads end at their next look; before a notify
  // Posts to the user's executor by tasks of it, which may run after the service has ended (O1, O2).
  sync_atomic<std::uint32_t> posting_{0};
  eventcount posted_;

  mutex wheel_lock_;

  mutex watch_lock_;
  call_frame* watched_ DETENT_GUARDED_BY(watch_lock_) = nullptr;
  eventcount watch_sleep_;

  // Shutdown. `refusing_` is written once, then every registry lock is passed: creation looks at it under that lock.
  sync_atomic<bool> refusing_{false};  // U1 -> U2
  // 0, then 1. U3 sets it, U4 reads it in order (adds 0): whoever arms a continuation after U3 runs it himself.
  sync_atomic<std::uint32_t> after_shutdown_{0};
  mutable mutex shutdown_lock_;
  bool shutdown_begun_ DETENT_GUARDED_BY(shutdown_lock_) = false;
  // Written and read under the lock; a walk of the wait graph reads it without: no partner, only its truth counts.
  sync_atomic<bool> shutdown_over_{false};
  std::int64_t shutdown_until_ns_ DETENT_GUARDED_BY(shutdown_lock_) = platform::forever_ns;
  std::uint64_t shutdown_fired_before_ DETENT_GUARDED_BY(shutdown_lock_) = 0;
  std::uint64_t shutdown_dropped_before_ DETENT_GUARDED_BY(shutdown_lock_) = 0;
  std::uint64_t shutdown_cancelled_ DETENT_GUARDED_BY(shutdown_lock_) = 0;
  eventcount shutdown_moved_;
  std::atomic<std::uint64_t> threads_let_go_{0};  // relaxed: a counter

  [[no_unique_address]] order_point lock_order_;  // as of a record, for every callback of the service
};

// The list of cores alive, for fork (process.cpp).
void enlist(core* alive) noexcept;
void delist(core* dying) noexcept;

template <class Answer, class Body>
Answer core::with_record(named timer, Answer gone, Body body) noexcept {
  if (timer.generation == 0 || !registry_.exists(timer.index)) return gone;
  chaos(chaos_at::by_id);
  lock_guard guard(registry_.lock_of(timer.index));
  if (registry_.generation(timer.index) != timer.generation && !busted(bug::id_unchecked)) return gone;
  return body();
}

}  // namespace detent::inline v0::detail
