// One round's field: its services, slots with timers, groups, and the account of every answer.
#pragma once

#include "storm.hpp"
#include "storm_executors.hpp"
#include "storm_item.hpp"

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <shared_mutex>
#include <string>
#include <vector>

namespace detent::cli {

/// What the round has drawn by lot.
struct field_lots {
  std::uint64_t seed = 0;
  unsigned services = 1;
  bool exact = true;         ///< every end is asked for before a verb that would not tell it
  bool ordered = true;       ///< callbacks wait for younger timers only, so that no wait may be refused
  bool group_verbs = false;  ///< groups cancel and close their members, whose own accounts then do not add up alone
  bool races_shutdown = false;
  bool only_steady = false;  ///< no timer on a clock that somebody may set: the driver sleeps, and polls nothing
  std::uint32_t hot = 40;    ///< most verbs go to so many slots
  storm_executor executor = storm_executor::mixed;
};

/// A handle on one of the three clocks.
struct any_timer {
  clock_kind clock = clock_kind::steady;
  timer steady;
  boottime_timer boottime;
  system_timer system;

  template <class F>
  decltype(auto) visit(F&& f) {
    switch (clock) {
      case clock_kind::steady: return f(steady);
      case clock_kind::boottime: return f(boottime);
      case clock_kind::system: break;
    }
    return f(system);
  }
};

/// Verbs need shared access, moving and destroying exclusive access: as the library asks of any handle. Callbacks only
/// ever try, so that no lock of ours closes a cycle the library cannot see.
struct timer_slot {
  std::shared_mutex lock;
  any_timer handle;                   // guarded by lock
  storm_item* item = nullptr;         // guarded by lock; null: empty
  std::atomic<std::uint32_t> key{0};  // of the item put here last, for verbs by its id, without the lock
};

struct group_slot {
  std::shared_mutex lock;
  std::unique_ptr<timer_group> group;  // guarded by lock
  storm_group* account = nullptr;      // guarded by lock
  std::size_t service = 0;
};

struct field_counts {
  std::atomic<std::uint64_t> group_cancelled{0}, group_closed{0}, group_unseen{0};
  std::atomic<std::uint64_t> shots_dropped{0}, threw{0}, threw_told{0};
  std::atomic<std::uint64_t> then_accepted{0}, then_run{0}, then_destroyed{0};
  std::atomic<std::uint64_t> operations{0};
  std::atomic<std::uint64_t> cancel_against_call{0}, close_against_call{0}, arm_against_call{0}, wait_against_call{0};
  std::atomic<std::uint64_t> refused_by_close{0}, verb_against_verb{0}, cycles_refused{0}, effective{0};
  std::atomic<std::uint64_t> found_closed{0}, stale_id{0}, inside_callback{0};
};

inline void count(std::atomic<std::uint64_t>& n, std::uint64_t by = 1) noexcept {
  n.fetch_add(by, std::memory_order_relaxed);
}

class verb_scope;

class storm_field {
 public:
  static constexpr std::size_t slot_count = 40;
  static constexpr std::size_t group_count = 4;
  static constexpr std::size_t item_limit = 6000;
  static constexpr std::size_t group_limit = 512;

  explicit storm_field(const field_lots& lots);
  storm_field(const storm_field&) = delete;
  storm_field& operator=(const storm_field&) = delete;
  ~storm_field();

  /// One thread's part: so many operations, decided by `seed`.
  void act_outside(std::uint64_t seed, std::uint32_t operations);
  /// From a callback.
  void act_inside(storm_item& item, firing& current);
  /// From the destructor of a callable.
  void act_destroyed(storm_item& item) noexcept;

  /// No more decisions: callbacks return at once.
  void calm() noexcept { calm_.store(true, std::memory_order_seq_cst); }
  /// Waits until what is due soon has fired, with no help from any verb, and compares what is pending with the account.
  void check_quiet(storm_ledger& ledger);
  void destroy_handles();
  /// When all handles are gone: timers that are due as the driver goes to sleep fire, with nobody to the rescue (G22).
  void probe_sleep(std::uint64_t seed);
  /// From any thread, also while others act.
  void shut_down(shutdown_policy policy);
  void destroy_services();
  /// After everything: adds this round to the report, and checks that it adds up.
  void settle(storm_report& report);

