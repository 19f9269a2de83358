// What a replay found: everything that the terminal, the JSON file and the page show.
#pragma once

#include "recorded_lifetimes.hpp"
#include "trace_recording.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace detent::cli {

/// How armings ended, summed from the answers that the callers got.
struct arming_account {
  std::uint64_t armings = 0;
  std::uint64_t fired = 0;
  std::uint64_t replaced = 0;
  std::uint64_t cancelled = 0;
  std::uint64_t closed = 0;
  std::uint64_t shut_down = 0;
  std::uint64_t dropped = 0;
  std::uint64_t pending = 0;
  std::uint64_t early = 0;  ///< firings before their deadline; must be 0
  std::uint64_t lost = 0;   ///< armings without any end; must be 0

  std::uint64_t ends() const noexcept { return fired + replaced + cancelled + closed + shut_down + dropped; }
  bool adds_up() const noexcept { return armings == ends() + pending; }
  bool in_order() const noexcept { return adds_up() && early == 0 && lost == 0; }
};

struct lateness_bucket {
  std::int64_t from_ns = 0;  ///< inclusive
  std::int64_t to_ns = 0;    ///< exclusive
  std::uint64_t count = 0;
};

/// Callback start minus deadline, or wake-up minus deadline of a bare sleep.
struct lateness_record {
  std::uint64_t count = 0;
  std::int64_t p50_ns = 0;
  std::int64_t p99_ns = 0;
  std::int64_t p999_ns = 0;
  std::int64_t max_ns = 0;
  std::vector<lateness_bucket> buckets;  ///< in order; an empty one may be left out
};

/// One row per span of the replay's own time.
struct activity_series {
  std::int64_t span_ns = 0;
  std::vector<std::uint64_t> armed;  ///< operations that began in the span
  std::vector<std::uint64_t> rearmed;
  std::vector<std::uint64_t> cancelled;
  std::vector<std::uint64_t> fired;
  std::vector<std::uint64_t> population;  ///< armed timers at the end of the span
};

struct replay_settings {
  double speed = 1;  ///< 0: as fast as possible
  std::uint32_t repeat = 1;
  std::uint32_t timers_times = 1;
  std::string executor = "driver";
  std::uint32_t threads = 0;  ///< that replay: one for each recorded CPU with operations
};

struct replay_cost {
  std::uint64_t operations = 0;        ///< arm, rearm and cancel calls
  std::uint64_t timed_operations = 0;  ///< those of them that were timed
  double ns_per_operation = 0;         ///< mean time inside such a call, interruptions by the machine included
  std::int64_t p50_ns_per_operation = 0;
  std::int64_t p99_ns_per_operation = 0;
  std::int64_t wall_ns = 0;
  std::int64_t user_cpu_ns = 0;
  std::int64_t system_cpu_ns = 0;
  std::uint64_t peak_memory_bytes = 0;
  std::uint64_t trace_memory_bytes = 0;    ///< of the peak, what the trace in memory takes
  std::uint64_t service_memory_bytes = 0;  ///< of the peak, what came with the service, its timers and the threads
};

/// What of the recording is told again in the report.
struct recording_summary {
  std::string file;
  line_counts lines;
  life_counts counts;
  std::uint64_t timers = 0;
  std::uint64_t functions = 0;
  std::uint32_t hz = 0;
  bool hz_was_given = false;
  std::uint32_t cpus = 0;
  std::int64_t length_ns = 0;
  text_end end = text_end::whole;
  std::vector<std::string> remarks;
};

recording_summary summarize(const trace_recording& recording);

struct replay_report {
  std::string version;                   ///< of detent
  std::string started_at;                ///< UTC, "2025-01-31 23:59:59"
  bool interrupted = false;              ///< the user ended the replay early
  std::uint64_t planned_operations = 0;  ///< more than `cost.operations` if it was
  recording_summary recording;
  replay_settings settings;
  arming_account account;
  lateness_record lateness;
  lateness_record bare_sleep;  ///< same machine, same seconds
  lateness_record pace;        ///< begin of an operation minus its recorded instant; empty without a pace
  replay_cost cost;
  activity_series activity;
  std::vector<function_lifetimes> lifetimes;
};

/// Durations are integers in ns and named so; the keys of `arming_account` stand at the top.
nlohmann::json report_json(const replay_report& report);

}  // namespace detent::cli
