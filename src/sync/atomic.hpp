// atomic: the seam. Every atomic of the engine is a `sync_atomic`; proof builds replace it by an explorer's own.
//
// A seam supplies, in namespace detent::detail: `sync_atomic`, `memory_order` and its four values, `park` and `unpark`
// of such a word as overloads in `platform`, `of_this_thread`, `spin_limit` and `explored`. One that has to know from
// which line a word is reached also supplies `compare_exchange` and `read_in_order`, and says so by
// DETENT_SEAM_KNOWS_PLACES.
#pragma once

#include "platform/platform.hpp"

namespace detent::inline v0::detail {

// Whether other threads may touch a service's words. `alone` is the promise of `sharing::one_thread`: the same
// algorithm with plain loads and stores, which cost a quarter.
enum class access : bool { shared, alone };

}  // namespace detent::inline v0::detail

#if defined(DETENT_MODEL_SEAM)
#include DETENT_MODEL_SEAM
#else

#include <atomic>

namespace detent::inline v0::detail {

template <class T>
using sync_atomic = std::atomic<T>;

using std::memory_order;
using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

inline constexpr bool explored = false;

// How often a thread looks at a held lock before it sleeps.
inline constexpr int spin_limit = 100;

// A value of the calling thread's own, zero at first. `Name` tells such values apart. Of no fixed TLS model: with the
// fastest one a library that holds this could not be loaded late beside large values of its own.
template <class Name, class T>
T& of_this_thread() noexcept {
  thread_local constinit T value{};
  return value;
}

}  // namespace detent::inline v0::detail

#endif

#if !defined(DETENT_SEAM_KNOWS_PLACES)

namespace detent::inline v0::detail {

template <class T>
[[gnu::always_inline]] inline bool compare_exchange(sync_atomic<T>& word, T& expected, T desired, access who,
                                                    memory_order order, memory_order otherwise) noexcept {
  if (who == access::alone) {
    const T found = word.load(memory_order_relaxed);
    if (found != expected) {
      expected = found;
      return false;
    }
    word.store(desired, memory_order_relaxed);
    return true;
  }
  return word.compare_exchange_strong(expected, desired, order, otherwise);
}

// Reads a word in its place in the modification order: what this thread published before is visible to whoever writes
// the word after, and acquires. The read half of both store-buffering pairs (words.hpp, SB-A and SB-B): so releasing.
template <class T>
[[gnu::always_inline]] inline T read_in_order(sync_atomic<T>& word, access who, memory_order order) noexcept {
  if (who == access::alone) return word.load(memory_order_relaxed);
  return word.fetch_add(T{0}, order);
}

}  // namespace detent::inline v0::detail

#endif
