// failing_memory: one allocation of a thread fails, whichever the test chooses, or all do. For one file of a program:
// it replaces the global operators.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <limits>
#include <new>
#include <utility>

namespace support {

inline constexpr long all_allocations = std::numeric_limits<long>::max();

// What threads begin with that make their first allocation from now on.
inline std::atomic<long> failing_allocation_of_new_threads{-1};
// The allocation of this thread that fails, counted from 0; below 0: none; or all of them.
inline thread_local long failing_allocation = failing_allocation_of_new_threads.load();
// Of all threads.
inline std::atomic<long> failed_allocations{0};

inline bool is_allocation_to_fail() noexcept {
  if (failing_allocation < 0) return false;
  if (failing_allocation != all_allocations && failing_allocation-- != 0) return false;
  failed_allocations.fetch_add(1);
  return true;
}

// Runs `work` with that of its allocations failing, and says whether there was one so late.
template <class Work>
bool with_failing_allocation(long which, Work work) {
  failing_allocation = which;
  work();
  return std::exchange(failing_allocation, -1) < 0;
}

}  // namespace support

// The whole set: what one of them gave, another takes back. Inlined, the compiler would take them for a mismatch.
// NOLINTBEGIN(misc-definitions-in-headers)
[[gnu::noinline]] void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return support::is_allocation_to_fail() ? nullptr : std::malloc(size == 0 ? 1 : size);
}
[[gnu::noinline]] void* operator new(std::size_t size) {
  if (void* const given = operator new(size, std::nothrow)) return given;
  throw std::bad_alloc();
}
[[gnu::noinline]] void* operator new[](std::size_t size) { return operator new(size); }
[[gnu::noinline]] void* operator new[](std::size_t size, const std::nothrow_t& none) noexcept {
  return operator new(size, none);
}
[[gnu::noinline]] void operator delete(void* given) noexcept { std::free(given); }
[[gnu::noinline]] void operator delete(void* given, std::size_t) noexcept { std::free(given); }
[[gnu::noinline]] void operator delete(void* given, const std::nothrow_t&) noexcept { std::free(given); }
[[gnu::noinline]] void operator delete[](void* given) noexcept { std::free(given); }
[[gnu::noinline]] void operator delete[](void* given, std::size_t) noexcept { std::free(given); }
[[gnu::noinline]] void operator delete[](void* given, const std::nothrow_t&) noexcept { std::free(given); }
// NOLINTEND(misc-definitions-in-headers)
