#include "live_replay.hpp"

#include "live_population.hpp"
#include "number_text.hpp"
#include "process_cost.hpp"
#include "progress_line.hpp"
#include "replay_plan.hpp"
#include "replaying_thread.hpp"
#include "sleep_probe.hpp"

#include <detent/detent.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <condition_variable>
#include <ctime>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace detent::cli {
namespace {

/// Between the threads' creation and the first operation, so that all of them are there in time.
constexpr std::int64_t head_start_ns = 20'000'000;
/// What has been due for so long at the end of a replay will never fire.
constexpr std::int64_t patience_ns = 5'000'000'000;
constexpr std::chrono::milliseconds progress_every{200};

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::int64_t cost_of_a_clock_reading() {
  std::array<std::int64_t, 1001> costs{};
  for (std::int64_t& cost : costs) {
    const std::int64_t begin_ns = steady_now_ns();
    cost = steady_now_ns() - begin_ns;
  }
  std::ranges::sort(costs);
  return costs[costs.size() / 2];
}

service_options options_of_service(const replay_options& options) {
  service_options service;
  service.name = "replay";
  service.executor = options.executor == replay_executor::pool ? executor_choice(pool{}) : executor_choice(on_driver{});
  return service;
}

class live_replay {
 public:
  live_replay(const trace_recording& recording, const replay_options& options, const std::atomic<bool>& stop)
      : trace_(recording.trace),
        plan_(trace_),
        population_(trace_.timers.size(), options.timers_times),
        tallies_(plan_.per_cpu.size()),
        course_{trace_, plan_, population_, stop, options.speed, options.repeat},
        planned_(plan_.steps() * options.repeat * options.timers_times) {}

  void run(const replay_options& options, replay_report& report) {
    forget_peak();
    const std::uint64_t before_bytes = resident_bytes();
    timer_service service(options_of_service(options));
    population_.create(service, log_);
    sleep_probe probe;
    const cpu_times cpu_before = process_cpu_times();
    course_.clock_cost_ns = cost_of_a_clock_reading();
    course_.start_ns = log_.start_ns = steady_now_ns() + head_start_ns;
    run_threads(service);
    const std::int64_t end_ns = steady_now_ns();
    await_due(end_ns);
    const cpu_times cpu_after = process_cpu_times();
    report.bare_sleep = to_record(probe.stop());
    report.cost.service_memory_bytes = resident_bytes() - std::min(before_bytes, resident_bytes());
    report.cost.peak_memory_bytes = peak_resident_bytes();
    report.cost.wall_ns = end_ns - course_.start_ns;
    report.cost.user_cpu_ns = cpu_after.user_ns - cpu_before.user_ns;
    report.cost.system_cpu_ns = cpu_after.system_ns - cpu_before.system_ns;
    settle_account(service, end_ns, report.account);
    report.lateness = to_record(service.counters().lateness);
    tell_operations(report);
    tell_activity(report.activity);
  }

 private:
  void run_threads(timer_service& service) {
    std::vector<std::thread> threads;
    threads.reserve(tallies_.size());
    running_ = tallies_.size();
    for (std::size_t at = 0; at < tallies_.size(); ++at) {
      threads.emplace_back([this, at] {
        replay_steps(course_, plan_.per_cpu[at], tallies_[at]);
        const std::lock_guard guard(lock_);
        if (--running_ == 0) ended_.notify_one();
      });
    }
    watch(service);
    for (std::thread& one : threads) one.join();
  }

  /// Until the last thread has ended.
  void watch(timer_service& service) {
    progress_line line;
    std::uint64_t fired_before = 0;
    std::int64_t before_ns = course_.start_ns;
    std::unique_lock guard(lock_);
    while (!ended_.wait_for(guard, progress_every, [this] { return running_ == 0; })) {
      if (!line.is_watched()) continue;
      const std::int64_t now_ns = steady_now_ns();
      const std::uint64_t fired = log_.fired.load(std::memory_order_relaxed);
      const double seconds = static_cast<double>(std::max<std::int64_t>(now_ns - before_ns, 1)) / 1e9;
      const auto rate = static_cast<std::uint64_t>(static_cast<double>(fired - fired_before) / seconds);
      line.show(progress_text(now_ns, fired, rate, service.counters().lateness.max_ns));
      fired_before = fired;
      before_ns = now_ns;
    }
  }

  std::string progress_text(std::int64_t now_ns, std::uint64_t fired, std::uint64_t rate,
                            std::uint64_t worst_ns) const {
    std::uint64_t begun = 0;
    std::uint64_t ended = fired;
    std::uint64_t operations = 0;
    for (const replay_tally& tally : tallies_) {
      begun += tally.armed.load(std::memory_order_relaxed);
      ended += tally.cancelled.load(std::memory_order_relaxed);
      operations += tally.operations.load(std::memory_order_relaxed);
    }
    std::string text = duration_text(std::max<std::int64_t>(now_ns - course_.start_ns, 0));
    if (course_.speed != 0) {
      text += " of " + duration_text(course_.round_length_ns() * course_.repeat);
    } else {
      text += ", " + share_text(operations, planned_) + " done";
    }
    return text + "   " + grouped(begun - std::min(begun, ended)) + " timers armed   " + grouped(rate) +
           " fires/s   worst lateness " + duration_text(static_cast<std::int64_t>(worst_ns));
  }

