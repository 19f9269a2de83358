// When another thread has to wake a sleeping loop: only for an arming earlier than all it was told of.
//
// The loops do not tell when their sleep ends. So one more timer in the loop, the guard, is kept at the earliest
// instant that anybody asked for since it fired last: the loop is awake by then, and a later arming needs no wake-up.
#pragma once

#include <cstdint>
#include <limits>

namespace detent::bench {

/// Under the mutex of the loop. The unit is the caller's.
class guard_instant {
 public:
  bool is_before(std::int64_t at) const noexcept { return at < guard_; }
  void set(std::int64_t at) noexcept { guard_ = at; }
  void passed() noexcept { guard_ = never; }

 private:
  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();
  std::int64_t guard_ = never;
};

}  // namespace detent::bench
