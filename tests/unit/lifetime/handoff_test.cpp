// Goal: each step of the hand-off leaves the hint, the inbox and the answer that words.hpp promises.
// Method: single-threaded steps; what is a race elsewhere is played here by calling the other party's step in between.
#include "lifetime/handoff.hpp"

#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace detent::detail;  // NOLINT(google-build-using-namespace): the steps of this very header

struct line {
  sync_atomic<std::uint64_t> state{0};
  sync_atomic<std::uint64_t> hint{never};
  std::uint32_t next = 0;
};

struct rig {
  std::vector<line> lines{4};
  driver_mail mail;
  mail_words words(std::uint32_t i) { return {lines[i].state, lines[i].hint, lines[i].next, i}; }
  std::vector<std::uint32_t> take(detent::detail::access who) {
    std::vector<std::uint32_t> taken;
    const auto next_of = [this](std::uint32_t i) -> std::uint32_t& { return lines[i].next; };
    for (std::uint32_t at = take_inbox(mail, who, next_of); at != 0; at = lines[at - 1].next) taken.push_back(at - 1);
    return taken;
  }
};

class handoff : public testing::TestWithParam<detent::detail::access> {};

TEST_P(handoff, an_earlier_arming_lowers_the_hint_and_is_pushed_once) {
  rig r;
  r.lines[0].state = 800;
  EXPECT_EQ(send(r.mail, r.words(0), 800, lower_hint(r.words(0), 800, GetParam()), GetParam()), 800U);
  EXPECT_EQ(lower_hint(r.words(0), 800, GetParam()), lowering::needless);
  EXPECT_EQ(lower_hint(r.words(0), 400, GetParam()), lowering::on_its_way);
  EXPECT_EQ(r.take(GetParam()), std::vector<std::uint32_t>{0});
  EXPECT_TRUE(r.take(GetParam()).empty());
}

TEST_P(handoff, the_inbox_is_taken_in_the_order_of_pushing) {
  rig r;
  for (std::uint32_t i = 0; i < 4; ++i) {
    send(r.mail, r.words(i), 80, lower_hint(r.words(i), 80, GetParam()), GetParam());
  }
  EXPECT_EQ(r.take(GetParam()), (std::vector<std::uint32_t>{0, 1, 2, 3}));
}

TEST_P(handoff, a_visit_files_hands_out_or_forgets) {
  rig r;
  r.lines[0].state = 800;
  r.lines[0].hint = 80 | hint::on_inbox;
  visit_answer a = visit_record(r.words(0), visited_from::inbox, 0, GetParam());
  EXPECT_EQ(a.what, visit::filed);
  EXPECT_EQ(a.at, 800U);
  EXPECT_EQ(r.lines[0].hint, 800U);
  a = visit_record(r.words(0), visited_from::wheel, 800, GetParam());
  EXPECT_EQ(a.what, visit::due);
  EXPECT_TRUE(hint::is_in_hand(r.lines[0].hint));
  r.lines[1].state = state::none;
  r.lines[1].hint = 80;
  a = visit_record(r.words(1), visited_from::wheel, 80, GetParam());
  EXPECT_EQ(a.what, visit::filed);
  EXPECT_EQ(a.at, never);
}

TEST_P(handoff, a_visit_from_the_wheel_leaves_the_bit_of_an_armer_who_is_about_to_push) {
  rig r;
  r.lines[0].state = 800;
  r.lines[0].hint = 80 | hint::on_inbox;
  visit_record(r.words(0), visited_from::wheel, 80, GetParam());
  EXPECT_TRUE(hint::is_on_inbox(r.lines[0].hint));
}

TEST_P(handoff, settling_sends_what_is_pending_to_the_driver_and_forgets_what_is_not) {
  rig r;
  r.lines[0].state = 800;
  r.lines[0].hint = hint::in_hand;
  EXPECT_EQ(settle(r.mail, r.words(0), GetParam()), 800U);
  EXPECT_EQ(r.take(GetParam()), std::vector<std::uint32_t>{0});
  r.lines[1].state = state::closed;
  r.lines[1].hint = hint::in_hand;
  EXPECT_EQ(settle(r.mail, r.words(1), GetParam()), never);
  EXPECT_EQ(r.lines[1].hint, never);
  EXPECT_TRUE(r.take(GetParam()).empty());
}

TEST_P(handoff, an_arming_while_in_hand_is_left_to_the_entry) {
  rig r;
  r.lines[0].hint = hint::in_hand | hint::special;
  EXPECT_EQ(lower_hint(r.words(0), instant_min, GetParam()), lowering::needless);
  r.lines[0].state = 80;
  EXPECT_EQ(settle(r.mail, r.words(0), GetParam()), 80U);
  EXPECT_EQ(r.lines[0].hint, 80U | hint::on_inbox | hint::special);
}

TEST_P(handoff, the_sleeper_is_woken_only_for_what_it_would_miss) {
  sleep_instant sleeper;
  EXPECT_FALSE(sleeps_past(sleeper, instant_min));
  sleeper.until = 800;
  EXPECT_TRUE(sleeps_past(sleeper, 792));
  EXPECT_FALSE(sleeps_past(sleeper, 800));
}

INSTANTIATE_TEST_SUITE_P(both, handoff, testing::Values(detent::detail::access::shared, detent::detail::access::alone),
                         [](const auto& param) {
                           return param.param == detent::detail::access::shared ? "shared" : "alone";
                         });

}  // namespace
