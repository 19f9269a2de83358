// G06 No stale firing: after arm, cancel or close has returned, no firing of an earlier arming starts, whatever
// executor's queue it was in.
//
// Method: an executor holds the task of a firing that is due while the firing is withdrawn, postponed, closed or its
// record given to another timer, by every verb; then the task is run, in both orders, or dropped. On real threads the
// answers `cancelled` and `idle` are taken at their word: what the callback uses is then overwritten without a lock.
#include <detent/detent.hpp>

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
#include <tuple>
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

struct held_service {
  support::held_executor executor;
  detent::manual_clock clock;
  std::unique_ptr<timer_service> service = [this] {
    detent::service_options options;
    options.clock = &clock;
    options.executor = executor;
    return std::make_unique<timer_service>(std::move(options));
  }();
  timer_group parent{*service};
  timer_group group{parent};
};

// --- Every verb against a task in the queue --------------------------------------------------------------------------

struct way_out {
  const char* name;
  bool (*leave)(held_service&, std::optional<timer>&);  // answers whether the timer fires again an hour later
};

const way_out ways_out[] = {
    {"cancel", [](held_service&, std::optional<timer>& t) { return t->cancel() != cancel_result::cancelled; }},
    {"cancel_by_id",
     [](held_service& h, std::optional<timer>& t) { return h.service->cancel(t->id()) != cancel_result::cancelled; }},
    {"cancel_and_wait",
     [](held_service&, std::optional<timer>& t) { return t->cancel_and_wait().outcome != cancel_result::cancelled; }},
    {"cancel_group", [](held_service& h, std::optional<timer>&) { return h.group.cancel() != 1; }},
    {"cancel_parent_and_wait",
     [](held_service& h, std::optional<timer>&) { return h.parent.cancel_and_wait() != detent::wait_result::quiet; }},
    {"cancel_all", [](held_service& h, std::optional<timer>&) { return h.service->cancel_all() != 1; }},
    {"close", [](held_service&, std::optional<timer>& t) { return t->close() != cancel_result::cancelled; }},
    {"close_group", [](held_service& h, std::optional<timer>&) { return h.group.close() != 1; }},
    {"close_then",
     [](held_service&, std::optional<timer>& t) { return t->close_then([] {}) != detent::then_result::accepted; }},
    {"destroy",
     [](held_service&, std::optional<timer>& t) {
       t.reset();
       return false;
     }},
    {"shutdown", [](held_service& h, std::optional<timer>&) { return h.service->shutdown().cancelled != 1; }},
    {"destroy_service",
     [](held_service& h, std::optional<timer>&) {
       h.service.reset();
       return false;
     }},
    {"arm_later", [](held_service&, std::optional<timer>& t) { return t->arm_after(1h) == arm_result::rearmed; }},
    {"arm_later_by_id",
     [](held_service& h, std::optional<timer>& t) { return h.service->arm_after(t->id(), 1h) == arm_result::rearmed; }},
    {"arm_series_later",
     [](held_service&, std::optional<timer>& t) { return t->arm_every(1h) == arm_result::rearmed; }},
    {"cancel_and_arm_later",
     [](held_service&, std::optional<timer>& t) {
       t->cancel();
       return t->arm_after(1h) == arm_result::armed;
     }},
};

enum class armed_as { one_shot, fixed_rate, fixed_delay, serial_member };
enum class task_ends { run, dropped };

class G06_ways : public ::testing::TestWithParam<std::tuple<way_out, armed_as, task_ends>> {};

TEST_P(G06_ways, a_queued_firing_that_was_withdrawn_does_not_start) {
  const auto& [way, kind, end] = GetParam();
  held_service h;
  int calls = 0;
  int dropped = 0;
  timer_group serial(h.group, {.order = detent::group_order::serial});
  std::optional<timer> t;
  t.emplace(kind == armed_as::serial_member ? serial : h.group, [&] { ++calls; });
  if (kind == armed_as::fixed_rate) t->arm_every(1min);
  else if (kind == armed_as::fixed_delay) t->arm_every(1min, {.pace = detent::pace::fixed_delay});
  else t->arm_after(1min);
  h.clock.advance(1min);
  ASSERT_EQ(h.executor.size(), 1U);
  const bool comes_back = way.leave(h, t);
  if (end == task_ends::run) h.executor.run_all();
  else dropped = static_cast<int>(h.executor.drop_all());
  EXPECT_EQ(calls, 0);
  h.clock.advance(1h - 8ns);
  h.executor.run_all();
  EXPECT_EQ(calls, 0);
  h.clock.advance(8ns);
  h.executor.run_all();
  EXPECT_EQ(calls, comes_back ? 1 : 0);
  EXPECT_EQ(comes_back, std::string(way.name).find("later") != std::string::npos) << "the verb's own answer";
  if (h.service != nullptr) {
    EXPECT_EQ(h.service->counters().dropped, 0U) << "a task without a firing drops nothing, " << dropped;
  }
}

