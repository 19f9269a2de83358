// W8: the cancel that waits for a call in progress: when there is none, and when it races with one of 5 us.
#pragma once

#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/churn.hpp"

#include <vector>

namespace detent::bench {

template <peer P>
void close(const round& r) {
  if constexpr (!waits_for_calls<P>) {
    cannot("it has no cancel that waits for a call in progress");
  } else {
    firings& sink = *new firings;
    P& p = *new P(r.n, sink);
    typename P::hand hand{p};
    random_numbers random(r.seed);
    hand.turn();
    const auto draw = [&] { return index_below(random.next(), r.n); };
    answer("nothing pending", "ns",
           warm_up_and_measure(hand, r.n, r.length_ns(), [&] { hand.cancel_and_wait(draw()); }).ns_per_operation());
    answer("arm, cancel and wait", "ns", warm_up_and_measure(hand, r.n, r.length_ns(), [&] {
                                           const std::uint32_t i = draw();
                                           hand.arm(i, postpone_delay_ns);
                                           hand.cancel_and_wait(i);
                                         }).ns_per_operation());
    constexpr std::int64_t call_ns = 5000;
    sink.keep_busy(call_ns);
    std::vector<std::int64_t> racing_ns;
    const std::int64_t end_ns = now_ns() + r.length_ns();
    while (now_ns() < end_ns) {
      hand.turn();
      hand.arm(0, 20'000);
      const std::int64_t at_ns = now_ns() + delay_ns_in(random.next(), 0, 120);
      while (now_ns() < at_ns) {
      }
      const std::int64_t begin_ns = now_ns();
      hand.cancel_and_wait(0);
      racing_ns.push_back(now_ns() - begin_ns);
    }
    answer_samples("racing with the call", "ns", racing_ns);
  }
}

}  // namespace detent::bench
