// Goal: the steps of the hand-off that exist only because another party may come in between: T9, H5, and H4's own T9.
// Method: one thread; a chaos hook plays the other party's step at the very point where it hurts.
#include "lifetime/handoff.hpp"

#include <cstdint>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace detent::detail;  // NOLINT(google-build-using-namespace): the steps of this very header

constexpr auto shared = detent::detail::access::shared;

struct line {
  sync_atomic<std::uint64_t> state{0};
  sync_atomic<std::uint64_t> hint{never};
  std::uint32_t next = 0;
  driver_mail mail;
  mail_words words() { return {state, hint, next, 0}; }
};

// The other party: what it does, at which point, once.
struct intruder {
  chaos_at point;
  void (*step)(line&);
  line* on;
};
intruder* present = nullptr;

void intrude(chaos_at point) noexcept {
  if (present == nullptr || present->point != point) return;
  const intruder* now = std::exchange(present, nullptr);
  now->step(*now->on);
}

class handoff_between : public testing::Test {
 protected:
  void expect(chaos_at point, void (*step)(line&)) {
    other_ = {point, step, &l};
    present = &other_;
    set_chaos_hook(&intrude);
  }
  ~handoff_between() override {
    set_chaos_hook(nullptr);
    EXPECT_EQ(std::exchange(present, nullptr), nullptr) << "nobody came to the point";
  }
  line l;

 private:
  intruder other_{};
};

// R-POSTPONE: the armer looked at the hint before H2 raised it, so only T9 can see the earlier deadline.
TEST_F(handoff_between, a_visit_obeys_a_deadline_that_came_before_T9) {
  l.state = 800;
  l.hint = 80;
  expect(chaos_at::confirm_T9, [](line& at) { at.state = 160; });
  const visit_answer answer = visit_record(l.words(), visited_from::wheel, 100, shared);
  EXPECT_EQ(answer.what, visit::filed);
  EXPECT_EQ(answer.at, 160U);
  EXPECT_EQ(hint::look_at(l.hint), 160U);
}

// The second armer finds `on inbox` set and leaves the waking to the one who pushes.
TEST_F(handoff_between, the_pusher_wakes_for_an_earlier_armer_too) {
  l.state = 800;
  const lowering how = lower_hint(l.words(), 800, shared);
  expect(chaos_at::push_I1, [](line& at) {
    at.state = 160;
    EXPECT_EQ(send(at.mail, at.words(), 160, lower_hint(at.words(), 160, shared), shared), 160U);
  });
  EXPECT_EQ(send(l.mail, l.words(), 800, how, shared), 160U);
}

// The armer looked at the hint while the record was in hand, and went away.
TEST_F(handoff_between, settling_obeys_a_deadline_that_came_before_T9) {
  l.state = 800;
  l.hint = hint::in_hand;
  expect(chaos_at::confirm_T9, [](line& at) { at.state = 160; });
  EXPECT_EQ(settle(l.mail, l.words(), shared), 160U);
  EXPECT_EQ(hint::look_at(l.hint), 160U);
  EXPECT_EQ(l.mail.inbox, 1U);
}

}  // namespace
