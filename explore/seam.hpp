// seam: the engine's atomics as the explorer has them. Set as DETENT_MODEL_SEAM for every source of that build.
//
// Each access names the place it stands at, arrives at the explorer before it happens (another thread may run first),
// and then gets or leaves a value in the location's history. Outside an execution a word is just a value.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <source_location>

namespace detent::explore {

using place = std::source_location;

// Names a word's history for as long as one execution lasts.
struct history_name {
  std::uint32_t location = 0;
  std::uint32_t execution = 0;
};

inline constexpr int thread_limit = 8;  // the main thread, the scenario's and the service's, and the clock

enum class access_kind : std::uint8_t { load, store, exchange };

// The execution in progress; 0 when there is none.
inline std::uint32_t running_execution = 0;
inline int running_thread = 0;

// Waits until this access is this thread's next step. `latest` is the value of a word that has no history yet.
void arrive(history_name& name, const void* word, std::uint64_t latest, access_kind kind, std::memory_order order,
            std::memory_order otherwise, const place& where) noexcept;
// What the access that arrived does. `load` picks one of the values that this thread may still see.
std::uint64_t load(const history_name& name) noexcept;
void store(const history_name& name, std::uint64_t value) noexcept;
void exchange(const history_name& name, std::uint64_t value) noexcept;
void fail_exchange(const history_name& name) noexcept;

// An access to memory that is no atomic: two of them, one a write, have to be ordered by what happens before.
struct plain_history {
  std::uint32_t execution = 0;
  std::int16_t writer = 0;
  std::int16_t written = 0;
  std::int16_t read[thread_limit] = {};
};
void note_plain_read(plain_history& history, const void* where) noexcept;
void note_plain_write(plain_history& history, const void* where) noexcept;
void note_engine_read(plain_history& history) noexcept;
void note_engine_write(plain_history& history) noexcept;

}  // namespace detent::explore

#define DETENT_SEAM_KNOWS_PLACES 1

// What is a word is no plain memory: these functions are compiled without the calls that watch it (races.cpp).
#define DETENT_UNWATCHED __attribute__((no_sanitize_thread))

namespace detent::inline v0::detail {

using std::memory_order_acq_rel;
using std::memory_order_acquire;
using std::memory_order_relaxed;
using std::memory_order_release;

inline constexpr bool explored = true;
inline constexpr int spin_limit = 0;

template <class T>
class sync_atomic {
  using place = explore::place;

 public:
  DETENT_UNWATCHED constexpr sync_atomic() noexcept = default;
  DETENT_UNWATCHED constexpr sync_atomic(T first) noexcept : value_(first) {}  // NOLINT: as std::atomic
  sync_atomic(const sync_atomic&) = delete;
  sync_atomic& operator=(const sync_atomic&) = delete;

  DETENT_UNWATCHED T load(std::memory_order order, const place& where = place::current()) const noexcept {
    if (explore::running_execution == 0) return value_;
    arrive(explore::access_kind::load, order, order, where);
    return to_value(explore::load(name_));
  }

  DETENT_UNWATCHED void store(T desired, std::memory_order order, const place& where = place::current()) noexcept {
    if (explore::running_execution != 0) {
      arrive(explore::access_kind::store, order, order, where);
      explore::store(name_, to_bits(desired));
    }
    value_ = desired;
  }

  DETENT_UNWATCHED T exchange(T desired, std::memory_order order, const place& where = place::current()) noexcept {
    return change([desired](T) { return desired; }, order, where);
  }
  DETENT_UNWATCHED T fetch_add(T added, std::memory_order order, const place& where = place::current()) noexcept {
    return change([added](T found) { return static_cast<T>(found + added); }, order, where);
  }
  DETENT_UNWATCHED T fetch_sub(T taken, std::memory_order order, const place& where = place::current()) noexcept {
    return change([taken](T found) { return static_cast<T>(found - taken); }, order, where);
  }
  DETENT_UNWATCHED T fetch_or(T bits, std::memory_order order, const place& where = place::current()) noexcept {
    return change([bits](T found) { return static_cast<T>(found | bits); }, order, where);
  }

  DETENT_UNWATCHED bool compare_exchange_strong(T& expected, T desired, std::memory_order order,
                                                std::memory_order otherwise,
                                                const place& where = place::current()) noexcept {
    if (explore::running_execution != 0) {
      arrive(explore::access_kind::exchange, order, otherwise, where);
      if (value_ != expected) explore::fail_exchange(name_);
      else explore::exchange(name_, to_bits(desired));
    }
    if (value_ != expected) {
      expected = value_;
      return false;
    }
    value_ = desired;
    return true;
  }
  DETENT_UNWATCHED bool compare_exchange_weak(T& expected, T desired, std::memory_order order,
                                              std::memory_order otherwise,
                                              const place& where = place::current()) noexcept {
    return compare_exchange_strong(expected, desired, order, otherwise, where);
  }

  // For parking: the kernel compares the latest value.
  DETENT_UNWATCHED T latest() const noexcept { return value_; }
  DETENT_UNWATCHED explore::history_name& history() const noexcept { return name_; }
  DETENT_UNWATCHED static std::uint64_t to_bits(T value) noexcept {
    std::uint64_t bits = 0;
    std::memcpy(&bits, &value, sizeof value);
    return bits;
  }

 private:
  DETENT_UNWATCHED static T to_value(std::uint64_t bits) noexcept {
    T value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }

  DETENT_UNWATCHED void arrive(explore::access_kind kind, std::memory_order order, std::memory_order otherwise,
                               const place& where) const noexcept {
    explore::arrive(name_, this, to_bits(value_), kind, order, otherwise, where);
  }

  template <class Change>
  DETENT_UNWATCHED T change(Change next, std::memory_order order, const place& where) noexcept {
    if (explore::running_execution != 0) {
      arrive(explore::access_kind::exchange, order, order, where);
      explore::exchange(name_, to_bits(next(value_)));
    }
    const T found = value_;
    value_ = next(found);
    return found;
  }

  T value_{};  // the latest in modification order
  mutable explore::history_name name_{};
};

template <class T>
bool compare_exchange(sync_atomic<T>& word, T& expected, T desired, access who, std::memory_order order,
                      std::memory_order otherwise, const explore::place& where = explore::place::current()) noexcept {
  if (who == access::alone) {
    const T found = word.load(memory_order_relaxed, where);
    if (found != expected) {
      expected = found;
      return false;
    }
    word.store(desired, memory_order_relaxed, where);
    return true;
  }
  return word.compare_exchange_strong(expected, desired, order, otherwise, where);
}

template <class T>
T read_in_order(sync_atomic<T>& word, access who, std::memory_order order,
                const explore::place& where = explore::place::current()) noexcept {
  if (who == access::alone) return word.load(memory_order_relaxed, where);
  return word.fetch_add(T{0}, order, where);
}

template <class Name, class T>
DETENT_UNWATCHED T& of_this_thread() noexcept {
  struct slot {
    T value;
    std::uint32_t execution;
  };
  static constinit slot slots[explore::thread_limit]{};
  slot& mine = slots[explore::running_thread];
  if (mine.execution != explore::running_execution) mine = {T{}, explore::running_execution};
  return mine.value;
}

namespace platform {
bool park(const sync_atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns,
          const explore::place& where = explore::place::current()) noexcept;
void unpark(const sync_atomic<std::uint32_t>& word, int count,
            const explore::place& where = explore::place::current()) noexcept;
}  // namespace platform

}  // namespace detent::inline v0::detail
