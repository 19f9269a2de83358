// Goal: the lead finds what waking takes, and no more is spent than the share. Method: sleeps whose waking takes what a
// fixed sequence says, on a clock of the test's own.
#include "engine/spin_budget.hpp"

#include <cstdint>

#include <gtest/gtest.h>

namespace {

using detent::detail::spin_budget;

struct run {
  std::int64_t spun_ns = 0;
  std::uint64_t in_time = 0;
};

// `count` sleeps, one every `gap_ns`, each of which ends between 30 and 50 microseconds after the instant asked for.
run sleeps(spin_budget& budget, int count, std::int64_t gap_ns) {
  run done;
  std::int64_t now_ns = 1'000'000'000;
  std::uint64_t drawn = 1;
  for (int k = 0; k < count; ++k) {
    const std::int64_t until_ns = now_ns + gap_ns;
    const std::int64_t lead_ns = budget.lead_ns(now_ns);
    drawn = drawn * 6364136223846793005U + 1442695040888963407U;
    const std::int64_t woke_ns = until_ns - lead_ns + 30'000 + static_cast<std::int64_t>((drawn >> 33) % 20'000);
    now_ns = woke_ns < until_ns ? until_ns : woke_ns;
    if (lead_ns == 0) continue;
    if (woke_ns <= until_ns) ++done.in_time;
    done.spun_ns += now_ns - woke_ns;
    budget.note(until_ns - lead_ns, woke_ns, now_ns);
  }
  return done;
}

TEST(spin_budget, finds_its_lead_and_keeps_to_its_share) {
  spin_budget budget(5);
  const run sparse = sleeps(budget, 5000, 1'000'000);
  EXPECT_GT(sparse.in_time, 5000U * 6 / 10);
  EXPECT_LT(sparse.spun_ns, std::int64_t{5000} * 1'000'000 * 5 / 100);
}

TEST(spin_budget, sleeps_to_the_end_when_nothing_is_left) {
  spin_budget budget(1);
  const run dense = sleeps(budget, 100'000, 100'000);
  EXPECT_LE(dense.spun_ns, std::int64_t{100'000} * 150'000 / 100 + 1'000'000) << "the share, and what was left of it";
  EXPECT_GT(dense.spun_ns, 0);
}

TEST(spin_budget, none_never_spins) {
  spin_budget budget(0);
  EXPECT_EQ(budget.lead_ns(1), 0);
  EXPECT_EQ(budget.lead_ns(INT64_MAX), 0);
}

TEST(spin_budget, an_idle_year_saves_up_no_more_than_a_tenth_of_a_second) {
  spin_budget budget(100);
  static_cast<void>(budget.lead_ns(1));
  const std::int64_t later_ns = INT64_MAX / 2;
  EXPECT_GT(budget.lead_ns(later_ns), 0);
  budget.note(later_ns, later_ns, later_ns + 100'000'000);
  EXPECT_EQ(budget.lead_ns(later_ns), 0);
}

}  // namespace
