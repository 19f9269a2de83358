// clock: what time it is, by the operating system or by a clock that moves only when told.
//
// Threads: readings any; `shift` one at a time.
//
//  V1 read      anyone         load of a manual reading                            acquire   V2
//  V2 move      the mover      a manual reading moves                              release   V1
//  V3 one mover who moves: exchange true, then false                               acquire, release   V3
#pragma once

#include "platform/platform.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace detent::inline v0::detail {

using platform::clock_id;

// The readings of a manual clock: all three clocks at once.
class manual_readings {
 public:
  explicit manual_readings(std::int64_t start_ns) noexcept : now_ns_{start_ns, start_ns, start_ns} {}

  std::int64_t now_ns(clock_id clock) const noexcept {
    return now_ns_[static_cast<std::size_t>(clock)].load(std::memory_order_acquire);  // V1 <- V2.
  }

  // Saturates: a clock at the end of time stays there.
  void shift(clock_id clock, std::int64_t by_ns) noexcept {
    std::atomic<std::int64_t>& now = now_ns_[static_cast<std::size_t>(clock)];
    std::int64_t moved = 0;
    if (__builtin_add_overflow(now.load(std::memory_order_relaxed), by_ns, &moved)) {  // Written by the mover only.
      moved = by_ns > 0 ? INT64_MAX : INT64_MIN;
    }
    now.store(moved, std::memory_order_release);  // V2 -> V1.
  }

 private:
  std::array<std::atomic<std::int64_t>, platform::clock_count> now_ns_;
};

// Where a service reads its clocks.
class clock_source {
 public:
  explicit clock_source(std::shared_ptr<const manual_readings> manual) noexcept : manual_(std::move(manual)) {}
  bool is_manual() const noexcept { return manual_ != nullptr; }
  std::int64_t now_ns(clock_id clock) const noexcept {
    return manual_ == nullptr ? platform::read_clock_ns(clock) : manual_->now_ns(clock);
  }

 private:
  // Shared: a handle or a task that outlives service and clock still asks what time it is.
  std::shared_ptr<const manual_readings> manual_;
};

}  // namespace detent::inline v0::detail
