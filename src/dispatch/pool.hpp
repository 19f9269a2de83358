// pool: a fixed number of threads that run entries, first in first out.
//
// The queue is intrusive: an entry is an index, its link belongs to the record and is the pool's while it is queued. At
// most one entry per record exists, so the queue is never longer than the number of timers and nothing is allocated.
//
// Threads: `post` any; the rest the owner. No lock is held while an entry runs.
#pragma once

#include "base/base.hpp"
#include "platform/platform.hpp"
#include "sync/sync.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <string>

namespace detent::inline v0::detail {

class pool_threads {
 public:
  static constexpr std::uint32_t none = ~std::uint32_t{0};

  struct work {
    void* context;
    std::uint32_t& (*next_of)(void* context, std::uint32_t entry) noexcept;
    bool (*run)(void* context, std::uint32_t entry) noexcept;  // false: a fork child, the thread ends at once
    void (*on_start)(void* context, const char* thread_name) noexcept;
    void (*on_end)(void* context) noexcept;
  };

  // Without memory for its threads the pool has none, and `start` says so.
  pool_threads(work w, unsigned threads) noexcept
      : work_(w), threads_(new(std::nothrow) worker[threads]), count_(threads_ == nullptr ? 0 : threads) {}

  // Answers 0, or an error number with the operation; threads already started, counted in `*started`, then were joined.
  int start(const std::string& name, platform::thread_traits traits, const char** operation,
            unsigned* started) noexcept;

  // A chain of entries through `next_of`, ended by `none`.
  void post(std::uint32_t first, std::uint32_t last, std::uint32_t entries) noexcept DETENT_EXCLUDES(lock_);

  // Entries still queued are run: the engine makes them harmless first.
  void stop() noexcept DETENT_EXCLUDES(lock_);
  // Whether the calling thread is one of the pool's.
  bool has_self() const noexcept;
  // Joins the others; lets the calling thread go. Answers whether all ended in time.
  bool join_until(std::int64_t until_ns) noexcept;
  bool let_self_go() noexcept;
  void let_all_go() noexcept;
  void forget() noexcept;

  // Sleeps until the queue is empty and no entry runs. Not from an entry.
  void wait_idle() noexcept DETENT_EXCLUDES(lock_);

 private:
  struct worker {
    platform::thread thread;
    pool_threads* pool = nullptr;
    char name[24] = {};  // the OS shows 15 bytes of it
  };

  static void main(void* self);
  bool work_off() noexcept DETENT_EXCLUDES(lock_);

  const work work_;
  const std::unique_ptr<worker[]> threads_;
  const unsigned count_;

  mutex lock_;
  std::uint32_t first_ DETENT_GUARDED_BY(lock_) = none;
  std::uint32_t last_ DETENT_GUARDED_BY(lock_) = none;
  unsigned sleeping_ DETENT_GUARDED_BY(lock_) = 0;
  unsigned running_ DETENT_GUARDED_BY(lock_) = 0;
  bool stopping_ DETENT_GUARDED_BY(lock_) = false;
  eventcount work_came_;
  eventcount went_idle_;
};

}  // namespace detent::inline v0::detail
