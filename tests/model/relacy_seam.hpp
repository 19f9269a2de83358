// relacy_seam: the engine's atomics, explored by Relacy under the C++ memory model. Set as DETENT_MODEL_SEAM before
// the first header of src; see src/sync/atomic.hpp.
#pragma once

#include <relacy/relacy.hpp>

// Relacy's names for what it watches; nothing here needs them, and standard headers cannot bear them.
#undef new
#undef delete
#undef malloc
#undef calloc
#undef realloc
#undef free
#undef assert
#undef memory_order_relaxed
#undef memory_order_consume
#undef memory_order_acquire
#undef memory_order_release
#undef memory_order_acq_rel
#undef memory_order_seq_cst

namespace detent::inline v0::detail {

using rl::memory_order;
inline constexpr rl::memory_order memory_order_relaxed = rl::mo_relaxed;
inline constexpr rl::memory_order memory_order_acquire = rl::mo_acquire;
inline constexpr rl::memory_order memory_order_release = rl::mo_release;
inline constexpr rl::memory_order memory_order_acq_rel = rl::mo_acq_rel;

// A mutant: `read_in_order` (T9, I3, H5), which adds 0, is only a load.
inline bool adding_nothing_is_a_load = false;

template <class T>
class sync_atomic {
 public:
  explicit sync_atomic(T first) : word_(first) {}

  T load(rl::memory_order order) const { return word_.load(order, RL_INFO); }
  void store(T desired, rl::memory_order order) { word_.store(desired, order, RL_INFO); }
  T exchange(T desired, rl::memory_order order) { return word_.exchange(desired, order, RL_INFO); }
  T fetch_add(T added, rl::memory_order order) {
    if (added == 0 && adding_nothing_is_a_load) return load(rl::mo_acquire);
    return word_.fetch_add(added, order, RL_INFO);
  }
  bool compare_exchange_strong(T& expected, T desired, rl::memory_order order, rl::memory_order otherwise) {
    return word_.compare_exchange_strong(expected, desired, order, RL_INFO, otherwise, RL_INFO);
  }
  bool compare_exchange_weak(T& expected, T desired, rl::memory_order order, rl::memory_order otherwise) {
    return word_.compare_exchange_weak(expected, desired, order, RL_INFO, otherwise, RL_INFO);
  }

 private:
  rl::atomic<T> word_;
};

inline constexpr bool explored = true;
inline constexpr int spin_limit = 0;

// Nothing that is explored here sleeps; the headers only have to compile.
namespace platform {
inline bool park(const sync_atomic<std::uint32_t>&, std::uint32_t, std::int64_t) noexcept { return false; }
inline void unpark(const sync_atomic<std::uint32_t>&, int) noexcept {}
}  // namespace platform

}  // namespace detent::inline v0::detail
