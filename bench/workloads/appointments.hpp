// What the workloads share in which timers are armed first and fire later: arming them all before the first is due.
#pragma once

#include "peer/clock.hpp"
#include "peer/peer.hpp"

#include <cstdint>

namespace detent::bench {

/// Arms timer `index_of(k)` for `base + offset_ns(k)`, for each k below `count`, and answers the base: an instant ahead
/// of the end of the arming. The deadline that is expected is never after the one that is armed.
template <class Hand, class Index, class Offset>
std::int64_t arm_ahead(Hand&& hand, firings& sink, std::uint32_t count, std::uint32_t per_turn, Index&& index_of,
                       Offset&& offset_ns) {
  for (std::int64_t lead_ns = ns_per_s;; lead_ns *= 3) {
    const std::int64_t base_ns = now_ns() + lead_ns;
    std::int64_t turn_ns = 0;
    std::uint32_t armed = 0;
    for (; armed < count && (armed % 1024 != 0 || now_ns() < base_ns - lead_ns / 10); ++armed) {
      if (armed % per_turn == 0) {
        turn_ns = now_ns();
        hand.turn();
      }
      const std::uint32_t i = index_of(armed);
      const std::int64_t at_ns = base_ns + offset_ns(armed);
      sink.expect(i, at_ns);
      hand.arm(i, at_ns - turn_ns);
    }
    if (armed == count) return base_ns;
    for (std::uint32_t k = 0; k < armed; ++k) hand.cancel(index_of(k));  // Too slow for this lead.
    hand.turn();
  }
}

/// Lets timers fire until `count` have, but no longer than to `latest_ns`.
template <class Hand>
void drive_until_fired(Hand&& hand, const firings& sink, std::uint64_t count, std::int64_t first_look_ns,
                       std::int64_t latest_ns) {
  constexpr std::int64_t step_ns = 20 * ns_per_ms;
  hand.drive_until(first_look_ns);
  while (sink.count() < count && now_ns() < latest_ns) hand.drive_until(now_ns() + step_ns);
}

}  // namespace detent::bench
