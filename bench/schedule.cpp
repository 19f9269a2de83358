#include "schedule.hpp"

#include "peer/clock.hpp"
#include "round_process.hpp"

#include <detent/version.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace detent::bench {
namespace {

/// What one peer has answered in one cell.
struct answers {
  const peer_entry* peer = nullptr;
  std::string version;
  bool is_thread_safe = true;
  std::map<std::string, result_row> rows;  // by metric
  std::map<std::string, lateness_row> lateness;
  std::string failure;
};

class runner {
 public:
  runner(const run_options& options, const std::function<void(const std::string&)>& tell,
         const std::function<void(const results&)>& keep)
      : options_(options), tell_(tell), keep_(keep) {}

  void run(results& all, const std::vector<peer_entry>& peers) {
    std::vector<const peer_entry*> timers;
    std::vector<const peer_entry*> floors;
    for (const peer_entry& peer : peers) {
      const bool is_floor = peer.row == floor_row;
      if (!is_floor && !is_chosen(peer.row)) continue;
      if (!peer.left_out.empty()) {
        all.left_out.push_back({"", 0, peer.row, peer.left_out});
      } else {
        (is_floor ? floors : timers).push_back(&peer);
      }
    }
    for (const workload* w : options_.chosen) {
      run_workload(all, *w, w->name == floor_row ? floors : timers);
    }
  }

 private:
  bool is_over() const noexcept {
    return options_.minutes > 0 && static_cast<double>(now_ns() - begun_ns_) > options_.minutes * 60e9;
  }

  bool is_chosen(const std::string& row) const {
    return options_.peers.empty() || std::ranges::find(options_.peers, row) != options_.peers.end();
  }

  void run_workload(results& all, const workload& w, const std::vector<const peer_entry*>& peers) {
    std::vector<std::uint32_t> counts = options_.is_short ? w.short_counts : w.counts;
    if (!options_.counts.empty()) counts = options_.counts;
    if (w.name == replay_workload) counts = {options_.trace_timers};
    // What has no size is always of interest beside what has.
    if (w.name == floor_row && std::ranges::find(counts, 1U) == counts.end()) counts.insert(counts.begin(), 1);
    const auto& threads = options_.threads.empty() ? w.threads : options_.threads;
    out_.clear();
    took_.clear();
    for (const std::uint32_t n : counts) {
      for (const std::uint32_t t : threads) {
        run_cell(all, w, n, t, peers);
        all.machine.load_at_end = load_average();
        keep_(all);
      }
    }
  }

  void run_cell(results& all, const workload& w, std::uint32_t n, std::uint32_t threads,
                const std::vector<const peer_entry*>& peers) {
    std::vector<answers> cell;
    if (is_over()) {
      all.left_out.push_back({std::string(w.name), n, "all", "the run's minutes were over"});
      return;
    }
    for (const peer_entry* peer : peers) {
      if (out_.contains(peer->row)) continue;
      const std::string why = why_too_long(peer->row, n);
      if (why.empty()) {
        cell.push_back({peer, {}, true, {}, {}, {}});
      } else {
        all.left_out.push_back({std::string(w.name), n, peer->row, why});
      }
    }
    for (unsigned rep = 0; rep < options_.reps; ++rep) {
      for (std::size_t k = 0; k < cell.size(); ++k) {
        answers& a = cell[(k + rep) % cell.size()];                  // Nobody always runs behind the same neighbour.
        if (!a.failure.empty() || (rep > 0 && is_over())) continue;  // Who has begun has one round at least.
        tell_(std::string(w.name) + "  n = " + count_text(n) +
              (threads > 1 ? "  " + std::to_string(threads) + " threads" : "") + "  round " + std::to_string(rep + 1) +
              " of " + std::to_string(options_.reps) + "  " + a.peer->row);
        run_round(a, w, n, threads, rep);
      }
    }
    for (answers& a : cell) {
      if (!a.failure.empty()) {
        all.left_out.push_back({std::string(w.name), n, a.peer->row, a.failure});
        continue;
      }
      for (auto& [metric, row] : a.rows) all.rows.push_back(std::move(row));
      for (auto& [metric, row] : a.lateness) all.lateness.push_back(std::move(row));
    }
  }

