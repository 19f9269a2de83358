// Folding, case by case, and the counts of the trace that is shipped.
#include "trace_life.hpp"

#include "trace_recording.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <gtest/gtest.h>

namespace detent::cli {
namespace {

constexpr std::int64_t us = 1000;
constexpr std::int64_t ms = 1'000'000;

/// `text` is "CPU SECONDS EVENT PAYLOAD".
trace_event event_of(std::string_view text) {
  const std::string line = "  task-1 [" + std::string(text.substr(0, 1)) + "] ..... " + std::string(text.substr(2));
  const parsed_line parsed = parse_trace_line(line);
  EXPECT_TRUE(std::holds_alternative<trace_event>(parsed)) << line;
  trace_event event = std::get<trace_event>(parsed);
  static std::vector<std::string> names = {"f", "g", "h"};  // the line, and with it the view into it, ends here
  for (const std::string& name : names) {
    if (event.function == name) event.function = name;
  }
  return event;
}

rebuilt_trace rebuild(std::initializer_list<std::string_view> lines, std::optional<std::uint32_t> hz = 100) {
  trace_life life;
  for (const std::string_view line : lines) life.add(event_of(line));
  return life.finish(hz);
}

/// "arm0 rearm0 cancel1": kinds and timers in order.
std::string story(const rebuilt_trace& trace) {
  constexpr std::string_view names[] = {"arm", "rearm", "cancel", "expiry"};
  std::string text;
  for (const operation& one : trace.operations) {
    text.append(text.empty() ? "" : " ")
        .append(names[static_cast<std::size_t>(one.kind)])
        .append(std::to_string(one.timer));
  }
  return text;
}

constexpr std::string_view wheel_start_at_1s = "0 1.000000: timer_start: timer=a function=f expires=105 [timeout=5]";

TEST(trace_life, cancel_and_expiry_are_an_expiry) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.050000: timer_cancel: timer=a",
                              "0 1.050300: timer_expire_entry: timer=a function=f now=105 baseclk=105"});
  EXPECT_EQ(story(trace), "arm0 expiry0");
  EXPECT_EQ(trace.operations[0].delay_ns, 50 * ms);
  EXPECT_EQ(trace.operations[1].time_ns, 50 * ms);
  EXPECT_EQ(trace.counts.wheel.cancel_events, 1U);
  EXPECT_EQ(trace.counts.wheel.cancels, 0U);
  EXPECT_EQ(trace.counts.wheel.expiries, 1U);
}

TEST(trace_life, cancel_and_start_close_together_are_a_rearm) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.020000: timer_cancel: timer=a",
                              "0 1.020010: timer_start: timer=a function=f expires=109 [timeout=7]"});
  EXPECT_EQ(story(trace), "arm0 rearm0");
  EXPECT_EQ(trace.operations[1].time_ns, 20 * ms + 10 * us) << "the start's time, for the deadline counts from there";
  EXPECT_EQ(trace.operations[1].delay_ns, 70 * ms);
  EXPECT_EQ(trace.counts.wheel.rearms, 1U);
  EXPECT_EQ(trace.counts.armed_at_end, 1U);
}

TEST(trace_life, cancel_and_start_further_apart_are_two_verbs) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.020000: timer_cancel: timer=a",
                              "0 1.020011: timer_start: timer=a function=f expires=109 [timeout=7]"});
  EXPECT_EQ(story(trace), "arm0 cancel0 arm0");
}

TEST(trace_life, cancel_and_start_on_two_cpus_are_two_verbs) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.020000: timer_cancel: timer=a",
                              "1 1.020001: timer_start: timer=a function=f expires=109 [timeout=7]"});
  EXPECT_EQ(story(trace), "arm0 cancel0 arm0");
  EXPECT_EQ(trace.operations[2].cpu, 1U);
  EXPECT_EQ(trace.cpus, 2U);
}

TEST(trace_life, other_timers_between_do_not_matter) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.010000: timer_start: timer=b function=g expires=106 [timeout=5]",
                              "0 1.020000: timer_cancel: timer=a", "0 1.020001: timer_cancel: timer=b",
                              "0 1.020002: timer_start: timer=a function=f expires=109 [timeout=7]"});
  EXPECT_EQ(story(trace), "arm0 arm1 cancel1 rearm0");
}

