// The JSON of --json, the report at the terminal, and the numbers in both.
#include "replay_report.hpp"

#include "lateness_strip.hpp"
#include "number_text.hpp"
#include "sample_report.hpp"
#include "terminal_report.hpp"
#include "text_columns.hpp"

#include <string>
#include <string_view>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace detent::cli {
namespace {

TEST(replay_report, the_promised_keys_are_integers) {
  const nlohmann::json json = report_json(sample_report());
  for (const char* key :
       {"armings", "fired", "replaced", "cancelled", "closed", "shut_down", "early", "lost", "dropped", "pending"}) {
    EXPECT_TRUE(json.at(key).is_number_integer()) << key;
  }
  for (const char* record : {"lateness_ns", "bare_sleep_ns", "pace_ns"}) {
    for (const char* key : {"p50", "p99", "p999", "max"})
      EXPECT_TRUE(json.at(record).at(key).is_number_integer()) << key;
  }
  EXPECT_EQ(json.at("armings"), 414'462);
  EXPECT_EQ(json.at("recording").at("folded").at("timer").at("rearms"), 370'871);
  EXPECT_EQ(json.at("recording").at("events").at("hrtimer_start"), 18'067);
  EXPECT_EQ(json.at("series").at("activity").at("armed").size(), 165U);
}

TEST(replay_report, the_account_adds_up_or_not) {
  arming_account account{.armings = 10, .fired = 4, .replaced = 3, .cancelled = 1, .closed = 1, .pending = 1};
  EXPECT_TRUE(account.adds_up());
  EXPECT_TRUE(account.in_order());
  account.early = 1;
  EXPECT_FALSE(account.in_order());
  account = {.armings = 2, .fired = 1};
  EXPECT_FALSE(account.adds_up());
}

TEST(replay_report, lifetimes_run_from_an_arming_to_its_end) {
  rebuilt_trace trace;
  trace.functions = {"f", "idle", "g"};
  trace.timers = {{0, timer_family::wheel}, {2, timer_family::wheel}};
  trace.operations = {{0, 5, 0, 0, operation_kind::arm},     {10, 5, 0, 0, operation_kind::rearm},
                      {30, 0, 0, 0, operation_kind::cancel}, {40, 5, 1, 0, operation_kind::arm},
                      {90, 0, 1, 0, operation_kind::expiry}, {95, 5, 0, 0, operation_kind::arm}};
  const auto rows = recorded_lifetimes(trace);
  ASSERT_EQ(rows.size(), 2U) << "a function whose timers never ended has no life-time";
  EXPECT_EQ(rows[0].function, "f");
  EXPECT_EQ(rows[0].rearmed, 1U);
  EXPECT_EQ(rows[0].cancelled, 1U);
  EXPECT_EQ(rows[0].p05_ns, 10);
  EXPECT_EQ(rows[1].function, "g");
  EXPECT_EQ(rows[1].expired, 1U);
  EXPECT_EQ(rows[1].p50_ns, 50);
}

TEST(terminal_report, tells_the_account_and_fits_its_columns) {
  const std::string text = terminal_report(sample_report(), text_style::plain);
  for (const std::string_view words :
       {"armings      414,462", "  fired       24,816   6.0 %", "adds up", "0 early, 0 lost", "62.1 µs",
        "a bare absolute sleep", "370,871", "2,027 armed at the end", "╵100 µs"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << "\n" << text;
  }
  EXPECT_EQ(text.find('\033'), std::string::npos);
  constexpr std::size_t widest = 100;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    EXPECT_LE(width_of(std::string_view{text}.substr(at, end - at)), widest);
    at = end + 1;
  }
}

TEST(terminal_report, paints_what_is_wrong) {
  replay_report report = sample_report();
  report.account.lost = 2;
  const std::string text = terminal_report(report, text_style::coloured);
  EXPECT_NE(text.find("\033[1;31m2 LOST\033[0m"), std::string::npos);
  EXPECT_NE(text.find("\033[32m0 early\033[0m"), std::string::npos);
}

TEST(terminal_report, tells_how_it_was_replayed) {
  replay_report report = sample_report();
  report.settings = {.speed = 2.5, .repeat = 3, .timers_times = 10, .executor = "pool", .threads = 2};
  std::string text = terminal_report(report, text_style::plain);
  EXPECT_NE(text.find("2.5 times as fast as recorded by 2 threads, callbacks on the pool, 10 timers for each recorded "
                      "one, 3 times over"),
            std::string::npos)
      << text;
  EXPECT_EQ(text.find("ended early"), std::string::npos);
  report.settings.speed = 0;
  report.interrupted = true;
  report.cost.operations = 17;
  text = terminal_report(report, text_style::plain);
  EXPECT_NE(text.find("as fast as possible"), std::string::npos);
  EXPECT_NE(text.find("ended early by the user: 17 of 430,864 operations were done"), std::string::npos) << text;
}

TEST(terminal_report, an_empty_report_can_be_printed) {
  const std::string text = terminal_report({}, text_style::plain);
  EXPECT_NE(text.find("0 early, 0 lost"), std::string::npos);
  EXPECT_TRUE(lateness_strips({}, {}).empty());
}

TEST(number_text, numbers_are_grouped) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1'169'091), "1,169,091");
  EXPECT_EQ(grouped(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(number_text, durations_keep_three_digits) {
  EXPECT_EQ(duration_text(0), "0 ns");
  EXPECT_EQ(duration_text(999), "999 ns");
  EXPECT_EQ(duration_text(1000), "1.00 µs");
  EXPECT_EQ(duration_text(54'123), "54.1 µs");
  EXPECT_EQ(duration_text(9'996), "10.0 µs");
  EXPECT_EQ(duration_text(999'600), "1.00 ms");
  EXPECT_EQ(duration_text(3'280'943'000), "3.28 s");
  EXPECT_EQ(duration_text(60'000'000'000), "1 min");
  EXPECT_EQ(duration_text(7'500'000'000'000), "2 h 5 min");
  EXPECT_EQ(duration_text(-1500), "-1.50 µs");
  EXPECT_NE(duration_text(INT64_MIN), "");
}

TEST(number_text, bytes_and_shares) {
  EXPECT_EQ(bytes_text(512), "512 B");
  EXPECT_EQ(bytes_text(63'963'136), "61.0 MiB");
  EXPECT_EQ(share_text(1, 0), "");
  EXPECT_EQ(share_text(0, 5), "0.0 %");
  EXPECT_EQ(share_text(1, 1'000'000), "< 0.1 %");
  EXPECT_EQ(share_text(999'999, 1'000'000), "> 99.9 %");
  EXPECT_EQ(share_text(5, 5), "100.0 %");
}

}  // namespace
}  // namespace detent::cli
