// races: each access of the library to plain memory, told by the compiler as to the thread sanitizer, and judged by
// what happens before it in the execution. Memory that an execution allocates is watched; stacks and globals are not.
#include "explore/execution.hpp"
#include "explore/memory.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <sys/mman.h>

namespace {

using namespace detent::explore;

plain_history* histories = nullptr;

plain_history* history_at(const void* address) noexcept {
  if (!watching) return nullptr;
  const std::size_t offset = memory::offset_of(address);
  if (offset == memory::nowhere) return nullptr;
  if (histories == nullptr) {
    void* pages = mmap(nullptr, memory::whole_bytes() * sizeof(plain_history), PROT_READ | PROT_WRITE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == MAP_FAILED) std::abort();
    histories = static_cast<plain_history*>(pages);
  }
  return histories + offset;
}

// An access is looked at in steps of four bytes from where it begins: fields are read as they are written.
void read(void* address, std::size_t bytes) noexcept {
  plain_history* history = history_at(address);
  if (history == nullptr) return;
  for (std::size_t i = 0; i < bytes; i += 4) note_engine_read(history[i]);
}

void write(void* address, std::size_t bytes) noexcept {
  plain_history* history = history_at(address);
  if (history == nullptr) return;
  for (std::size_t i = 0; i < bytes; i += 4) note_engine_write(history[i]);
}

}  // namespace

// The names are the compiler's.
// NOLINTBEGIN(bugprone-reserved-identifier)
extern "C" {

void __tsan_init();
void __tsan_init() {}

#define DETENT_ACCESS(bytes)                                       \
  void __tsan_read##bytes(void* at);                               \
  void __tsan_read##bytes(void* at) { read(at, bytes); }           \
  void __tsan_write##bytes(void* at);                              \
  void __tsan_write##bytes(void* at) { write(at, bytes); }         \
  void __tsan_unaligned_read##bytes(void* at);                     \
  void __tsan_unaligned_read##bytes(void* at) { read(at, bytes); } \
  void __tsan_unaligned_write##bytes(void* at);                    \
  void __tsan_unaligned_write##bytes(void* at) { write(at, bytes); }
DETENT_ACCESS(1)
DETENT_ACCESS(2)
DETENT_ACCESS(4)
DETENT_ACCESS(8)
DETENT_ACCESS(16)
#undef DETENT_ACCESS

void __tsan_read_range(void* at, std::size_t bytes);
void __tsan_read_range(void* at, std::size_t bytes) { read(at, bytes); }
void __tsan_write_range(void* at, std::size_t bytes);
void __tsan_write_range(void* at, std::size_t bytes) { write(at, bytes); }
void __tsan_vptr_update(void** at, void*);
void __tsan_vptr_update(void** at, void*) { write(at, 8); }
void __tsan_vptr_read(void** at);
void __tsan_vptr_read(void** at) { read(at, 8); }

// Counters without a partner, and what std::shared_ptr counts by: as they are.
#define DETENT_ATOMIC(bits)                                                                                          \
  using word##bits = std::uint##bits##_t;                                                                            \
  word##bits __tsan_atomic##bits##_load(const volatile word##bits* at, int);                                         \
  word##bits __tsan_atomic##bits##_load(const volatile word##bits* at, int) { return *at; }                          \
  void __tsan_atomic##bits##_store(volatile word##bits* at, word##bits value, int);                                  \
  void __tsan_atomic##bits##_store(volatile word##bits* at, word##bits value, int) { *at = value; }                  \
  word##bits __tsan_atomic##bits##_exchange(volatile word##bits* at, word##bits value, int);                         \
  word##bits __tsan_atomic##bits##_exchange(volatile word##bits* at, word##bits value, int) {                        \
    const word##bits found = *at;                                                                                    \
    *at = value;                                                                                                     \
    return found;                                                                                                    \
  }                                                                                                                  \
  word##bits __tsan_atomic##bits##_fetch_add(volatile word##bits* at, word##bits value, int);                        \
  word##bits __tsan_atomic##bits##_fetch_add(volatile word##bits* at, word##bits value, int) {                       \
    const word##bits found = *at;                                                                                    \
    *at = static_cast<word##bits>(found + value);                                                                    \
    return found;                                                                                                    \
  }                                                                                                                  \
  word##bits __tsan_atomic##bits##_fetch_sub(volatile word##bits* at, word##bits value, int);                        \
  word##bits __tsan_atomic##bits##_fetch_sub(volatile word##bits* at, word##bits value, int) {                       \
    const word##bits found = *at;                                                                                    \
    *at = static_cast<word##bits>(found - value);                                                                    \
    return found;                                                                                                    \
  }                                                                                                                  \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile word##bits* at, word##bits* expected, word##bits value, \
                                                    int, int);                                                       \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile word##bits* at, word##bits* expected, word##bits value, \
                                                    int, int) {                                                      \
    if (*at != *expected) {                                                                                          \
      *expected = *at;                                                                                               \
      return 0;                                                                                                      \
    }                                                                                                                \
    *at = value;                                                                                                     \
    return 1;                                                                                                        \
  }                                                                                                                  \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile word##bits* at, word##bits* expected, word##bits value,   \
                                                  int order, int otherwise);                                         \
  int __tsan_atomic##bits##_compare_exchange_weak(volatile word##bits* at, word##bits* expected, word##bits value,   \
                                                  int order, int otherwise) {                                        \
    return __tsan_atomic##bits##_compare_exchange_strong(at, expected, value, order, otherwise);                     \
  }
DETENT_ATOMIC(8)
DETENT_ATOMIC(32)
DETENT_ATOMIC(64)
#undef DETENT_ATOMIC
}
// NOLINTEND(bugprone-reserved-identifier)
