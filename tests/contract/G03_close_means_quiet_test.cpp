// G03 Close means quiet: when close_and_wait has answered `quiet`, or the destructor has returned outside the timer's
// own callback, the callback is not running, never will be, and the callable with all it captured has been destroyed.
//
// Method: a callback is held at a gate while another thread closes its timer in every way there is; the closer must not
// come back before the callback's last act, which is a plain write that a race detector would complain of. Canaries in
// the captures say when they are destroyed, how often and where. What is only queued must not be waited for. Storms on
// real threads destroy owners whose memory the callbacks use.
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <support/canary.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::cancel_result;
using detent::timer;
using detent::timer_group;
using detent::timer_id;
using detent::timer_service;
using detent::wait_result;

// What a closer finds before it.
struct target {
  std::unique_ptr<timer_service>* service;
  timer_group* parent;
  std::optional<timer_group>* group;
  timer* t;
};

struct way_to_close {
  const char* name;
  void (*close)(target);
};

const way_to_close ways_to_close[] = {
    {"close_and_wait", [](target x) { EXPECT_EQ(x.t->close_and_wait().wait, wait_result::quiet); }},
    {"close_and_wait_for", [](target x) { EXPECT_EQ(x.t->close_and_wait_for(1h).wait, wait_result::quiet); }},
    {"by_id", [](target x) { EXPECT_EQ((*x.service)->close_and_wait(x.t->id()).wait, wait_result::quiet); }},
    {"destructor", [](target x) { timer last(std::move(*x.t)); }},
    {"assignment", [](target x) { *x.t = timer(); }},
    {"assignment_of_another", [](target x) { *x.t = timer(**x.service, [] {}); }},
    {"group", [](target x) { EXPECT_EQ((*x.group)->close_and_wait(), wait_result::quiet); }},
    {"group_for", [](target x) { EXPECT_EQ((*x.group)->close_and_wait_for(1h), wait_result::quiet); }},
    {"group_destructor", [](target x) { x.group->reset(); }},
    {"group_assignment", [](target x) { **x.group = timer_group(**x.service); }},
    {"parent_group", [](target x) { EXPECT_EQ(x.parent->close_and_wait(), wait_result::quiet); }},
    {"shutdown", [](target x) { EXPECT_TRUE((*x.service)->shutdown().complete); }},
    {"service_destructor", [](target x) { x.service->reset(); }},
};

class G03_ways : public ::testing::TestWithParam<std::tuple<way_to_close, support::scene>> {};

std::string name_of(const ::testing::TestParamInfo<std::tuple<way_to_close, support::scene>>& row) {
  return std::string(std::get<0>(row.param).name) + "_" + support::to_string(std::get<1>(row.param));
}

TEST_P(G03_ways, the_closer_comes_back_after_the_call_and_its_captures) {
  support::stage play(std::get<1>(GetParam()));
  support::cage birds;
  support::gate entered;
  support::gate leave;
  bool over = false;
  timer_group parent(play.service());
  std::optional<timer_group> group(std::in_place, parent);
  timer t(*group, [&, bird = support::canary(birds)] {
    entered.open();
    leave.pass();
    over = true;
  });
  const timer_id id = t.id();
  t.arm_after(0ns);
  entered.pass();
  support::background closer([&] {
    std::get<0>(GetParam()).close({&play.holder(), &parent, &group, &t});
    EXPECT_TRUE(over);
    EXPECT_EQ(birds.gone(), 1);
  });
  EXPECT_TRUE(support::never([&] { return closer.is_done(); }));
  EXPECT_EQ(birds.gone(), 0);
  leave.open();
  closer.join();
  EXPECT_EQ(birds.gone(), 1);
  EXPECT_EQ(birds.alive(), 0);
  if (play.holder() != nullptr) {
    EXPECT_NE(play.service().arm_after(id, 0ns), detent::arm_result::armed);
  }
}

INSTANTIATE_TEST_SUITE_P(, G03_ways,
                         ::testing::Combine(::testing::ValuesIn(ways_to_close),
                                            ::testing::ValuesIn(support::threaded_scenes)),
                         name_of);

// --- What has not started is not waited for
// ---------------------------------------------------------------------------

class G03_held : public ::testing::TestWithParam<way_to_close> {};

