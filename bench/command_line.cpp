#include "command_line.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iostream>
#include <sstream>

#include <CLI/CLI.hpp>

namespace detent::bench {
namespace {

constexpr auto footer =
    "Every round is a process of its own, and the peers take turns: first round of each, second\n"
    "round of each, and so on. Printed is the median; a JSON file also has least and most.\n\n"
    "Examples:\n"
    "  ./dev bench                                          everything; two hours or so\n"
    "  ./dev bench --short --markdown --svg FILE            the README's table and plot\n"
    "  ./dev bench churn --n 1e3,1e6                        one workload, two sizes\n"
    "  ./dev bench churn postpone --peers detent,libuv      only these rows\n"
    "  ./dev bench churn --peers asio-mutex --json FILE     for another program\n"
    "  ./dev bench floor                                    what the machine charges\n"
    "  ./dev bench --list                                   the workloads and the rows there are\n\n"
    "Figures of a busy machine say little: the load average is printed beside them.\n"
    "Exit status: 0 measured; 1 nothing could be measured; 2 the arguments cannot be used.";

constexpr std::uint32_t most_timers = 20'000'000;

/// "1e6", "2.5e4" and "1000" alike.
bool parse_count(const std::string& text, std::uint32_t& count) {
  double value = 0;
  if (!CLI::detail::lexical_cast(text, value)) return false;
  if (!(value >= 1 && value <= most_timers) || value != std::floor(value)) return false;
  count = static_cast<std::uint32_t>(value);
  return true;
}

CLI::Validator a_count() {
  return {[](std::string& text) {
            std::uint32_t count = 0;
            if (!parse_count(text, count)) return "'" + text + "' is not a whole number between 1 and 2e7";
            text = std::to_string(count);
            return std::string{};
          },
          ""};
}

template <class Number>
CLI::Validator between(Number low, Number high) {
  return {[low, high](std::string& text) {
            Number value{};
            if (CLI::detail::lexical_cast(text, value) && value >= low && value <= high) return std::string{};
            std::ostringstream words;
            words << "'" << text << "' is not a number between " << low << " and " << high;
            return words.str();
          },
          ""};
}

CLI::Validator one_of(std::vector<std::string> names, const std::string& what) {
  return {[names = std::move(names), what](std::string& text) {
            if (std::ranges::find(names, text) != names.end()) return std::string{};
            std::string words = "'" + text + "' is no " + what + ". There are:";
            for (const std::string& name : names) words += " " + name;
            return words;
          },
          ""};
}

std::vector<std::string> names_of_workloads() {
  std::vector<std::string> names;
  for (const workload& w : workloads()) names.emplace_back(w.name);
  return names;
}

std::vector<std::string> names_of_rows(const std::vector<peer_entry>& peers) {
  std::vector<std::string> names;
  for (const peer_entry& peer : peers) {
    if (peer.row != floor_row) names.push_back(peer.row);
  }
  return names;
}

/// The short form, where the command line does not say otherwise.
void shorten(run_options& run, const std::vector<peer_entry>& peers, bool reps_too) {
  constexpr unsigned reps = 3;
  constexpr double minutes = 13;  // The round in progress then, and the page, come on top.
  constexpr std::array rows = {"detent",   "detent-now", "detent-loop", "detent-spin", "asio-mutex", "libuv",   "libev",
                               "libevent", "go",         "java",        "netty",       "tokio",      "multimap"};
  if (reps_too) run.reps = reps;
  if (run.minutes <= 0) run.minutes = minutes;
  if (!run.peers.empty()) return;
  for (const peer_entry& peer : peers) {
    if (std::ranges::find(rows, peer.row) != rows.end()) run.peers.push_back(peer.row);
  }
}

}  // namespace

bench_request parse_command_line(int argument_count, const char* const* arguments,
                                 const std::vector<peer_entry>& peers) {
  CLI::App app{
      "Measures Detent beside the timer facilities that people use instead, on the same work in the same run."};
  app.name("./dev bench");
  app.get_formatter()->column_width(26);
  app.footer(footer);
  bench_request asked;
  std::vector<std::string> chosen;
  app.add_option("WORKLOADS", chosen, "What to measure (all if none is given); --list explains them")
      ->type_name("")
      ->check(one_of(names_of_workloads(), "workload"));
  app.add_option("--peers", asked.run.peers, "Only these rows, separated by commas")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("ROW,..")
      ->check(one_of(names_of_rows(peers), "row"));
  app.add_option("--n", asked.run.counts, "Numbers of timers, as 1e3,1e6 or 1000")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("N,..")
      ->transform(a_count());
  app.add_option("--threads", asked.run.threads, "Numbers of threads, for the workload threads")
      ->delimiter(',')
      ->allow_extra_args(false)
      ->type_name("N,..")
      ->check(between(1U, 256U));
  app.add_option("--reps", asked.run.reps, "Rounds of each peer")
      ->type_name("N")
      ->check(between(1U, 1000U))
      ->capture_default_str();
  app.add_option("--seconds", asked.run.seconds, "Measuring in a round (each workload has its own)")
      ->type_name("S")
      ->check(between(0.001, 3600.0));
  app.add_flag("--short", asked.run.is_short,
               "A quarter of an hour: the main workloads at 1e3, 1e5 and 1e6, three rounds, one row for each library");
  app.add_option("--minutes", asked.run.minutes, "Begin no round after so long; what is left out is named")
      ->type_name("M")
      ->check(between(0.1, 1e6));
  app.add_option("--round-limit", asked.run.round_limit, "Leave out rounds that would take longer, in seconds")
      ->type_name("S")
      ->check(between(0.1, 36000.0))
      ->capture_default_str();
  app.add_option("--seed", asked.run.seed, "Of all random choices")->type_name("X")->capture_default_str();
  app.add_option("--json", asked.json_file, "Write every row as JSON")->type_name("FILE");
  app.add_option("--html", asked.html_file, "Write one self-contained page with plots")->type_name("FILE");
  app.add_option("--svg", asked.svg_file, "Write the plot of churn, for a page that runs no scripts")
      ->type_name("FILE");
  app.add_flag("--markdown", asked.markdown, "Print the tables as Markdown");
  bool list = false;
  app.add_flag("--list", list, "Tell the workloads, the rows, and why one cannot be measured here");
  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& reason) {
    const bool asked_for = app.exit(reason) == 0;
    asked.what = bench_request::kind::nothing;
    asked.status = asked_for ? exit_status::in_order : exit_status::cannot_begin;
    return asked;
  }
  if (list) asked.what = bench_request::kind::list;
  if (asked.run.is_short) shorten(asked.run, peers, app.count("--reps") == 0);
  for (const workload& w : workloads()) {
    if (chosen.empty() && asked.run.is_short && w.short_counts.empty()) continue;
    if (chosen.empty() || std::ranges::find(chosen, w.name) != chosen.end()) asked.run.chosen.push_back(&w);
  }
  return asked;
}

}  // namespace detent::bench
