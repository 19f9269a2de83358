// The workloads by name, and how each is run unless the command line says otherwise.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace detent::bench {

struct workload {
  std::string_view name;
  std::string_view summary;
  std::vector<std::uint32_t> counts;  ///< timers; for the floor, cache lines
  std::vector<std::uint32_t> threads;
  double seconds = 0;                       ///< of measuring in a round
  std::vector<std::uint32_t> short_counts;  ///< of the short form; empty: not in it
};

const std::vector<workload>& workloads();

/// Its number of timers is the recording's.
inline constexpr std::string_view replay_workload = "replay";

/// nullptr when there is none of that name.
const workload* find_workload(std::string_view name);

}  // namespace detent::bench
