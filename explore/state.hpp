// state: what execution.cpp and history.cpp share of the execution in progress.
#pragma once

#include "explore/execution.hpp"
#include "explore/stack.hpp"

#include <cstddef>
#include <cstdint>

namespace detent::explore {

inline constexpr std::size_t view_size = 256;
inline constexpr std::size_t location_limit = view_size - thread_limit;
inline constexpr std::size_t step_limit = 12'000;

// `at[t]`: the last event of thread t that happened before. `at[thread_limit + l]`: the oldest store of location l that
// may still be read.
struct alignas(32) view {
  std::int16_t at[view_size];
};

enum class readiness : std::uint8_t { unused, ready, parked, over };

enum class step_kind : std::uint8_t { begin, access, park, unpark, join, yield, settle };

struct pending_step {
  step_kind kind = step_kind::begin;
  bool writes = false;
  std::int16_t location = -1;
  std::int16_t joined = -1;
  access_kind access = access_kind::load;
  std::memory_order order = std::memory_order_relaxed;
  std::memory_order otherwise = std::memory_order_relaxed;
  place where{};
};

struct thread {
  readiness ready = readiness::unused;
  bool yielded = false;
  bool timed_out = false;
  bool is_party = false;
  std::int16_t parked_on = -1;
  std::uint32_t parked_since = 0;
  std::int64_t until_ns = 0;
  pending_step next{};
  suspended stack = nullptr;
  const char* name = "";
  void (*body)(void*) = nullptr;
  void* context = nullptr;
};

inline thread threads[thread_limit];
inline view views[thread_limit];
inline bool exploring = false;
inline bool every_step = false;
inline std::size_t step_count = 0;
inline chooser* by = nullptr;

struct location_record {
  const void* word;
  std::size_t known;  // index of what is known of this word from earlier executions
  int latest;         // in the pool of stores
  bool freed;
  std::int16_t accessed[thread_limit];
};

// history.cpp
void begin_histories() noexcept;
location_record& location(int number) noexcept;
int name_location(history_name& name, const void* word, std::uint64_t latest) noexcept;
bool touch(int number, bool writes) noexcept;  // answers whether several threads touch it, one of them writing
void inherit_view(int from, int to) noexcept;
void note_access(int number) noexcept;
void see_latest(int number) noexcept;  // from here on this thread reads no older value
[[gnu::format(printf, 1, 2)]] void tell(const char* format, ...) noexcept;

// execution.cpp
void note_stale(int value) noexcept;
void take_turn(bool contended) noexcept;
[[noreturn]] void leave(verdict what, const char* sentence) noexcept;

}  // namespace detent::explore
