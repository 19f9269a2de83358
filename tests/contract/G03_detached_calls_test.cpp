// G03 Detach is the one exception: waits on the timer no longer count the call, its group and shutdown still do.
//
// Method: a call that has detached itself stands at a gate; every wait beside it is bounded by a limit.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <ctime>
#include <memory>
#include <support/canary.hpp>
#include <support/gate.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::timer;
using detent::timer_group;
using detent::timer_service;
using detent::wait_result;

// A timer whose first call detaches itself and then stays until `go` opens.
struct detached_scene {
  support::gate detached;
  support::gate go;
  std::atomic<bool> over{false};
  std::atomic<int> calls{0};
  support::cage birds;
  timer_service service;
  timer_group group{service};
  timer t;
  // In the list: clang 16 cannot take a source_location in a member's initializer.
  detached_scene()
      : t{group, [this, bird = support::canary(birds)](detent::firing& f) {
            if (calls.fetch_add(1) != 0) return;
            f.detach();
            detached.open();
            go.pass();
            over.store(true);
          }} {
    t.arm_after(0ns);
    detached.pass();
  }
  ~detached_scene() { go.open(); }
};

TEST(G03_detached, waits_on_the_timer_do_not_count_it) {
  detached_scene s;
  EXPECT_EQ(s.t.cancel_and_wait_for(support::patience).wait, wait_result::quiet);
  EXPECT_EQ(s.t.wait_for(support::patience), wait_result::quiet);
  EXPECT_EQ(s.t.close_and_wait_for(support::patience).wait, wait_result::quiet);
  EXPECT_FALSE(s.over.load());
  EXPECT_EQ(s.birds.alive(), 1) << "the callable lives until its call returns";
  s.t = timer();
  EXPECT_EQ(s.birds.alive(), 1);
  s.go.open();
  EXPECT_TRUE(support::eventually([&] { return s.birds.alive() == 0; }));
  EXPECT_EQ(s.birds.gone(), 1);
}

TEST(G03_detached, its_group_waits_for_it) {
  detached_scene s;
  EXPECT_EQ(s.group.wait_for(20ms), wait_result::timed_out);
  EXPECT_EQ(s.group.close_and_wait_for(20ms), wait_result::timed_out);
  s.go.open();
  EXPECT_EQ(s.group.close_and_wait_for(support::patience), wait_result::quiet);
  EXPECT_TRUE(s.over.load());
}

TEST(G03_detached, shutdown_waits_for_it) {
  detached_scene s;
  const auto early = s.service.shutdown(detent::shutdown_policy::cancel_pending, 20ms);
  EXPECT_FALSE(early.complete);
  EXPECT_EQ(early.still_running.size(), 1U);
  s.go.open();
  EXPECT_TRUE(s.service.shutdown().complete);
  EXPECT_TRUE(s.over.load());
}

// Who already sleeps when the call detaches itself is answered if he waits for the timer, and goes on sleeping if he
// waits for the group.
TEST(G03_detached, a_waiter_that_sleeps_already) {
  for (const bool for_group : {false, true}) {
    support::gate begun;
    support::gate detach;
    support::gate go;
    timer_service service;
    timer_group group(service);
    timer t(group, [&](detent::firing& f) {
      begun.open();
      detach.pass();
      f.detach();
      go.pass();
    });
    t.arm_after(0ns);
    begun.pass();
    std::atomic<bool> answered{false};
    support::background waiter([&] {
      if (for_group) EXPECT_EQ(group.close_and_wait(), wait_result::quiet);
      else EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
      answered.store(true);
    });
    EXPECT_TRUE(support::never([&] { return answered.load(); }));
    detach.open();
    if (for_group) {
      EXPECT_TRUE(support::never([&] { return answered.load(); }));
    } else {
      EXPECT_TRUE(support::eventually([&] { return answered.load(); }));
    }
    go.open();
    waiter.join();
  }
}

TEST(G03_detached, wait_for_what_is_pending_behind_it_keeps_its_limit) {
  detached_scene s;
  s.t.arm_after(0ns);
  const std::clock_t cpu = std::clock();
  EXPECT_EQ(s.t.wait_for(50ms), wait_result::timed_out);
  EXPECT_LT(static_cast<double>(std::clock() - cpu) / CLOCKS_PER_SEC, 0.04) << "it spins instead of sleeping";
  s.go.open();
  EXPECT_EQ(s.t.wait_for(support::patience), wait_result::quiet);
  EXPECT_EQ(s.calls, 2);
}

}  // namespace
