#include "explore/memory.hpp"

#include "explore/execution.hpp"

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>
#include <sys/mman.h>

namespace detent::explore::memory {

namespace {

struct header {
  std::size_t bytes;
  header* next_freed;
};

// Each thread takes from a part of its own: where a block lies then does not depend on the schedule.
constexpr std::size_t part_bytes = std::size_t{1} << 20;
constexpr std::size_t part_count = thread_limit;

unsigned char* whole = nullptr;
std::size_t used[part_count];
header* first_freed = nullptr;

bool is_ours(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  const auto from = reinterpret_cast<std::uintptr_t>(whole);
  return whole != nullptr && at >= from && at < from + part_bytes * part_count;
}

}  // namespace

void reset() noexcept {
  if (whole == nullptr) {
    void* pages = mmap(nullptr, part_bytes * part_count, PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    whole = static_cast<unsigned char*>(pages);
  }
  for (std::size_t& part : used) part = 0;
  first_freed = nullptr;
}

void* allocate(std::size_t bytes, std::size_t alignment) noexcept {
  if (alignment < 16) alignment = 16;
  const auto part = static_cast<std::size_t>(running_thread);
  unsigned char* base = whole + part * part_bytes;
  const std::size_t at = (used[part] + sizeof(header) + alignment - 1) & ~(alignment - 1);
  if (at + bytes > part_bytes) fail("the scenario allocates more than the explorer has");
  used[part] = at + bytes;
  auto* block = base + at;
  auto* head = reinterpret_cast<header*>(block) - 1;
  head->bytes = bytes;
  head->next_freed = nullptr;
  std::memset(block, 0, bytes);
  return block;
}

bool free(void* block) noexcept {
  if (!is_ours(block)) return false;
  auto* head = static_cast<header*>(block) - 1;
  if (running_execution != 0) {
    note_freed(block, head->bytes);
    std::memset(block, 0xdd, head->bytes < 256 ? head->bytes : 256);
  }
  head->next_freed = first_freed;
  first_freed = head;
  return true;
}

std::size_t offset_of(const void* address) noexcept {
  const std::size_t offset = reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(whole);
  return offset < part_bytes * part_count ? offset : nowhere;
}
std::size_t whole_bytes() noexcept { return part_bytes * part_count; }

bool is_freed(const void* address) noexcept {
  const auto at = reinterpret_cast<std::uintptr_t>(address);
  for (const header* head = first_freed; head != nullptr; head = head->next_freed) {
    const auto from = reinterpret_cast<std::uintptr_t>(head + 1);
    if (at >= from && at < from + head->bytes) return true;
  }
  return false;
}

}  // namespace detent::explore::memory

namespace {

void* take(std::size_t bytes, std::size_t alignment) noexcept {
  using namespace detent::explore;
  if (running_execution != 0) return memory::allocate(bytes, alignment);
  if (alignment <= 16) return std::malloc(bytes == 0 ? 1 : bytes);
  return std::aligned_alloc(alignment, (bytes + alignment - 1) / alignment * alignment);
}

void give_back(void* block) noexcept {
  if (block != nullptr && !detent::explore::memory::free(block)) std::free(block);
}

}  // namespace

void* operator new(std::size_t bytes) {
  if (void* block = take(bytes, 16)) return block;
  throw std::bad_alloc();
}
void* operator new(std::size_t bytes, std::align_val_t alignment) {
  if (void* block = take(bytes, static_cast<std::size_t>(alignment))) return block;
  throw std::bad_alloc();
}
void operator delete(void* block) noexcept { give_back(block); }
void operator delete(void* block, std::size_t) noexcept { give_back(block); }
void operator delete(void* block, std::align_val_t) noexcept { give_back(block); }
void operator delete(void* block, std::size_t, std::align_val_t) noexcept { give_back(block); }
