// record: what one timer owns. A hot line that arming and cancelling touch; a cold line for making and ending it; a
// link; and a rare part, whose memory the operating system gives with its first use.
#pragma once

#include "lifetime/lifetime.hpp"
#include "platform/platform.hpp"
#include "registry/registry.hpp"
#include "sync/sync.hpp"
#include "wheel/wheel.hpp"

#include <detent/detail/callback.hpp>
#include <detent/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <source_location>

namespace detent::inline v0::detail {

struct group_record;

// One cache line.
struct alignas(64) record {
  sync_atomic<std::uint64_t> state{state::closed};  // words.hpp
  sync_atomic<std::uint64_t> hint{never};           // words.hpp; belongs to the index, survives tenants
  sync_atomic<std::uint64_t> order{0};              // order_word: stamp of the last arming, and what the way needs
  const callback_ops* ops = nullptr;                // creator before T8; then whoever holds `calling`
  unsigned char storage[inline_bytes]{};            // as ops
  std::uint32_t inbox_next = 0;                     // handoff.hpp; of whoever holds `on inbox`
  sync_atomic<std::uint32_t> calls{0};  // calls of this record so far; written by the entry's holder before T4
};
static_assert(explored || sizeof(record) == 64);

// The order word: above, the stamp of the last arming, for equal deadlines (G21); below, what the way of a firing has
// to know of its tenant, so that a one-shot's whole way stays in the hot line. The low part is written by the creator
// before T8 and kept by armers; the clock is the same for every tenant of an index.
namespace order_word {

inline constexpr std::uint64_t clock_mask = 3;
inline constexpr std::uint64_t by_id = 4;    // nobody holds a handle: it ends by itself (T11)
inline constexpr std::uint64_t grouped = 8;  // a member of a group: the cold part names it
inline constexpr unsigned stamp_shift = 8;
inline constexpr std::uint64_t kept_mask = (std::uint64_t{1} << stamp_shift) - 1;

constexpr platform::clock_id clock(std::uint64_t word) noexcept {
  return static_cast<platform::clock_id>(word & clock_mask);
}

}  // namespace order_word

// How a series goes on. Guarded by the record's registry lock; meaningful while the state is guarded.
struct series_state {
  std::int64_t period_ns = 0;  // 0: a one-shot of a serial group
  std::int64_t due_ns = 0;     // the exact deadline whose rounded form is in the state word
  missed_ticks missed = missed_ticks::skip;
  pace phase = pace::fixed_rate;
};

// Who ends the timer.
enum class tenure : std::uint8_t {
  handle,        // a handle owns it
  id_only,       // it ends when nothing is pending after a call
  continuation,  // id_only, for close_then: shutdown does not withdraw it
};

// One cache line: what making and ending a timer touches.
struct alignas(64) cold_part : registry_slot {
  // Immutable while the tenant lives, published by T8.
  const char* name = nullptr;  // heap, or null
  std::source_location place{};
  group_record* group = nullptr;  // counted
  std::int64_t tolerance_ns = 0;
  std::uint32_t calls_before = 0;  // calls of earlier tenants
  tenure held_by = tenure::handle;
  on_throw throws = on_throw::resume;
  bool serial = false;

  // Immutable since the index was first handed out: wheel and free list are by clock.
  platform::clock_id clock = platform::clock_id::steady;

  // Guarded by the record's registry lock.
  bool ended = true;      // the callable of this tenant is destroyed
  bool reported = false;  // an error of this tenant was printed
  bool joined = false;    // counted as a member of its group; by the lock of the group's tree, as the two below
  std::uint32_t group_prev = no_index;
  std::uint32_t group_next = no_index;
  std::uint32_t then_first = no_index;  // continuations of close_then, in order

  [[no_unique_address]] order_point lock_order;  // what a callback of this tenant holds, and who waits for it acquires
};
static_assert(explored || lock_order_seen || sizeof(cold_part) == 64);

// What series, continuations, serial groups and waits need: most timers never use it, and nothing else may touch it.
// Never constructed: zero bytes are its first value, and no tenant counts on finding that.
struct rare_part {
  // Guarded by the record's registry lock.
  series_state series;      // meaningful while the state is guarded
  std::uint32_t then_last;  // meaningful while there is a first
  std::uint32_t then_next;  // of a record that stands in such a list

  // Owned by the driver, then by the holder of the entry.
  group_record* handed_for;  // counted: the serial group whose turn this entry has

  // Written under the record's registry lock: ends of calls that somebody waited for; never reset (words.hpp, WAITING).
  sync_atomic<std::uint32_t> ends;
  sync_atomic<std::uint32_t> detaches;  // as `ends`: moved by a call that detaches itself while somebody waits

  // The number, as in `record::calls`, of the call that was asked to stop, and of the call that detached itself.
  sync_atomic<std::uint32_t> stopped_call;
  sync_atomic<std::uint32_t> detached_call;
};

}  // namespace detent::inline v0::detail
