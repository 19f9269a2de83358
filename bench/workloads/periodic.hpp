// W10: n series with periods of 500 to 1500 ms. What a firing costs, and how late it is.
#pragma once

#include "peer/process.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

namespace detent::bench {

template <peer P>
void periodic(const round& r) {
  if constexpr (!has_series<P>) {
    cannot("it has no timers that fire again and again");
  } else {
    firings& sink = *new firings;
    sink.note_lateness_of_series(r.n, 16);
    P& p = *new P(r.n, sink);
    typename P::hand hand{p};
    random_numbers random(r.seed);
    for (std::uint32_t i = 0; i < r.n; ++i) {
      const std::int64_t period_ns = (500 + index_below(random.next(), 1000)) * ns_per_ms;
      sink.expect(i, now_ns(), period_ns);
      if (i % 64 == 0) hand.turn();
      hand.arm_every(i, period_ns);
    }
    hand.drive_until(now_ns() + ns_per_s);
    const std::uint64_t count_before = sink.count();
    const std::int64_t cpu_before_ns = cpu_ns();
    hand.drive_until(now_ns() + r.length_ns());
    const std::uint64_t count = sink.count() - count_before;
    const std::int64_t used_ns = cpu_ns() - cpu_before_ns;
    if (count == 0) cannot("nothing fired");
    answer("cpu per firing", "ns", static_cast<double>(used_ns) / static_cast<double>(count));
    answer("firings per second and timer", "count", static_cast<double>(count) / r.seconds / r.n);
    answer_samples("lateness", "ns", sink.lateness_of_series_ns());
  }
}

}  // namespace detent::bench
