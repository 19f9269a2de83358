// Timers by a clock that the test moves: T1 to T6, WL1 to WL3, the four rows of SetThreadpoolTimerEx, overlap, and the
// recipe for tearing a timer down, with its hole.
#include "conformance/winpool/pool_rig.hpp"

#include <detent/detent.hpp>
#include <detent/winpool.hpp>

#include <array>
#include <vector>

using namespace winpool_test;
using namespace std::chrono_literals;

namespace {

// The pool's engine lives as long as the process, and so does its clock.
detent::manual_clock& hand() {
  static auto* const clock = new detent::manual_clock(std::chrono::hours(24 * 365 * 50));
  static const bool in_time = detent::winpool::use_clock(*clock);
  EXPECT_TRUE(in_time);
  return *clock;
}

class winpool_timer : public testing::Test {
 protected:
  winpool_timer() : clock(hand()), r(4) {}
  // Waits for the calls that the moves of the clock have queued.
  void settle(PTP_TIMER timer) { WaitForThreadpoolTimerCallbacks(timer, FALSE); }
  detent::manual_clock& clock;
  rig r;
};

void NTAPI count(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER) { ++*static_cast<std::atomic<int>*>(at); }

TEST_F(winpool_timer, T1_new_is_not_set) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  EXPECT_FALSE(IsThreadpoolTimerSet(timer));
  settle(timer);
  CloseThreadpoolTimer(timer);
  EXPECT_EQ(calls, 0);
}

TEST_F(winpool_timer, T2_relative) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = in_ms(200);
  SetThreadpoolTimer(timer, &due, 0, 0);
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  settle(timer);  // not for the due time
  clock.advance(199999us);
  settle(timer);
  EXPECT_EQ(calls, 0);
  clock.advance(1us);
  settle(timer);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  clock.advance(10s);
  settle(timer);
  EXPECT_EQ(calls, 1);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T2_relative_does_not_count_time_asleep) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = in_ms(200);
  SetThreadpoolTimer(timer, &due, 0, 0);
  clock.suspend(1h);
  clock.step_system(1h);
  settle(timer);
  EXPECT_EQ(calls, 0);
  clock.advance(200ms);
  settle(timer);
  EXPECT_EQ(calls, 1);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T3_absolute) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = wall_in_ms(200);
  SetThreadpoolTimer(timer, &due, 0, 0);
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  clock.advance(199ms);
  settle(timer);
  EXPECT_EQ(calls, 0);
  clock.advance(1ms);
  settle(timer);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T3_absolute_counts_time_asleep_and_follows_the_wall_clock) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = wall_in_ms(60'000);
  SetThreadpoolTimer(timer, &due, 0, 0);
  clock.suspend(1min);
  settle(timer);
  EXPECT_EQ(calls, 1);
  due = wall_in_ms(60'000);
  SetThreadpoolTimer(timer, &due, 0, 0);
  clock.step_system(-1h);
  clock.advance(59min);
  settle(timer);
  EXPECT_EQ(calls, 1);
  clock.step_system(1h);
  settle(timer);
  EXPECT_EQ(calls, 2);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T3_an_instant_long_past_is_due_at_once) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = file_time(1);  // 1601
  SetThreadpoolTimer(timer, &due, 0, 0);
  clock.settle();
  settle(timer);
  EXPECT_EQ(calls, 1);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T4_zero_is_due_at_once) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = file_time(0);
  SetThreadpoolTimer(timer, &due, 0, 0);
  settle(timer);
  EXPECT_EQ(calls, 1);
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T5_unset) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = in_ms(200);
  SetThreadpoolTimer(timer, &due, 0, 0);
  SetThreadpoolTimer(timer, nullptr, 0, 0);
  EXPECT_FALSE(IsThreadpoolTimerSet(timer));
  clock.advance(1s);
  WaitForThreadpoolTimerCallbacks(timer, TRUE);
  EXPECT_EQ(calls, 0);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T6_period) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  FILETIME due = in_ms(200);
  SetThreadpoolTimer(timer, &due, 200, 0);
  clock.advance(600ms);
  settle(timer);
  EXPECT_EQ(calls, 3);
  clock.advance(199ms);
  settle(timer);
  EXPECT_EQ(calls, 3);
  SetThreadpoolTimer(timer, nullptr, 0, 0);
  clock.advance(1s);
  WaitForThreadpoolTimerCallbacks(timer, TRUE);
  EXPECT_EQ(calls, 3);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, T6_periods_after_zero_and_after_an_absolute_instant) {
  for (FILETIME due : {file_time(0), wall_in_ms(0), wall_in_ms(-5)}) {
    std::atomic<int> calls{0};
    PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
    SetThreadpoolTimer(timer, &due, 100, 0);
    clock.settle();
    settle(timer);
    EXPECT_EQ(calls, 1);
    clock.step_system(-1h);  // a period is a distance
    clock.advance(300ms);
    settle(timer);
    EXPECT_EQ(calls, 4);
    CloseThreadpoolTimer(timer);
    clock.advance(1s);
    clock.step_system(1h);
    EXPECT_EQ(calls, 4);
  }
}

