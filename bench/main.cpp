// `detent_bench`, which ./dev bench calls: what to measure, the progress, and where the results go.
#include "command_line.hpp"
#include "page.hpp"
#include "plot.hpp"
#include "progress_line.hpp"
#include "replay_file.hpp"
#include "tables.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <iostream>
#include <optional>
#include <stdexcept>

#include <nlohmann/json.hpp>

namespace {

using namespace detent::bench;

void list(const std::vector<peer_entry>& peers) {
  std::cout << "Workloads\n";
  for (const workload& w : workloads()) {
    std::cout << "  " << w.name << std::string(12 - w.name.size(), ' ') << w.summary << "\n";
  }
  std::cout << "\nRows\n";
  for (const peer_entry& peer : peers) {
    if (peer.row == floor_row) continue;
    std::cout << "  " << peer.row;
    if (!peer.left_out.empty())
      std::cout << std::string(peer.row.size() < 20 ? 20 - peer.row.size() : 1, ' ') << "left out: " << peer.left_out;
    std::cout << "\n";
  }
}

/// Before anything is measured: after hours it would be late to learn that the file cannot be written.
void check_writable(const std::string& file) {
  if (!file.empty() && !std::ofstream(file, std::ios::app)) throw std::invalid_argument("cannot write " + file);
}

void write_json(const std::string& file, const results& all) {
  if (!file.empty()) std::ofstream(file) << results_json(all).dump(1) << "\n";
}

exit_status run(const bench_request& asked, const std::vector<peer_entry>& peers) {
  if (!asked.html_file.empty() && !why_no_page().empty()) throw std::invalid_argument(why_no_page());
  check_writable(asked.json_file);
  check_writable(asked.html_file);
  check_writable(asked.svg_file);
  run_options options = asked.run;
  std::optional<replay_file> trace;
  if (std::ranges::any_of(options.chosen, [](const workload* w) { return w->name == replay_workload; })) {
    trace.emplace(DETENT_DATA_DIR "/nginx-wrk.ftrace.zst");
    options.trace = trace->path();
    options.trace_timers = trace->timers();
  }
  results all;
  {
    detent::cli::progress_line progress;
    all = run_all(
        options, peers, [&progress](const std::string& now) { progress.show(now); },
        [&asked](const results& so_far) { write_json(asked.json_file, so_far); });
  }
  const table_form form = asked.markdown ? table_form::markdown : table_form::plain;
  std::cout << tables(all, form) << "\n" << circumstances(all, form);
  write_json(asked.json_file, all);
  if (!asked.svg_file.empty()) std::ofstream(asked.svg_file) << plot_of_churn(all);
  if (!asked.html_file.empty()) {
    std::ofstream(asked.html_file) << page(all);
    std::cerr << "page: " << asked.html_file << "\n";
  }
  return all.rows.empty() ? exit_status::failed : exit_status::in_order;
}

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    const std::vector<peer_entry> peers = read_peers(DETENT_BENCH_PEERS);
    const bench_request asked = parse_command_line(argument_count, arguments, peers);
    switch (asked.what) {
      case bench_request::kind::nothing: return static_cast<int>(asked.status);
      case bench_request::kind::list: list(peers); return 0;
      case bench_request::kind::run: return static_cast<int>(run(asked, peers));
    }
  } catch (const std::exception& reason) {
    std::cerr << "bench: " << reason.what() << "\n";
  }
  return static_cast<int>(exit_status::cannot_begin);
}
