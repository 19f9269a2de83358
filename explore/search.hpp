// search: many executions of one scenario, until one is violated or all were tried.
#pragma once

#include "explore/execution.hpp"

#include <cstdint>
#include <string>

namespace detent::explore {

struct search_options {
  int bound = 2;                        // preemptions; `unbounded` for all schedules
  int stale_bound = 2;                  // loads of old values
  std::uint64_t random_executions = 0;  // instead of depth first
  int pct_depth = 0;                    // with random: PCT of this depth
  std::uint64_t seed = 1;
  std::uint64_t limit = UINT64_MAX;                      // executions
  double limit_s = 1e18;                                 // of CPU time
  void (*progress)(std::uint64_t executions) = nullptr;  // about five times a second
};

struct search_result {
  std::uint64_t executions = 0;
  std::uint64_t redundant = 0;  // begun, then found to be explored already
  std::uint64_t steps = 0;
  double seconds = 0;     // of CPU time
  bool complete = false;  // nothing within the bounds was left out
  outcome last{};         // of the violation, if there was one
};

search_result search(void (*scenario)(), const search_options& how);
// Follows the schedule and prints it.
search_result follow(void (*scenario)(), const std::string& schedule, bool tell, bool* fits);

}  // namespace detent::explore
