// weakening: each acquire and release of the sources taken away, one at a time, and which scenario notices.
#pragma once

#include "explore/execution.hpp"
#include "explore/search.hpp"

#include <cstddef>
#include <string>
#include <vector>

namespace detent::explore {

// One half of one access in `src`, and the scenarios that come by there.
struct weakened_half {
  site where;
  half what;
  std::string name;        // engine/arming.cpp:29:release
  std::string transition;  // T1, from the comment beside it
  std::vector<std::size_t> scenarios;
};

// Runs every scenario a little, to see which accesses it makes.
std::vector<weakened_half> find_halves();
// Lines of src with an acquire or release that no scenario comes by.
std::vector<std::string> lines_never_reached(const std::vector<weakened_half>& reached);

struct weakening_result {
  bool found = false;
  std::string scenario;
  std::string sentence;
  std::string schedule;
  std::uint64_t executions = 0;
};

// In a child process: what lacks an order may do anything. `thorough` goes on to the bound of `how` where chance and
// small bounds found nothing.
weakening_result try_without(const weakened_half& it, const search_options& how);

}  // namespace detent::explore
