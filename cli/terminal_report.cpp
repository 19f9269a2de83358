#include "terminal_report.hpp"

#include "lateness_strip.hpp"
#include "number_text.hpp"
#include "text_columns.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <unistd.h>

namespace detent::cli {
namespace {

class report_writer {
 public:
  explicit report_writer(text_style style) : paint_(style == text_style::coloured) {}

  std::string text;

  void heading(std::string_view title) { text.append("\n").append(paint("1", title)).append("\n"); }

  void line(std::string_view words) { text.append("  ").append(words).append("\n"); }

  std::string good(std::string_view words) const { return paint("32", words); }
  std::string bad(std::string_view words) const { return paint("1;31", words); }
  std::string quiet(std::string_view words) const { return paint("2", words); }
  std::string strong(std::string_view words) const { return paint("1", words); }

 private:
  std::string paint(std::string_view code, std::string_view words) const {
    if (!paint_) return std::string(words);
    return std::string("\033[").append(code).append("m").append(words).append("\033[0m");
  }

  bool paint_;
};

void write_recording(report_writer& out, const recording_summary& recording) {
  out.heading("Recording");
  out.line(out.strong(std::filesystem::path(recording.file).filename().string()) + "  " +
           grouped(recording.lines.events) + " events of " + grouped(recording.timers) + " timers and " +
           grouped(recording.functions) + " kernel functions");
  std::string where = duration_text(recording.length_ns) + " on " + grouped(recording.cpus) + " CPUs";
  if (recording.hz != 0) {
    where +=
        ", " + grouped(recording.hz) + " jiffies per second (" + (recording.hz_was_given ? "given" : "derived") + ")";
  }
  out.line(where);
  text_columns table{"", "start", "cancel", "expire", "", "arms", "re-arms", "cancels", "expiries"};
  const auto row = [&table](std::string_view name, const family_counts& counts) {
    table.add({std::string(name), grouped(counts.start_events), grouped(counts.cancel_events),
               grouped(counts.expire_events), "folded into", grouped(counts.arms), grouped(counts.rearms),
               grouped(counts.cancels), grouped(counts.expiries)});
  };
  row("timer", recording.counts.wheel);
  row("hrtimer", recording.counts.hrtimer);
  for (const std::string& one : table.lines()) out.line(one);
}

void write_unusual(report_writer& out, const life_counts& counts) {
  constexpr std::size_t widest = 96;
  std::string line;
  const auto tell = [&](std::uint64_t count, std::string_view name) {
    if (count == 0) return;
    const std::string words = grouped(count).append(" ").append(name);
    if (line.size() + words.size() > widest) {
      out.line(out.quiet(line + ","));
      line = words;
    } else {
      line.append(line.empty() ? "beside that: " : ", ").append(words);
    }
  };
  tell(counts.first_seen_by_cancel, "first seen by a cancel");
  tell(counts.first_seen_by_expiry, "first seen by an expiry");
  tell(counts.cancelled_while_idle, "cancelled while idle");
  tell(counts.expired_while_idle, "expired while idle");
  tell(counts.ends_not_seen, "ends not seen");
  tell(counts.addresses_reused, "addresses re-used");
  tell(counts.armed_at_end, "armed at the end");
  tell(counts.deadlines.already_due, "due when armed");
  tell(counts.deadlines.foreign_clock, "on a foreign clock");
  tell(counts.time_went_back, "stamped out of order");
  tell(counts.lost_events, "events lost by the recorder");
  if (!line.empty()) out.line(out.quiet(line));
}

std::string pace_text(const replay_settings& settings) {
  if (settings.speed == 0) return "as fast as possible, with the recorded delays";
  if (settings.speed == 1) return "at recorded pace";
  std::array<char, 32> factor{};
  std::snprintf(factor.data(), factor.size(), "%g", settings.speed);
  return std::string(factor.data()) + " times as fast as recorded";
}

void write_replay(report_writer& out, const replay_report& report) {
  const replay_settings& settings = report.settings;
  out.heading("Replay");
  std::string how = pace_text(settings);
  if (settings.threads != 0) {
    how += " by " + grouped(settings.threads) + (settings.threads == 1 ? " thread" : " threads");
  }
  how += ", callbacks on the " + settings.executor;
  if (settings.timers_times > 1) how += ", " + grouped(settings.timers_times) + " timers for each recorded one";
  if (settings.repeat > 1) how += ", " + grouped(settings.repeat) + " times over";
  out.line(how);
  if (report.interrupted) {
    out.line(out.strong("ended early by the user: " + grouped(report.cost.operations) + " of " +
                        grouped(report.planned_operations) + " operations were done"));
  }
}

void write_account(report_writer& out, const arming_account& account) {
  out.heading("Armings and their ends");
  text_columns table{"", "", ""};
  const auto row = [&](std::string_view name, std::uint64_t count) {
    table.add({std::string(name), grouped(count), share_text(count, account.armings)});
  };
  table.add({"armings", grouped(account.armings), ""});
  row("  fired", account.fired);
  row("  replaced", account.replaced);
  row("  cancelled", account.cancelled);
  row("  closed", account.closed);
  row("  shut down", account.shut_down);
  row("  dropped", account.dropped);
  row("  pending", account.pending);
  for (const std::string& one : table.lines()) out.line(one);
  const std::uint64_t sum = account.ends() + account.pending;
  out.line(account.adds_up() ? out.good("adds up") : out.bad("does not add up: the ends make " + grouped(sum)));
  const auto must_be_none = [&](std::uint64_t count, std::string_view name, std::string_view loud) {
    return count == 0 ? out.good(grouped(count).append(" ").append(name))
                      : out.bad(grouped(count).append(" ").append(loud));
  };
  out.line(must_be_none(account.early, "early", "EARLY") + ", " + must_be_none(account.lost, "lost", "LOST"));
}

void write_lateness(report_writer& out, const replay_report& report) {
  out.heading("Lateness");
  text_columns table{"", "p50", "p99", "p99.9", "max", "of"};
  const auto row = [&table](std::string_view name, const lateness_record& record) {
    table.add({std::string(name), duration_text(record.p50_ns), duration_text(record.p99_ns),
               duration_text(record.p999_ns), duration_text(record.max_ns), grouped(record.count)});
  };
  row("timers", report.lateness);
  row("a bare absolute sleep", report.bare_sleep);
  if (report.pace.count != 0) row("operations, behind the pace", report.pace);
  for (const std::string& one : table.lines()) out.line(one);
  for (const std::string& one : lateness_strips(report.lateness, report.bare_sleep)) out.line(out.quiet(one));
}

void write_cost(report_writer& out, const replay_report& report) {
  const replay_cost& cost = report.cost;
  out.heading("Cost");
  text_columns table{"", ""};
  table.add({"per operation", duration_text(cost.p50_ns_per_operation) + " median, " +
                                  duration_text(std::llround(cost.ns_per_operation)) + " mean, " +
                                  duration_text(cost.p99_ns_per_operation) + " p99 of " + grouped(cost.operations) +
                                  " arm, re-arm and cancel calls"});
  const std::int64_t cpu_ns = cost.user_cpu_ns + cost.system_cpu_ns;
  table.add({"CPU", duration_text(cpu_ns) + " in " + duration_text(cost.wall_ns) + " (user " +
                        duration_text(cost.user_cpu_ns) + ", system " + duration_text(cost.system_cpu_ns) + ")"});
  table.add({"memory", bytes_text(cost.peak_memory_bytes) + " at most: " + bytes_text(cost.trace_memory_bytes) +
                           " the trace, " + bytes_text(cost.service_memory_bytes) + " the service and its timers"});
  for (const std::string& one : table.lines(text_columns::align::left)) out.line(one);
}

}  // namespace

text_style style_of_standard_output() {
  const char* const terminal = std::getenv("TERM");
  const bool dumb = terminal == nullptr || std::string_view{terminal} == "dumb";
  const char* const no_colour = std::getenv("NO_COLOR");
  const bool unwanted = no_colour != nullptr && *no_colour != '\0';
  return isatty(STDOUT_FILENO) != 0 && !dumb && !unwanted ? text_style::coloured : text_style::plain;
}

std::string terminal_report(const replay_report& report, text_style style) {
  report_writer out{style};
  write_recording(out, report.recording);
  write_unusual(out, report.recording.counts);
  write_replay(out, report);
  write_account(out, report.account);
  write_lateness(out, report);
  write_cost(out, report);
  return std::move(out.text);
}

}  // namespace detent::cli