TEST_P(G03_held, a_queued_firing_is_voided_and_its_captures_are_destroyed_at_once) {
  for (const bool drop : {false, true}) {
    support::held_executor executor;
    detent::manual_clock clock;
    detent::service_options options;
    options.clock = &clock;
    options.executor = executor;
    auto service = std::make_unique<timer_service>(std::move(options));
    support::cage birds;
    timer_group parent(*service);
    std::optional<timer_group> group(std::in_place, parent);
    timer t(*group, [bird = support::canary(birds)] { ADD_FAILURE() << "it was closed"; });
    t.arm_after(1ms);
    clock.advance(1ms);
    ASSERT_EQ(executor.size(), 1U);
    GetParam().close({&service, &parent, &group, &t});
    EXPECT_EQ(birds.gone(), 1);
    EXPECT_EQ(birds.gone_on(), std::this_thread::get_id());
    if (drop) executor.drop_all();
    else executor.run_all();
    clock.advance(1h);
    executor.run_all();
    EXPECT_EQ(birds.alive(), 0);
  }
}

TEST_P(G03_held, an_idle_and_a_pending_timer_are_closed_at_once) {
  for (const bool pending : {false, true}) {
    detent::manual_clock clock;
    auto service = std::make_unique<timer_service>(clock);
    support::cage birds;
    timer_group parent(*service);
    std::optional<timer_group> group(std::in_place, parent);
    timer t(*group, [bird = support::canary(birds)] { ADD_FAILURE() << "it was closed"; });
    if (pending) t.arm_every(1ms);
    GetParam().close({&service, &parent, &group, &t});
    EXPECT_EQ(birds.gone(), 1);
    clock.advance(1h);
  }
}

INSTANTIATE_TEST_SUITE_P(, G03_held, ::testing::ValuesIn(ways_to_close),
                         [](const auto& row) { return std::string(row.param.name); });

// --- Several closers
// ---------------------------------------------------------------------------------------------------

class G03_threads : public support::on_scene {};

TEST_P(G03_threads, every_concurrent_closer_waits_for_the_call) {
  support::gate entered;
  support::gate leave;
  bool over = false;
  timer t(service, [&] {
    entered.open();
    leave.pass();
    over = true;
  });
  t.arm_after(0ns);
  entered.pass();
  std::atomic<int> back{0};
  std::atomic<int> withdrew{0};
  t.arm_after(1h);
  std::vector<std::unique_ptr<support::background>> closers;
  for (int i = 0; i < 4; ++i) {
    closers.push_back(std::make_unique<support::background>([&, i] {
      const detent::cancel_answer got = i % 2 == 0 ? t.close_and_wait() : service.close_and_wait(t.id());
      EXPECT_EQ(got.wait, wait_result::quiet);
      if (got.outcome == cancel_result::cancelled_running) withdrew.fetch_add(1);
      else EXPECT_EQ(got.outcome, cancel_result::closed);
      EXPECT_TRUE(over);
      back.fetch_add(1);
    }));
  }
  EXPECT_TRUE(support::never([&] { return back.load() != 0; }));
  leave.open();
  closers.clear();
  EXPECT_EQ(withdrew.load(), 1) << "one of them ended the arming";
}

// The closer that found no call destroys the captures; another one must not come back before that is done.
void close_twice_while_a_capture_is_destroyed(timer_service& service, bool detached_before) {
  support::gate ending;
  support::gate finish;
  bool ended = false;
  std::atomic<int> calls{0};
  auto capture = support::at_end([&] {
    ending.open();
    finish.pass();
    ended = true;
  });
  timer t(service, [&calls, capture = std::move(capture)](detent::firing& f) {
    f.detach();
    calls.fetch_add(1);
  });
  if (detached_before) {
    t.arm_after(0ns);
    support::eventually([&] { return calls.load() == 1 && t.status() == detent::timer_state::idle; });
  }
  support::background first([&] { EXPECT_EQ(t.close_and_wait().outcome, cancel_result::idle); });
  ending.pass();
  support::background second([&] {
    const detent::cancel_answer got = t.close_and_wait();
    EXPECT_EQ(got.outcome, cancel_result::closed);
    EXPECT_EQ(got.wait, wait_result::quiet);
    EXPECT_TRUE(ended);
  });
  support::background third([&] {
    EXPECT_EQ(service.close_and_wait(t.id()).wait, wait_result::quiet);
    EXPECT_TRUE(ended);
  });
  EXPECT_TRUE(support::never([&] { return first.is_done() || second.is_done() || third.is_done(); }));
  EXPECT_EQ(t.close_and_wait_for(1ms).wait, wait_result::timed_out);
  finish.open();
}

