// A report as a replay of the shipped recording would give it, with made-up lateness, for the tests of its printers.
#pragma once

#include "replay_report.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace detent::cli {

inline lateness_record sample_lateness(std::uint64_t count, double median_ns, double spread, std::uint32_t seed) {
  std::mt19937 random{seed};
  std::lognormal_distribution<double> lateness{std::log(median_ns), spread};
  std::vector<std::int64_t> sorted_ns(count);
  for (std::int64_t& one : sorted_ns) one = std::llround(lateness(random));
  std::ranges::sort(sorted_ns);
  const auto quantile = [&](double part) {
    return sorted_ns[static_cast<std::size_t>(part * static_cast<double>(count - 1))];
  };
  lateness_record record{count, quantile(0.5), quantile(0.99), quantile(0.999), sorted_ns.back(), {}};
  // Eight buckets for every doubling, as a histogram of fixed memory has them.
  std::size_t at = 0;
  for (std::int64_t octave_ns = 8; at < sorted_ns.size(); octave_ns *= 2) {
    for (std::int64_t eighth = 0; eighth < 8; ++eighth) {
      lateness_bucket bucket{octave_ns + octave_ns / 8 * eighth, octave_ns + octave_ns / 8 * (eighth + 1), 0};
      for (; at < sorted_ns.size() && sorted_ns[at] < bucket.to_ns; ++at) ++bucket.count;
      if (bucket.count != 0) record.buckets.push_back(bucket);
    }
  }
  return record;
}

inline activity_series sample_activity(const rebuilt_trace& trace) {
  activity_series activity;
  activity.span_ns = 20'000'000;
  const auto spans = static_cast<std::size_t>(trace.length_ns / activity.span_ns) + 1;
  for (auto* series :
       {&activity.armed, &activity.rearmed, &activity.cancelled, &activity.fired, &activity.population}) {
    series->resize(spans);
  }
  std::uint64_t population = 0;
  for (const operation& one : trace.operations) {
    const auto span = static_cast<std::size_t>(one.time_ns / activity.span_ns);
    if (one.kind == operation_kind::arm) ++activity.armed[span], ++population;
    if (one.kind == operation_kind::rearm) ++activity.rearmed[span];
    if (one.kind == operation_kind::cancel) ++activity.cancelled[span], --population;
    if (one.kind == operation_kind::expiry) ++activity.fired[span], --population;
    activity.population[span] = population;
  }
  return activity;
}

inline replay_report sample_report() {
  // Read once: under a sanitizer that takes a while.
  static const trace_recording recording = read_recording(DETENT_DATA_DIR "/nginx-wrk.ftrace.zst", std::nullopt);
  replay_report report;
  report.version = "0.1.0";
  report.started_at = "2025-01-31 12:00:00";
  report.recording = summarize(recording);
  const life_counts& counts = recording.trace.counts;
  for (const family_counts* family : {&counts.wheel, &counts.hrtimer}) {
    report.account.armings += family->arms + family->rearms;
    report.account.fired += family->expiries;
    report.account.replaced += family->rearms;
    report.account.cancelled += family->cancels;
  }
  report.account.shut_down = counts.armed_at_end;
  report.lateness = sample_lateness(report.account.fired, 62'000, 0.28, 1);
  report.bare_sleep = sample_lateness(3000, 55'000, 0.25, 2);
  report.cost = {.operations = report.account.armings + report.account.cancelled,
                 .timed_operations = 53'853,
                 .ns_per_operation = 143.7,
                 .p50_ns_per_operation = 71,
                 .p99_ns_per_operation = 703,
                 .wall_ns = 3'291'000'000,
                 .user_cpu_ns = 412'000'000,
                 .system_cpu_ns = 230'000'000,
                 .peak_memory_bytes = 61U << 20U,
                 .trace_memory_bytes = 17U << 20U,
                 .service_memory_bytes = 1U << 20U};
  report.planned_operations = report.cost.operations;
  report.settings.threads = 2;
  report.pace = sample_lateness(report.cost.operations, 40'000, 0.4, 3);
  report.activity = sample_activity(recording.trace);
  report.lifetimes = recorded_lifetimes(recording.trace);
  return report;
}

}  // namespace detent::cli
