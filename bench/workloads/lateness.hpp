// W5: n timers at random instants, a thousand a second. How late each callback begins, beside a thread that does
// nothing but sleep to instants of its own in the same seconds.
#pragma once

#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/appointments.hpp"

#include <atomic>
#include <sys/prctl.h>
#include <thread>
#include <vector>

namespace detent::bench {

template <peer P>
void lateness(const round& r) {
  constexpr std::uint64_t per_second = 1000;
  firings& sink = *new firings;
  sink.note_lateness(r.n, 1);
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  const std::uint64_t length_us = r.n * (1'000'000 / per_second);
  const std::int64_t base_ns = arm_ahead(
      hand, sink, r.n, 1, [](std::uint32_t k) { return k; },
      [&](std::uint32_t) { return delay_ns_in(random.next(), 0, length_us); });
  const std::int64_t end_ns = base_ns + static_cast<std::int64_t>(length_us) * 1000;
  std::vector<std::int64_t> bare_ns;
  std::thread bare([&] {
    prctl(PR_SET_TIMERSLACK, 1UL);
    random_numbers gaps(r.seed + 1);
    sleep_until_ns(base_ns);
    for (std::int64_t at_ns = now_ns(); at_ns < end_ns; at_ns = now_ns() + delay_ns_in(gaps.next(), 1000, 8000)) {
      sleep_until_ns(at_ns);
      bare_ns.push_back(now_ns() - at_ns);
    }
  });
  drive_until_fired(hand, sink, r.n, end_ns, end_ns + 10 * ns_per_s);
  bare.join();
  if (sink.count() < r.n) cannot("only " + std::to_string(sink.count()) + " fired within 10 s of their time");
  answer_samples("lateness", "ns", sink.lateness_ns(0, r.n));
  answer_samples("bare sleep", "ns", bare_ns);
}

}  // namespace detent::bench
