// failing_memory: one allocation of a thread fails, whichever the test chooses. For one file of a program: it replaces
// the global operators.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>
#include <utility>

namespace support {

// The allocation of this thread that fails, counted from 0; below 0: none.
inline thread_local long failing_allocation = -1;

inline bool is_allocation_to_fail() noexcept { return failing_allocation >= 0 && failing_allocation-- == 0; }

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