TEST_F(winpool_timer, extremes_never_come) {
  std::atomic<int> calls{0};
  PTP_TIMER timer = CreateThreadpoolTimer(count, &calls, &r.environment);
  for (std::int64_t at : {INT64_MIN, INT64_MIN + 1, INT64_MAX}) {
    FILETIME due = file_time(at);
    SetThreadpoolTimer(timer, &due, MAXDWORD, MAXDWORD);
    EXPECT_TRUE(IsThreadpoolTimerSet(timer));
    clock.advance(24h * 365);
    settle(timer);
    EXPECT_EQ(calls, 0);
  }
  CloseThreadpoolTimer(timer);
}

// --- WL: windows.

// By the driver's tick, not by the callback: the queue is not under test. The number of calls after each move tells.
struct windowed {
  std::atomic<int> calls{0};
  PTP_TIMER timer;
  explicit windowed(rig& r) : timer(CreateThreadpoolTimer(count, &calls, &r.environment)) {}
  windowed(const windowed&) = delete;
  windowed& operator=(const windowed&) = delete;
  ~windowed() { CloseThreadpoolTimer(timer); }
  void set(std::int64_t due_ms, DWORD window_ms) {
    FILETIME due = in_ms(due_ms);
    SetThreadpoolTimer(timer, &due, 0, window_ms);
  }
  int called() {
    WaitForThreadpoolTimerCallbacks(timer, FALSE);
    return calls;
  }
};

TEST_F(winpool_timer, WL1_a_window_too_short_does_not_merge) {
  windowed t1(r);
  windowed t2(r);
  t2.set(250, 0);
  t1.set(100, 75);
  clock.advance(99ms);
  EXPECT_EQ(t1.called(), 0);
  clock.advance(76ms);  // 175
  EXPECT_EQ(t1.called(), 1);
  EXPECT_EQ(t2.called(), 0);
  clock.advance(75ms);
  EXPECT_EQ(t2.called(), 1);
}

void expect_merged(detent::manual_clock& clock, windowed& t1, windowed& t2) {
  clock.advance(249ms);
  EXPECT_EQ(t1.called(), 0);
  EXPECT_EQ(t2.called(), 0);
  clock.advance(1ms);
  EXPECT_EQ(t1.called(), 1);
  EXPECT_EQ(t2.called(), 1);
  clock.advance(1s);
  EXPECT_EQ(t1.called(), 1);
}

TEST_F(winpool_timer, WL2_a_window_that_reaches_the_other_merges) {
  windowed t1(r);
  windowed t2(r);
  t2.set(250, 0);
  t1.set(100, 200);
  expect_merged(clock, t1, t2);
}

TEST_F(winpool_timer, WL3_also_when_the_windowed_one_is_set_first) {
  windowed t1(r);
  windowed t2(r);
  t1.set(100, 200);
  t2.set(250, 0);
  expect_merged(clock, t1, t2);
}

TEST_F(winpool_timer, WL_a_window_is_the_most_that_is_added) {
  windowed alone(r);
  alone.set(100, 50);
  clock.advance(149ms);
  EXPECT_EQ(alone.called(), 0);
  clock.advance(1ms);
  EXPECT_EQ(alone.called(), 1);
}

// --- The four rows of SetThreadpoolTimerEx, with a pool of one thread and a blocker.

TEST_F(winpool_timer, Ex_row_1_it_was_not_set) {
  windowed t(r);
  EXPECT_FALSE(SetThreadpoolTimerEx(t.timer, nullptr, 0, 0));
  FILETIME due = in_ms(100);
  EXPECT_FALSE(SetThreadpoolTimerEx(t.timer, &due, 0, 0));
}

TEST_F(winpool_timer, Ex_row_2_set_and_nothing_queued) {
  windowed t(r);
  t.set(100, 0);
  EXPECT_TRUE(SetThreadpoolTimerEx(t.timer, nullptr, 0, 0));
  clock.advance(1s);
  EXPECT_EQ(t.called(), 0);
  // A one-shot that has fired and ended is still set, and nothing of it will come.
  t.set(100, 0);
  clock.advance(100ms);
  EXPECT_EQ(t.called(), 1);
  EXPECT_TRUE(SetThreadpoolTimerEx(t.timer, nullptr, 0, 0));
}

