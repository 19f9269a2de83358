#include "explore/report.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <fstream>
#include <unistd.h>
#include <utility>

namespace detent::explore {

namespace {

const char* showing = "";

bool on_terminal() { return isatty(STDOUT_FILENO) == 1; }

// 1234567 as 1 234 567.
std::string spaced(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3; at -= 3) text.insert(at - 3, 1, ' ');
  return text;
}

std::string output_of(const char* command) {
  std::string text;
  std::FILE* from = popen(command, "r");
  if (from == nullptr) return text;
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), from) != nullptr) text += part.data();
  pclose(from);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

// Which sources these figures are of.
std::string sources_hash() {
  return output_of("cd '" DETENT_SOURCE_DIR
                   "' && cat $(find src include explore -name '*.[ch]pp' | LC_ALL=C sort) | sha256sum | cut -c1-16");
}

// What `./dev explore --minutes` has written at the end of the page (tools/explored.py).
std::string long_runs_in(const std::string& file) {
  std::ifstream in(file);
  std::string kept;
  for (std::string line; std::getline(in, line);) {
    if (!kept.empty() || line == "## Long runs") kept += line + '\n';
  }
  return kept;
}

std::string machine() { return output_of("sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1") + ", one core"; }

}  // namespace

report::report(const search_options& how) : how_(how) {
  if (how.random_executions != 0) {
    std::printf("%s schedules each, %s\n", spaced(how.random_executions).c_str(),
                how.pct_depth == 0 ? "at random" : ("PCT of depth " + std::to_string(how.pct_depth)).c_str());
  } else {
    std::printf("depth first, %s preemptions, %d old loads\n",
                how.bound >= 1000 ? "any number of" : ("up to " + std::to_string(how.bound)).c_str(), how.stale_bound);
  }
  std::printf("%-20s %13s %13s %9s %10s  %s\n", "scenario", "executions", "redundant", "CPU s", "per s", "verdict");
}

void report::begin(const char* scenario) {
  showing = scenario;
  show_progress(0);
}

void report::show_progress(std::uint64_t executions) {
  if (!on_terminal()) return;
  std::printf("\r%-20s %13s ...\033[K", showing, spaced(executions).c_str());
  std::fflush(stdout);
}

std::string report::verdict_of(const search_result& result) const {
  if (result.last.what == verdict::violated) return "VIOLATED: " + result.last.sentence;
  if (how_.random_executions != 0) return "held";
  return result.complete ? "held, all of them" : "held, cut by the limit";
}

void report::add(const scenario& of, const search_result& result) {
  rows_.push_back({of, result});
  executions_ += result.executions;
  redundant_ += result.redundant;
  seconds_ += result.seconds;
  const bool bad = result.last.what == verdict::violated;
  const double rate =
      result.seconds > 0 ? static_cast<double>(result.executions + result.redundant) / result.seconds : 0;
  std::printf("%s%-20s %13s %13s %9.2f %10s  %s%s\n", on_terminal() ? (bad ? "\r\033[K\033[31m" : "\r\033[K") : "",
              of.name, spaced(result.executions).c_str(), spaced(result.redundant).c_str(), result.seconds,
              spaced(static_cast<std::uint64_t>(rate)).c_str(), verdict_of(result).c_str(),
              on_terminal() && bad ? "\033[0m" : "");
  if (bad) {
    ++violated_;
    std::printf("    ./dev explore --scenario %s --replay '%s'\n", of.name, result.last.schedule.c_str());
  }
  std::fflush(stdout);
}

void report::finish() {
  const double rate = seconds_ > 0 ? static_cast<double>(executions_ + redundant_) / seconds_ : 0;
  std::printf("%-20s %13s %13s %9.2f %10s  %zu scenarios, %zu violated\n", "all", spaced(executions_).c_str(),
              spaced(redundant_).c_str(), seconds_, spaced(static_cast<std::uint64_t>(rate)).c_str(), rows_.size(),
              violated_);
}

