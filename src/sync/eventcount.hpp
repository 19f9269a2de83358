// eventcount: sleeping until something was published, without a lock and without losing the wake-up.
//
//   sleeper: ticket = prepare(); look at the condition; if it does not hold: wait(ticket)
//   waker:   make the condition hold; notify()
//
// A notify after `prepare` makes `wait` return at once: E1 loads the epoch before the condition is looked at, E2 moves
// it on after the condition holds.
//
//  E1 prepare   sleeper        load of the epoch                                   acquire   E2
//  E2 notify    waker          epoch + 1, then the OS wake                         release   E1
#pragma once

#include "platform/platform.hpp"
#include "sync/atomic.hpp"
#include "sync/proof.hpp"

#include <atomic>
#include <cstdint>

namespace detent::inline v0::detail {

class eventcount {
 public:
  using ticket = std::uint32_t;

  ticket prepare() const noexcept { return epoch_.load(memory_order_acquire); }  // E1 <- E2.

  // Returns when notified since `prepare`, at `until_ns` of the steady clock, or for no reason.
  void wait(ticket seen, std::int64_t until_ns) noexcept { platform::park(epoch_, seen, until_ns); }

  // As `wait`, and in proof builds never longer than a safety limit: a sleeper that finds its condition true then,
  // while nobody moves the epoch for a whole second more, was rescued: somebody forgot to wake it.
  template <class Condition>
  void wait_watched(ticket seen, std::int64_t until_ns, std::atomic<std::uint64_t>& rescues, Condition holds) noexcept {
    if constexpr (!proof_build) {
      platform::park(epoch_, seen, until_ns);
    } else {
      const std::int64_t now_ns = platform::read_clock_ns(platform::clock_id::steady);
      const std::int64_t safety_ns = now_ns + 50'000'000;
      if (until_ns <= safety_ns) {
        platform::park(epoch_, seen, until_ns);
        return;
      }
      if (!platform::park(epoch_, seen, safety_ns) || !holds()) return;
      if (platform::park(epoch_, seen, safety_ns + 1'000'000'000) && prepare() == seen) {
        rescues.fetch_add(1, std::memory_order_relaxed);  // No partner: a counter.
      }
    }
  }

  void notify(int count = platform::everyone) noexcept {
    epoch_.fetch_add(1, memory_order_release);  // E2 -> E1.
    platform::unpark(epoch_, count);
  }

 private:
  sync_atomic<std::uint32_t> epoch_{0};
};

}  // namespace detent::inline v0::detail
