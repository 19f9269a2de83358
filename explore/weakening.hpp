// weakening: each acquire and release of the sources taken away, one at a time, and which scenario notices.
#pragma once

#include "explore/execution.hpp"
#include "explore/search.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <vector>

namespace detent::explore {

// One half of one access in `src`, and the scenarios that come by there.
struct weakened_half {
  site where;
  half what;
  std::string name;        // engine/arming.cpp:29:release
  std::string transition;  // T1, from the comment beside it
  std::string key;         // core::arm_word T1 release: stays when lines move; a second one ends in 2
  std::vector<std::size_t> scenarios;
};

// Runs every scenario a little, to see which accesses it makes.
std::vector<weakened_half> find_halves();
// Lines of src with an acquire or release that no scenario comes by.
struct line_never_reached {
  std::string name;  // engine/driver.cpp:176
  std::string key;   // engine/driver.cpp P2
};
std::vector<line_never_reached> lines_never_reached(const std::vector<weakened_half>& reached);

// Why something is noticed by nobody, or reached by none, by its key: explore/unnoticed.txt.
std::map<std::string, std::string> read_reasons();

struct weakening_result {
  bool found = false;
  std::string scenario;
  std::string sentence;
  std::string schedule;
  std::uint64_t executions = 0;
};

// In a child process: what lacks an order may do anything. First by chance, then with few preemptions, then as in
// `how`.
weakening_result try_without(const weakened_half& it, const search_options& how);

// The same in two steps, so that several may be on their way.
struct search_without {
  int child;
  int answer;  // a descriptor
};
search_without begin_without(const weakened_half& it, const search_options& how);
weakening_result finish_without(search_without begun);

// Quick: each half that is there now has a row in docs/proof/explorer_weakened.md; what noticed it then, still does,
// and the rest has its reason. Answers a sentence for each that has not.
std::vector<std::string> weakenings_without_verdict();

}  // namespace detent::explore