std::string name_of(const ::testing::TestParamInfo<std::tuple<way_out, armed_as, task_ends>>& row) {
  constexpr const char* kinds[] = {"one_shot", "fixed_rate", "fixed_delay", "serial_member"};
  const auto& [way, kind, end] = row.param;
  return std::string(way.name) + "_" + kinds[static_cast<int>(kind)] + (end == task_ends::run ? "_run" : "_dropped");
}

INSTANTIATE_TEST_SUITE_P(, G06_ways,
                         ::testing::Combine(::testing::ValuesIn(ways_out),
                                            ::testing::Values(armed_as::one_shot, armed_as::fixed_rate,
                                                              armed_as::fixed_delay, armed_as::serial_member),
                                            ::testing::Values(task_ends::run, task_ends::dropped)),
                         name_of);

// --- What the task may still do --------------------------------------------------------------------------------------

TEST(G06_held, a_queued_firing_armed_anew_for_now_starts_once_as_the_new_arming) {
  held_service h;
  std::vector<detent::steady_clock::time_point> deadlines;
  timer t(*h.service, [&](detent::firing& f) { deadlines.push_back(f.deadline()); });
  t.arm_after(1ms);
  h.clock.advance(1ms);
  h.clock.advance(1ms);
  EXPECT_EQ(t.arm_after(0ns), arm_result::rearmed);
  const auto due = h.clock.now();
  h.executor.run_all();
  h.clock.settle();
  h.executor.run_all();
  EXPECT_EQ(deadlines, std::vector{due});
}

TEST(G06_held, at_most_one_task_of_a_record_is_outstanding_whatever_becomes_of_it) {
  held_service h;
  int calls = 0;
  std::optional<timer> t;
  t.emplace(*h.service, [&] { ++calls; });
  const auto index = t->id().index;
  for (int i = 0; i < 200; ++i) {
    switch (i % 5) {
      case 0: t->cancel(); break;
      case 1: t->arm_every(1ms); break;
      case 2: t->arm_after(10ms); break;
      case 3:
        t.reset();
        t.emplace(*h.service, [&] { ++calls; });
        EXPECT_EQ(t->id().index, index);
        break;
      default: break;
    }
    t->arm_after(1ms);
    h.clock.advance(2ms);
    EXPECT_EQ(h.executor.size(), 1U) << i;
  }
  EXPECT_EQ(calls, 0);
  h.executor.run_all();
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(h.executor.size(), 0U);
}

TEST(G06_held, a_stale_task_does_not_start_the_record_s_next_tenant_before_its_time) {
  for (const bool drop : {false, true}) {
    held_service h;
    int first = 0;
    int second = 0;
    std::optional<timer> t;
    t.emplace(*h.service, [&] { ++first; });
    const timer_id old = t->id();
    t->arm_after(1ms);
    h.clock.advance(1ms);
    ASSERT_EQ(h.executor.size(), 1U);
    t.reset();
    timer next(*h.service, [&] { ++second; });
    ASSERT_EQ(next.id().index, old.index);
    next.arm_after(10ms);
    if (drop) h.executor.drop_all();
    else h.executor.run_all();
    EXPECT_EQ(second, 0);
    h.clock.advance(10ms - 8ns);
    h.executor.run_all();
    EXPECT_EQ(second, 0);
    h.clock.advance(8ns);
    h.executor.run_all();
    EXPECT_EQ(second, 1);
    EXPECT_EQ(first, 0);
  }
}

TEST(G06_held, a_stale_task_and_the_next_tenant_s_firing_make_one_call) {
  held_service h;
  int second = 0;
  std::optional<timer> t;
  t.emplace(*h.service, [] { ADD_FAILURE(); });
  t->arm_after(1ms);
  h.clock.advance(1ms);
  t.reset();
  timer next(*h.service, [&] { ++second; });
  next.arm_after(1ms);
  h.clock.advance(5ms);
  EXPECT_LE(h.executor.size(), 1U);
  for (int i = 0; i < 3; ++i) {
    h.executor.run_all();
    h.clock.settle();
  }
  EXPECT_EQ(second, 1);
}

TEST(G06_held, withdrawn_timers_of_one_look_stay_silent_in_both_orders_of_the_queue) {
  for (const bool reversed : {false, true}) {
    held_service h;
    std::array<int, 20> calls{};
    std::vector<timer> timers;
    for (std::size_t i = 0; i < calls.size(); ++i) {
      timers.emplace_back(*h.service, [&, i] {
        ++calls[i];
        // Each call withdraws its neighbours, which are in the queue behind it or before it.
        if (i > 0) timers[i - 1].cancel();
        if (i + 1 < timers.size()) timers[i + 1].cancel();
      });
    }
    for (timer& t : timers) t.arm_after(1ms);
    h.clock.advance(1ms);
    if (reversed) h.executor.run_reversed();
    else h.executor.run_all();
    for (std::size_t i = 0; i < calls.size(); ++i) {
      const std::size_t from_start = reversed ? calls.size() - 1 - i : i;
      EXPECT_EQ(calls[i], from_start % 2 == 0 ? 1 : 0) << i;
    }
  }
}