  /// What was due when the last operation was done may take a moment to fire, not more.
  void await_due(std::int64_t end_ns) const {
    constexpr std::int64_t look_every_ns = 1'000'000;
    const std::int64_t limit_ns = steady_now_ns() + patience_ns;
    while (population_.any_overdue(end_ns) && steady_now_ns() < limit_ns)
      sleep_until_ns(steady_now_ns() + look_every_ns);
  }

  void settle_account(timer_service& service, std::int64_t end_ns, arming_account& account) {
    account = population_.close_all(end_ns);
    const shutdown_report ended = service.shutdown();
    const service_counters counters = service.counters();
    account.dropped = counters.dropped;
    // A dropped firing ends its arming, which the timer itself has not seen; close_all took it for lost.
    account.lost -= std::min(account.lost, account.dropped);
    // All timers were closed before: a firing that the shutdown still found was nobody's.
    account.lost += ended.cancelled;
    account.early = counters.early + log_.early.load(std::memory_order_relaxed);
  }

  void tell_operations(replay_report& report) const {
    replay_cost& cost = report.cost;
    lateness_meter behind;
    lateness_meter timed;
    std::int64_t sum_ns = 0;
    for (const replay_tally& tally : tallies_) {
      cost.operations += tally.operations.load(std::memory_order_relaxed);
      behind.add(tally.behind);
      timed.add(tally.timed);
      sum_ns += tally.timed_sum_ns;
    }
    const lateness_record record = to_record(timed.histogram());
    cost.timed_operations = record.count;
    cost.ns_per_operation = record.count == 0 ? 0 : static_cast<double>(sum_ns) / static_cast<double>(record.count);
    cost.p50_ns_per_operation = record.p50_ns;
    cost.p99_ns_per_operation = record.p99_ns;
    report.pace = to_record(behind.histogram());
    report.planned_operations = planned_;
    report.interrupted = cost.operations < planned_;
    report.settings.threads = static_cast<std::uint32_t>(tallies_.size());
  }

  void tell_activity(activity_series& activity) const {
    std::int64_t span_ns = log_.track.span_ns();
    for (const replay_tally& tally : tallies_) {
      span_ns = std::max(
          {span_ns, tally.armed_track.span_ns(), tally.rearmed_track.span_ns(), tally.cancelled_track.span_ns()});
    }
    activity.span_ns = span_ns;
    activity.fired = log_.track.in_spans_of(span_ns);
    const auto sum_of = [&](activity_track replay_tally::*track) {
      std::vector<std::uint64_t> sums(activity_track::most_spans);
      for (const replay_tally& tally : tallies_) {
        const auto counts = (tally.*track).in_spans_of(span_ns);
        std::ranges::transform(sums, counts, sums.begin(), std::plus<>());
      }
      return sums;
    };
    activity.armed = sum_of(&replay_tally::armed_track);
    activity.rearmed = sum_of(&replay_tally::rearmed_track);
    activity.cancelled = sum_of(&replay_tally::cancelled_track);
    std::size_t used = activity_track::most_spans;
    while (used > 1 && activity.armed[used - 1] + activity.rearmed[used - 1] + activity.cancelled[used - 1] +
                               activity.fired[used - 1] ==
                           0) {
      --used;
    }
    for (auto* series : {&activity.armed, &activity.rearmed, &activity.cancelled, &activity.fired}) {
      series->resize(used);
    }
    std::int64_t population = 0;
    for (std::size_t at = 0; at < used; ++at) {
      population += static_cast<std::int64_t>(activity.armed[at]) -
                    static_cast<std::int64_t>(activity.cancelled[at] + activity.fired[at]);
      // A firing at the edge of two spans may be noted before the arming it belongs to.
      activity.population.push_back(static_cast<std::uint64_t>(std::max<std::int64_t>(population, 0)));
    }
  }

  const rebuilt_trace& trace_;
  const replay_plan plan_;
  live_population population_;
  std::deque<replay_tally> tallies_;  // one for each thread
  firing_log log_;
  replay_course course_;
  const std::uint64_t planned_;
  std::mutex lock_;
  std::condition_variable ended_;
  std::size_t running_ = 0;  // threads; guarded by lock_
};

}  // namespace

replay_report replay_live(const trace_recording& recording, const replay_options& options,
                          std::uint64_t trace_memory_bytes, const std::atomic<bool>& stop) {
  replay_report report;
  report.version = std::to_string(DETENT_VERSION_MAJOR) + "." + std::to_string(DETENT_VERSION_MINOR) + "." +
                   std::to_string(DETENT_VERSION_PATCH);
  report.started_at = utc_now();
  report.recording = summarize(recording);
  report.settings.speed = options.speed;
  report.settings.repeat = options.repeat;
  report.settings.timers_times = options.timers_times;
  report.settings.executor = options.executor == replay_executor::pool ? "pool" : "driver";
  report.lifetimes = recorded_lifetimes(recording.trace);
  report.cost.trace_memory_bytes = trace_memory_bytes;
  live_replay(recording, options, stop).run(options, report);
  return report;
}

}  // namespace detent::cli
