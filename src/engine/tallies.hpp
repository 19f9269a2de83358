// tallies: what a service counts. Several threads move them; no partner, relaxed: plain atomics, of no interest to an
// explorer.
#pragma once

#include <detent/observe.hpp>

#include <array>
#include <atomic>
#include <cstdint>

namespace detent::inline v0::detail {

struct tallies {
  std::atomic<std::uint64_t> dropped{0};
  std::atomic<std::uint64_t> missed{0};
  std::atomic<std::uint64_t> threw{0};
  std::atomic<std::uint64_t> early{0};
  std::atomic<std::uint64_t> wakeups{0};
  std::atomic<std::uint64_t> spun_ns{0};
  std::atomic<std::uint64_t> rescues{0};
  std::atomic<std::uint64_t> clock_steps{0};
  std::atomic<std::uint64_t> lateness_max_ns{0};
  // Each firing moves one of these, and no counter beside it.
  std::array<std::atomic<std::uint64_t>, lateness_histogram::bucket_count> lateness{};

  std::uint64_t fired() const noexcept {
    std::uint64_t all = 0;
    for (const std::atomic<std::uint64_t>& firings : lateness) all += firings.load(std::memory_order_relaxed);
    return all;
  }
};

}  // namespace detent::inline v0::detail
