#include "replay.hpp"

#include "interruption.hpp"
#include "live_replay.hpp"
#include "number_text.hpp"
#include "page_report.hpp"
#include "process_cost.hpp"
#include "terminal_report.hpp"
#include "trace_recording.hpp"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <stdexcept>
#include <string>

#include <nlohmann/json.hpp>

namespace detent::cli {
namespace {

/// Nobody wants to learn after a long replay that its report cannot be written. Leaves what is in the file.
void check_writable(const char* option, const std::string& file) {
  if (file.empty() || std::ofstream(file, std::ios::app)) return;
  throw std::runtime_error(std::string(option) + ": " + file + " cannot be written");
}

void write_file(const char* option, const std::string& file, const std::string& text) {
  std::ofstream out(file, std::ios::binary);
  out << text;
  out.close();
  if (!out) throw std::runtime_error(std::string(option) + ": " + file + " could not be written whole");
}

void write_files(const replay_options& options, const replay_report& report) {
  if (!options.json_file.empty()) {
    // A file name need not be UTF-8.
    write_file("--json", options.json_file,
               report_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  }
  if (!options.html_file.empty()) write_file("--html", options.html_file, page_report(report));
}

bool has_arming(const rebuilt_trace& trace) { return std::ranges::any_of(trace.operations, is_arming); }

}  // namespace

exit_status run_replay(const replay_options& options) {
  if (!options.html_file.empty() && !why_no_page().empty()) throw std::runtime_error("--html: " + why_no_page());
  check_writable("--json", options.json_file);
  check_writable("--html", options.html_file);
  const std::uint64_t before_bytes = resident_bytes();
  const trace_recording recording = read_recording(options.file, options.hz);
  for (const std::string& remark : recording.remarks()) std::cerr << "detent: " << remark << "\n";
  if (!has_arming(recording.trace)) {
    throw unusable_trace(recording.file + " holds " + grouped(recording.lines.events) +
                         " timer events, but no timer is started in it: there is nothing to replay.\n"
                         "  Record timer_start and hrtimer_start as well; data/README.md shows how.");
  }
  forget_peak();
  const std::uint64_t trace_bytes = resident_bytes() - std::min(before_bytes, resident_bytes());
  const interruption until_asked;
  const replay_report report = replay_live(recording, options, trace_bytes, interruption::asked());
  std::cout << terminal_report(report, style_of_standard_output()) << std::flush;
  write_files(options, report);
  return report.account.in_order() ? exit_status::in_order : exit_status::violation;
}

}  // namespace detent::cli
