// The storm of `detent torture` against the proof build: chaos points stretch every window, and a run that met nobody
// in a window is red.
#include "storm.hpp"

#include "stress/stress_length.hpp"

#include <cstdio>

#include <gtest/gtest.h>

namespace {

using namespace detent::cli;

storm_report storm_over(storm_executor executor, std::chrono::milliseconds usual) {
  storm_options options;
  options.limit = stress::length(usual);
  options.seed = stress::seed();
  options.executor = executor;
  options.threads = 4;
  std::printf("DETENT_SEED=%llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  const storm_report report = run_storm(options);
  for (const std::string& sentence : report.violations) ADD_FAILURE() << sentence;
  EXPECT_EQ(report.early, 0U);
  EXPECT_EQ(report.rescues, 0U);
  EXPECT_EQ(report.ledger.armings, report.ledger.ends());
  std::printf("%llu rounds, %llu operations, %llu races\n", static_cast<unsigned long long>(report.rounds),
              static_cast<unsigned long long>(report.operations),
              static_cast<unsigned long long>(report.races.effective));
  return report;
}

// The rarest way to meet has to have been met so often for each thousand operations of that kind.
void expect_raced(const storm_report& report) {
  const storm_races& races = report.races;
  const std::uint64_t few = report.operations / 20'000 + 1;
  EXPECT_GE(races.cancel_against_call, few);
  EXPECT_GE(races.close_against_call, few);
  EXPECT_GE(races.arm_against_call, few);
  EXPECT_GE(races.refused_by_close, few);
  EXPECT_GE(races.verb_against_verb, few);
  EXPECT_GE(races.effective, report.operations / 200);
  EXPECT_GE(races.stale_id, few);
  EXPECT_GE(races.inside_callback, few);
}

// What few rounds draw may be missing where a busy machine runs few.
bool drew_enough(const storm_report& report) {
  if (report.rounds >= 60) return true;
  std::printf("too few rounds to expect what they seldom draw\n");
  return false;
}

TEST(Storm, OverTheDriver) { expect_raced(storm_over(storm_executor::driver, std::chrono::seconds(10))); }

TEST(Storm, OverPools) {
  const storm_report report = storm_over(storm_executor::pool, std::chrono::seconds(10));
  expect_raced(report);
  EXPECT_GT(report.races.wait_against_call, 0U);
  if (drew_enough(report)) {
    EXPECT_GT(report.races.cycles_refused, 0U);
  }
}

TEST(Storm, OverAllKindsOfExecutors) {
  const storm_report report = storm_over(storm_executor::mixed, std::chrono::seconds(10));
  expect_raced(report);
  if (drew_enough(report)) {
    EXPECT_GT(report.ledger.dropped, 0U);
  }
}

TEST(Storm, TheSameSeedMakesTheSameDecisions) {
  storm_options options;
  options.seed = 7;
  options.rounds = 3;
  options.threads = 1;
  options.executor = storm_executor::driver;
  // Callbacks come when they come; what the thread outside decides does not depend on them but for what it meets.
  const storm_report first = run_storm(options);
  const storm_report second = run_storm(options);
  EXPECT_TRUE(first.violations.empty());
  EXPECT_EQ(first.rounds, second.rounds);
}

}  // namespace