TEST_P(G03_threads, a_second_closer_waits_for_the_captures_the_first_destroys) {
  close_twice_while_a_capture_is_destroyed(service, false);
}
TEST_P(G03_threads, a_second_closer_waits_for_the_captures_also_after_a_detached_call) {
  close_twice_while_a_capture_is_destroyed(service, true);
}

TEST_P(G03_threads, a_close_that_timed_out_has_closed_all_the_same) {
  support::gate entered;
  support::gate leave;
  support::cage birds;
  timer t(service, [&, bird = support::canary(birds)] {
    entered.open();
    leave.pass();
  });
  t.arm_after(0ns);
  entered.pass();
  EXPECT_EQ(t.close_and_wait_for(1ms).wait, wait_result::timed_out);
  EXPECT_EQ(t.arm_after(0ns), detent::arm_result::closed);
  EXPECT_EQ(birds.gone(), 0);
  leave.open();
  EXPECT_EQ(t.close_and_wait().wait, wait_result::quiet);
  EXPECT_EQ(birds.gone(), 1);
}

// --- What cannot keep a waiter
// -----------------------------------------------------------------------------------------

TEST_P(G03_threads, a_callback_that_arms_itself_again_cannot_keep_a_waiter) {
  std::atomic<int> calls{0};
  timer t;
  support::gate ready;
  t = timer(service, [&] {
    ready.pass();
    calls.fetch_add(1);
    t.arm_after(0ns);
  });
  t.arm_after(0ns);
  ready.open();
  for (int i = 0; i < 300; ++i) {
    t.arm_after(0ns);
    EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
    t.arm_after(0ns);
    EXPECT_EQ(t.wait(), wait_result::quiet);
  }
  EXPECT_EQ(t.close_and_wait().wait, wait_result::quiet);
  const int seen = calls.load();
  EXPECT_TRUE(support::never([&] { return calls.load() != seen; }));
}

TEST_P(G03_threads, reuse_of_the_record_cannot_keep_a_waiter) {
  for (int round = 0; round < 100; ++round) {
    support::gate entered;
    support::gate leave;
    const timer_id id = service.once(0ns, [&] {
      entered.open();
      leave.pass();
    });
    entered.pass();
    support::background waiter([&] { EXPECT_EQ(service.close_and_wait(id).wait, wait_result::quiet); });
    support::background other([&] { EXPECT_EQ(service.wait(id), wait_result::quiet); });
    support::gate hold;
    std::vector<timer> tenants;
    leave.open();
    // The next tenants of the record run calls that last longer than the waiters may.
    for (int i = 0; i < 3; ++i) {
      tenants.emplace_back(service, [&] { hold.pass(); });
      tenants.back().arm_after(0ns);
    }
    waiter.join();
    other.join();
    hold.open();
  }
}

// --- Handles that go while somebody waits ----------------------------------------------------------------------------

TEST_P(G03_threads, a_handle_may_be_moved_and_destroyed_while_threads_wait_on_it) {
  support::gate entered;
  support::gate leave;
  bool over = false;
  auto first = std::make_unique<timer>(service, [&] {
    entered.open();
    leave.pass();
    over = true;
  });
  timer& t = *first;
  t.arm_after(0ns);
  entered.pass();
  const timer_id id = t.id();
  t.arm_after(1h);
  // That a verb has taken its effect says that it has read the handle.
  support::background a([&] {
    EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
    EXPECT_TRUE(over);
  });
  support::eventually([&] { return !service.info(id)->due_known; });
  support::background b([&] {
    EXPECT_EQ(t.close_and_wait().wait, wait_result::quiet);
    EXPECT_TRUE(over);
  });
  support::eventually([&] { return service.status(id) == detent::timer_state::closed; });
  EXPECT_TRUE(support::never([&] { return a.is_done() || b.is_done(); }));
  timer second(std::move(*first));
  first.reset();
  support::background c([&] { timer last(std::move(second)); });
  EXPECT_TRUE(support::never([&] { return c.is_done(); }));
  leave.open();
}

