// The field's scenarios 1 to 10: destroying, cancelling and waiting around a callback. Each test bears the name of the
// thread in which somebody ran into it; tests/field/README.md has the list.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <string>
#include <support/canary.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::background;
using support::gate;

namespace {

detent::service_options on_a_driver() {
  detent::service_options options;
  options.executor = detent::on_driver{};
  return options;
}

// Destroy from thread B while the callback runs on the timer thread.
TEST(F01, eglimi_cpptime_8_and_99x_timercpp_10) {
  detent::timer_service service(on_a_driver());
  for (int round = 0; round < 50; ++round) {
    support::cage home;
    gate inside;
    gate destroying;
    auto t = std::make_unique<detent::timer>(service, [&, c = support::canary(home)] {
      inside.open();
      destroying.pass();
      EXPECT_EQ(home.alive(), 1);
    });
    t->arm_after(0ns);
    ASSERT_TRUE(inside.pass());
    {
      const background opener([&] { destroying.open(); });
      t.reset();
    }
    EXPECT_EQ(home.alive(), 0);
  }
}

// Cancel from inside the own callback; restart inside; destroy inside.
TEST(F02, defold_12633_and_couchbase_lite_core_2124) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  detent::timer t;
  t = detent::timer(service, [&] {
    ++calls;
    EXPECT_EQ(t.cancel(), detent::cancel_result::running);
    EXPECT_EQ(t.arm_after(1s), detent::arm_result::armed);
    EXPECT_EQ(t.cancel(), detent::cancel_result::cancelled_running);
    if (calls < 3) EXPECT_EQ(t.arm_after(1s), detent::arm_result::armed);
    else t = {};
  });
  t.arm_after(1s);
  clock.advance(1h);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(service.counters().alive, 0U);
}

// The destructor waits while the callback calls restart; nothing may fire afterwards.
TEST(F03, couchbase_lite_core_942) {
  detent::timer_service service(on_a_driver());
  for (int round = 0; round < 50; ++round) {
    std::atomic<int> calls{0};
    gate inside;
    auto t = std::make_unique<detent::timer>();
    detent::timer& self = *t;
    *t = detent::timer(service, [&] {
      ++calls;
      inside.open();
      for (int i = 0; i < 100; ++i) static_cast<void>(self.arm_after(0ns));
    });
    t->arm_after(0ns);
    ASSERT_TRUE(inside.pass());
    t.reset();
    const int then = calls;
    std::this_thread::yield();
    EXPECT_EQ(calls, then);
  }
}

// Cancel between "popped" and "invoked": what cancel withdrew does not run.
TEST(F04, libHttpClient_974_and_zephyr_113143) {
  detent::manual_clock clock;
  support::held_executor held;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  detent::timer_service service(std::move(options));
  int calls = 0;
  detent::timer t(service, [&] { ++calls; });
  t.arm_after(1s);
  clock.advance(1s);
  ASSERT_EQ(held.size(), 1U) << "popped, and not invoked";
  EXPECT_EQ(t.cancel_and_wait().outcome, detent::cancel_result::cancelled);
  held.run_all();
  EXPECT_EQ(calls, 0);
}

// Cancel when the callback is queued on an executor, not begun: a one-thread executor must not wait for itself.
TEST(F05, asio_878_and_contrail_controller_292) {
  detent::service_options options;
  options.executor = detent::pool{1};
  detent::timer_service service(std::move(options));
  gate inside;
  gate queued;
  std::atomic<int> calls{0};
  detent::timer behind(service, [&] { ++calls; });
  detent::cancel_answer answer{};
  detent::timer blocker(service, [&] {
    inside.open();
    queued.pass();
    answer = behind.close_and_wait();
  });
  blocker.arm_after(0ns);
  ASSERT_TRUE(inside.pass());
  behind.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return behind.status() == detent::timer_state::queued; }));
  queued.open();
  EXPECT_EQ(blocker.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(answer.outcome, detent::cancel_result::cancelled);
  EXPECT_EQ(answer.wait, detent::wait_result::quiet);
  EXPECT_EQ(calls, 0);
}

