// What every peer's callbacks do: count, and where the workload asks for it, note how late they are.
//
// Callbacks may run on several threads at once. Each one-shot has its own place for its lateness and fires once; series
// share a ring of places.
#pragma once

#include "peer/clock.hpp"

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace detent::bench {

class firings {
 public:
  /// From here on the lateness of every `stride`th timer (a power of two) of `n` is noted.
  void note_lateness(std::uint32_t n, std::uint32_t stride) {
    mask_ = stride - 1;
    due_ns_.assign(n, 0);
    lateness_ns_.assign((n + mask_) / stride, not_fired);
    stride_ = stride;
  }

  /// The same for series, whose period then has to be told too.
  void note_lateness_of_series(std::uint32_t n, std::uint32_t stride) {
    constexpr std::size_t ring = 1 << 16;
    note_lateness(n, stride);
    period_ns_.assign(n, 0);
    lateness_ns_.assign(ring, not_fired);
  }

  /// Callbacks take this long.
  void keep_busy(std::int64_t ns) noexcept { busy_ns_ = ns; }

  /// Before the arming: callbacks may look at once.
  void expect(std::uint32_t index, std::int64_t at_ns, std::int64_t period_ns = 0) noexcept {
    if (stride_ == 0) return;
    due_ns_[index] = at_ns;
    if (period_ns != 0) period_ns_[index] = period_ns;
  }

  void fired(std::uint32_t index) noexcept {
    if (stride_ != 0 && (index & mask_) == 0) note(index);
    if (busy_ns_ != 0) stay_busy();
    count_.fetch_add(1, std::memory_order_release);  // Publishes the lateness to who reads `count`.
  }

  std::uint64_t count() const noexcept { return count_.load(std::memory_order_acquire); }
  std::int64_t due_ns(std::uint32_t index) const noexcept { return due_ns_[index]; }

  /// Of those that fired among the noted ones of `from..to`.
  std::vector<std::int64_t> lateness_ns(std::uint32_t from, std::uint32_t to) const {
    std::vector<std::int64_t> noted;
    for (std::size_t at = (from + mask_) / stride_; at < lateness_ns_.size() && at * stride_ < to; ++at) {
      if (lateness_ns_[at] != not_fired) noted.push_back(lateness_ns_[at]);
    }
    return noted;
  }
  std::vector<std::int64_t> lateness_of_series_ns() const {
    std::vector<std::int64_t> noted;
    for (const std::int64_t late : lateness_ns_) {
      if (late != not_fired) noted.push_back(late);
    }
    return noted;
  }

 private:
  static constexpr std::int64_t not_fired = std::numeric_limits<std::int64_t>::min();

  void note(std::uint32_t index) noexcept {
    const std::int64_t late_ns = now_ns() - due_ns_[index];
    if (period_ns_.empty()) {
      lateness_ns_[index / stride_] = late_ns;
    } else {
      // Against the nearest tick before; a firing just before a tick is early.
      const std::int64_t period = period_ns_[index];
      std::int64_t since = late_ns % period;
      if (since > period - period / 16) since -= period;
      lateness_ns_[next_.fetch_add(1, std::memory_order_relaxed) % lateness_ns_.size()] = since;
    }
  }

  void stay_busy() const noexcept {
    const std::int64_t end_ns = now_ns() + busy_ns_;
    while (now_ns() < end_ns) {
    }
  }

  std::atomic<std::uint64_t> count_{0};
  std::uint32_t stride_ = 0;  // 0: none is noted
  std::uint32_t mask_ = 0;
  std::int64_t busy_ns_ = 0;
  std::vector<std::int64_t> due_ns_;
  std::vector<std::int64_t> period_ns_;
  std::vector<std::int64_t> lateness_ns_;
  std::atomic<std::size_t> next_{0};
};

/// The callback: three pointers wide, as callbacks of programs often are.
struct on_firing {
  firings* sink;
  std::uint64_t index;
  void* third = nullptr;

  void operator()() const noexcept { sink->fired(static_cast<std::uint32_t>(index)); }
};
static_assert(sizeof(on_firing) == 3 * sizeof(void*));

}  // namespace detent::bench