// --- Random operations: what starts is always the last arming -------------------------------------------------------

TEST(G06_held, what_starts_is_the_last_arming_under_random_operations) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    held_service h;
    struct one {
      timer t;
      bool pending = false;
      detent::steady_clock::time_point due;
      int calls = 0;
    };
    std::array<one, 6> all;
    for (one& o : all) {
      o.t = timer(*h.service, [&o, &h](detent::firing& f) {
        ++o.calls;
        EXPECT_TRUE(o.pending) << "a firing started that had been withdrawn";
        EXPECT_EQ(f.deadline(), o.due) << "a firing of an earlier arming started";
        EXPECT_GE(h.clock.now(), o.due);
        o.pending = false;
      });
    }
    for (int step = 0; step < 3000; ++step) {
      one& o = all[random() % all.size()];
      const auto delay = std::chrono::milliseconds(random() % 5);
      switch (random() % 8) {
        case 0:
        case 1:
        case 2:
          EXPECT_EQ(o.t.arm_after(delay), o.pending ? arm_result::rearmed : arm_result::armed);
          o.due = h.clock.now() + delay;
          o.pending = true;
          break;
        case 3:
          EXPECT_EQ(o.t.cancel(), o.pending ? cancel_result::cancelled : cancel_result::idle);
          o.pending = false;
          break;
        case 4: h.executor.run_first(); break;
        case 5: h.executor.run_last(); break;
        default: h.clock.advance(std::chrono::milliseconds(random() % 4)); break;
      }
    }
    h.clock.advance(1h);
    h.executor.run_all();
    for (one& o : all) EXPECT_FALSE(o.pending) << "a firing was lost";
  }
}

// --- Real threads
// ------------------------------------------------------------------------------------------------------

class G06_threads : public support::on_scene {};

// `cancelled` and `idle` say that the callback is not running now; then only what is armed next may start.
TEST_P(G06_threads, after_cancel_and_arm_only_the_new_arming_starts) {
  detent::steady_clock::time_point due{};  // Plain: the answers of cancel are the only order there is.
  std::atomic<int> wrong{0};
  std::atomic<int> calls{0};
  timer t(service, [&](detent::firing& f) {
    if (f.deadline() - due >= timer_service::resolution || f.deadline() < due) wrong.fetch_add(1);
    calls.fetch_add(1);
  });
  std::mt19937 random(17);
  int withdrawn = 0;
  for (int i = 0; i < 30'000; ++i) {
    const cancel_result got = t.cancel();
    if (got == cancel_result::running || got == cancel_result::cancelled_running) continue;
    withdrawn += got == cancel_result::cancelled ? 1 : 0;
    due = detent::steady_clock::now() + std::chrono::nanoseconds(random() % 30'000);
    t.arm_at(due);
    const auto until = detent::steady_clock::now() + std::chrono::nanoseconds(random() % 30'000);
    while (detent::steady_clock::now() < until) {
    }
  }
  t.close_and_wait();
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_GT(withdrawn, 0);
  EXPECT_GT(calls.load(), 0);
}

TEST_P(G06_threads, nothing_starts_after_a_cancel_that_withdrew_although_the_executor_is_busy) {
  // All threads of the executor are busy: what is due waits in its queue.
  support::gate leave;
  std::vector<timer> blockers;
  std::atomic<int> inside{0};
  const int threads = GetParam() == support::scene::pool || GetParam() == support::scene::foreign ? 2 : 1;
  for (int i = 0; i < threads; ++i) {
    blockers.emplace_back(service, [&] {
      inside.fetch_add(1);
      leave.pass();
    });
    blockers.back().arm_after(0ns);
  }
  support::eventually([&] { return inside.load() == threads; });
  std::atomic<int> calls{0};
  std::vector<timer> queued;
  for (int i = 0; i < 32; ++i) {
    queued.emplace_back(service, [&] { calls.fetch_add(1); });
    queued.back().arm_after(0ns);
  }
  std::this_thread::sleep_for(1ms);  // Most of them are in the queue by now; the promise holds for the others as well.
  for (std::size_t i = 0; i < queued.size(); ++i) {
    if (i % 3 == 0) {
      EXPECT_EQ(queued[i].cancel(), cancel_result::cancelled);
    } else if (i % 3 == 1) {
      EXPECT_EQ(queued[i].close_and_wait().outcome, cancel_result::cancelled);
    } else {
      EXPECT_EQ(queued[i].arm_after(1h), arm_result::rearmed);
    }
  }
  leave.open();
  for (timer& b : blockers) EXPECT_EQ(b.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_TRUE(support::never([&] { return calls.load() != 0; }));
}

INSTANTIATE_TEST_SUITE_P(, G06_threads, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

}  // namespace
