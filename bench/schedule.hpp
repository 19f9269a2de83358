// Runs the cells that were asked for: for each workload and number of timers, round by round, every peer in turn.
#pragma once

#include "peer_list.hpp"
#include "results.hpp"
#include "workload_list.hpp"

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace detent::bench {

struct run_options {
  std::vector<const workload*> chosen;
  std::vector<std::string> peers;      ///< rows; empty: all
  std::vector<std::uint32_t> counts;   ///< empty: the workload's own
  std::vector<std::uint32_t> threads;  ///< empty: the workload's own
  unsigned reps = 5;
  double seconds = 0;       ///< of measuring in a round; 0: the workload's own
  double round_limit = 10;  ///< seconds; a round expected to take longer is left out
  double minutes = 0;       ///< no round begins after so long; 0: no limit
  bool is_short = false;    ///< each workload's short counts
  std::uint64_t seed = 1;
  std::string trace;               ///< replay: the recording, as `write_replay` writes it
  std::uint32_t trace_timers = 0;  ///< replay: how many timers it has
};

/// `tell` hears what is being done now: for a line of progress. `keep` gets all there is after each cell: a run takes
/// hours, and what was measured is not lost with its end.
results run_all(const run_options& options, const std::vector<peer_entry>& peers,
                const std::function<void(const std::string&)>& tell, const std::function<void(const results&)>& keep);

}  // namespace detent::bench
