#include "replay_report.hpp"

#include <cmath>
#include <string_view>

#include <nlohmann/json.hpp>

namespace detent::cli {
namespace {

using nlohmann::json;

json lateness_json(const lateness_record& record) {
  return {{"count", record.count},
          {"p50", record.p50_ns},
          {"p99", record.p99_ns},
          {"p999", record.p999_ns},
          {"max", record.max_ns}};
}

json buckets_json(const lateness_record& record) {
  json buckets = json::array();
  for (const lateness_bucket& one : record.buckets) {
    buckets.push_back({{"from_ns", one.from_ns}, {"to_ns", one.to_ns}, {"count", one.count}});
  }
  return buckets;
}

json folded_json(const family_counts& counts) {
  return {{"arms", counts.arms}, {"rearms", counts.rearms}, {"cancels", counts.cancels}, {"expiries", counts.expiries}};
}

std::string_view end_text(text_end end) {
  switch (end) {
    case text_end::whole: return "whole";
    case text_end::cut_short: return "cut short";
    case text_end::damaged: return "damaged";
  }
  return "";
}

json recording_json(const recording_summary& recording) {
  const life_counts& counts = recording.counts;
  return {
      {"file", recording.file},
      {"end", end_text(recording.end)},
      {"remarks", recording.remarks},
      {"length_ns", recording.length_ns},
      {"cpus", recording.cpus},
      {"jiffies_per_second", recording.hz},
      {"jiffies_per_second_given", recording.hz_was_given},
      {"timers", recording.timers},
      {"functions", recording.functions},
      {"lines",
       {{"all", recording.lines.lines},
        {"events", recording.lines.events},
        {"headers", recording.lines.headers},
        {"foreign", recording.lines.foreign},
        {"malformed", recording.lines.malformed}}},
      {"events",
       {{"timer_start", counts.wheel.start_events},
        {"timer_cancel", counts.wheel.cancel_events},
        {"timer_expire_entry", counts.wheel.expire_events},
        {"hrtimer_start", counts.hrtimer.start_events},
        {"hrtimer_cancel", counts.hrtimer.cancel_events},
        {"hrtimer_expire_entry", counts.hrtimer.expire_events}}},
      {"folded", {{"timer", folded_json(counts.wheel)}, {"hrtimer", folded_json(counts.hrtimer)}}},
      {"unusual",
       {{"first_seen_by_cancel", counts.first_seen_by_cancel},
        {"first_seen_by_expiry", counts.first_seen_by_expiry},
        {"cancelled_while_idle", counts.cancelled_while_idle},
        {"expired_while_idle", counts.expired_while_idle},
        {"ends_not_seen", counts.ends_not_seen},
        {"addresses_reused", counts.addresses_reused},
        {"armed_at_end", counts.armed_at_end},
        {"already_due", counts.deadlines.already_due},
        {"foreign_clock", counts.deadlines.foreign_clock},
        {"time_went_back", counts.time_went_back},
        {"lost_markers", counts.lost_markers},
        {"lost_events", counts.lost_events}}},
  };
}

json cost_json(const replay_cost& cost) {
  return {{"operations", cost.operations},
          {"timed_operations", cost.timed_operations},
          {"ns_per_operation", cost.ns_per_operation},
          {"p50_ns_per_operation", cost.p50_ns_per_operation},
          {"p99_ns_per_operation", cost.p99_ns_per_operation},
          {"wall_ns", cost.wall_ns},
          {"user_cpu_ns", cost.user_cpu_ns},
          {"system_cpu_ns", cost.system_cpu_ns},
          {"peak_memory_bytes", cost.peak_memory_bytes},
          {"trace_memory_bytes", cost.trace_memory_bytes},
          {"service_memory_bytes", cost.service_memory_bytes}};
}

json activity_json(const activity_series& activity) {
  return {{"span_ns", activity.span_ns},     {"armed", activity.armed}, {"rearmed", activity.rearmed},
          {"cancelled", activity.cancelled}, {"fired", activity.fired}, {"population", activity.population}};
}

json lifetimes_json(const std::vector<function_lifetimes>& lifetimes) {
  json rows = json::array();
  for (const function_lifetimes& one : lifetimes) {
    rows.push_back({{"function", one.function},
                    {"expired", one.expired},
                    {"rearmed", one.rearmed},
                    {"cancelled", one.cancelled},
                    {"p05_ns", one.p05_ns},
                    {"p25_ns", one.p25_ns},
                    {"p50_ns", one.p50_ns},
                    {"p75_ns", one.p75_ns},
                    {"p95_ns", one.p95_ns}});
  }
  return rows;
}

}  // namespace

recording_summary summarize(const trace_recording& recording) {
  recording_summary summary;
  summary.file = recording.file;
  summary.lines = recording.lines;
  summary.counts = recording.trace.counts;
  summary.timers = recording.trace.timers.size();
  summary.functions = recording.trace.functions.size();
  summary.hz = recording.trace.hz;
  summary.hz_was_given = recording.trace.hz_was_given;
  summary.cpus = recording.trace.cpus;
  summary.length_ns = recording.trace.length_ns;
  summary.end = recording.end;
  summary.remarks = recording.remarks();
  return summary;
}

json report_json(const replay_report& report) {
  const arming_account& account = report.account;
  return {
      {"version", report.version},
      {"started_at", report.started_at},
      {"armings", account.armings},
      {"fired", account.fired},
      {"replaced", account.replaced},
      {"cancelled", account.cancelled},
      {"closed", account.closed},
      {"shut_down", account.shut_down},
      {"dropped", account.dropped},
      {"pending", account.pending},
      {"early", account.early},
      {"lost", account.lost},
      {"adds_up", account.adds_up()},
      {"lateness_ns", lateness_json(report.lateness)},
      {"bare_sleep_ns", lateness_json(report.bare_sleep)},
      {"pace_ns", lateness_json(report.pace)},
      {"interrupted", report.interrupted},
      {"planned_operations", report.planned_operations},
      {"settings",
       {{"speed", report.settings.speed},
        {"repeat", report.settings.repeat},
        {"timers_times", report.settings.timers_times},
        {"executor", report.settings.executor},
        {"threads", report.settings.threads}}},
      {"cost", cost_json(report.cost)},
      {"recording", recording_json(report.recording)},
      {"series",
       {{"lateness", buckets_json(report.lateness)},
        {"bare_sleep", buckets_json(report.bare_sleep)},
        {"activity", activity_json(report.activity)},
        {"lifetimes", lifetimes_json(report.lifetimes)}}},
  };
}

}  // namespace detent::cli
