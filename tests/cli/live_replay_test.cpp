// Operations of one timer keep their recorded order whatever CPU they came from, and every arming gets its end.
#include "live_replay.hpp"

#include "live_population.hpp"
#include "replay_plan.hpp"
#include "replaying_thread.hpp"
#include "sleep_probe.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <numeric>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

constexpr std::int64_t us = 1'000;
constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t hour = 3600 * 1000 * ms;

trace_recording recording_of(std::vector<operation> operations, std::size_t timers, std::uint32_t cpus) {
  trace_recording recording;
  recording.trace.operations = std::move(operations);
  recording.trace.timers.resize(timers);
  recording.trace.functions = {"f"};
  recording.trace.cpus = cpus;
  if (!recording.trace.operations.empty()) recording.trace.length_ns = recording.trace.operations.back().time_ns;
  return recording;
}

/// Each timer's operations wander over the CPUs: arm, re-arm, cancel, and again. Nothing ever fires, so that each
/// answer is known; one that comes out of turn finds the wrong state and is counted elsewhere.
trace_recording wandering(std::uint32_t rounds, std::uint32_t timers, std::uint32_t cpus, std::int64_t step_ns) {
  std::vector<operation> operations;
  std::int64_t now_ns = 0;
  std::uint32_t step = 0;
  for (std::uint32_t round = 0; round < rounds; ++round) {
    for (const operation_kind kind : {operation_kind::arm, operation_kind::rearm, operation_kind::cancel}) {
      for (std::uint32_t timer = 0; timer < timers; ++timer) {
        operations.push_back({now_ns, hour, timer, static_cast<std::uint16_t>(step++ * 7 % cpus), kind});
        now_ns += step_ns;
      }
    }
  }
  return recording_of(std::move(operations), timers, cpus);
}

void expect_in_turn(const replay_report& report, std::uint64_t rounds_of_all) {
  EXPECT_EQ(report.account.armings, 2 * rounds_of_all);
  EXPECT_EQ(report.account.replaced, rounds_of_all);
  EXPECT_EQ(report.account.cancelled, rounds_of_all);
  EXPECT_EQ(report.account.fired, 0U);
  EXPECT_EQ(report.account.closed, 0U);
  EXPECT_TRUE(report.account.in_order());
  EXPECT_FALSE(report.interrupted);
  EXPECT_EQ(report.cost.operations, 3 * rounds_of_all);
}

const std::atomic<bool> go_on{false};

TEST(live_replay, hands_a_timer_over_from_thread_to_thread) {
  replay_options options;
  options.speed = 0;
  const auto report = replay_live(wandering(500, 1, 4, us), options, 0, go_on);
  EXPECT_EQ(report.settings.threads, 4U);
  expect_in_turn(report, 500);
}

TEST(live_replay, hands_over_at_a_pace_too_and_from_one_repetition_to_the_next) {
  replay_options options;
  options.speed = 2;
  options.repeat = 3;
  options.timers_times = 5;
  options.executor = replay_executor::pool;
  const auto recording = wandering(100, 7, 3, 20 * us);
  const auto report = replay_live(recording, options, 0, go_on);
  expect_in_turn(report, std::uint64_t{100} * 7 * 3 * 5);
  EXPECT_GE(report.cost.wall_ns, 3 * recording.trace.length_ns / 2 - recording.trace.length_ns / 100);
  EXPECT_GT(report.pace.count, 0U);
}

TEST(live_replay, delays_scale_with_the_pace_and_keep_their_length_without_one) {
  const auto recording = wandering(1, 1, 1, us);
  const replay_plan plan(recording.trace);
  live_population population(1, 1);
  replay_course course{recording.trace, plan, population, go_on, 10};
  EXPECT_EQ(course.scaled(200 * ms), 20 * ms);
  course.speed = 0.5;
  EXPECT_EQ(course.scaled(200 * ms), 400 * ms);
  course.speed = 0.001;
  EXPECT_GT(course.scaled(INT64_MAX), INT64_MAX / 4);
  course.speed = 0;
  EXPECT_EQ(course.scaled(200 * ms), 200 * ms);
}

TEST(live_replay, what_is_pending_at_the_end_is_closed_and_what_is_due_has_fired) {
  replay_options options;
  options.timers_times = 50;
  const auto report = replay_live(recording_of({{0, 0, 0, 0, operation_kind::arm},
                                                {1 * ms, hour, 1, 1, operation_kind::arm},
                                                {10 * ms, 0, 2, 0, operation_kind::arm}},
                                               3, 2),
                                  options, 0, go_on);
  EXPECT_EQ(report.account.armings, 150U);
  EXPECT_EQ(report.account.fired, 100U);
  EXPECT_EQ(report.account.closed, 50U);
  EXPECT_TRUE(report.account.in_order());
  const auto sum = [](const std::vector<std::uint64_t>& counts) {
    return std::accumulate(counts.begin(), counts.end(), std::uint64_t{0});
  };
  EXPECT_EQ(sum(report.activity.armed), 150U);
  EXPECT_EQ(sum(report.activity.fired), 100U);
  EXPECT_EQ(report.activity.population.back(), 50U);
}

