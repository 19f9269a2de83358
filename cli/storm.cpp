#include "storm.hpp"

#include "storm_field.hpp"

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <thread>

namespace detent::cli {

namespace {

constexpr std::size_t violation_limit = 8;

// Process-wide, so that a canary which no longer knows its field can still speak.
struct violation_list {
  std::mutex lock;
  std::vector<std::string> sentences;  // guarded by lock
  std::uint64_t seed = 0;              // guarded by lock
  std::uint64_t round = 0;             // guarded by lock
  std::atomic<bool> any{false};
};

violation_list& violations() {
  static violation_list list;
  return list;
}

// Ends the process when a round does not: a verb that never returns leaves nobody who could report it.
class hang_guard {
 public:
  hang_guard(std::uint64_t seed, std::uint64_t round, std::chrono::nanoseconds limit)
      : thread_([this, seed, round, limit] {
          std::unique_lock guard(lock_);
          const auto until = steady_clock::now() + limit;
          while (!over_ && steady_clock::now() < until) ended_.wait_for(guard, std::chrono::milliseconds(100));
          if (over_) return;
          std::fprintf(stderr,
                       "violation: a round hangs: some verb or callback does not return (seed %llu, round %llu)\n",
                       static_cast<unsigned long long>(seed), static_cast<unsigned long long>(round));
          for (const std::string& s : violations().sentences) std::fprintf(stderr, "violation: %s\n", s.c_str());
          std::fflush(nullptr);
          std::_Exit(1);
        }) {}
  ~hang_guard() {
    {
      const std::lock_guard guard(lock_);
      over_ = true;
    }
    ended_.notify_all();
    thread_.join();
  }
  hang_guard(const hang_guard&) = delete;
  hang_guard& operator=(const hang_guard&) = delete;

 private:
  std::mutex lock_;
  std::condition_variable ended_;
  bool over_ = false;  // guarded by lock_
  std::thread thread_;
};

field_lots draw_lots(const storm_options& options, dice& d) {
  field_lots lots;
  lots.seed = d.roll();
  lots.services = d.chance(60) ? 1 : 2;
  lots.exact = d.chance(60);
  lots.ordered = d.chance(60);
  lots.group_verbs = d.chance(60);
  lots.races_shutdown = d.chance(25);
  lots.only_steady = d.chance(50);
  if (d.chance(80)) lots.hot = 1 + d.below(6);
  lots.executor = options.executor;
  return lots;
}

void run_round(const storm_options& options, std::uint64_t round_seed, storm_report& report) {
  dice d(round_seed);
  const field_lots lots = draw_lots(options, d);
  const std::uint32_t operations = options.operations / 8 + d.below(options.operations - options.operations / 8);
  const bool run_due = d.chance(50);
  const bool destroy_first = d.chance(50);
  const std::uint32_t pause_us = d.below(5000);
  storm_field field(lots);
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < options.threads; ++i) {
    threads.emplace_back([&field, seed = d.roll(), operations] { field.act_outside(seed, operations); });
  }
  if (lots.races_shutdown) {
    std::this_thread::sleep_for(std::chrono::microseconds(pause_us));
    field.shut_down(run_due ? shutdown_policy::run_due : shutdown_policy::cancel_pending);
  }
  for (std::thread& t : threads) t.join();
  if (is_violated()) {
    // What was found may have left anything behind: nothing more is asked of these services.
    field.calm();
  } else if (!lots.races_shutdown) {
    field.check_quiet(report.ledger);
    if (destroy_first) {
      field.destroy_handles();
      field.probe_sleep(d.roll());
    }
  }
  field.destroy_services();
  field.settle(report);
}

}  // namespace

void violate(const char* sentence, std::uint64_t key, const char* by) noexcept {
  violation_list& list = violations();
  const std::lock_guard guard(list.lock);
  list.any.store(true, std::memory_order_relaxed);
  if (list.sentences.size() >= violation_limit) return;
  list.sentences.push_back(std::string(sentence) + (by == nullptr ? "" : std::string(", by ") + by) + " (timer " +
                           std::to_string(key) + ", seed " + std::to_string(list.seed) + ", round " +
                           std::to_string(list.round) + ")");
}

bool is_violated() noexcept { return violations().any.load(std::memory_order_relaxed); }

storm_report run_storm(const storm_options& options, storm_progress progress, void* context) {
  const auto began = steady_clock::now();
  storm_report report;
  report.seed = options.seed;
  {
    violation_list& list = violations();
    const std::lock_guard guard(list.lock);
    list.sentences.clear();
    list.any.store(false, std::memory_order_relaxed);
    list.seed = options.seed;
  }
  dice d(options.seed);
  while (!is_violated() && (options.rounds == 0 ? report.took < options.limit : report.rounds < options.rounds)) {
    {
      const std::lock_guard guard(violations().lock);
      violations().round = report.rounds;
    }
    const hang_guard hangs(options.seed, report.rounds, options.round_limit);
    run_round(options, d.roll(), report);
    ++report.rounds;
    report.took = steady_clock::now() - began;
    if (progress != nullptr) progress(report, context);
  }
  const std::lock_guard guard(violations().lock);
  report.violations = violations().sentences;
  return report;
}

}  // namespace detent::cli
