// Who waits for whom: a wait counts until its answer is given, and no longer. A parent waits for its children whatever
// they wait for; who may wait is not refused for a wait that is over; who would wait for itself is told.
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;

// The child is still in the answer to its call when the parent comes to its children: what the parent owns stays.
TEST(worker_waits, a_parent_waits_for_a_child_that_called_it) {
  detent::timer_service service;
  for (int round = 0; round < 20; ++round) {
    std::atomic<bool> released{false};
    std::atomic<bool> over{false};
    detent::worker parent(service, {.name = "parent", .queue_limit = 2});
    detent::worker child(parent, service, {.name = "child"});
    parent.on_cleanup([&] { released.store(true); });
    parent.start();
    child.start();
    support::gate busy;
    support::gate release;
    ASSERT_EQ(parent.post([&] {
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    const bool calls = round % 2 == 0;  // Else it waits for room, and is refused.
    if (!calls) {
      ASSERT_EQ(parent.post([] {}), post_result::accepted);
      ASSERT_EQ(parent.post([] {}), post_result::accepted);
    }
    support::gate about;
    ASSERT_EQ(child.post([&] {
      about.open();
      if (calls) {
        EXPECT_EQ(parent.call_and_wait([] {}), call_result::cancelled);
      } else {
        EXPECT_EQ(parent.post([] {}), post_result::stopping);
      }
      EXPECT_TRUE(support::never([&] { return released.load(); }));
      over.store(true);
    }),
              post_result::accepted);
    about.pass();
    if (calls) support::eventually([&] { return parent.size() == 1; });
    if (!calls) std::this_thread::yield();  // It waits by now or will be refused at once: both are right.
    parent.stop();
    release.open();
    const detent::worker_report report = parent.shutdown(support::patience);
    EXPECT_TRUE(report.complete);
    EXPECT_TRUE(over.load());
    ASSERT_EQ(report.children.size(), 1u);
    EXPECT_TRUE(report.children[0].complete);
  }
}

// R-ANSWER. The task behind the one that was waited for: nobody waits any more, so it may wait for, post to and destroy
// who did.
TEST(worker_waits, an_answered_wait_is_over) {
  detent::timer_service service;
  for (int round = 0; round < 30; ++round) {
    detent::worker called(service, {.name = "called"});
    auto caller = std::make_unique<detent::worker>(service, detent::worker_options{.name = "caller", .queue_limit = 1});
    called.start();
    caller->start();
    support::gate busy;
    support::gate release;
    support::gate over;
    ASSERT_EQ(called.post([&] {
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(caller->post([&] { EXPECT_EQ(called.call_and_wait([] {}), call_result::done); }), post_result::accepted);
    support::eventually([&] { return called.size() == 1; });
    if (round % 3 == 1) {
      ASSERT_EQ(caller->post([] {}), post_result::accepted);
    }
    ASSERT_EQ(called.post([&] {
      switch (round % 3) {
        case 0: EXPECT_EQ(caller->call_and_wait([] {}), call_result::done); break;
        case 1: EXPECT_EQ(caller->post([] {}), post_result::accepted); break;
        default: caller.reset(); break;
      }
      over.open();
    }),
              post_result::accepted);
    release.open();
    over.pass();
  }
}

// A poster that has got room waits for nobody, though it has not woken yet.
TEST(worker_waits, a_poster_with_room_waits_no_more) {
  detent::timer_service service;
  for (int round = 0; round < 30; ++round) {
    detent::worker full(service, {.name = "full", .queue_limit = 1});
    auto poster = std::make_unique<detent::worker>(service, detent::worker_options{.name = "poster"});
    full.start();
    poster->start();
    support::gate busy;
    support::gate release;
    support::gate over;
    support::gate about;
    ASSERT_EQ(full.post([&] {
      busy.open();
      release.pass();
    }),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(full.post([&] {
      if (round % 2 == 0) {
        EXPECT_EQ(poster->call_and_wait([] {}), call_result::done);
      } else {
        poster.reset();
      }
      over.open();
    }),
              post_result::accepted);
    ASSERT_EQ(poster->post([&] {
      about.open();
      EXPECT_EQ(full.post([] {}), post_result::accepted);
    }),
              post_result::accepted);
    about.pass();
    EXPECT_TRUE(support::never([&] { return poster->report().items.done != 0; }));
    release.open();
    over.pass();
  }
}

// R-ROOM. A caller that waits for room is refused by the stop, and waits for nobody from then on, though it has not
// woken yet: who stopped the full worker may wait for it, or destroy it. Notices a mark for the answer that is made
// before there is room.
TEST(worker_waits, a_caller_refused_by_the_stop_waits_no_more) {
  detent::timer_service service;
  for (int round = 0; round < 30; ++round) {
    detent::worker full(service, {.name = "full", .queue_limit = 1});
    auto caller = std::make_unique<detent::worker>(service, detent::worker_options{.name = "caller"});
    full.start();
    caller->start();
    support::gate release;
    support::gate over;
    support::gate busy;
    ASSERT_EQ(full.post([&] {
      busy.open();
      release.pass();
      full.stop();
      if (round % 2 == 0) {
        EXPECT_EQ(caller->call_and_wait([] {}), call_result::done);
      } else {
        caller.reset();
      }
      over.open();
    }),
              post_result::accepted);
    busy.pass();
    ASSERT_EQ(full.post([] {}), post_result::accepted);
    support::gate about;
    ASSERT_EQ(caller->post([&] {
      about.open();
      EXPECT_EQ(full.call_and_wait([] {}), call_result::stopping);
    }),
              post_result::accepted);
    about.pass();
    EXPECT_TRUE(support::never([&] { return caller->report().items.done != 0; }));
    release.open();
    over.pass();
  }
}

// A caller that waits for room and one that it would wait for: one of them is told, neither hangs.
TEST(worker_waits, a_cycle_through_a_full_queue_is_refused) {
  detent::timer_service service;
  for (int round = 0; round < 20; ++round) {
    detent::worker full(service, {.name = "full", .queue_limit = 1});
    detent::worker caller(service, {.name = "caller"});
    full.start();
    caller.start();
    support::gate release;
    support::gate busy;
    support::gate about;
    std::atomic<int> told{0};
    ASSERT_EQ(full.post([&] {
      busy.open();
      release.pass();
      if (caller.call_and_wait([] {}) == call_result::from_worker) told.fetch_add(1);
    }),
              post_result::accepted);
    busy.pass();
    const bool is_full = round % 2 == 0;
    if (is_full) {
      ASSERT_EQ(full.post([] {}), post_result::accepted);
    }
    ASSERT_EQ(caller.post([&] {
      about.open();
      if (full.call_and_wait([] {}) == call_result::from_worker) told.fetch_add(1);
    }),
              post_result::accepted);
    about.pass();
    EXPECT_TRUE(support::never([&] { return caller.report().items.done != 0; }));
    release.open();
    EXPECT_TRUE(caller.shutdown(support::patience).complete);
    EXPECT_TRUE(full.shutdown(support::patience).complete);
    EXPECT_EQ(told.load(), 1);
  }
}

// The destructor ends a worker in the same order as a stop: what runs may still use the worker's timers.
TEST(worker_waits, destroyed_while_a_task_waits_for_a_timer) {
  detent::timer_service service;
  auto w = std::make_unique<detent::worker>(service, detent::worker_options{.name = "timed"});
  support::gate busy;
  support::gate fired;
  w->start();
  ASSERT_EQ(w->post([&, &timers = w->timers()](detent::work& now) {
    detent::timer t(timers, [&] { fired.open(); });
    busy.open();
    while (!now.stop_requested()) std::this_thread::yield();
    EXPECT_TRUE(support::never([&] { return t.arm_after(1h) == detent::arm_result::closed; }));
    EXPECT_EQ(t.arm_after(1ms), detent::arm_result::rearmed);
    fired.pass();
  }),
            post_result::accepted);
  busy.pass();
  w.reset();
}

// A worker waits for its timers' calls: one that destroys it in such a call is told, and does not hang.
TEST(worker_waits, destroyed_in_a_callback_of_its_timers) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  const support::heard heard = support::in_heard_child([] {
    detent::timer_service service;
    auto* w = new detent::worker(service, {.name = "timed-out"});
    w->start();
    detent::timer t(w->timers(), [w] { delete w; });
    t.arm_after(0ms);
    std::this_thread::sleep_for(support::patience / 2);
    return 0;
  });
  EXPECT_EQ(heard.end, (support::child_end{support::child_end::how::signalled, SIGABRT}));
  EXPECT_NE(heard.text.find("timed-out"), std::string::npos) << heard.text;
}

}  // namespace