TEST_F(winpool_timer, Ex_row_3_queued_and_taken_back) {
  rig one(1);
  desk blocker;
  block_one_thread(one, blocker);
  windowed t(one);
  t.set(100, 0);
  clock.advance(100ms);
  EXPECT_TRUE(SetThreadpoolTimerEx(t.timer, nullptr, 0, 0));
  blocker.let_go.open();
  EXPECT_EQ(t.called(), 0);
}

TEST_F(winpool_timer, the_plain_call_leaves_what_is_queued) {
  rig one(1);
  desk blocker;
  block_one_thread(one, blocker);
  windowed t(one);
  t.set(100, 0);
  clock.advance(100ms);
  SetThreadpoolTimer(t.timer, nullptr, 0, 0);
  blocker.let_go.open();
  EXPECT_EQ(t.called(), 1);
}

TEST_F(winpool_timer, Ex_row_4_its_callback_is_running) {
  desk d;
  PTP_TIMER timer = CreateThreadpoolTimer(visit_timer, &d, &r.environment);
  FILETIME due = file_time(0);
  SetThreadpoolTimer(timer, &due, 0, 0);
  eventually([&] { return d.now == 1; });
  EXPECT_FALSE(SetThreadpoolTimerEx(timer, nullptr, 0, 0));
  d.let_go.open();
  settle(timer);
  CloseThreadpoolTimer(timer);
}

// --- Overlap, and closing while it runs.

TEST_F(winpool_timer, ticks_overlap_and_pile_up) {
  desk d;
  PTP_TIMER timer = CreateThreadpoolTimer(visit_timer, &d, &r.environment);
  FILETIME due = in_ms(10);
  SetThreadpoolTimer(timer, &due, 10, 0);
  clock.advance(100ms);
  eventually([&] { return d.now == 4; });  // as many as the pool has threads
  SetThreadpoolTimer(timer, nullptr, 0, 0);
  d.let_go.open();
  settle(timer);
  EXPECT_EQ(d.over, 10);  // none is lost
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, close_does_not_wait) {
  desk d;
  PTP_TIMER timer = CreateThreadpoolTimer(visit_timer, &d, &r.environment);
  FILETIME due = file_time(0);
  SetThreadpoolTimer(timer, &due, 10, 0);
  eventually([&] { return d.now == 1; });
  CloseThreadpoolTimer(timer);
  EXPECT_EQ(d.now, 1);
  clock.advance(1s);
  EXPECT_EQ(d.calls, 1);
  d.let_go.open();
  eventually([&] { return d.over == 1; });
}

void NTAPI count_down(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER self) {
  auto& left = *static_cast<std::atomic<int>*>(at);
  if (left == 1) CloseThreadpoolTimer(self);
  --left;  // last: the test goes on as soon as it sees it
}

TEST_F(winpool_timer, closes_itself_in_its_third_call) {
  std::atomic<int> left{3};
  PTP_TIMER timer = CreateThreadpoolTimer(count_down, &left, &r.environment);
  FILETIME due = in_ms(10);
  SetThreadpoolTimer(timer, &due, 10, 0);
  for (int i = 2; i >= 0; --i) {
    clock.advance(10ms);
    eventually([&] { return left == i; });
  }
  clock.advance(1s);
  EXPECT_EQ(left, 0);
}

// --- The recipe for tearing down: set to null, wait with cancel, close.

// A callback that arms its own timer again, at a moment that the test chooses.
struct restless {
  std::atomic<int> calls{0};
  gate in;
  gate let_go;
  gate armed_again;
};
void NTAPI arm_again(PTP_CALLBACK_INSTANCE, PVOID at, PTP_TIMER self) {
  auto* c = static_cast<restless*>(at);
  if (++c->calls > 1) return;
  c->in.open();
  c->let_go.pass();
  FILETIME due = in_ms(50);
  SetThreadpoolTimer(self, &due, 0, 0);
  c->armed_again.open();
}

