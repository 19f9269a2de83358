// W9: what the kernel's own timers did under a web server, again and again, as fast as possible and with the delays
// that were recorded.
#pragma once

#include "peer/recorded.hpp"
#include "peer/round.hpp"
#include "workloads/measured_loop.hpp"

#include <cstddef>
#include <fstream>
#include <stdexcept>
#include <vector>

namespace detent::bench {

inline std::vector<recorded_operation> read_recorded(const std::string& file) {
  std::ifstream in(file, std::ios::binary | std::ios::ate);
  if (!in) throw std::runtime_error("cannot read " + file);
  std::vector<recorded_operation> all(static_cast<std::size_t>(in.tellg()) / sizeof(recorded_operation));
  in.seekg(0);
  in.read(reinterpret_cast<char*>(all.data()), static_cast<std::streamsize>(all.size() * sizeof(recorded_operation)));
  return all;
}

template <peer P>
void replay(const round& r) {
  const std::vector<recorded_operation> all = read_recorded(r.file);
  firings& sink = *new firings;
  P& p = *new P(r.n, sink);
  typename P::hand hand{p};
  hand.turn();
  // At this speed few expire before they are armed again, which then is a postponing.
  std::vector<bool> was_armed(r.n);
  std::size_t at = 0;
  const auto operation = [&] {
    const recorded_operation& one = all[at];
    at = at + 1 == all.size() ? 0 : at + 1;
    if (one.delay_ns < 0) {
      hand.cancel(one.timer);
      was_armed[one.timer] = false;
    } else if (was_armed[one.timer]) {
      hand.postpone(one.timer, one.delay_ns);
    } else {
      hand.arm(one.timer, one.delay_ns);
      was_armed[one.timer] = true;
    }
  };
  repeat_for(hand, 10 * r.length_ns(), all.size(), operation);
  answer("operation", "ns", repeat_for(hand, r.length_ns(), ~0ULL, operation).ns_per_operation());
}

}  // namespace detent::bench
