// W6: what n armed timers take, all told: handles, callbacks of three pointers, and whatever the library keeps.
#pragma once

#include "peer/process.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

namespace detent::bench {

template <peer P>
void memory(const round& r) {
  firings& sink = *new firings;
  random_numbers random(r.seed);
  const std::int64_t before = resident_bytes();
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  hand.turn();
  for (std::uint32_t i = 0; i < r.n; ++i) {
    hand.arm(i, delay_ns_in(random.next(), 600'000'000, 60'000'000));
    if (i % operations_per_turn == 0) hand.turn();
  }
  hand.drive_until(now_ns() + 200 * ns_per_ms);
  answer("bytes per timer", "bytes", static_cast<double>(resident_bytes() - before) / r.n);
}

}  // namespace detent::bench