// --- Captures
// ----------------------------------------------------------------------------------------------------------

TEST_P(G03_threads, captures_in_place_and_on_the_heap_are_destroyed_exactly_once) {
  support::cage birds;
  const auto fill = [&](auto... ballast) {
    timer t(service, [bird = support::canary(birds), ballast...] { static_cast<void>((0 + ... + ballast.size())); });
    EXPECT_EQ(birds.alive(), 1);
    EXPECT_EQ(t.cancel_and_wait().outcome, cancel_result::idle);
    EXPECT_EQ(birds.alive(), 1) << "cancel keeps the callable";
    t.arm_after(1h);
    timer moved(std::move(t));
    EXPECT_EQ(birds.alive(), 1);
    moved.close();
    EXPECT_EQ(birds.gone(), 1) << "inside close, when no call runs";
    moved.close_and_wait();
    moved = timer();
    EXPECT_EQ(birds.forget_gone(), 1);
  };
  fill();
  fill(std::array<char, 200>{});
  fill(std::string("a string with a destructor of its own, too long to be short"));
  EXPECT_EQ(birds.alive(), 0);
}

TEST_P(G03_threads, captures_of_a_closed_running_call_go_on_its_thread_right_after_it) {
  support::cage birds;
  support::gate entered;
  support::gate leave;
  std::atomic<std::thread::id> ran_on{};
  timer t(service, [&, bird = support::canary(birds)] {
    ran_on.store(std::this_thread::get_id());
    entered.open();
    leave.pass();
  });
  t.arm_after(0ns);
  entered.pass();
  EXPECT_EQ(t.close(), cancel_result::running);
  EXPECT_EQ(birds.gone(), 0);
  leave.open();
  support::eventually([&] { return birds.gone() == 1; });
  EXPECT_EQ(birds.gone_on(), ran_on.load());
}

// --- The exception: detach -------------------------------------------------------------------------------------------

TEST_P(G03_threads, after_detach_a_close_comes_back_and_the_callable_lives_until_the_call_returns) {
  support::cage birds;
  support::gate detached;
  support::gate leave;
  auto own = std::make_shared<support::gate>();  // What the call has taken over.
  std::atomic<int> calls{0};
  timer t(service, [&, own, bird = support::canary(birds)](detent::firing& f) {
    const auto mine = own;
    calls.fetch_add(1);
    f.detach();
    detached.open();
    leave.pass();
    mine->open();
  });
  t.arm_after(0ns);
  detached.pass();
  EXPECT_EQ(t.wait(), wait_result::quiet);
  EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
  t.arm_after(0ns);
  EXPECT_TRUE(support::never([&] { return calls.load() != 1; })) << "it still counts for G07";
  const detent::cancel_answer got = t.close_and_wait();
  EXPECT_EQ(got.outcome, cancel_result::cancelled_running);
  EXPECT_EQ(got.wait, wait_result::quiet);
  EXPECT_EQ(birds.gone(), 0);
  const timer_id id = t.id();
  t = timer();  // The record is reused only after the call.
  EXPECT_EQ(birds.gone(), 0);
  timer next(service, [] {});
  EXPECT_NE(next.id().index, id.index);
  leave.open();
  support::eventually([&] { return birds.gone() == 1; });
  own->pass();
  EXPECT_EQ(calls.load(), 1);
}

TEST_P(G03_threads, detach_wakes_who_already_waits) {
  support::gate entered;
  support::gate detach;
  support::gate leave;
  support::gate left;
  timer t(service, [&](detent::firing& f) {
    entered.open();
    detach.pass();
    f.detach();
    f.detach();
    leave.pass();
    left.open();
  });
  t.arm_after(0ns);
  entered.pass();
  support::background waiter([&] { EXPECT_EQ(t.wait(), wait_result::quiet); });
  support::background closer([&] { EXPECT_EQ(t.close_and_wait().wait, wait_result::quiet); });
  EXPECT_TRUE(support::never([&] { return waiter.is_done() || closer.is_done(); }));
  detach.open();
  waiter.join();
  closer.join();
  EXPECT_FALSE(left.is_open());
  leave.open();
  left.pass();
}

