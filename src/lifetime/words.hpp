// words: the two words of a record that decide, without a lock, what becomes of a firing.
//
// PROMISE. Of the parties that compete for a firing (the runner, a canceller, a closer, an armer) exactly one wins,
// each learns from the value it replaced what it ended, and a closer that was told "no call" shares no memory with a
// runner.
//
// TWO WORDS, TWO QUESTIONS. `state` decides: is something pending, until when, is a call in progress, is this the end.
// `hint` directs: where will the engine look at this record next. The hint never decides who won.
//
// LAYOUT of state
//   63 ............................. 3 | 2      | 1       | 0
//   instant (multiple of 8), or end    | waited | calling | guarded
//   instant 0, guarded 0     nothing is pending
//   instant 0, guarded 1     held: a fixed-delay series between the claim of a tick and the end of its call
//   instant > 0              pending
//   instant >= terminal      closed or shut down, for ever, until the record gets its next tenant; then
//                            bit 3 = shut down (else closed), bit 4 = orphan: nobody owns the record, the last call frees it
//   guarded      claimed only under the record's registry lock: a series, or a member of a serial group (cold part)
//   calling      a call is in progress; under a terminal value also: the callable is being destroyed
//   waited       somebody sleeps until this call ends, or until the pending firing does
//
// LAYOUT of hint
//   63 ............................. 3 | 2       | 1        | 0
//   instant (multiple of 8), or never  | special | on inbox | in hand
//   instant       the driver looks at this record at that instant or before; never: it does not look by itself
//   in hand       one executor entry for this record exists; instant is then 0, so that no arming looks too early to it
//   on inbox      the record is on the driver's inbox, or the thread that set this bit is about to push it
//   special       the timer has a tolerance or is in a serial group: arming reads the cold part
//
// DIAGRAM of state (calling and waited are flags beside it)
//
//              T1 arm                    T4 claim
//     none <----------- T2 cancel  pending ------------> none | next | held   (+ calling)
//       |                            |                          |
//       +----------- T3 close -------+--------------------------+----> terminal -- T8 open --> none
//
// ORDERS. A row has what its partners need and no more: each half was taken away once, and a scenario of the explorer
// noticed, or docs/proof/explorer_weakened.md says why it stays. What is loaded before an exchange is a guess, and
// relaxed. T4 of a guarded word does without acquire, for the registry lock orders it; T2, T5 and T11 acquire also
// where the exchange fails, for the word found decides then. T7 acquires for the wait that finds the call over; one
// that sets `waited` is ordered by X2.
//
// TRANSITIONS of state. Each row is one read-modify-write unless it says load. s is the value replaced.
//  id           who            change                                       order     pairs with      publishes
//  T1 arm       any thread     not terminal: instant|guarded                acq_rel   T4, T9, I3      callback's input, order stamp
//  T2 cancel    any thread     not terminal: none; keeps calling            acquire   T5              what the last call did
//  T3 close     any thread     terminal; if no call: + calling (it ends it) release   T13             what the closer did
//  T4 claim     runner         due: none|next|held, + calling               acq_rel   T1, T5          armer's writes
//  T5 finish    runner, ender  - calling - waited; waited: under the lock   release   T2 T3 T4 T7     what the call did; destroyed callable
//  T6 resume    runner         held -> next (only held)                     relaxed   -               -
//  T7 await     waiter         calling or pending: + waited, under the lock acquire   T5              -
//  T8 open      creator        terminal -> none (or stays: born closed)     release   T1 T4, T9       callable, cold part
//  T9 confirm   driver, runner no change (adds 0)                           release   T1              hint raised before it (SB-A)
//  T10 abandon  owner          calling: + orphan                            relaxed   T5, by the lock -
//  T11 end      runner         id-only, nothing pending: terminal|orphan    acquire   T1 T2 T3        -
//  T12 drop     holder of a dropped task: due: none|next, no calling        relaxed   -               -
//  T13 look     anyone         load                                         acquire   T5 T8           -
//
// TRANSITIONS of hint.
//  H1 lower     armer          hint later than its deadline: instant, + on inbox            acquire   H2 H4 H5
//  H2 file      driver         token filed there; from the inbox: - on inbox, once  acq_rel   T9 (before it), H1
//  H3 hand      driver         due: instant 0, + in hand                                    relaxed   -
//  H4 settle    entry's holder - in hand; something pending: its instant, + on inbox        acq_rel   T9 (before it), H1, H2
//  H5 recheck   armer          no change (adds 0), after I1                                 release   H1 of a second armer
//  H6 tenant    creator        special set or cleared, the rest stays                       relaxed   (T8 publishes it)
//  H7 look      anyone         load                                                         relaxed   H2 H4, by T9
//
// TRANSITIONS of the inbox head (`inbox`), the driver's sleep instant (`sleeper`).
//  I1 push      armer, runner  head = record, record.next = old head                        acq_rel   I2, I3
//  I2 take      driver         head = empty                                                 acquire   I1
//  I3 recheck   driver         no change (adds 0), after S1                                 release   I1 (SB-B)
//  S1 sleep     driver         sleep instant published                                      relaxed   S2, by I3 and I1
//  S2 look      armer          load, after I1 or H1                                         relaxed   S1
//  S3 wake      armer          epoch + 1, then the OS wake                                  release   S4
//  S4 epoch     driver         load before S1; the OS sleep compares it                     acquire   S3
//  S5 awake     driver         sleep instant 0                                              relaxed   -
//
// TRANSITIONS of a record's numbers: which call is in progress, and what became of it. Stores unless said otherwise.
//  K1 number    runner         calls + 1, before T4                                         release   K2
//  K2 which     anyone         load                                                         acquire   K1
//  X1 ended     runner, under the record's lock: ends + 1, with a T5 that found waited      release   X2
//  X2 over      waiter         load                                                         acquire   X1
//  Y1 detached  runner, under the record's lock: detaches + 1, if somebody waits            release   Y2
//  Y2 let go    waiter         load                                                         acquire   Y1
//  A1 detach    runner, under the record's lock: detached call = its number, 0 at T5        relaxed   A2, by the lock
//  A2 is apart  anyone         load                                                         relaxed   A1, by the lock
//  B1 ask       stopper        stopped call = the number of the call in progress; an RMW    acq_rel   B2, B1
//  B2 is asked  the call       load                                                         acquire   B1
//
// WAITING. A waiter takes the record's registry lock, sets `waited` (T7; a cancel in the same step as T2) while a call
// is in progress, and reads the record's count of ends. A T5 that finds `waited` takes the lock too and counts one end
// with it. So the end that the waiter sees is the end of the very call that was in progress when its verb took effect:
// neither a call that begins later nor the next tenant can keep it. Calls nobody waits for take no lock and count no
// end. Nor does a cancel by handle whose T2, or T13 where nothing is pending, finds no call in progress: there is
// nothing to wait for.
//
// WHY NO LOST TIMER: the two store-buffering pairs, without seq_cst and without fences.
//  SB-A. The driver raises the hint (H2 or H4), then confirms the state with a read-modify-write (T9). An armer writes
//     the state (T1), then loads the hint (H7). In the modification order of `state` either T1 is before T9: T9 reads
//     the new deadline and the driver lowers its own hint. Or T9 is before T1: T1 reads from T9 or from a
//     read-modify-write after it (a release sequence), so the raised hint happens before the armer's load, and the
//     armer lowers it (H1). T8 is a read-modify-write for that reason: T9 may be an old entry's, before the next tenant.
//  SB-B. The driver publishes its sleep instant (S1), then confirms the inbox with a read-modify-write (I3). An armer
//     pushes (I1), then loads the sleep instant (S2). The same argument over the modification order of `inbox`.
//     An armer that finds *on inbox* set does not push. If the pusher's H5 comes after this armer's H1, the pusher wakes
//     for it. If H5 comes before, H1 reads from H5, which came after I1: when I1 came after I3, the sleep instant is
//     visible to S2; when I1 came before I3, the driver does not sleep on it.
//
// RACES, each with its test in tests/model and tests/stress.
//  R-CANCEL   fire against cancel. One of T4, T2 replaces the pending value; the other finds none.
//  R-CLOSE    fire against close. T4 first: s of T3 has calling, the closer waits. T3 first: T4 finds terminal.
//  R-REARM    close against self-re-arm. T1 refuses a terminal value.
//  R-QUEUED   arm against a queued entry. The entry claims whatever is due when it runs; nothing is due: H4 files it.
//  R-POSTPONE hint raised against an earlier arming: SB-A.
//  R-SLEEP    inbox against the driver's sleep: SB-B.
//  R-SERIES   cancel inside the callback of a series. The claim left `next`, or `held`, in the word: T2 finds it.
//  R-PERIOD   two arm_every. Period and phase are written together with T1 under the record's registry lock.
//  R-KIND     arm_after over a series being claimed. T4 of a series holds that lock and still is a compare-and-swap.
//  R-STRANGER verb by id against reuse. The generation is checked and the word changed under the record's registry
//  lock.
//  R-REUSE    a record reused while in hand and on an inbox. Entry and inbox only say "look at record i"; hint outlives tenants.
//  R-ENDERS   close against close. T3 that found no call took `calling`: the second closer waits for the destruction.
//  R-DROP     a dropped task against arm and cancel: T12 takes only what is due, then H4.
//
// END OF LIFE. The runner's last access is T5, then H4 on the hint alone, which belongs to the index and not to the
// tenant. After T5 of a terminal word the owner may free the record; of an orphan, the thread that did T5 frees it.
#pragma once

