// handoff: how "look at this record" travels between armers, executor entries and the driver, without a lock and
// without getting lost. The ids are those of words.hpp; nothing here knows a wheel, a clock or a callable.
#pragma once

#include "lifetime/words.hpp"
#include "sync/sync.hpp"

#include <cstdint>
#include <utility>

namespace detent::inline v0::detail {

// One per service: records to be looked at (intrusive, last in first out), and until when the driver sleeps.
struct driver_mail {
  // The last index pushed, plus one; 0 is empty.
  sync_atomic<std::uint64_t> inbox{0};
};

struct sleep_instant {
  static constexpr instant awake = 0;
  sync_atomic<std::uint64_t> until{awake};
};

// The part of a record that travels.
struct mail_words {
  sync_atomic<std::uint64_t>& state;
  sync_atomic<std::uint64_t>& hint;
  std::uint32_t& inbox_next;  // of whoever holds `on inbox`: its setter until I1, from I2 to H2 the driver
  std::uint32_t index;
};

enum class lowering : std::uint8_t {
  needless,    // the driver looks early enough already
  must_push,   // this thread set `on inbox` and has to push the record
  on_its_way,  // it is on the inbox, or another thread is about to push it
};

// H1. Makes the hint promise a look at `deadline` or before.
inline lowering lower_hint(mail_words w, instant deadline, access who) noexcept {
  std::uint64_t h = w.hint.load(memory_order_relaxed);  // H7 <- H2 H4, by T9 (SB-A).
  for (;;) {
    if (hint::look_at(h) <= deadline) return lowering::needless;
    chaos(chaos_at::lower_H1);
    const std::uint64_t lower = deadline | hint::on_inbox | (h & hint::special);
    if (compare_exchange(w.hint, h, lower, who, memory_order_acquire, memory_order_relaxed)) {  // H1 <- H2 H4 H5.
      return hint::is_on_inbox(h) ? lowering::on_its_way : lowering::must_push;
    }
  }
}

// I1. Puts the record on the inbox; the caller holds its `on inbox` bit.
inline void push(driver_mail& mail, mail_words w, access who) noexcept {
  chaos(chaos_at::push_I1);
  std::uint64_t head = mail.inbox.load(memory_order_relaxed);  // I1: a guess, the exchange decides.
  do {
    w.inbox_next = static_cast<std::uint32_t>(head);  // Published by I1.
  } while (!compare_exchange(mail.inbox, head, std::uint64_t{w.index} + 1, who, memory_order_acq_rel,
                             memory_order_relaxed));  // I1 -> I2, <- I3.
}

// After H1 or H4: pushes if it is this thread's to do, and answers the instant by which the driver has to be awake, or
// `never` when it has already taken the record.
inline instant send(driver_mail& mail, mail_words w, instant deadline, lowering how, access who) noexcept {
  if (how == lowering::needless) return never;
  if (how == lowering::on_its_way) return deadline;
  push(mail, w, who);
  if (busted(bug::push_unchecked)) return deadline;
  // Another armer may have gone earlier since and left the waking to us.
  const std::uint64_t h = read_in_order(w.hint, who, memory_order_release);  // H5 -> H1.
  if (!hint::is_on_inbox(h)) return never;
  return hint::look_at(h) < deadline ? hint::look_at(h) : deadline;
}

// S2. Whether a driver that was told nothing more would look too late. Requires: after I1 or H1 of this thread.
inline bool sleeps_past(const sleep_instant& sleeper, instant deadline) noexcept {
  return sleeper.until.load(memory_order_relaxed) > deadline;  // S2 <- S1, by I3 and I1.
}

// I2. Takes all there is, first pushed first; 0 when empty, else an index plus one.
template <class NextOf>
std::uint32_t take_inbox(driver_mail& mail, access who, NextOf next_of) noexcept {
  chaos(chaos_at::take_I2);
  std::uint64_t head = mail.inbox.load(memory_order_relaxed);  // I2: empty is the common case.
  if (head == 0) return 0;
  if (who == access::alone) {
    mail.inbox.store(0, memory_order_relaxed);
  } else {
    head = mail.inbox.exchange(0, memory_order_acquire);  // I2 <- I1.
  }
  std::uint32_t first = 0;
  auto at = static_cast<std::uint32_t>(head);
  while (at != 0) {
    first = std::exchange(at, std::exchange(next_of(at - 1), first));
  }
  return first;
}

enum class visit : std::uint8_t {
  in_hand,  // an executor entry exists; its end will look at the record
  due,      // H3 was done: the caller owes one executor entry
  filed,    // H2 was done: the caller keeps one token at the instant answered, or none for `never`
};

struct visit_answer {
  visit what;
  instant at;
};

// Why the driver looks: `on inbox` is cleared only by the visit that took the record from there. A token may come up
// while an armer is between setting the bit and its push; clearing the bit then would let the record be pushed twice.
enum class visited_from : std::uint8_t { wheel, inbox };

// The driver looks at a record. With `now` at instant 0 nothing is due: the record is only filed.
inline visit_answer visit_record(mail_words w, visited_from where, instant now, access who) noexcept {
  const bool clears = where == visited_from::inbox || busted(bug::bit_cleared);
  std::uint64_t keep = clears ? hint::special : hint::special | hint::on_inbox;
  std::uint64_t h = w.hint.load(memory_order_relaxed);  // H7: a guess, the exchange decides.
  for (;;) {
    const std::uint64_t kept = h & keep;
    if (hint::is_in_hand(h)) {
      DETENT_DEBUG_CHECK(where == visited_from::inbox, "a record in hand has a token in the wheel");
      // H2 without an instant: the entry keeps its 0.
      if (compare_exchange(w.hint, h, h & ~hint::on_inbox, who, memory_order_release, memory_order_relaxed))
        return {visit::in_hand, never};
      continue;
    }
    const instant look = state::look_at(w.state.load(memory_order_relaxed));  // T13: T4 or T9 decides.
    if (look <= now || (busted(bug::stale_hint) && hint::look_at(h) <= now)) {
      chaos(chaos_at::hand_H3);
      if (compare_exchange(w.hint, h, hint::in_hand | kept, who, memory_order_relaxed, memory_order_relaxed))
        return {visit::due, look};  // H3.
      continue;
    }
    chaos(chaos_at::file_H2);
    if (!compare_exchange(w.hint, h, look | kept, who, memory_order_acq_rel, memory_order_relaxed))
      continue;              // H2 <- H4; H2 -> H1 H4.
    keep |= hint::on_inbox;  // Cleared once: if the bit is set again, it is an armer's who is about to push.
    chaos(chaos_at::confirm_T9);
    const std::uint64_t confirmed = read_in_order(w.state, who, memory_order_release);  // T9 -> T1 (SB-A).
    if (state::look_at(confirmed) >= look || busted(bug::confirm_skipped)) return {visit::filed, look};
    h = w.hint.load(memory_order_relaxed);  // H7: an earlier arming came in between; look again.
  }
}

// H4. The holder of the entry is done with the record. Answers as `send`.
inline instant settle(driver_mail& mail, mail_words w, access who) noexcept {
  std::uint64_t h = w.hint.load(memory_order_relaxed);  // H7: a guess, the exchange decides.
  instant look = never;
  for (;;) {
    look = state::look_at(w.state.load(memory_order_relaxed));  // T13: T9 decides.
    const std::uint64_t kept = h & (hint::special | hint::on_inbox);
    const std::uint64_t next = look | kept | (look == never ? std::uint64_t{0} : hint::on_inbox);
    chaos(chaos_at::settle_H4);
    if (compare_exchange(w.hint, h, next, who, memory_order_acq_rel, memory_order_relaxed))
      break;  // H4 <- H2; H4 -> H2 H1.
  }
  lowering how = lowering::needless;
  if (look != never && !busted(bug::settle_unpushed))
    how = hint::is_on_inbox(h) ? lowering::on_its_way : lowering::must_push;
  chaos(chaos_at::confirm_T9);
  const instant confirmed = state::look_at(read_in_order(w.state, who, memory_order_release));  // T9 -> T1 (SB-A).
  if (confirmed < look && !busted(bug::settle_blind)) {
    const lowering again = lower_hint(w, confirmed, who);
    look = confirmed;
    // The bit is ours to push for if either step set it: the driver may have taken the record in between.
    if (how == lowering::needless || again == lowering::must_push) how = again;
    if (how == lowering::needless) return never;
  }
  return send(mail, w, look, how, who);
}

}  // namespace detent::inline v0::detail