TEST_P(G03_threads, a_detached_call_still_counts_for_its_group_and_for_shutdown) {
  for (const bool by_group : {true, false}) {
    support::stage own(GetParam());
    support::gate detached;
    support::gate leave;
    bool over = false;
    std::optional<timer_group> group(std::in_place, own.service());
    timer t(*group, [&](detent::firing& f) {
      f.detach();
      detached.open();
      leave.pass();
      over = true;
    });
    t.arm_after(0ns);
    detached.pass();
    support::background closer([&] {
      if (by_group) group.reset();
      else own.holder().reset();
      EXPECT_TRUE(over);
    });
    EXPECT_TRUE(support::never([&] { return closer.is_done(); }));
    leave.open();
  }
}

// --- Storms
// ------------------------------------------------------------------------------------------------------------

// A component whose callback uses its members and arms its own timer. The timer is destroyed first; after it the memory
// belongs to somebody else.
struct component {
  explicit component(detent::detail::home where)
      : t(where, [this] {
          ++calls;
          if (calls % 3 == 0) t.arm_after(1us);
          if (calls % 5 == 0) t.cancel();
        }) {}
  int calls = 0;
  timer t;
};

TEST_P(G03_threads, owners_are_destroyed_while_their_timers_fire) {
  std::vector<std::unique_ptr<support::background>> threads;
  for (unsigned seed = 0; seed < 3; ++seed) {
    threads.push_back(std::make_unique<support::background>([this, seed] {
      std::mt19937 random(seed);
      for (int i = 0; i < 1500; ++i) {
        alignas(component) std::array<unsigned char, sizeof(component)> memory;
        auto* c = new (memory.data()) component(service);
        c->t.arm_after(std::chrono::microseconds(random() % 50));
        if (random() % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 80));
        if (random() % 4 == 0) c->t.arm_every(std::chrono::microseconds(1 + random() % 20));
        c->~component();
        memory.fill(0xEE);
      }
    }));
  }
  threads.clear();
  EXPECT_EQ(service.counters().early, 0U);
}

// The moment of the close sweeps over the whole way of a firing, from the wake-up to the end of the call.
TEST_P(G03_threads, a_close_at_any_moment_of_a_firing_finds_it_over) {
  int closed_in_time = 0;
  for (int round = 0; round < 4000; ++round) {
    std::atomic<int> inside{0};
    timer t(service, [&inside] {
      inside.store(1, std::memory_order_relaxed);
      for (int i = 0; i < 200; ++i) inside.fetch_add(1, std::memory_order_relaxed);
      inside.store(0, std::memory_order_relaxed);
    });
    t.arm_after(0ns);
    const auto until = std::chrono::steady_clock::now() + std::chrono::nanoseconds(round * 25);
    while (std::chrono::steady_clock::now() < until && inside.load(std::memory_order_relaxed) == 0) {
    }
    const detent::cancel_answer got = t.close_and_wait();
    const int seen = inside.load(std::memory_order_relaxed);
    ASSERT_EQ(seen, 0) << "round " << round;
    ASSERT_EQ(got.wait, wait_result::quiet);
    if (got.outcome == cancel_result::cancelled) ++closed_in_time;
  }
  EXPECT_GT(closed_in_time, 0);
}

// N1, N2: members share the group's record while its owner lets go of it.
TEST_P(G03_threads, groups_are_destroyed_while_their_members_fire) {
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::array<int, 6> plain{};
    std::vector<timer> members;
    {
      timer_group group(service, {.order = i % 2 == 0 ? detent::group_order::serial : detent::group_order::concurrent});
      timer_group child(group);
      for (std::size_t m = 0; m < plain.size(); ++m) {
        members.emplace_back(m % 2 == 0 ? group : child, [&plain, m] { ++plain[m]; });
        members.back().arm_every(std::chrono::microseconds(1 + random() % 20));
      }
      if (i % 4 == 0) std::this_thread::sleep_for(std::chrono::microseconds(random() % 300));
      EXPECT_EQ(group.close_and_wait(), wait_result::quiet);
      for (int& p : plain) p = -1;
    }
    members.clear();
  }
}

INSTANTIATE_TEST_SUITE_P(, G03_threads, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

}  // namespace
