// W1: n timers are outstanding; cancel a random one and arm it anew, 1 ms to 60 s ahead.
#pragma once

#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/measured_loop.hpp"

namespace detent::bench {

/// Arms every timer of `from..from+count` for the first time.
template <class Hand>
void arm_all_for_churn(Hand&& hand, std::uint32_t from, std::uint32_t count, random_numbers& random) {
  for (std::uint32_t i = 0; i < count; ++i) {
    hand.arm(from + i, churn_delay_ns(random.next()));
    if ((i + 1) % operations_per_turn == 0) hand.turn();
  }
}

template <class Hand>
auto churn_operation(Hand&& hand, std::uint32_t from, std::uint32_t count, random_numbers& random) {
  return [&hand, &random, from, count] {
    const std::uint64_t drawn = random.next();
    const std::uint32_t i = from + index_below(drawn, count);
    hand.cancel(i);
    hand.arm(i, churn_delay_ns(drawn));
  };
}

template <peer P>
void churn(const round& r) {
  firings& sink = *new firings;
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  hand.turn();
  arm_all_for_churn(hand, 0, r.n, random);
  answer("operation", "ns",
         warm_up_and_measure(hand, r.n, r.length_ns(), churn_operation(hand, 0, r.n, random)).ns_per_operation());
}

}  // namespace detent::bench
