// G05 Close is final: an arming that races with close either ends as closed or is refused; a callback that re-arms
// itself cannot escape.
//
// Method: callbacks that arm themselves whatever happens are closed in every way, on every kind of service, and must
// fall silent. For the races two threads meet at a line, one arms and one closes: the two answers have to fit together
// in every one of thousands of rounds, and both orders have to occur.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::arm_result;
using detent::cancel_result;
using detent::timer;
using detent::timer_group;
using detent::timer_id;
using detent::timer_service;
using detent::timer_state;

class G05_scenes : public support::on_scene {
 protected:
  // After its end the timer must refuse everything and never be called again.
  void expect_final(timer& t, const std::atomic<int>& calls) {
    const int seen = calls.load();
    EXPECT_NE(t.arm_after(0ns), arm_result::armed);
    EXPECT_NE(t.arm_after(0ns), arm_result::rearmed);
    EXPECT_NE(t.arm_every(1us), arm_result::armed);
    EXPECT_NE(t.arm_at(detent::steady_clock::time_point{}), arm_result::armed);
    EXPECT_TRUE(play.quiet_of([&] { return calls.load() != seen; }));
  }
};

TEST_P(G05_scenes, a_callback_that_always_arms_itself_is_closed_from_outside) {
  std::atomic<int> calls{0};
  std::atomic<int> escaped{0};
  std::atomic<bool> closed{false};
  timer t;
  t = timer(service, [&] {
    calls.fetch_add(1);
    const bool after = closed.load();
    const arm_result got = t.arm_after(1us);
    if (after && got != arm_result::closed) escaped.fetch_add(1);
  });
  t.arm_after(0ns);
  play.until([&] { return calls.load() >= 3; });
  t.close();
  closed.store(true);
  EXPECT_EQ(t.close_and_wait_for(support::patience).wait, detent::wait_result::quiet);
  expect_final(t, calls);
  EXPECT_EQ(escaped.load(), 0);
}

TEST_P(G05_scenes, a_callback_that_closes_itself_cannot_arm_itself_by_any_verb) {
  std::atomic<int> calls{0};
  timer t;
  t = timer(service, [&](detent::firing& f) {
    t.close();
    EXPECT_EQ(t.arm_after(0ns), arm_result::closed);
    EXPECT_EQ(t.arm_at(service.now()), arm_result::closed);
    EXPECT_EQ(t.arm_after(0ns, service.now()), arm_result::closed);
    EXPECT_EQ(t.arm_every(1ns), arm_result::closed);
    EXPECT_EQ(t.arm_every(service.now(), 1ns), arm_result::closed);
    EXPECT_EQ(service.arm_after(f.id(), 0ns), arm_result::closed);
    EXPECT_EQ(service.arm_at(f.id(), service.now()), arm_result::closed);
    EXPECT_EQ(service.arm_every(f.id(), 1ns), arm_result::closed);
    calls.fetch_add(1);
  });
  t.arm_every(1us);
  play.until([&] { return calls.load() == 1; });
  expect_final(t, calls);
  EXPECT_EQ(calls.load(), 1);
}

TEST_P(G05_scenes, every_kind_of_series_ends_with_its_close) {
  for (const auto pace : {detent::pace::fixed_rate, detent::pace::fixed_delay}) {
    for (const auto missed : {detent::missed_ticks::skip, detent::missed_ticks::burst, detent::missed_ticks::delay}) {
      std::atomic<int> calls{0};
      std::atomic<bool> closing{false};
      timer t;
      t = timer(service, [&] {
        if (calls.fetch_add(1) == 2) {
          EXPECT_EQ(t.close(), cancel_result::cancelled_running) << "a live series counts as pending";
          closing.store(true);
        }
      });
      t.arm_every(1us, {.pace = pace, .missed = missed});
      play.until([&] { return closing.load(); });
      expect_final(t, calls);
      EXPECT_EQ(calls.load(), 3);
    }
  }
}

TEST_P(G05_scenes, timers_that_only_an_id_names) {
  std::atomic<int> calls{0};
  std::atomic<timer_id> id{};
  id.store(service.every(1us, [&](detent::firing& f) {
    calls.fetch_add(1);
    service.arm_after(f.id(), 0ns);
    service.arm_every(f.id(), 1us);
  }));
  play.until([&] { return calls.load() >= 3; });
  service.close_and_wait_for(id.load(), support::patience);
  const int seen = calls.load();
  EXPECT_EQ(service.arm_after(id.load(), 0ns), arm_result::closed);
  EXPECT_EQ(service.arm_every(id.load(), 1us), arm_result::closed);
  EXPECT_TRUE(play.quiet_of([&] { return calls.load() != seen; }));
}