// stop-start-stop and stop-start while the old firing is in flight.
TEST(F06, AntelopeIO_spring_1812_and_zephyr_109977) {
  detent::manual_clock clock;
  support::held_executor held;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  detent::timer_service service(std::move(options));
  int calls = 0;
  detent::timer t(service, [&] { ++calls; });
  t.arm_after(1s);
  clock.advance(1s);
  t.cancel();
  t.arm_after(1s);
  held.run_all();
  EXPECT_EQ(calls, 0) << "the old firing is not the new one";
  clock.advance(1s);
  EXPECT_EQ(t.cancel(), detent::cancel_result::cancelled);
  held.run_all();
  EXPECT_EQ(calls, 0);
  t.arm_after(1s);
  clock.advance(1s);
  held.run_all();
  EXPECT_EQ(calls, 1);
}

// One callback cancels another that is due in the same batch.
TEST(F07, MAVSDK_3049_and_envoy_14798) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::string seen;
  detent::timer second(service, [&] { seen += 'b'; });
  detent::timer third(service, [&] { seen += 'c'; });
  detent::timer first(service, [&] {
    seen += 'a';
    EXPECT_EQ(second.cancel(), detent::cancel_result::cancelled);
    third = {};
  });
  detent::timer fourth(service, [&] { seen += 'd'; });
  const auto at = clock.now() + 1s;
  for (detent::timer* t : {&first, &second, &third, &fourth}) t->arm_at(at);
  clock.advance(1s);
  EXPECT_EQ(seen, "ad");
}

// A captured object's destructor calls cancel on, or destroys, another timer: during close, group close and shutdown.
TEST(F08, zeroc_ice_6021) {
  for (int how = 0; how < 3; ++how) {
    detent::manual_clock clock;
    auto service = std::make_unique<detent::timer_service>(clock);
    detent::timer_group group(*service);
    auto owned = std::make_unique<detent::timer>(group, [] {});
    owned->arm_after(1h);
    detent::timer named(group, [] {});
    named.arm_after(1h);
    detent::timer holder(group, [o = std::move(owned), e = support::at_end([&] { named.cancel(); })] {});
    // One more on either side of the holder, whatever the order in which a group ends its members.
    auto after = std::make_unique<detent::timer>(group, [] {});
    detent::timer last(group, [a = std::move(after)] {});
    holder.arm_after(1h);
    const background ender([&] {
      if (how == 0) holder.close_and_wait();
      else if (how == 1) EXPECT_EQ(group.close_and_wait(), detent::wait_result::quiet);
      else service.reset();
    });
  }
}

// The last reference to owner, timer and scheduler is dropped in the callback.
TEST(F09, drogon_2552_and_PhotonLibOS_1561) {
  for (const unsigned threads : {0U, 2U}) {
    struct owner {
      explicit owner(unsigned n, support::cage& home)
          : service([&] {
              detent::service_options options;
              options.executor = detent::pool{n};
              return options;
            }()),
            kept(home) {}
      detent::timer_service service;
      support::canary kept;
      detent::timer t;
    };
    support::cage home;
    gate armed;
    gate dropped;
    auto last = std::make_shared<owner>(threads, home);
    owner& it = *last;
    it.t = detent::timer(it.service, [&, self = std::move(last)]() mutable {
      armed.pass();  // Whoever arms is out of his verb: destroying needs exclusive access, as with shared_ptr.
      std::shared_ptr<owner> mine = std::move(self);
      mine.reset();
      dropped.open();
    });
    it.t.arm_after(0ns);
    armed.open();
    EXPECT_TRUE(dropped.pass());
    EXPECT_TRUE(support::eventually([&] { return home.gone() == 1; }));
  }
}

// Cancel-and-wait while holding a mutex that the callback takes. What is not seen (a lock of the user's) is why there
// is a form that does not wait, and one whose wait has a limit.
TEST(F10, nats_c_355) {
  detent::timer_service service(on_a_driver());
  std::mutex lock;
  gate inside;
  std::atomic<bool> freed{false};
  detent::timer t(service, [&] {
    inside.open();
    const std::lock_guard guard(lock);
  });
  {
    const std::lock_guard guard(lock);
    t.arm_after(0ns);
    ASSERT_TRUE(inside.pass());
    EXPECT_EQ(t.cancel_and_wait_for(5ms).wait, detent::wait_result::timed_out);
    EXPECT_EQ(t.close_then([&] { freed = true; }), detent::then_result::accepted);
    EXPECT_FALSE(freed);
  }
  EXPECT_TRUE(support::eventually([&] { return freed.load(); }));
}

}  // namespace
