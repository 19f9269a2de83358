// The loop that churn, turnover and postpone share: warm up, then do operations for a while, in turns.
#pragma once

#include "peer/clock.hpp"
#include "peer/peer.hpp"

#include <algorithm>
#include <cstdint>

namespace detent::bench {

struct measured {
  std::uint64_t operations = 0;
  std::int64_t elapsed_ns = 0;
  double ns_per_operation() const noexcept { return static_cast<double>(elapsed_ns) / static_cast<double>(operations); }
};

/// Does `operation()` in turns until `length_ns` are over, or until `most` operations are done.
template <class Hand, class Operation>
measured repeat_for(Hand&& hand, std::int64_t length_ns, std::uint64_t most, Operation&& operation) {
  measured done;
  const std::int64_t begin_ns = now_ns();
  do {
    for (std::uint32_t k = 0; k < operations_per_turn; ++k) operation();
    hand.turn();
    done.operations += operations_per_turn;
    done.elapsed_ns = now_ns() - begin_ns;
  } while (done.elapsed_ns < length_ns && done.operations < most);
  return done;
}

/// Caches, pages, trees and drivers come to where they stay: twice as many operations as there are timers, but no
/// longer than five times the measuring, or than 200 ns for each timer.
template <class Hand, class Operation>
measured warm_up_and_measure(Hand&& hand, std::uint32_t n, std::int64_t length_ns, Operation&& operation) {
  constexpr std::int64_t per_timer_ns = 200;
  const std::int64_t warm_up_ns = std::max(5 * length_ns, n * per_timer_ns);
  repeat_for(hand, warm_up_ns, std::max<std::uint64_t>(2ULL * n, 20'000), operation);
  return repeat_for(hand, length_ns, ~0ULL, operation);
}

}  // namespace detent::bench