TEST(live_replay, a_stop_ends_it_early_and_the_account_still_adds_up) {
  std::atomic<bool> stop{false};
  std::thread impatient([&stop] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop = true;
  });
  // A minute at its own pace, with threads that wait for each other's turns.
  const auto report = replay_live(wandering(10'000, 1, 4, 2 * ms), replay_options{}, 0, stop);
  impatient.join();
  EXPECT_TRUE(report.interrupted);
  EXPECT_LT(report.cost.wall_ns, 20'000 * ms);
  EXPECT_LT(report.cost.operations, report.planned_operations);
  EXPECT_TRUE(report.account.in_order());
}

TEST(live_population, an_arming_without_its_end_is_lost) {
  timer_service service{service_options{.executor = on_driver{}}};
  firing_log log;
  live_population population(3, 1);
  population.create(service, log);
  population.of(0)[0].armings = 1;  // Somebody was told "armed", and the timer is not.
  live_timer& overdue = population.of(1)[0];
  overdue.handle.arm_after(std::chrono::hours(1));
  overdue.armings = 1;
  overdue.due_ns = steady_now_ns() - ms;  // It should have fired by now.
  live_timer& in_order = population.of(2)[0];
  in_order.handle.arm_after(std::chrono::hours(1));
  in_order.armings = 1;
  in_order.due_ns = steady_now_ns() + hour;
  EXPECT_TRUE(population.any_overdue(steady_now_ns()));
  const arming_account account = population.close_all(steady_now_ns());
  EXPECT_EQ(account.armings, 3U);
  EXPECT_EQ(account.closed, 2U);
  EXPECT_EQ(account.lost, 2U);
  EXPECT_FALSE(account.adds_up());
}

TEST(replay_plan, deals_out_what_is_replayed_and_numbers_each_timers_operations) {
  const auto recording = recording_of({{0, 1, 0, 5, operation_kind::arm},
                                       {1, 0, 0, 1, operation_kind::expiry},
                                       {2, 1, 1, 1, operation_kind::arm},
                                       {3, 0, 0, 1, operation_kind::arm}},
                                      2, 6);
  const replay_plan plan(recording.trace);
  ASSERT_EQ(plan.per_cpu.size(), 2U) << "a CPU without operations has no thread";
  EXPECT_EQ(plan.steps(), 3U);
  EXPECT_EQ(plan.per_cpu[0][1].operation, 3U);
  EXPECT_EQ(plan.per_cpu[0][1].turn, 1U) << "the expiry takes no turn";
  EXPECT_EQ(plan.steps_of_timer[0], 2U);
}

TEST(activity_track, spans_double_when_the_replay_is_longer) {
  activity_track track;
  track.add(-5, 1);
  track.add(0, 1);
  track.add(511 * ms, 1);
  EXPECT_EQ(track.span_ns(), ms);
  track.add(512 * ms, 2);
  EXPECT_EQ(track.span_ns(), 2 * ms);
  const auto counts = track.in_spans_of(4 * ms);
  EXPECT_EQ(counts[0], 2U);
  EXPECT_EQ(counts[127], 1U);
  EXPECT_EQ(counts[128], 2U);
}

TEST(lateness_meter, its_buckets_are_the_services) {
  std::uint64_t ns = 0;
  for (int n = 0; n < 400; ++n) {
    const std::size_t bucket = lateness_meter::bucket_of(ns);
    EXPECT_GE(lateness_histogram::bucket_upper_ns(bucket), ns);
    if (bucket > 0) {
      EXPECT_LT(lateness_histogram::bucket_upper_ns(bucket - 1), ns);
    }
    ns += ns / 9 + 1;
  }
  lateness_meter meter;
  for (const std::int64_t late : {-3, 100, 100, 5000}) meter.add(late);
  const lateness_record record = to_record(meter.histogram());
  EXPECT_EQ(record.count, 4U);
  EXPECT_EQ(record.max_ns, 5000);
  ASSERT_EQ(record.buckets.size(), 3U);
  EXPECT_LE(record.buckets[1].from_ns, 100);
  EXPECT_GT(record.buckets[1].to_ns, 100);
  EXPECT_EQ(record.buckets[1].count, 2U);
}

}  // namespace
}  // namespace detent::cli
