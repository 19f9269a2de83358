// main() of a peer's program: finds the row and the workload by their names, and runs one round.
#pragma once

#include "peer/peer.hpp"
#include "peer/round.hpp"
#include "workloads/churn.hpp"
#include "workloads/close.hpp"
#include "workloads/fire.hpp"
#include "workloads/herd.hpp"
#include "workloads/idle.hpp"
#include "workloads/lateness.hpp"
#include "workloads/memory.hpp"
#include "workloads/periodic.hpp"
#include "workloads/postpone.hpp"
#include "workloads/replay.hpp"
#include "workloads/threads.hpp"
#include "workloads/turnover.hpp"

#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

namespace detent::bench {

template <peer P>
void run_round(const round& r) {
  std::printf("version %s\n", P::version().c_str());
  std::printf("sharing %s\n", P::is_thread_safe ? "any_thread" : "one_thread");
  if (r.workload == "churn") return churn<P>(r);
  if (r.workload == "turnover") return turnover<P>(r);
  if (r.workload == "postpone") return postpone<P>(r);
  if (r.workload == "threads") return threads<P>(r);
  if (r.workload == "fire") return fire<P>(r);
  if (r.workload == "lateness") return lateness<P>(r);
  if (r.workload == "memory") return memory<P>(r);
  if (r.workload == "idle") return idle<P>(r);
  if (r.workload == "close") return close<P>(r);
  if (r.workload == "replay") return replay<P>(r);
  if (r.workload == "periodic") return periodic<P>(r);
  if (r.workload == "herd") return herd<P>(r);
  cannot("it does not know the workload " + r.workload);
}

/// The process ends without taking the peer down: at 10^7 timers that would take longer than the round.
template <peer... Peers>
int run_program(int argument_count, const char* const* arguments) {
  int status = 0;
  try {
    const round r = parse_round(argument_count, arguments);
    bool known = false;
    (
        [&] {
          if (r.peer != Peers::name) return;
          known = true;
          run_round<Peers>(r);
        }(),
        ...);
    if (!known) {
      std::fprintf(stderr, "%s: no row of this program is called '%s'\n", arguments[0], r.peer.c_str());
      status = 2;
    }
  } catch (const std::exception& reason) {
    std::fprintf(stderr, "%s: %s\n", arguments[0], reason.what());
    status = 1;
  }
  std::fflush(stdout);
  std::_Exit(status);
}

}  // namespace detent::bench