#include "base/base.hpp"
#include "sync/sync.hpp"

#include <cstdint>
#include <type_traits>

namespace detent::inline v0::detail {

// Engine time: a clock's signed nanoseconds moved up by 2^63, so that every instant of every clock is a positive number
// and nothing wraps. Kept as a multiple of `resolution_ns`: 8 divides a
// microsecond, so whole microseconds stay exact.
using instant = std::uint64_t;

inline constexpr std::uint64_t resolution_ns = 8;
inline constexpr std::uint64_t terminal_base = ~std::uint64_t{31};
inline constexpr instant instant_min = resolution_ns;
inline constexpr instant never = terminal_base - resolution_ns;

constexpr instant to_instant_rounded_up(std::int64_t ns) noexcept {
  const std::uint64_t biased = static_cast<std::uint64_t>(ns) ^ (std::uint64_t{1} << 63);
  std::uint64_t added = resolution_ns - 1;
  if (!std::is_constant_evaluated() && busted(bug::rounded_down)) added = 0;
  // Both ends in one comparison: every arming comes through here.
  if (biased - instant_min > never - 2 * resolution_ns) [[unlikely]]
    return biased < instant_min ? instant_min : never;
  return (biased + added) & ~(resolution_ns - 1);
}

// The clock's reading, rounded down: what is due by it is due by the clock.
constexpr instant to_instant_rounded_down(std::int64_t ns) noexcept {
  const std::uint64_t biased = static_cast<std::uint64_t>(ns) ^ (std::uint64_t{1} << 63);
  const instant down = biased & ~(resolution_ns - 1);
  return down < instant_min ? instant_min : (down >= never ? never - resolution_ns : down);
}

constexpr std::int64_t to_ns(instant at) noexcept {
  return at == never ? INT64_MAX : static_cast<std::int64_t>(at ^ (std::uint64_t{1} << 63));
}

namespace state {

inline constexpr std::uint64_t guarded = 1;
inline constexpr std::uint64_t calling = 2;
inline constexpr std::uint64_t waited = 4;
inline constexpr std::uint64_t flag_mask = 7;
inline constexpr std::uint64_t shut_down_bit = 8;  // with a terminal value only
inline constexpr std::uint64_t orphan_bit = 16;    // with a terminal value only

inline constexpr std::uint64_t none = 0;
inline constexpr std::uint64_t held = guarded;
inline constexpr std::uint64_t closed = terminal_base;
inline constexpr std::uint64_t shut_down = terminal_base | shut_down_bit;

constexpr bool is_terminal(std::uint64_t s) noexcept { return s >= terminal_base; }
constexpr bool is_calling(std::uint64_t s) noexcept { return (s & calling) != 0; }
constexpr bool is_waited(std::uint64_t s) noexcept { return (s & waited) != 0; }
constexpr bool is_guarded(std::uint64_t s) noexcept { return !is_terminal(s) && (s & guarded) != 0; }
constexpr bool is_shut_down(std::uint64_t s) noexcept { return is_terminal(s) && (s & shut_down_bit) != 0; }
constexpr bool is_orphan(std::uint64_t s) noexcept { return is_terminal(s) && (s & orphan_bit) != 0; }
constexpr instant deadline(std::uint64_t s) noexcept { return s & ~flag_mask; }

// A firing, or a live series between two of its ticks.
constexpr bool is_pending(std::uint64_t s) noexcept { return !is_terminal(s) && (s & ~(calling | waited)) != 0; }

// Between the claim of a tick of a fixed-delay series and the end of its call. No terminal value looks like it.
constexpr bool is_held(std::uint64_t s) noexcept { return (s & ~(calling | waited)) == held; }

// Where the engine has to look at the record for the sake of this word.
constexpr instant look_at(std::uint64_t s) noexcept { return is_terminal(s) || deadline(s) == 0 ? never : deadline(s); }

constexpr bool is_due(std::uint64_t s, instant now) noexcept {
  return !is_terminal(s) && deadline(s) != 0 && deadline(s) <= now;
}

// Every value the word may hold: a terminal value is never guarded.
constexpr bool valid(std::uint64_t s) noexcept { return !is_terminal(s) || (s & guarded) == 0; }

}  // namespace state

namespace hint {

inline constexpr std::uint64_t in_hand = 1;
inline constexpr std::uint64_t on_inbox = 2;
inline constexpr std::uint64_t special = 4;
inline constexpr std::uint64_t flag_mask = 7;

constexpr instant look_at(std::uint64_t h) noexcept { return h & ~flag_mask; }
constexpr bool is_in_hand(std::uint64_t h) noexcept { return (h & in_hand) != 0; }
constexpr bool is_on_inbox(std::uint64_t h) noexcept { return (h & on_inbox) != 0; }

}  // namespace hint

}  // namespace detent::inline v0::detail
