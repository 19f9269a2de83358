// The rows of a run, as they are printed, plotted and written for other programs.
#pragma once

#include "statistics.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace detent::bench {

struct result_row {
  std::string workload;
  std::string metric;
  std::string unit;
  std::uint32_t n = 0;
  std::uint32_t threads = 1;
  std::string peer;
  std::string version;
  bool is_thread_safe = true;
  std::vector<double> values;  ///< one for each repetition
};

/// How late, of all repetitions together.
struct lateness_row {
  std::string workload;
  std::string metric;
  std::uint32_t n = 0;
  std::string peer;
  distribution spread;
};

struct left_out_row {
  std::string workload;  ///< empty: all of them
  std::uint32_t n = 0;   ///< 0: whatever their number
  std::string peer;
  std::string why;
};

struct machine_facts {
  std::string cpu;
  unsigned cpus = 0;
  std::string system;
  std::string compiler;
  std::string flags;
  std::string started_at;  ///< UTC
  std::string load_at_begin;
  std::string load_at_end;
};

machine_facts facts_of_this_machine();
/// "0.52 0.58 0.59": how busy the machine was in the last 1, 5 and 15 minutes.
std::string load_average();

struct results {
  machine_facts machine;
  std::string version;
  std::uint64_t seed = 0;
  std::vector<result_row> rows;
  std::vector<lateness_row> lateness;
  std::vector<left_out_row> left_out;
};

nlohmann::json results_json(const results& all);

/// The row of Detent that a row is compared with: peers that any thread may use with `detent`, whose armings read the
/// clock as theirs do, the others with `detent-loop`. nullptr when it was not measured, or is the row itself.
const result_row* compared_with(const results& all, const result_row& row);

/// "1e6", "2500"
std::string count_text(std::uint32_t n);

}  // namespace detent::bench