TEST_P(G05_scenes, members_that_arm_each_other_are_closed_with_their_group) {
  std::atomic<int> calls{0};
  timer_group parent(service);
  timer_group group(parent);
  timer a;
  timer b;
  a = timer(group, [&] {
    calls.fetch_add(1);
    b.arm_after(1us);
    a.arm_after(1us);
  });
  b = timer(parent, [&] {
    calls.fetch_add(1);
    a.arm_after(1us);
    b.arm_after(1us);
  });
  a.arm_after(0ns);
  play.until([&] { return calls.load() >= 4; });
  EXPECT_EQ(parent.close_and_wait_for(support::patience), detent::wait_result::quiet);
  expect_final(a, calls);
  expect_final(b, calls);
  timer late(group, [&] { calls.fetch_add(1); });
  expect_final(late, calls);
  timer_group child(group);
  timer later(child, [&] { calls.fetch_add(1); });
  EXPECT_EQ(later.arm_after(0ns), arm_result::closed) << "a child of a closed group is closed";
  EXPECT_EQ(later.status(), timer_state::closed);
}

TEST_P(G05_scenes, callbacks_that_arm_and_create_do_not_escape_a_shutdown) {
  std::atomic<int> calls{0};
  std::atomic<bool> over{false};
  std::atomic<int> escaped{0};
  timer t;
  t = timer(service, [&] {
    const bool after = over.load();
    calls.fetch_add(1);
    const arm_result got = t.arm_after(1us);
    const timer_id spawned = service.once(1us, [&] { calls.fetch_add(1); });
    if (after && (got != arm_result::shut_down || spawned)) escaped.fetch_add(1);
  });
  t.arm_after(0ns);
  play.until([&] { return calls.load() >= 6; });
  EXPECT_TRUE(service.shutdown().complete);
  over.store(true);
  expect_final(t, calls);
  EXPECT_EQ(t.arm_after(0ns), arm_result::shut_down);
  EXPECT_EQ(escaped.load(), 0);
}

TEST_P(G05_scenes, a_closed_callable_is_not_called_by_what_was_armed_before) {
  std::atomic<int> calls{0};
  std::vector<timer> many;
  for (int i = 0; i < 64; ++i) {
    many.emplace_back(service, [&] { calls.fetch_add(1); });
    many.back().arm_after(std::chrono::microseconds(i * 20));
  }
  int withdrawn = 0;
  for (timer& t : many) {
    const detent::cancel_answer got = t.close_and_wait_for(support::patience);
    withdrawn += got.outcome == cancel_result::cancelled ? 1 : 0;
  }
  EXPECT_EQ(calls.load() + withdrawn, 64);
  EXPECT_TRUE(play.quiet_of([&] { return calls.load() + withdrawn != 64; }));
}

INSTANTIATE_TEST_SUITE_P(, G05_scenes, ::testing::ValuesIn(support::every_scene), support::scene_name);

// --- Races
// -------------------------------------------------------------------------------------------------------------

// Two threads that meet at a line in each round and set off at moments that sweep past each other. Every 64th round the
// order is made, one way and the other, so that both have been there whatever the machine does.
class G05_races : public ::testing::TestWithParam<support::scene> {
 protected:
  static constexpr int rounds = 4000;

  template <class First, class Second, class Check>
  void race(First first, Second second, Check check) {
    std::atomic<int> begun{0};
    std::atomic<int> ready{0};
    std::atomic<int> first_done{0};
    std::atomic<int> second_done{0};
    support::background other([&] {
      for (int round = 1; round <= rounds; ++round) {
        meet(begun, round);
        ready.store(round, std::memory_order_release);
        if (round % 64 == 32) meet(first_done, round);
        pause(round % 211);
        second();
        second_done.store(round, std::memory_order_release);
      }
    });
    for (int round = 1; round <= rounds; ++round) {
      begin_round();
      begun.store(round, std::memory_order_release);
      meet(ready, round);
      if (round % 64 == 0) meet(second_done, round);
      pause(round % 197);
      first();
      first_done.store(round, std::memory_order_release);
      meet(second_done, round);
      check(round);
    }
  }
  static void meet(const std::atomic<int>& line, int round) {
    for (int i = 0; line.load(std::memory_order_acquire) < round; ++i) {
      if (i > 1000) std::this_thread::yield();
    }
  }
  static void pause(int steps) {
    for (int i = 0; i < steps; ++i) std::atomic_signal_fence(std::memory_order_seq_cst);
  }
  std::function<void()> begin_round = [] {};
  support::stage play{GetParam()};
  timer_service& service = play.service();
};

