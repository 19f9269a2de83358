// W1b: n timers are outstanding; destroy a random one, create another, and arm it. Every peer allocates what it needs.
#pragma once

#include "workloads/churn.hpp"

namespace detent::bench {

template <peer P>
void turnover(const round& r) {
  firings& sink = *new firings;
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  hand.turn();
  arm_all_for_churn(hand, 0, r.n, random);
  const auto operation = [&] {
    const std::uint64_t drawn = random.next();
    hand.replace(index_below(drawn, r.n), churn_delay_ns(drawn));
  };
  answer("operation", "ns", warm_up_and_measure(hand, r.n, r.length_ns(), operation).ns_per_operation());
}

}  // namespace detent::bench