  /// 64 ns steps since the round began, for comparing readings of one clock.
  std::uint32_t ticks_down(clock_kind clock, std::int64_t at_ns) const noexcept;
  std::uint32_t ticks_up(clock_kind clock, std::int64_t at_ns) const noexcept { return ticks_down(clock, at_ns) + 1; }

 private:
  friend class verb_scope;

  /// A callback that may use verbs is in progress.
  class acting_scope {
   public:
    explicit acting_scope(storm_field& field) noexcept : field_(field) {
      field_.acting_.fetch_add(1, std::memory_order_seq_cst);
    }
    ~acting_scope() { field_.acting_.fetch_sub(1, std::memory_order_seq_cst); }
    acting_scope(const acting_scope&) = delete;
    acting_scope& operator=(const acting_scope&) = delete;

   private:
    storm_field& field_;
  };

  bool is_calm() const noexcept { return calm_.load(std::memory_order_seq_cst); }
  struct then_cargo;
  template <class Clock>
  struct by_handle;
  struct by_id;

  // storm_field.cpp
  service_options options_for(std::size_t number, dice& d);
  storm_item* new_item(dice& d, std::size_t service);
  storm_group* new_group_account(bool serial);
  void fill(timer_slot& slot, dice& d);
  any_timer make(storm_item& item, timer_group* group, dice& d);
  void start_by_id(dice& d);
  void check_items(storm_ledger& ledger, bool at_end);
  void check_outliving();

  // storm_verbs.cpp
  template <class Target>
  void perform(storm_item& item, Target target, dice& d, const storm_item* inside);
  template <class Target>
  void arm(storm_item& item, Target& target, dice& d);
  template <class Target>
  void wait(storm_item& item, Target& target, dice& d, bool inside);
  template <class Target>
  cancel_result close(storm_item& item, Target& target);
  template <class Target>
  void then(storm_item& item, Target& target);
  void note_cancel(verb_scope& scope, cancel_result found) noexcept;
  void note_close(verb_scope& scope, cancel_result found) noexcept;
  void note_wait(verb_scope& scope, cancel_answer answer, bool closes, bool inside);
  timer_slot& draw_slot(dice& d) noexcept;
  void by_slot(dice& d, const storm_item* inside);
  void by_id_of(storm_item& item, dice& d, const storm_item* inside);
  void by_slot_id(dice& d, const storm_item* inside);
  void by_stale_id(dice& d, const storm_item* inside);
  void retire(any_timer handle, storm_item& item, bool inside_itself);
  void refill(timer_slot& slot, dice& d);
  void replace_or_destroy(dice& d);
  void move_about(dice& d);
  void on_group(dice& d, storm_item* inside);
  void seal_members(const storm_group& account, const char* by);
  void on_itself(storm_item& item, firing& current, dice& d);
  void destroy_itself(storm_item& item);
  void meet_another_call(const storm_item& item, dice& d);
  void destroy_younger(const storm_item& item, dice& d);

  const field_lots lots_;
  std::atomic<std::uint32_t> meeting_{0};  // key of the timer whose call came last to meet another
  bool refusing_executor_ = false;
  std::array<std::int64_t, 3> began_ns_{};
  // proof: who acts counts itself and then looks at `calm_`; who calms sets it and then looks at the count. In the one
  // order of all four either the actor sees the calm, or the calmer sees the actor, whose verbs are not in the account.
  std::atomic<bool> calm_{false};
  std::atomic<std::uint32_t> acting_{0};  // callbacks that may still use verbs
  std::atomic<bool> shut_down_{false};    // while others act
  field_counts counts_;
  std::unique_ptr<storm_item[]> items_;
  std::atomic<std::uint32_t> item_count_{0};
  std::unique_ptr<storm_group[]> group_accounts_;
  std::atomic<std::uint32_t> group_account_count_{0};
  // In this order: executors outlive services, handles may outlive them too.
  std::vector<std::unique_ptr<habitual_executor>> executors_;
  std::array<std::unique_ptr<timer_service>, 2> services_;
  std::array<timer_slot, slot_count> slots_;
  std::array<group_slot, group_count> groups_;
  std::uint64_t shut_down_count_ = 0;
  std::uint64_t early_ = 0;
  std::uint64_t rescues_ = 0;
};

std::int64_t clock_now_ns(clock_kind clock) noexcept;
clock_kind draw_clock(dice& d) noexcept;

}  // namespace detent::cli
