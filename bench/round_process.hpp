// Runs one round in a process of its own, and reads what it answers.
#pragma once

#include "peer/round.hpp"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace detent::bench {

struct metric_value {
  std::string unit;
  double value = 0;
};

struct metric_samples {
  std::string unit;
  std::vector<std::int64_t> values;
};

struct round_answer {
  std::string version;
  bool is_thread_safe = true;
  std::map<std::string, metric_value> values;     ///< by metric
  std::map<std::string, metric_samples> samples;  ///< by metric
  std::string failure;                            ///< why there is no answer; empty when there is one
  double wall_seconds = 0;
};

/// A round that takes longer than `limit_seconds` is killed, and that is its failure.
round_answer run_round_process(const std::string& program, const round& r, double limit_seconds);

/// Of the text that a round's process wrote. Throws std::runtime_error for a line that is none of the protocol's.
round_answer parse_answer(const std::string& text);

}  // namespace detent::bench