TEST(trace_life, a_lone_cancel_is_a_cancel) {
  EXPECT_EQ(story(rebuild({wheel_start_at_1s, "1 1.020000: timer_cancel: timer=a"})), "arm0 cancel0");
}

TEST(trace_life, a_start_over_an_armed_timer_is_a_rearm) {
  EXPECT_EQ(story(rebuild({wheel_start_at_1s, "0 1.500000: timer_start: timer=a function=f expires=155 [timeout=5]"})),
            "arm0 rearm0");
  EXPECT_EQ(story(rebuild({"0 1.0: hrtimer_start: hrtimer=a function=f expires=2000000000 mode=ABS was_armed=0",
                           "0 1.5: hrtimer_start: hrtimer=a function=f expires=2000000000 mode=ABS was_armed=1"})),
            "arm0 rearm0");
}

TEST(trace_life, an_expiry_without_a_cancel_is_an_expiry) {
  EXPECT_EQ(story(rebuild({"0 1.0: hrtimer_start: hrtimer=a function=f expires=2000000000 mode=ABS",
                           "0 2.0: hrtimer_expire_entry: hrtimer=a function=f now=2000000100"})),
            "arm0 expiry0");
}

TEST(trace_life, the_two_families_do_not_mix) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.010000: hrtimer_start: hrtimer=a function=f expires=1020000000",
                              "0 1.020000: timer_cancel: timer=a"});
  EXPECT_EQ(story(trace), "arm0 arm1 cancel0");
  EXPECT_EQ(trace.timers[1].family, timer_family::hrtimer);
  EXPECT_EQ(trace.functions, std::vector<std::string>{"f"});
}

TEST(trace_life, timers_first_seen_by_their_end_are_counted_and_not_replayed) {
  const auto trace =
      rebuild({"0 1.0: timer_cancel: timer=a", "0 2.0: timer_cancel: timer=b",
               "0 2.0: timer_expire_entry: timer=b function=f now=200",
               "0 3.0: hrtimer_expire_entry: hrtimer=c function=f now=3000000000", "0 4.000000: timer_cancel: timer=d",
               "0 4.000001: timer_start: timer=d function=f expires=405 [timeout=5]"});
  EXPECT_EQ(story(trace), "arm0");
  EXPECT_EQ(trace.counts.first_seen_by_cancel, 2U);
  EXPECT_EQ(trace.counts.first_seen_by_expiry, 2U);
  EXPECT_EQ(trace.counts.cancelled_while_idle, 0U);
  EXPECT_EQ(trace.counts.expired_while_idle, 0U);
}

TEST(trace_life, ends_of_idle_timers_are_counted_and_not_replayed) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.1: timer_cancel: timer=a", "0 1.2: timer_cancel: timer=a",
                              "0 1.3: timer_cancel: timer=a", "0 1.3: timer_expire_entry: timer=a function=f now=130"});
  EXPECT_EQ(story(trace), "arm0 cancel0");
  EXPECT_EQ(trace.counts.cancelled_while_idle, 1U);
  EXPECT_EQ(trace.counts.expired_while_idle, 1U);
}

TEST(trace_life, a_reused_address_is_another_timer) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.100000: timer_cancel: timer=a",
                              "0 1.100001: timer_start: timer=a function=g expires=115 [timeout=5]"});
  EXPECT_EQ(story(trace), "arm0 cancel0 arm1");
  EXPECT_EQ(trace.counts.addresses_reused, 1U);
  EXPECT_EQ(trace.functions, (std::vector<std::string>{"f", "g"}));
}

TEST(trace_life, an_end_that_was_not_seen_is_a_cancel) {
  const auto trace = rebuild({wheel_start_at_1s, "0 1.1: timer_start: timer=a function=g expires=115 [timeout=5]"});
  EXPECT_EQ(story(trace), "arm0 cancel0 arm1");
  EXPECT_EQ(trace.counts.ends_not_seen, 1U);
  EXPECT_EQ(trace.counts.addresses_reused, 0U);
}