TEST_P(G05_races, arm_against_close) {
  std::optional<timer> t;
  std::atomic<int> calls{0};
  arm_result armed{};
  cancel_result closed{};
  int closed_first = 0;
  begin_round = [&] { t.emplace(service, [&] { calls.fetch_add(1); }); };
  race([&] { armed = t->arm_after(1h); }, [&] { closed = t->close(); },
       [&](int round) {
         if (armed == arm_result::armed) {
           ASSERT_EQ(closed, cancel_result::cancelled) << round;
         } else {
           ASSERT_EQ(armed, arm_result::closed) << round;
           ASSERT_EQ(closed, cancel_result::idle) << round;
           ++closed_first;
         }
       });
  EXPECT_EQ(calls.load(), 0);
  EXPECT_GT(closed_first, 0);
  EXPECT_LT(closed_first, rounds);
}

TEST_P(G05_races, arming_by_id_and_as_a_series_against_the_destructor) {
  std::optional<timer> t;
  timer_id id;
  std::atomic<int> calls{0};
  arm_result armed{};
  int closed_first = 0;
  begin_round = [&] {
    t.emplace(service, [&, bird = std::make_unique<int>(1)] { calls.fetch_add(*bird); });
    id = t->id();
  };
  int turn = 0;
  race([&] { armed = ++turn % 2 == 0 ? service.arm_after(id, 0ns) : service.arm_every(id, 1us); }, [&] { t.reset(); },
       [&](int round) {
         ASSERT_TRUE(armed == arm_result::armed || armed == arm_result::closed) << round;
         if (armed == arm_result::closed) ++closed_first;
         ASSERT_EQ(service.arm_after(id, 0ns), arm_result::closed);
       });
  const int seen = calls.load();
  EXPECT_TRUE(support::never([&] { return calls.load() != seen; }));
  EXPECT_GT(closed_first, 0);
}

TEST_P(G05_races, joining_a_group_against_its_close) {
  std::optional<timer_group> group;
  std::optional<timer> t;
  std::size_t withdrawn = 0;
  arm_result armed{};
  int born_closed = 0;
  int closed_later = 0;
  begin_round = [&] {
    t.reset();
    group.emplace(service);
  };
  race(
      [&] {
        t.emplace(*group, [] { ADD_FAILURE(); });
        armed = t->arm_after(1h);
      },
      [&] { withdrawn = group->close(); },
      [&](int round) {
        ASSERT_EQ(t->arm_after(1h), arm_result::closed) << "a member escaped in round " << round;
        ASSERT_EQ(withdrawn, armed == arm_result::armed ? 1U : 0U) << round;
        (armed == arm_result::closed ? born_closed : closed_later) += 1;
      });
  EXPECT_GT(born_closed, 0);
}

TEST_P(G05_races, creation_and_arming_against_shutdown) {
  for (int round = 0; round < 60; ++round) {
    support::stage own(GetParam());
    std::atomic<std::int64_t> armed{0};
    std::atomic<int> fired{0};
    std::vector<timer> kept;
    support::gate go;
    std::uint64_t cancelled = 0;
    {
      support::background creator([&] {
        go.open();
        for (int i = 0; i < 200; ++i) {
          kept.emplace_back(own.service(), [&] { fired.fetch_add(1); });
          if (kept.back().arm_after(1h) == arm_result::armed) armed.fetch_add(1);
        }
      });
      go.pass();
      pause(round * 200);
      cancelled = own.service().shutdown().cancelled;
    }
    EXPECT_EQ(static_cast<std::int64_t>(cancelled), armed.load()) << round;
    for (timer& t : kept) ASSERT_EQ(t.arm_after(0ns), arm_result::shut_down);
    EXPECT_EQ(fired.load(), 0);
  }
}

INSTANTIATE_TEST_SUITE_P(, G05_races, ::testing::Values(support::scene::driver, support::scene::pool),
                         support::scene_name);

}  // namespace