bool report::write(const std::string& file) const {
  const std::string long_runs = long_runs_in(file);
  std::ofstream out(file);
  out << "# Explored schedules\n\nWritten by `./dev explore --record`; sources " << sources_hash() << "; " << machine()
      << ".\n\n";
  if (how_.random_executions != 0) {
    out << "Schedules at random";
    if (how_.pct_depth != 0) out << ", PCT of depth " << how_.pct_depth;
  } else {
    out << "Depth first: " << (how_.bound >= 1000 ? "any number of" : "up to " + std::to_string(how_.bound))
        << " preemptions and " << how_.stale_bound << " loads of old values";
  }
  out << ". " << spaced(executions_) << " executions, " << spaced(redundant_)
      << " more begun and found to be explored already, in " << static_cast<std::uint64_t>(seconds_)
      << " s of CPU time; " << rows_.size() << " scenarios, " << violated_ << " violated.\n\n"
      << "| scenario | what | executions | redundant | CPU s | verdict |\n|---|---|---|---|---|---|\n";
  for (const row& r : rows_) {
    out << "| " << r.of.name << " | " << r.of.what << " | " << spaced(r.result.executions) << " | "
        << spaced(r.result.redundant) << " | " << static_cast<std::uint64_t>(r.result.seconds + 0.5) << " | "
        << verdict_of(r.result) << " |\n";
  }
  if (!long_runs.empty()) out << '\n' << long_runs;
  return static_cast<bool>(out.flush());
}

std::string weakening_report::verdict_of(const row& of) const {
  if (of.result.found) return of.result.scenario + ": " + of.result.sentence;
  const std::string told = "nothing, in " + spaced(of.result.executions) + " executions";
  const auto reason = reasons_.find(of.key);
  return reason == reasons_.end() ? told + "; **no verdict**" : told + ": " + reason->second;
}

void weakening_report::add(const weakened_half& it, const weakening_result& result) {
  if (!result.found) ++missed_;
  if (!result.found && reasons_.count(it.key) == 0) ++open_;
  std::printf("%-44s %-4s %s\n", it.name.c_str(), it.transition.c_str(),
              result.found ? ("found by " + result.scenario + ": " + result.sentence).c_str()
                           : ("noticed by none, in " + spaced(result.executions) + " executions").c_str());
  std::fflush(stdout);
  rows_.push_back({it.name, it.transition, it.key, result});
}

void weakening_report::finish(std::vector<line_never_reached> never_reached) {
  never_reached_ = std::move(never_reached);
  for (const line_never_reached& line : never_reached_) {
    const auto reason = reasons_.find(line.key);
    if (reason == reasons_.end()) ++open_;
    std::printf("  %s  reached by none: %s\n", line.name.c_str(),
                reason == reasons_.end() ? "no verdict" : reason->second.c_str());
  }
  for (const auto& [key, reason] : reasons_) {
    const bool used =
        std::any_of(rows_.begin(), rows_.end(), [&](const row& r) { return r.key == key && !r.result.found; }) ||
        std::any_of(never_reached_.begin(), never_reached_.end(), [&](const auto& l) { return l.key == key; });
    if (!used) std::printf("  explore/unnoticed.txt explains what is found, or is not there: %s\n", key.c_str());
  }
  std::printf(
      "%zu halves, %zu found, %zu noticed by none; %zu lines that no scenario comes by; %zu without a verdict\n",
      rows_.size(), rows_.size() - missed_, missed_, never_reached_.size(), open_);
}

bool weakening_report::write(const std::string& file) const {
  std::ofstream out(file);
  out << "# Weakened orders\n\nWritten by `./dev explore --weaken all --record`; sources " << sources_hash() << ".\n\n"
      << rows_.size() << " halves of accesses, " << rows_.size() - missed_ << " of them found by a scenario, "
      << missed_ << " noticed by none; " << never_reached_.size() << " lines that no scenario comes by; " << open_
      << " of both without a verdict.\nThat nothing notices is no proof: it says how far this form looked. The reasons "
         "are those of "
         "`explore/unnoticed.txt`.\n\n"
      << "| taken away | where | what notices, or why nothing can |\n|---|---|---|\n";
  for (const row& r : rows_) {
    out << "| " << r.name << " | " << r.key << " | " << verdict_of(r) << " |\n";
  }
  out << "\n## Lines that no scenario comes by\n\n";
  for (const line_never_reached& line : never_reached_) {
    const auto reason = reasons_.find(line.key);
    out << "- " << line.name << ", " << line.key.substr(line.key.find(' ') + 1) << ": "
        << (reason == reasons_.end() ? "**no verdict**" : reason->second) << '\n';
  }
  return static_cast<bool>(out.flush());
}

}  // namespace detent::explore
