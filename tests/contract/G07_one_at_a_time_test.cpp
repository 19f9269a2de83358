// G07 One at a time: callbacks of one timer never overlap, whichever thread runs them; what one did is visible in the
// next. In a serial group the same holds for the callbacks of all members, which start in order.
//
// Method: callbacks count in plain variables, which a race detector watches, and in a depth that must never be two.
// They are armed from everywhere at once on executors with several threads; a call is held at a gate while the next
// firing is due, which must wait for it and then come, unasked. Two timers that meet at a gate show that the executor
// could have overlapped.
#include <detent/detent.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::arm_result;
using detent::cancel_result;
using detent::group_order;
using detent::timer;
using detent::timer_group;
using detent::timer_service;

// What callbacks that must not overlap may do to each other.
struct alone {
  int plain = 0;  // as many as calls, if what one did is visible in the next
  std::atomic<int> inside{0};
  std::atomic<int> overlaps{0};
  std::atomic<int> calls{0};

  template <class Work>
  void enter(Work work) {
    if (inside.fetch_add(1, std::memory_order_relaxed) != 0) overlaps.fetch_add(1);
    ++plain;
    work();
    inside.fetch_sub(1, std::memory_order_relaxed);
    calls.fetch_add(1, std::memory_order_relaxed);
  }
  void enter() {
    enter([] {});
  }
  void expect_alone() const {
    EXPECT_EQ(overlaps.load(), 0);
    EXPECT_EQ(plain, calls.load());
  }
};

// --- One timer
// ---------------------------------------------------------------------------------------------------------

class G07_scenes : public support::on_scene {};

TEST_P(G07_scenes, what_one_call_did_is_visible_in_the_next) {
  alone book;
  timer t;
  t = timer(service, [&] {
    book.enter([&] {
      if (book.plain < 50) t.arm_after(0ns);
    });
  });
  t.arm_after(0ns);
  play.until([&] { return book.calls.load() == 50; });
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  book.expect_alone();
}

TEST_P(G07_scenes, every_kind_of_series) {
  for (const auto pace : {detent::pace::fixed_rate, detent::pace::fixed_delay}) {
    for (const auto missed : {detent::missed_ticks::skip, detent::missed_ticks::burst, detent::missed_ticks::delay}) {
      alone book;
      timer t(service, [&] { book.enter(); });
      t.arm_every(1us, {.pace = pace, .missed = missed});
      play.until([&] { return book.calls.load() >= 30; });
      EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
      book.expect_alone();
    }
  }
}

// The callback drives the loop it is called from: it must not be called inside itself.
TEST_P(G07_scenes, a_nested_turn_of_the_loop_calls_nobody) {
  alone book;
  int turns = 0;
  timer t;
  timer other(service, [&] { book.enter(); });
  t = timer(service, [&] {
    book.enter([&] {
      if (++turns > 3) return;
      t.arm_after(0ns);
      other.arm_after(0ns);
      // A turn of another kind of service does nothing here; the depth tells.
      if (GetParam() == support::scene::manual || GetParam() == support::scene::manual_one ||
          GetParam() == support::scene::user_any || GetParam() == support::scene::user_one) {
        const int before = book.plain;
        play.turn();
        EXPECT_EQ(book.plain, before);
      }
    });
  });
  if (GetParam() == support::scene::pool || GetParam() == support::scene::manual_pool ||
      GetParam() == support::scene::foreign) {
    GTEST_SKIP() << "two timers may overlap here";
  }
  t.arm_after(0ns);
  play.until([&] { return book.calls.load() >= 5; });
  t.close_and_wait();
  other.close_and_wait();
  book.expect_alone();
}

INSTANTIATE_TEST_SUITE_P(, G07_scenes, ::testing::ValuesIn(support::every_scene), support::scene_name);

class G07_threads : public support::on_scene {};

TEST_P(G07_threads, armed_from_everywhere_at_once) {
  alone book;
  timer t;
  t = timer(service, [&] {
    book.enter([&] {
      if (book.plain % 2 == 0) t.arm_after(0ns);
    });
  });
  {
    std::vector<std::unique_ptr<support::background>> threads;
    for (unsigned seed = 0; seed < 3; ++seed) {
      threads.push_back(std::make_unique<support::background>([&, seed] {
        std::mt19937 random(seed);
        for (int i = 0; i < 5000; ++i) {
          switch (random() % 5) {
            case 0: t.cancel(); break;
            case 1: t.arm_every(1us); break;
            case 2: service.arm_after(t.id(), 0ns); break;
            default: t.arm_after(std::chrono::microseconds(random() % 20)); break;
          }
          if (i % 16 == 0) std::this_thread::yield();
        }
      }));
    }
  }
  t.arm_after(0ns);  // On a busy machine the threads may have been over before the first call.
  support::eventually([&] { return book.calls.load() != 0; });
  t.close_and_wait();
  book.expect_alone();
}

