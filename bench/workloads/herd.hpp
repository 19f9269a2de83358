// W11: n timers due in the same millisecond, and a thousand others around them. How fast the herd drains, how late the
// last of it is, and what the others suffer.
#pragma once

#include "peer/process.hpp"
#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

#include <algorithm>

namespace detent::bench {

template <peer P>
void herd(const round& r) {
  constexpr std::uint32_t others = 1000;
  constexpr std::uint32_t stride = 16;  // One in so many of the herd is noted, and each of the others.
  constexpr std::uint32_t before_ms = 500;
  const std::uint32_t herd_end = (r.n + stride - 1) / stride * stride;
  const std::uint32_t all = herd_end + others * stride;
  firings& sink = *new firings;
  sink.note_lateness(all, stride);
  const std::int64_t bytes_before = resident_bytes();
  P& p = *new P(all, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  const std::int64_t base_ns = arm_ahead(
      hand, sink, r.n + others, 64, [&](std::uint32_t k) { return k < r.n ? k : herd_end + (k - r.n) * stride; },
      [&](std::uint32_t k) {
        return k < r.n ? before_ms * ns_per_ms + delay_ns_in(random.next(), 0, 1000)
                       : delay_ns_in(random.next(), 0, 2'000'000);
      });
  const std::int64_t end_ns = base_ns + 2 * ns_per_s;
  drive_until_fired(hand, sink, r.n + others, end_ns, end_ns + 30 * ns_per_s);
  if (sink.count() < r.n + others) cannot("only " + std::to_string(sink.count()) + " fired within 30 s");
  std::int64_t last_ns = 0;
  const std::vector<std::int64_t> late_ns = sink.lateness_ns(0, herd_end);
  for (std::size_t at = 0; at < late_ns.size(); ++at)
    last_ns = std::max(last_ns, sink.due_ns(static_cast<std::uint32_t>(at * stride)) + late_ns[at]);
  answer("drain per firing", "ns", static_cast<double>(last_ns - base_ns - before_ms * ns_per_ms) / r.n);
  answer("peak bytes per timer", "bytes", static_cast<double>(peak_resident_bytes() - bytes_before) / r.n);
  answer_samples("herd's lateness", "ns", late_ns);
  answer_samples("others' lateness", "ns", sink.lateness_ns(herd_end, all));
}

}  // namespace detent::bench
