#include "replay_plan.hpp"

#include <vector>

namespace detent::cli {

replay_plan::replay_plan(const rebuilt_trace& trace) : steps_of_timer(trace.timers.size()) {
  std::vector<std::vector<planned_step>> lists(trace.cpus);
  for (std::size_t at = 0; at < trace.operations.size(); ++at) {
    const operation& one = trace.operations[at];
    if (one.kind == operation_kind::expiry) continue;  // The live timers fire by themselves.
    if (one.cpu >= lists.size()) lists.resize(one.cpu + 1U);
    lists[one.cpu].push_back({static_cast<std::uint32_t>(at), steps_of_timer[one.timer]++});
  }
  for (auto& list : lists) {
    if (!list.empty()) per_cpu.push_back(std::move(list));
  }
}

std::uint64_t replay_plan::steps() const noexcept {
  std::uint64_t count = 0;
  for (const auto& list : per_cpu) count += list.size();
  return count;
}

}  // namespace detent::cli