TEST_P(G07_threads, a_firing_due_while_its_timer_is_called_waits_and_then_comes_unasked) {
  support::gate entered;
  support::gate leave;
  alone book;
  timer t(service, [&] {
    book.enter([&] {
      if (book.plain != 1) return;
      entered.open();
      leave.pass();
    });
  });
  t.arm_after(0ns);
  entered.pass();
  EXPECT_EQ(t.arm_after(0ns), arm_result::armed);
  EXPECT_TRUE(support::never([&] { return book.inside.load() != 1 || book.calls.load() != 0; }));
  EXPECT_EQ(t.status(), detent::timer_state::running);
  leave.open();
  support::eventually([&] { return book.calls.load() == 2; });
  t.close_and_wait();
  book.expect_alone();
}

TEST_P(G07_threads, a_call_longer_than_its_period_does_not_meet_the_next_tick) {
  alone book;
  std::atomic<std::uint64_t> missed{0};
  timer t(service, [&](detent::firing& f) {
    missed.fetch_add(f.missed());
    book.enter([&] {
      const auto until = std::chrono::steady_clock::now() + 200us;
      while (std::chrono::steady_clock::now() < until) {
      }
    });
  });
  t.arm_every(20us);
  support::eventually([&] { return book.calls.load() >= 20; });
  t.close_and_wait();
  book.expect_alone();
  EXPECT_GT(missed.load(), 0U);
}

