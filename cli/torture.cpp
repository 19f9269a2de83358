#include "torture.hpp"

#include "number_text.hpp"
#include "storm.hpp"
#include "text_columns.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <unistd.h>

namespace detent::cli {
namespace {

std::uint64_t drawn_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 16 ^ device();
}

// At most four times a second, and only for somebody who watches.
void show_progress(const storm_report& so_far, void* context) {
  auto& shown = *static_cast<std::chrono::nanoseconds*>(context);
  if (so_far.took - shown < std::chrono::milliseconds(250)) return;
  shown = so_far.took;
  std::fprintf(stderr, "\r%8.1f s  %s rounds  %s operations  %s races  %s calls \033[K",
               std::chrono::duration<double>(so_far.took).count(), grouped(so_far.rounds).c_str(),
               grouped(so_far.operations).c_str(), grouped(so_far.races.effective).c_str(),
               grouped(so_far.calls).c_str());
  std::fflush(stderr);
}

void print(const text_columns& columns) {
  for (const std::string& line : columns.lines()) std::printf("  %s\n", line.c_str());
}

void print_ledger(const storm_ledger& ledger) {
  std::printf("\nHow every arming ended\n");
  text_columns columns{"", ""};
  columns.add({"armings", grouped(ledger.armings)});
  columns.add({"fired", grouped(ledger.fired)});
  columns.add({"replaced", grouped(ledger.replaced)});
  columns.add({"cancelled", grouped(ledger.cancelled)});
  columns.add({"closed", grouped(ledger.closed + ledger.unseen)});
  columns.add({"shut down", grouped(ledger.shut_down)});
  columns.add({"dropped", grouped(ledger.dropped)});
  columns.add({"unaccounted", grouped(ledger.armings - std::min(ledger.armings, ledger.ends()))});
  print(columns);
}

void print_races(const storm_races& races) {
  std::printf("\nRaces run: verbs that met another thread's verb or call inside the same timer\n");
  text_columns columns{"", ""};
  columns.add({"cancel against a call", grouped(races.cancel_against_call)});
  columns.add({"close against a call", grouped(races.close_against_call)});
  columns.add({"arm against a call", grouped(races.arm_against_call)});
  columns.add({"wait against a call", grouped(races.wait_against_call)});
  columns.add({"verb against a close", grouped(races.refused_by_close)});
  columns.add({"verb against verb", grouped(races.verb_against_verb)});
  columns.add({"cycle of waits refused", grouped(races.cycles_refused)});
  columns.add({"effective, each verb once", grouped(races.effective)});
  print(columns);
  std::printf("\nNo races\n");
  text_columns alone{"", ""};
  alone.add({"first to find it closed", grouped(races.found_closed)});
  alone.add({"verb on a timer known to be closed", grouped(races.stale_id)});
  alone.add({"verb of a callback on its own timer", grouped(races.inside_callback)});
  print(alone);
}

}  // namespace

int run_torture(const torture_options& options) {
  storm_options storm;
  storm.limit = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>(options.seconds));
  storm.threads = options.threads != 0 ? options.threads : 2 * std::max(1U, std::thread::hardware_concurrency());
  storm.operations = options.operations;
  storm.seed = options.seed.value_or(0);
  if (!options.seed.has_value()) storm.seed = drawn_seed();
  storm.executor = options.executor;
  std::printf("torture: %u threads, seed %llu\n", storm.threads, static_cast<unsigned long long>(storm.seed));
  std::fflush(stdout);

  std::chrono::nanoseconds shown{0};
  const bool watched = isatty(STDERR_FILENO) != 0;
  const storm_report report = run_storm(storm, watched ? &show_progress : nullptr, &shown);
  if (watched) std::fprintf(stderr, "\r\033[K");

  std::printf("%s rounds in %s: %s timers, %s operations, %s calls, %s continuations\n", grouped(report.rounds).c_str(),
              duration_text(report.took.count()).c_str(), grouped(report.timers).c_str(),
              grouped(report.operations).c_str(), grouped(report.calls).c_str(), grouped(report.continuations).c_str());
  print_ledger(report.ledger);
  print_races(report.races);
  std::printf("\nearly firings %s, rescued sleepers %s\n", grouped(report.early).c_str(),
              grouped(report.rescues).c_str());
  if (report.violations.empty()) {
    std::printf("no violation\n");
    return static_cast<int>(exit_status::in_order);
  }
  std::fflush(stdout);
  for (const std::string& sentence : report.violations) std::fprintf(stderr, "violation: %s\n", sentence.c_str());
  std::fprintf(stderr,
               "the same choices again: detent torture --threads %u --operations %u --seed %llu --seconds %.0f\n",
               storm.threads, storm.operations, static_cast<unsigned long long>(storm.seed), options.seconds);
  return static_cast<int>(exit_status::violation);
}

}  // namespace detent::cli
