// mutex: a lock of four bytes, constant-initialised and trivially destructible, so that static objects and fork
// children may use it. States: 0 free, 1 held, 2 held and somebody sleeps.
//
//  M1 lock      anyone         0 to 1, or exchange 2 after a sleep                 acquire   M2
//  M2 unlock    holder         exchange 0; found 2: wake one                       release   M1
#pragma once

#include "base/base.hpp"
#include "platform/platform.hpp"
#include "sync/atomic.hpp"

#include <cstdint>

namespace detent::inline v0::detail {

class DETENT_CAPABILITY("mutex") mutex {
 public:
  mutex() noexcept = default;
  mutex(const mutex&) = delete;
  mutex& operator=(const mutex&) = delete;

  void lock() noexcept DETENT_ACQUIRE() {
    std::uint32_t free = 0;
    if (word_.compare_exchange_strong(free, 1, memory_order_acquire, memory_order_relaxed)) return;  // M1 <- M2.
    lock_slowly();
  }

  void unlock() noexcept DETENT_RELEASE() {
    if (word_.exchange(0, memory_order_release) == 2) platform::unpark(word_, 1);  // M2 -> M1.
  }

  // In a fork child the holder no longer exists.
  void reset_in_child() noexcept { word_.store(0, memory_order_relaxed); }

 private:
  // Outside the annotations: the compiler cannot follow a lock taken by an exchange.
  void lock_slowly() noexcept {
    for (int spin = 0; spin < spin_limit; ++spin) {
      std::uint32_t free = 0;
      if (word_.load(memory_order_relaxed) == 0 &&
          word_.compare_exchange_weak(free, 1, memory_order_acquire, memory_order_relaxed)) {  // M1 <- M2.
        return;
      }
    }
    while (word_.exchange(2, memory_order_acquire) != 0) platform::park(word_, 2, platform::forever_ns);  // M1 <- M2.
  }

  sync_atomic<std::uint32_t> word_{0};
};

class DETENT_SCOPED_CAPABILITY lock_guard {
 public:
  explicit lock_guard(mutex& m) noexcept DETENT_ACQUIRE(m) : mutex_(m) { mutex_.lock(); }
  ~lock_guard() DETENT_RELEASE() { mutex_.unlock(); }
  lock_guard(const lock_guard&) = delete;
  lock_guard& operator=(const lock_guard&) = delete;

 private:
  mutex& mutex_;
};

// For what `sharing::one_thread` may do without a lock: nobody else can be there.
class DETENT_SCOPED_CAPABILITY access_guard {
 public:
  access_guard(mutex& m, access who) noexcept DETENT_ACQUIRE(m) : mutex_(who == access::alone ? nullptr : &m) {
    if (mutex_ != nullptr) mutex_->lock();
  }
  ~access_guard() DETENT_RELEASE() {
    if (mutex_ != nullptr) mutex_->unlock();
  }
  access_guard(const access_guard&) = delete;
  access_guard& operator=(const access_guard&) = delete;

 private:
  mutex* const mutex_;
};

}  // namespace detent::inline v0::detail
