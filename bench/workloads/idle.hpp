// W7: n timers are armed and none is due. What a process takes that only waits.
#pragma once

#include "peer/process.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

#include <algorithm>

namespace detent::bench {

template <peer P>
void idle(const round& r) {
  firings& sink = *new firings;
  random_numbers random(r.seed);
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  hand.turn();
  for (std::uint32_t i = 0; i < r.n; ++i) {
    hand.arm(i, delay_ns_in(random.next(), 600'000'000, 60'000'000));
    if (i % operations_per_turn == 0) hand.turn();
  }
  hand.drive_until(now_ns() + 500 * ns_per_ms);
  const std::int64_t sleeps_before = sleeps_of_all_threads();
  const std::int64_t cpu_before_ns = cpu_ns();
  hand.drive_until(now_ns() + r.length_ns());
  const std::int64_t cpu_after_ns = cpu_ns();
  // The sleep that ends the measuring is not the library's.
  answer("wake-ups per second", "count",
         static_cast<double>(std::max<std::int64_t>(sleeps_of_all_threads() - sleeps_before - 1, 0)) / r.seconds);
  answer("cpu per second", "ns", static_cast<double>(cpu_after_ns - cpu_before_ns) / r.seconds);
}

}  // namespace detent::bench