TEST(trace_life, lost_events_are_counted) {
  trace_life life;
  life.add(event_of(wheel_start_at_1s));
  life.add(lost_marker{1, 123});
  life.add(lost_marker{1, std::nullopt});
  const auto trace = life.finish(100);
  EXPECT_EQ(trace.counts.lost_markers, 2U);
  EXPECT_EQ(trace.counts.lost_events, 123U);
}

TEST(trace_life, time_never_goes_back) {
  const auto trace = rebuild({wheel_start_at_1s, "1 0.9: timer_start: timer=b function=f expires=95 [timeout=5]",
                              "0 1.2: timer_cancel: timer=a"});
  EXPECT_EQ(trace.operations[1].time_ns, 0);
  EXPECT_EQ(trace.operations[2].time_ns, 200 * ms);
  EXPECT_EQ(trace.counts.time_went_back, 1U);
}

TEST(trace_life, a_timeout_in_the_past_is_due_at_once) {
  const auto trace = rebuild({"0 1.0: timer_start: timer=a function=f expires=95 [timeout=-5]"});
  EXPECT_EQ(trace.operations[0].delay_ns, 0);
  EXPECT_EQ(trace.counts.deadlines.already_due, 1U);
}

TEST(trace_life, an_endless_timeout_is_cut_to_a_day) {
  const auto trace =
      rebuild({"0 1.0: timer_start: timer=a function=f expires=9223372036854775807 [timeout=9223372036854775000]"});
  EXPECT_EQ(trace.operations[0].delay_ns, trace_deadlines::longest_delay_ns);
}

TEST(trace_life, hrtimer_deadlines_are_read_through_the_offset_of_their_clock) {
  // The timers' clock is 500 s ahead of the trace's.
  const auto trace = rebuild({"0 1.0: hrtimer_start: hrtimer=a function=f expires=501004000000 mode=ABS",
                              "0 1.004: hrtimer_expire_entry: hrtimer=a function=f now=501004000000",
                              "0 1.100: hrtimer_start: hrtimer=a function=f expires=501350000000 mode=REL",
                              "0 1.200: hrtimer_start: hrtimer=b function=f expires=501199999000 mode=ABS"});
  EXPECT_EQ(trace.operations[0].delay_ns, 4 * ms);
  EXPECT_EQ(trace.operations[2].delay_ns, 250 * ms) << "the kernel has added now before it traced";
  EXPECT_EQ(trace.operations[3].delay_ns, 0) << "a microsecond ago is due at once";
  EXPECT_EQ(trace.counts.deadlines.already_due, 1U);
  EXPECT_EQ(trace.counts.deadlines.foreign_clock, 0U);
}

TEST(trace_life, deadlines_on_the_wall_clock_are_taken_from_the_ends) {
  const auto trace = rebuild({"0 1.0: hrtimer_start: hrtimer=a function=f expires=1700000000000000000 mode=ABS",
                              "0 1.3: hrtimer_expire_entry: hrtimer=a function=f now=1700000000000000000",
                              "0 2.0: hrtimer_start: hrtimer=b function=f expires=1700000000000000000 mode=ABS",
                              "0 2.1: hrtimer_cancel: hrtimer=b",
                              "0 3.0: hrtimer_start: hrtimer=c function=f expires=1700000000000000000 mode=ABS",
                              "0 4.0: hrtimer_expire_entry: hrtimer=e function=f now=4000000000",
                              "0 5.0: hrtimer_expire_entry: hrtimer=e function=f now=5000000000"});
  EXPECT_EQ(story(trace), "arm0 expiry0 arm1 cancel1 arm2");
  EXPECT_EQ(trace.operations[0].delay_ns, 300 * ms) << "it expired then";
  EXPECT_EQ(trace.operations[2].delay_ns, 200 * ms) << "it had not expired when it was cancelled";
  EXPECT_EQ(trace.operations[4].delay_ns, trace_deadlines::longest_delay_ns) << "it never ended";
  EXPECT_EQ(trace.counts.deadlines.foreign_clock, 3U);
}

