// proof: what only the proof build has: points where a race may be stretched, and bugs planted on purpose.
//
// In the library users get, all of this is nothing: `chaos` is an empty inline function and `busted` the constant
// false.
#pragma once

#include <atomic>
#include <cstdint>

namespace detent::inline v0::detail {

// The planted bugs. DETENT_BUSTED=<n> in the environment switches one on, at run time. `./dev busted` shows which
// method finds which; tools/busted.py reads the numbers and the sentences here.
enum class bug : std::uint8_t {
  none = 0,
  self_wait = 1,           // close waits for the call it is made from
  check_first = 2,         // running is looked at before the terminal value is set
  queued_obeyed = 3,       // a queued firing runs although it was withdrawn
  lost_wake = 4,           // the inbox is not looked at again before sleeping
  stale_hint = 5,          // a record is handed out at its hint, not at its deadline
  destroy_locked = 6,      // the callable is destroyed under the registry lock
  cross_wait = 7,          // the wait graph is not walked
  id_unchecked = 8,        // a verb by id does not compare the generation
  closed_armed = 9,        // T1 does not refuse a terminal value
  counted_twice = 10,      // a cancel inside a call counts the firing that became that call
  no_wake = 11,            // an earlier arming does not wake the driver
  confirm_skipped = 12,    // the driver files a record without obeying T9
  settle_unpushed = 13,    // what was armed during the call is not pushed after H4
  bit_cleared = 14,        // a visit from the wheel clears `on inbox` too
  push_unchecked = 15,     // the pusher does not look (H5) for whom it wakes
  late_ticket = 16,        // the sleep's ticket is taken after the last look at the inbox
  undue_claimed = 17,      // an entry claims a firing that is not due yet
  late_rearm = 18,         // an arming trusts any look that is already promised, however late
  calling_dropped = 19,    // T2 clears `calling` with the firing
  early_end = 20,          // the end is counted before the callable is destroyed
  end_untold = 21,         // the end of a call is counted, and nobody woken
  waited_unset = 22,       // a waiter does not leave `waited` in the word
  other_end = 23,          // a waiter takes any end in its bucket for its own
  wait_locked = 24,        // a waiter sleeps with the registry lock held
  wait_stays = 25,         // the graph keeps a wait that is over: a dead stack is read
  stop_waits_self = 26,    // shutdown from a callback waits for that callback
  queue_waited = 27,       // close waits for a queued firing that it withdrew
  freed_inside = 28,       // the callable is destroyed while its call is in progress
  abandon_frees = 29,      // the owner's record is reused while its call is in progress
  generation_wrap = 30,    // a generation has one bit
  record_kept = 31,        // the record of a destroyed timer is never given back
  rounded_down = 32,       // a deadline is rounded down
  far_rounded = 33,        // the token of a deadline far away is filed too late
  wall_clock = 34,         // the wall clock is asked for steady time
  period_drift = 35,       // a series counts from the call, not from the tick
  missed_lost = 36,        // missed ticks are passed over in silence
  order_reversed = 37,     // equal deadlines fire last armed first
  series_revived = 38,     // a fixed-delay series goes on after a cancel in its call
  terms_apart = 39,        // a series' terms and its deadline are not written in one step
  serial_overlap = 40,     // a serial group does not wait for its turn
  continuation_lost = 41,  // a continuation is not started
  drop_leaks = 42,         // a dropped task leaves its record in hand
  born_late = 43,          // a timer is born open after the shutdown
  group_reopened = 44,     // a closed group takes in a timer
  detach_ends = 45,        // a detach counts as the end of the call
  detached_stays = 46,     // the mark of a detached call outlives the call
  settle_blind = 47,       // a settling entry does not obey T9
  hidden = 48,             // T3 does not show that its closer destroys the callable
  last
};

// Where two threads may meet. Named after the transition that follows.
enum class chaos_at : std::uint8_t {
  arm_T1,
  cancel_T2,
  close_T3,
  claim_T4,
  finish_T5,
  await_T7,
  confirm_T9,
  lower_H1,
  file_H2,
  hand_H3,
  settle_H4,
  push_I1,
  take_I2,
  drop_T12,
  by_id,
  sleep_S1,
  park_S4,
  wake_S3,
  unlock,
  last
};

#if defined(DETENT_WITH_CHAOS)
inline constexpr bool proof_build = true;
void chaos(chaos_at point) noexcept;
std::uint64_t chaos_hits(chaos_at point) noexcept;

// For tests that bring two parties together in one window: called at every point, by whoever comes there. Null: nobody.
using chaos_hook = void (*)(chaos_at point) noexcept;
void set_chaos_hook(chaos_hook hook) noexcept;
#else
inline constexpr bool proof_build = false;
inline void chaos(chaos_at) noexcept {}
#endif

#if defined(DETENT_WITH_BUSTED)
bool busted(bug which) noexcept;
#else
constexpr bool busted(bug) noexcept { return false; }
#endif

}  // namespace detent::inline v0::detail