TEST_P(G07_threads, a_detached_call_still_holds_the_next_one_back) {
  support::gate detached;
  support::gate leave;
  alone book;
  timer t(service, [&](detent::firing& f) {
    book.enter([&] {
      if (book.plain != 1) return;
      f.detach();
      detached.open();
      leave.pass();
    });
  });
  t.arm_after(0ns);
  detached.pass();
  EXPECT_EQ(t.cancel_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(t.arm_after(0ns), arm_result::armed);
  EXPECT_TRUE(support::never([&] { return book.calls.load() != 0 || book.inside.load() != 1; }));
  leave.open();
  support::eventually([&] { return book.calls.load() == 2; });
  t.close_and_wait();
  book.expect_alone();
}

TEST_P(G07_threads, other_timers_may_overlap_where_the_executor_has_threads_for_it) {
  if (GetParam() != support::scene::pool && GetParam() != support::scene::foreign) GTEST_SKIP() << "one thread";
  support::gate a;
  support::gate b;
  timer first(service, [&] {
    a.open();
    b.pass();
  });
  timer second(service, [&] {
    b.open();
    a.pass();
  });
  first.arm_after(0ns);
  second.arm_after(0ns);
  support::eventually([&] { return a.is_open() && b.is_open(); });
}

// --- Serial groups
// -----------------------------------------------------------------------------------------------------

TEST_P(G07_threads, members_of_a_serial_group_never_overlap_whoever_arms_them) {
  alone book;
  timer_group group(service, {.order = group_order::serial});
  std::vector<timer> members(6);
  for (std::size_t i = 0; i < members.size(); ++i) {
    members[i] = timer(group, [&, i] {
      book.enter([&] {
        if (book.plain % 3 == 0) members[(i + 1) % members.size()].arm_after(0ns);
      });
    });
  }
  {
    std::vector<std::unique_ptr<support::background>> threads;
    for (unsigned seed = 0; seed < 3; ++seed) {
      threads.push_back(std::make_unique<support::background>([&, seed] {
        std::mt19937 random(seed);
        for (int i = 0; i < 3000; ++i) {
          timer& t = members[random() % members.size()];
          switch (random() % 6) {
            case 0: t.cancel(); break;
            case 1: t.arm_every(5us); break;
            case 2: t.cancel_and_wait(); break;
            default: t.arm_after(std::chrono::microseconds(random() % 30)); break;
          }
        }
      }));
    }
  }
  // On a busy machine the storm may be over before the first call began.
  members[0].arm_after(0ns);
  support::eventually([&] { return book.calls.load() > 0; });
  EXPECT_EQ(group.close_and_wait(), detent::wait_result::quiet);
  book.expect_alone();
}

TEST_P(G07_threads, a_serial_group_goes_on_behind_members_that_are_closed_cancelled_or_gone) {
  support::gate entered;
  support::gate leave;
  std::vector<int> order;  // Plain: written by members only, and those never overlap.
  timer_group group(service, {.order = group_order::serial});
  timer first(group, [&] {
    entered.open();
    leave.pass();
    order.push_back(0);
  });
  std::vector<timer> behind;
  std::atomic<bool> last{false};
  const auto due = service.now();
  for (int i = 1; i <= 8; ++i) {
    behind.emplace_back(group, [&, i] {
      order.push_back(i);
      if (i == 8) last.store(true);
    });
  }
  first.arm_after(0ns);
  entered.pass();
  for (std::size_t i = 0; i < behind.size(); ++i) behind[i].arm_at(due + std::chrono::nanoseconds(8 * (i + 1)));
  EXPECT_TRUE(support::never([&] { return last.load(); }));
  // Nobody of these waits for the member that is being called.
  EXPECT_EQ(behind[1].cancel_and_wait().outcome, cancel_result::cancelled);
  EXPECT_EQ(behind[2].close_and_wait().outcome, cancel_result::cancelled);
  behind[3] = timer();
  EXPECT_EQ(behind[4].arm_after(1h), arm_result::rearmed);
  leave.open();
  support::eventually([&] { return last.load(); });
  EXPECT_EQ(group.close_and_wait(), detent::wait_result::quiet);
  std::sort(order.begin() + 1, order.end());  // The driver may have found them in several looks.
  EXPECT_EQ(order, (std::vector<int>{0, 1, 6, 7, 8}));
}

#if DETENT_EXCEPTIONS
TEST_P(G07_threads, a_member_that_throws_hands_the_turn_on) {
  detent::service_options options;
  options.on_error = [](const detent::callback_error&) {};
  support::stage own(GetParam(), std::move(options));
  alone book;
  timer_group group(own.service(), {.order = group_order::serial});
  std::vector<timer> members;
  for (int i = 0; i < 4; ++i) {
    members.emplace_back(group, [&] {
      book.enter();
      throw 1;
    });
  }
  for (timer& t : members) t.arm_every(10us);
  support::eventually([&] { return book.calls.load() >= 40; });
  group.close_and_wait();
  book.expect_alone();
}
#endif

TEST_P(G07_threads, a_child_of_a_serial_group_has_an_order_of_its_own) {
  alone of_parent;
  alone of_child;
  timer_group parent(service, {.order = group_order::serial});
  timer_group child(parent, {.order = group_order::serial});
  std::vector<timer> members;
  for (int i = 0; i < 3; ++i) {
    members.emplace_back(parent, [&] { of_parent.enter(); });
    members.emplace_back(child, [&] { of_child.enter(); });
  }
  for (timer& t : members) t.arm_every(3us);
  support::eventually([&] { return of_parent.calls.load() >= 100 && of_child.calls.load() >= 100; });
  EXPECT_EQ(parent.close_and_wait(), detent::wait_result::quiet);
  of_parent.expect_alone();
  of_child.expect_alone();
}

INSTANTIATE_TEST_SUITE_P(, G07_threads, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

// --- Order in a serial group, to the nanosecond ----------------------------------------------------------------------

enum class kind_of_executor { driver, pool, held, reversing, dropping };

class G07_serial : public ::testing::TestWithParam<kind_of_executor> {};

TEST_P(G07_serial, members_start_in_the_order_of_their_deadlines) {
  support::held_executor held;
  support::dropping_executor dropping(4);
  for (unsigned seed = 1; seed <= 10; ++seed) {
    std::mt19937 random(seed);
    detent::manual_clock clock;
    detent::service_options options;
    options.clock = &clock;
    std::atomic<int> dropped{0};
    options.on_error = [&](const detent::callback_error&) { dropped.fetch_add(1); };
    switch (GetParam()) {
      case kind_of_executor::driver: options.executor = detent::on_driver{}; break;
      case kind_of_executor::pool: options.executor = detent::pool{3}; break;
      case kind_of_executor::held:
      case kind_of_executor::reversing: options.executor = held; break;
      case kind_of_executor::dropping: options.executor = dropping; break;
    }
    timer_service service(std::move(options));
    timer_group group(service, {.order = group_order::serial});
    std::vector<std::pair<detent::steady_clock::time_point, int>> started;
    std::vector<std::pair<detent::steady_clock::time_point, int>> expected;
    std::vector<timer> members;
    alone book;
    for (int i = 0; i < 40; ++i) {
      members.emplace_back(group,
                           [&, i](detent::firing& f) { book.enter([&] { started.emplace_back(f.deadline(), i); }); });
    }
    for (int i = 0; i < 40; ++i) {
      const auto due = clock.now() + std::chrono::milliseconds(random() % 8);
      members[static_cast<std::size_t>(i)].arm_at(due);
      expected.emplace_back(due, i);  // Equal deadlines: in the order of arming.
    }
    clock.advance(10ms);
    for (int turn = 0; turn < 100; ++turn) {
      if (GetParam() == kind_of_executor::reversing) held.run_reversed();
      else held.run_all();
      clock.settle();
    }
    std::stable_sort(expected.begin(), expected.end(), [](auto& a, auto& b) { return a.first < b.first; });
    if (GetParam() == kind_of_executor::dropping) {
      EXPECT_EQ(started.size() + static_cast<std::size_t>(dropped.load()), expected.size());
      EXPECT_GT(dropped.load(), 0);
      std::erase_if(expected, [&](auto& e) { return std::find(started.begin(), started.end(), e) == started.end(); });
    }
    EXPECT_EQ(started, expected) << "seed " << seed;
    book.expect_alone();
  }
}

std::string name_of(const ::testing::TestParamInfo<kind_of_executor>& row) {
  constexpr const char* names[] = {"driver", "pool", "held", "reversing", "dropping"};
  return names[static_cast<int>(row.param)];
}

INSTANTIATE_TEST_SUITE_P(, G07_serial,
                         ::testing::Values(kind_of_executor::driver, kind_of_executor::pool, kind_of_executor::held,
                                           kind_of_executor::reversing, kind_of_executor::dropping),
                         name_of);

// Only one task of a serial group is out at a time: an executor with many threads cannot turn its order round.
TEST(G07_serial_group, keeps_its_other_members_back_while_one_task_is_out) {
  support::held_executor held;
  detent::manual_clock clock;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  timer_service service(std::move(options));
  timer_group group(service, {.order = group_order::serial});
  std::vector<int> order;
  std::vector<timer> members;
  for (int i = 0; i < 5; ++i) members.emplace_back(group, [&, i] { order.push_back(i); });
  for (timer& t : members) t.arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(held.size(), 1U);
  members[0].close();
  members[2].cancel();
  for (int i = 0; i < 5; ++i) {
    held.run_first();
    EXPECT_LE(held.size(), 1U);
  }
  EXPECT_EQ(order, (std::vector<int>{1, 3, 4}));
}

// An executor that runs what it is given at once, or drops it, is not entered once more for each member. The first task
// is kept, so that the others queue up behind it.
TEST(G07_serial_group, needs_no_stack_for_its_members_when_tasks_run_inside_post) {
  struct nested_executor {
    bool drops = false;
    std::optional<detent::task> first{};
    bool had_first = false;
    int depth = 0;
    int deepest = 0;
    void post(detent::task t) {
      if (!std::exchange(had_first, true)) {
        first.emplace(std::move(t));
        return;
      }
      deepest = std::max(deepest, ++depth);
      if (drops) static_cast<void>(detent::task(std::move(t)));
      else t();
      --depth;
    }
  };
  for (const bool drops : {false, true}) {
    nested_executor nested{.drops = drops};
    detent::manual_clock clock;
    detent::service_options options;
    options.clock = &clock;
    options.executor = nested;
    int told = 0;
    options.on_error = [&](const detent::callback_error&) { ++told; };
    timer_service service(std::move(options));
    timer_group group(service, {.order = group_order::serial});
    std::vector<int> order;
    std::vector<timer> members;
    for (int i = 0; i < 1000; ++i) members.emplace_back(group, [&, i] { order.push_back(i); });
    for (timer& t : members) t.arm_after(1ms);
    clock.advance(1ms);
    EXPECT_TRUE(order.empty());
    (*nested.first)();
    EXPECT_EQ(order.size(), drops ? 1U : 1000U);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
    EXPECT_EQ(nested.deepest, 1);
    EXPECT_EQ(told, drops ? 999 : 0);
  }
}

TEST(G07_serial_group, goes_on_after_its_object_and_its_parent_are_gone_with_a_task_out) {
  support::held_executor held;
  detent::manual_clock clock;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  timer_service service(std::move(options));
  int calls = 0;
  {
    timer_group group(service, {.order = group_order::serial});
    std::vector<timer> members;
    for (int i = 0; i < 3; ++i) members.emplace_back(group, [&] { ++calls; });
    for (timer& t : members) t.arm_after(1ms);
    clock.advance(1ms);
  }
  // The records have new tenants, of no group, when the tasks of the old ones come.
  std::vector<timer> next;
  for (int i = 0; i < 3; ++i) {
    next.emplace_back(service, [&] { calls += 100; });
    next.back().arm_after(5ms);
  }
  held.run_all();
  EXPECT_EQ(calls, 0);
  clock.advance(5ms);
  for (int i = 0; i < 4; ++i) {
    held.run_all();
    clock.settle();
  }
  EXPECT_EQ(calls, 300);
}

}  // namespace
