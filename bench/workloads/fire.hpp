// W4: n one-shots, all due within one second. What one firing costs the whole process.
#pragma once

#include "peer/process.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

namespace detent::bench {

template <peer P>
void fire(const round& r) {
  firings& sink = *new firings;
  constexpr std::uint32_t noted = 64;  // One in so many reads the clock.
  sink.note_lateness(r.n, noted);
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  const std::int64_t arming_cpu_ns = cpu_ns();
  const std::int64_t base_ns = arm_ahead(
      hand, sink, r.n, 64, [](std::uint32_t k) { return k; },
      [&](std::uint32_t) { return delay_ns_in(random.next(), 0, 1'000'000); });
  const std::int64_t armed_cpu_ns = cpu_ns();
  const std::int64_t end_ns = base_ns + ns_per_s;
  drive_until_fired(hand, sink, r.n, end_ns, end_ns + 30 * ns_per_s);
  const std::int64_t fired_cpu_ns = cpu_ns();
  if (sink.count() < r.n) cannot("only " + std::to_string(sink.count()) + " fired within 30 s of their time");
  answer("cpu per firing", "ns", static_cast<double>(fired_cpu_ns - armed_cpu_ns) / r.n);
  answer("cpu per arming", "ns", static_cast<double>(armed_cpu_ns - arming_cpu_ns) / r.n);
  answer_samples("lateness", "ns", sink.lateness_ns(0, r.n));
}

}  // namespace detent::bench