  void run_round(answers& a, const workload& w, std::uint32_t n, std::uint32_t threads, unsigned rep) {
    round r;
    r.peer = a.peer->row;
    r.workload = w.name;
    r.n = n;
    r.threads = threads;
    r.seconds = options_.seconds > 0 ? options_.seconds : w.seconds;
    r.seed = options_.seed + rep;  // Each repetition its own numbers, the same for all peers.
    r.file = options_.trace;
    const round_answer answer = run_round_process(a.peer->program, r, 6 * options_.round_limit + 10 * r.seconds);
    if (!answer.failure.empty()) {
      a.failure = answer.failure;
      out_.insert(r.peer);  // It will not be able to with more timers either.
      return;
    }
    const auto [took, is_first] = took_.try_emplace({r.peer, n}, answer.wall_seconds);
    if (!is_first) took->second = std::min(took->second, answer.wall_seconds);  // What else ran is no reason.
    a.version = answer.version;
    a.is_thread_safe = answer.is_thread_safe;
    for (const auto& [metric, value] : answer.values) row_of(a, w, r, metric, value.unit).values.push_back(value.value);
    for (const auto& [metric, samples] : answer.samples) add_samples(a, w, r, metric, samples);
  }

  result_row& row_of(answers& a, const workload& w, const round& r, const std::string& metric,
                     const std::string& unit) {
    result_row& row = a.rows[metric];
    row.workload = w.name;
    row.metric = metric;
    row.unit = unit;
    row.n = r.n;
    row.threads = r.threads;
    row.peer = r.peer;
    row.version = a.version;
    row.is_thread_safe = a.is_thread_safe;
    return row;
  }

  void add_samples(answers& a, const workload& w, const round& r, const std::string& metric, metric_samples samples) {
    if (samples.values.empty()) return;
    std::vector<std::int64_t>& sorted = samples.values;
    std::ranges::sort(sorted);
    const auto add = [&](const char* which, double value, const std::string& unit) {
      row_of(a, w, r, metric + " " + which, unit).values.push_back(value);
    };
    add("p50", static_cast<double>(percentile(sorted, 0.5)), samples.unit);
    add("p99", static_cast<double>(percentile(sorted, 0.99)), samples.unit);
    add("max", static_cast<double>(sorted.back()), samples.unit);
    if (metric.find("lateness") != std::string::npos) {
      add("early", static_cast<double>(std::ranges::lower_bound(sorted, 0) - sorted.begin()), "count");
    }
    lateness_row& all = a.lateness[metric];
    all.workload = w.name;
    all.metric = metric;
    all.n = r.n;
    all.peer = r.peer;
    for (const std::int64_t value : sorted) all.spread.add(value);
  }

  /// Time grows at least with the number of timers: what took long with a tenth of them is not tried.
  std::string why_too_long(const std::string& row, std::uint32_t n) const {
    double expected = 0;
    for (const auto& [key, seconds] : took_) {
      const auto& [other, fewer] = key;
      if (other != row || fewer > n) continue;
      // What a round takes with few timers is starting and measuring, which do not grow.
      constexpr double fixed_seconds = 5;
      const double growing = std::max(0.0, seconds - fixed_seconds);
      expected = std::max(expected, seconds + growing * (static_cast<double>(n) / fewer - 1));
    }
    if (expected <= options_.round_limit) return {};
    return "a round would take about " + std::to_string(static_cast<int>(expected)) + " s (see --round-limit)";
  }

  const run_options& options_;
  const std::int64_t begun_ns_ = now_ns();
  const std::function<void(const std::string&)>& tell_;
  const std::function<void(const results&)>& keep_;
  std::set<std::string> out_;                                     // rows that failed in this workload
  std::map<std::pair<std::string, std::uint32_t>, double> took_;  // the quickest round, by row and number of timers
};

}  // namespace

results run_all(const run_options& options, const std::vector<peer_entry>& peers,
                const std::function<void(const std::string&)>& tell, const std::function<void(const results&)>& keep) {
  results all;
  all.version = std::to_string(DETENT_VERSION_MAJOR) + "." + std::to_string(DETENT_VERSION_MINOR) + "." +
                std::to_string(DETENT_VERSION_PATCH);
  all.machine = facts_of_this_machine();
  all.seed = options.seed;
  runner(options, tell, keep).run(all, peers);
  return all;
}

}  // namespace detent::bench
