// proof: what only the proof build has: points where a race may be stretched, and bugs planted on purpose.
//
// In the library users get, all of this is nothing: `chaos` is an empty inline function and `busted` the constant
// false.
#pragma once

#include <atomic>
#include <cstdint>

namespace detent::inline v0::detail {

// The first eight planted bugs. DETENT_BUSTED=<n> in the environment switches one on, at run time.
enum class bug : std::uint8_t {
  none = 0,
  self_wait = 1,       // close waits for the call it is made from
  check_first = 2,     // running is looked at before the terminal value is set
  queued_obeyed = 3,   // a queued firing runs although it was withdrawn
  lost_wake = 4,       // the inbox is not looked at again before sleeping
  stale_hint = 5,      // a record is handed out at its hint, not at its deadline
  destroy_locked = 6,  // the callable is destroyed under the registry lock
  cross_wait = 7,      // the wait graph is not walked
  id_unchecked = 8,    // a verb by id does not compare the generation
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
  sleep_S1,
  wake_S3,
  unlock,
  last
};

#if defined(DETENT_WITH_CHAOS)
inline constexpr bool proof_build = true;
void chaos(chaos_at point) noexcept;
std::uint64_t chaos_hits(chaos_at point) noexcept;
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