TEST_F(winpool_timer, the_recipe_is_enough_when_nobody_arms_it_again) {
  desk d;
  PTP_TIMER timer = CreateThreadpoolTimer(visit_timer, &d, &r.environment);
  FILETIME due = in_ms(10);
  SetThreadpoolTimer(timer, &due, 10, 0);
  clock.advance(10ms);
  eventually([&] { return d.now == 1; });
  std::atomic<bool> done{false};
  support::background closer([&] {
    SetThreadpoolTimer(timer, nullptr, 0, 0);
    WaitForThreadpoolTimerCallbacks(timer, TRUE);
    done = true;
  });
  EXPECT_TRUE(never([&] { return done.load(); }));
  d.let_go.open();
  closer.join();
  const int calls = d.calls;
  clock.advance(1s);
  settle(timer);
  EXPECT_EQ(d.calls, calls);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, the_hole_in_the_recipe) {
  restless c;
  PTP_TIMER timer = CreateThreadpoolTimer(arm_again, &c, &r.environment);
  FILETIME due = file_time(0);
  SetThreadpoolTimer(timer, &due, 0, 0);
  c.in.pass();
  // The recipe, while the callback is on its way to arm the timer again.
  SetThreadpoolTimer(timer, nullptr, 0, 0);
  support::background opener([&] { c.let_go.open(); });
  WaitForThreadpoolTimerCallbacks(timer, TRUE);
  // Here the recipe takes the context for free. It is not: the timer is armed.
  EXPECT_TRUE(IsThreadpoolTimerSet(timer));
  clock.advance(50ms);
  settle(timer);
  EXPECT_EQ(c.calls, 2);
  CloseThreadpoolTimer(timer);
}

TEST_F(winpool_timer, the_hole_closed_by_close_and_wait) {
  detent::manual_clock own;
  detent::service_options options;
  options.clock = &own;
  detent::timer_service service{std::move(options)};  // a pool of two threads
  std::atomic<int> calls{0};
  gate in;
  std::atomic<detent::arm_result> answer{detent::arm_result::armed};
  detent::timer timer;
  timer = detent::timer{service, [&](detent::firing& now) {
                          ++calls;
                          in.open();
                          eventually([&] { return now.token().stop_requested(); });  // closed, and waited for
                          answer = timer.arm_after(50ms);
                        }};
  timer.arm_after(0ms);
  support::background mover([&] { own.settle(); });
  in.pass();
  EXPECT_EQ(timer.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(answer, detent::arm_result::closed);
  mover.join();
  own.advance(1s);
  EXPECT_EQ(calls, 1);
}

// What the callback in progress arms after close has been called is refused, deterministically.
TEST_F(winpool_timer, after_close_the_callback_cannot_arm_it_again) {
  restless c;
  PTP_TIMER timer = CreateThreadpoolTimer(arm_again, &c, &r.environment);
  FILETIME due = file_time(0);
  SetThreadpoolTimer(timer, &due, 0, 0);
  c.in.pass();
  CloseThreadpoolTimer(timer);
  c.let_go.open();
  c.armed_again.pass();
  clock.advance(1s);
  EXPECT_EQ(c.calls, 1);
}

// --- Storm.

// What is unset and waited for is not called any more, whatever the others do meanwhile.
TEST_F(winpool_timer, set_and_close_from_all_sides) {
  constexpr unsigned each = 400;
  struct party {
    std::atomic<int> calls{0};
    int calls_when_quiet = -1;  // who was not waited for may be called as long as the process lives
  };
  static std::array<std::array<party, each>, 3> parties;
  std::atomic<bool> go_on{true};
  support::background mover([&] {
    while (go_on) clock.advance(1ms);
  });
  {
    std::vector<std::thread> threads;
    for (unsigned t = 0; t < parties.size(); ++t) {
      threads.emplace_back([&, t] {
        for (unsigned i = 0; i < each; ++i) {
          party& mine = parties[t][i];
          PTP_TIMER timer = CreateThreadpoolTimer(count, &mine.calls, &r.environment);
          FILETIME due = (i + t) % 3 == 0 ? file_time(0) : (i + t) % 3 == 1 ? in_ms(i % 3) : wall_in_ms(i % 3);
          SetThreadpoolTimer(timer, &due, i % 2, i % 5);
          if (i % 4 == 0) SetThreadpoolTimerEx(timer, &due, 1, 0);
          SetThreadpoolTimer(timer, nullptr, 0, 0);
          if (i % 3 != 0) {
            WaitForThreadpoolTimerCallbacks(timer, i % 2 == 0 ? TRUE : FALSE);
            mine.calls_when_quiet = mine.calls;
          }
          CloseThreadpoolTimer(timer);
        }
      });
    }
    for (auto& t : threads) t.join();
  }
  go_on = false;
  mover.join();
  for (const auto& of_thread : parties) {
    for (const party& one : of_thread) {
      EXPECT_TRUE(one.calls_when_quiet < 0 || one.calls == one.calls_when_quiet);
    }
  }
}

}  // namespace
