// Why these calls: CLOCK_MONOTONIC is what std::chrono::steady_clock reads and what an absolute futex wait counts by;
// CLOCK_BOOTTIME also counts suspend; CLOCK_REALTIME is the wall clock. The first and last are read without a system
// call.
#include "platform/platform.hpp"

#include <sys/mman.h>
#include <time.h>

// Of the leak sanitizer, where the program has it: these pages lead to memory like any other.
// NOLINTBEGIN(bugprone-reserved-identifier,readability-identifier-naming): its names.
extern "C" {
[[gnu::weak]] void __lsan_register_root_region(const void* begin, std::size_t bytes);
[[gnu::weak]] void __lsan_unregister_root_region(const void* begin, std::size_t bytes);
}
// NOLINTEND(bugprone-reserved-identifier,readability-identifier-naming)

namespace detent::inline v0::detail::platform {

namespace {

constexpr clockid_t os_clock(clock_id clock) noexcept {
  switch (clock) {
    case clock_id::steady: return CLOCK_MONOTONIC;
    case clock_id::boottime: return CLOCK_BOOTTIME;
    case clock_id::system: return CLOCK_REALTIME;
  }
  return CLOCK_MONOTONIC;
}

}  // namespace

std::int64_t read_clock_ns(clock_id clock) noexcept {
  timespec now{};
  const int failed = clock_gettime(os_clock(clock), &now);
  DETENT_CHECK(failed == 0, "the operating system does not know one of its clocks");
  return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

void* allocate_pages(std::size_t bytes, paging use) noexcept {
  void* pages = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return nullptr;
  constexpr std::size_t huge_page = std::size_t{2} << 20;
  if (use == paging::dense && bytes >= huge_page)
    madvise(pages, bytes, MADV_HUGEPAGE);  // Advice: an answer would change nothing.
  if (&__lsan_register_root_region != nullptr) __lsan_register_root_region(pages, bytes);
  return pages;
}

void free_pages(void* pages, std::size_t bytes) noexcept {
  if (&__lsan_unregister_root_region != nullptr) __lsan_unregister_root_region(pages, bytes);
  munmap(pages, bytes);
}

}  // namespace detent::inline v0::detail::platform