TEST(trace_life, the_offset_follows_a_drifting_clock) {
  ktime_offset offset;
  for (std::int64_t second = 0; second < 1000; ++second) {
    offset.add(second * 1000 * ms, second * 1000 * ms + second * 10 * us);
    offset.add(second * 1000 * ms + 1, 1'700'000'000'000'000'000 + second);  // a minority on the wall clock
    offset.add(second * 1000 * ms + 2, second * 1000 * ms + second * 10 * us + 2);
  }
  offset.settle();
  EXPECT_EQ(offset.at(-5), 0);
  EXPECT_EQ(offset.at(500 * 1000 * ms), 5 * ms);
  EXPECT_EQ(offset.at(5000 * 1000 * ms), 9990 * us);
}

TEST(trace_life, the_rate_of_jiffies_is_needed_for_wheel_timers_only) {
  EXPECT_THROW(rebuild({wheel_start_at_1s}, std::nullopt), unknown_jiffies_rate);
  const auto trace = rebuild({"0 1.0: hrtimer_start: hrtimer=a function=f expires=2000000000"}, std::nullopt);
  EXPECT_EQ(trace.hz, 0U);
  const auto derived =
      rebuild({wheel_start_at_1s, "0 2.0: timer_start: timer=b function=f expires=355 [timeout=5]"}, std::nullopt);
  EXPECT_EQ(derived.hz, 250U);
  EXPECT_EQ(derived.operations[0].delay_ns, 20 * ms);
  EXPECT_FALSE(derived.hz_was_given);
}

TEST(trace_life, the_shipped_trace_has_its_counts) {
  const auto recording = read_recording(DETENT_DATA_DIR "/nginx-wrk.ftrace.zst", std::nullopt);
  const rebuilt_trace& trace = recording.trace;
  EXPECT_EQ(recording.lines.lines, 850'000U);
  EXPECT_EQ(recording.lines.events, 849'988U);
  EXPECT_TRUE(recording.remarks().empty());
  EXPECT_EQ(trace.hz, 250U);

  EXPECT_EQ(trace.counts.wheel.arms, 25'524U);
  EXPECT_EQ(trace.counts.wheel.rearms, 370'871U);
  EXPECT_EQ(trace.counts.wheel.cancels, 460U);
  EXPECT_EQ(trace.counts.wheel.expiries, 23'048U);
  EXPECT_EQ(trace.counts.hrtimer.arms, 17'721U);
  EXPECT_EQ(trace.counts.hrtimer.rearms, 346U);
  EXPECT_EQ(trace.counts.hrtimer.cancels, 15'942U);
  EXPECT_EQ(trace.counts.hrtimer.expiries, 1'768U);

  // Nothing is left over: every arming is replaced, cancelled, expired, or armed at the end.
  std::uint64_t arms = 0;
  std::uint64_t ends = 0;
  for (const family_counts* family : {&trace.counts.wheel, &trace.counts.hrtimer}) {
    arms += family->arms;
    ends += family->cancels + family->expiries;
    EXPECT_EQ(family->start_events, family->arms + family->rearms);
  }
  EXPECT_EQ(arms, ends + trace.counts.armed_at_end);
  EXPECT_EQ(trace.counts.deadlines.foreign_clock, 0U);
}

TEST(trace_life, operations_of_one_timer_alternate_in_recorded_order) {
  const auto recording = read_recording(DETENT_DATA_DIR "/nginx-wrk.ftrace.zst", std::nullopt);
  std::vector<bool> armed(recording.trace.timers.size());
  std::int64_t latest_ns = 0;
  for (const operation& one : recording.trace.operations) {
    ASSERT_GE(one.time_ns, latest_ns);
    latest_ns = one.time_ns;
    ASSERT_EQ(armed[one.timer], one.kind != operation_kind::arm);
    armed[one.timer] = is_arming(one);
    ASSERT_GE(one.delay_ns, 0);
    ASSERT_LE(one.delay_ns, trace_deadlines::longest_delay_ns);
  }
}

}  // namespace
}  // namespace detent::cli
