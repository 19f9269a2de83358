// W2: n timeouts of 30 s; push a random one back to 30 s from now, as a server does with every byte that comes in.
#pragma once

#include "peer/random.hpp"
#include "peer/round.hpp"
#include "workloads/measured_loop.hpp"

namespace detent::bench {

template <class Hand>
void arm_all_for_postpone(Hand&& hand, std::uint32_t from, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    hand.arm(from + i, postpone_delay_ns);
    if ((i + 1) % operations_per_turn == 0) hand.turn();
  }
}

template <class Hand>
auto postpone_operation(Hand&& hand, std::uint32_t from, std::uint32_t count, random_numbers& random) {
  return [&hand, &random, from, count] { hand.postpone(from + index_below(random.next(), count), postpone_delay_ns); };
}

template <peer P>
void postpone(const round& r) {
  firings& sink = *new firings;
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  random_numbers random(r.seed);
  hand.turn();
  arm_all_for_postpone(hand, 0, r.n);
  answer("operation", "ns",
         warm_up_and_measure(hand, r.n, r.length_ns(), postpone_operation(hand, 0, r.n, random)).ns_per_operation());
}

}  // namespace detent::bench
