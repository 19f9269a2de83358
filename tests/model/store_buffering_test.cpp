// Goal: R-POSTPONE and R-SLEEP. SB-A and SB-B of words.hpp lose no timer under the C++ memory model, and it is their
// read-modify-writes (T9, I3) that see to it.
// Method: the very code of handoff.hpp over Relacy's atomics, explored exhaustively with two threads. The mutants make
// T9 and I3 plain loads, and have to be found.
#include <cstdint>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

// The steps alone, without the proof build's chaos points: Relacy plays the schedule.
#undef DETENT_WITH_CHAOS
#undef DETENT_WITH_BUSTED
#define DETENT_MODEL_SEAM "../../tests/model/relacy_seam.hpp"
#include "lifetime/handoff.hpp"

namespace {

using namespace detent::detail;  // NOLINT(google-build-using-namespace): the steps of this very header

constexpr instant early = 24;
constexpr instant late = 80;
constexpr auto shared = detent::detail::access::shared;

struct line {
  explicit line(std::uint64_t s, std::uint64_t h) : state(s), hint(h) {}

  sync_atomic<std::uint64_t> state;
  sync_atomic<std::uint64_t> hint;
  std::uint32_t next = 0;
  driver_mail mail;

  mail_words words() { return {state, hint, next, 0}; }

  // What core::arm_word and announce do. Answers by when the driver has to be awake.
  instant arm(instant deadline) {
    std::uint64_t s = state.load(memory_order_acquire);
    while (!compare_exchange(state, s, deadline, shared, memory_order_acq_rel, memory_order_relaxed)) {  // T1
    }
    return send(mail, words(), deadline, lower_hint(words(), deadline, shared), shared);
  }

  // The driver will look at the record in time: by `token`, or because the record is on the inbox.
  bool is_promised(instant token) {
    const std::uint64_t h = hint.load(memory_order_acquire);
    const instant look = state::look_at(state.load(memory_order_acquire));
    if (hint::look_at(h) > look) return false;
    return token <= look || (hint::is_on_inbox(h) && mail.inbox.load(memory_order_acquire) != 0);
  }
};

// A token came up early for a record that was postponed; while the driver files it, it is armed earlier.
struct postponed : rl::test_suite<postponed, 2> {
  line record{late, 16};
  instant token = never;

  void thread(unsigned me) {
    if (me == 0) {
      const visit_answer answer = visit_record(record.words(), visited_from::wheel, 16, shared);
      RL_ASSERT(answer.what == visit::filed);
      token = answer.at;
    } else {
      record.arm(early);
    }
  }
  void after() { RL_ASSERT(record.is_promised(token)); }
};

// The holder of an entry settles a record while it is armed earlier.
struct settled : rl::test_suite<settled, 2> {
  line record{late, hint::in_hand};

  void thread(unsigned me) {
    if (me == 0) {
      settle(record.mail, record.words(), shared);
    } else {
      record.arm(early);
    }
  }
  void after() { RL_ASSERT(record.is_promised(never)); }
};

// The driver goes to sleep while a timer is armed: what core::publish_sleep and wake_driver_for do.
struct sleeping : rl::test_suite<sleeping, 2> {
  line record{0, never};
  sleep_instant sleeper;
  bool asleep = false;
  bool woken = false;

  void thread(unsigned me) {
    if (me == 0) {
      sleeper.until.store(never, memory_order_relaxed);                              // S1
      asleep = read_in_order(record.mail.inbox, shared, memory_order_release) == 0;  // I3
    } else {
      const instant at = record.arm(early);
      woken = at != never && sleeps_past(sleeper, at);
    }
  }
  void after() { RL_ASSERT(!asleep || woken); }
};

// Whether every execution keeps the promise.
template <class Suite>
bool holds(bool mutant) {
  adding_nothing_is_a_load = mutant;
  std::ostream nowhere(nullptr);
  rl::test_params how;
  how.search_type = rl::sched_full;
  how.iteration_count = 100'000'000;
  how.output_stream = &nowhere;
  how.progress_stream = &nowhere;
  const bool good = rl::simulate<Suite>(how);
  adding_nothing_is_a_load = false;
  if (!good) {
    EXPECT_EQ(how.test_result, rl::test_result_user_assert_failed);
  }
  EXPECT_LT(how.stop_iteration, how.iteration_count);  // Nothing was left unexplored.
  ::testing::Test::RecordProperty(mutant ? "mutant_executions" : "executions", std::to_string(how.stop_iteration));
  return good;
}

TEST(StoreBuffering, APostponedTimerThatIsArmedEarlierIsNotLost) { EXPECT_TRUE(holds<postponed>(false)); }
TEST(StoreBuffering, ASettledTimerThatIsArmedEarlierIsNotLost) { EXPECT_TRUE(holds<settled>(false)); }
TEST(StoreBuffering, ADriverThatFallsAsleepIsWoken) { EXPECT_TRUE(holds<sleeping>(false)); }

TEST(StoreBuffering, AVisitThatOnlyLoadsIsFound) { EXPECT_FALSE(holds<postponed>(true)); }
TEST(StoreBuffering, ASettleThatOnlyLoadsIsFound) { EXPECT_FALSE(holds<settled>(true)); }
TEST(StoreBuffering, ASleepThatOnlyLoadsIsFound) { EXPECT_FALSE(holds<sleeping>(true)); }

}  // namespace
