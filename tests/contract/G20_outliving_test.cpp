// G20. Outliving is safe: a handle may outlive its service, its verbs answer `shut_down`. A service may be destroyed
// with armed timers.
//
// Method: each kind of service is destroyed first; then every verb of every kind of handle is used, moved and
// destroyed. The address sanitizer's build of this file says that the core lives as long as its last handle or task.
#include <detent/detent.hpp>

#include <chrono>
#include <memory>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::scene;

namespace {

class outliving_on : public support::on_scene {};

void expect_shut_down(detent::timer& t) {
  EXPECT_EQ(t.arm_after(0ns), detent::arm_result::shut_down);
  EXPECT_EQ(t.arm_at(detent::steady_clock::now()), detent::arm_result::shut_down);
  EXPECT_EQ(t.arm_after(1s, detent::steady_clock::now()), detent::arm_result::shut_down);
  EXPECT_EQ(t.arm_every(1s), detent::arm_result::shut_down);
  EXPECT_EQ(t.cancel(), detent::cancel_result::shut_down);
  EXPECT_EQ(t.cancel_and_wait().outcome, detent::cancel_result::shut_down);
  EXPECT_EQ(t.cancel_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(t.close(), detent::cancel_result::shut_down);
  EXPECT_EQ(t.close_and_wait_for(1h).outcome, detent::cancel_result::shut_down);
  EXPECT_EQ(t.stop(), detent::stop_result::idle);
  EXPECT_EQ(t.wait(), detent::wait_result::quiet);
  EXPECT_EQ(t.status(), detent::timer_state::shut_down);
  EXPECT_TRUE(static_cast<bool>(t));
}

TEST_P(outliving_on, VerbsOfAHandleAnswerShutDown) {
  support::cage home;
  detent::timer armed(service, {.name = "outlives", .tolerance = 1ms}, [c = support::canary(home)] {});
  detent::timer idle(service, [c = support::canary(home)] {});
  detent::timer ticking(service, [c = support::canary(home)] {});
  armed.arm_after(1h);
  ticking.arm_every(1h);
  play.holder().reset();
  EXPECT_EQ(home.alive(), 0) << "the end of the service destroys every callable";
  for (detent::timer* t : {&armed, &idle, &ticking}) expect_shut_down(*t);
  EXPECT_EQ(armed.name(), "outlives");
  EXPECT_EQ(armed.tolerance(), 1ms);
  EXPECT_NE(armed.place().line(), 0U);
  detent::timer moved(std::move(armed));
  expect_shut_down(moved);
  EXPECT_EQ(armed.arm_after(0ns), detent::arm_result::closed) << "an empty handle has no service";  // NOLINT
  idle = std::move(moved);
  expect_shut_down(idle);
}

TEST_P(outliving_on, ContinuationsRunInTheCallerAfterTheEnd) {
  detent::timer t(service, [] {});
  play.holder().reset();
  int ends = 0;
  EXPECT_EQ(t.close_then([&] { ++ends; }), detent::then_result::accepted);
  EXPECT_EQ(ends, 1);
}

TEST_P(outliving_on, AGroupOutlivesItsService) {
  auto group = std::make_unique<detent::timer_group>(service);
  auto child = std::make_unique<detent::timer_group>(*group);
  detent::timer member(*child, [] {});
  member.arm_after(1h);
  play.holder().reset();
  EXPECT_EQ(group->cancel(), 0U);
  EXPECT_EQ(group->close(), 0U);
  EXPECT_EQ(group->stop(), 0U);
  EXPECT_EQ(group->wait(), detent::wait_result::quiet);
  EXPECT_EQ(child->close_and_wait(), detent::wait_result::quiet);
  EXPECT_EQ(member.arm_after(0ns), detent::arm_result::shut_down);
  detent::timer late(*group, [] {});
  EXPECT_NE(late.arm_after(0ns), detent::arm_result::armed);
  group.reset();
  EXPECT_NE(member.cancel(), detent::cancel_result::cancelled);
}

TEST_P(outliving_on, AServiceIsDestroyedWithManyArmedTimers) {
  support::cage home;
  std::vector<detent::timer> timers;
  for (int i = 0; i < 500; ++i) {
    timers.emplace_back(service, [c = support::canary(home)] {});
    timers.back().arm_after(i % 2 == 0 ? std::chrono::nanoseconds(1h) : std::chrono::nanoseconds(1us * i));
    service.once(1h, [c = support::canary(home)] {});
  }
  play.holder().reset();
  EXPECT_EQ(home.alive(), 0);
  for (detent::timer& t : timers) EXPECT_EQ(t.status(), detent::timer_state::shut_down);
}

INSTANTIATE_TEST_SUITE_P(Scenes, outliving_on, ::testing::ValuesIn(support::every_scene), support::scene_name);

TEST(G20, AHandleOutlivesAlsoTheManualClock) {
  auto clock = std::make_unique<detent::manual_clock>();
  auto service = std::make_unique<detent::timer_service>(*clock);
  detent::timer t(*service, [] {});
  t.arm_after(1h);
  service.reset();
  clock.reset();
  EXPECT_EQ(t.arm_after(1h), detent::arm_result::shut_down);
  EXPECT_EQ(t.cancel(), detent::cancel_result::shut_down);
  EXPECT_EQ(t.status(), detent::timer_state::shut_down);
}

TEST(G20, ATaskOutlivesServiceTimersAndClock) {
  support::held_executor held;
  {
    detent::manual_clock clock;
    detent::service_options options;
    options.clock = &clock;
    options.executor = held;
    detent::timer_service service(std::move(options));
    detent::timer t(service, [] { ADD_FAILURE(); });
    detent::timer u(service, [] { ADD_FAILURE(); });
    t.arm_after(0ns);
    u.arm_after(0ns);
    clock.settle();
  }
  EXPECT_EQ(held.size(), 2U);
  held.run_first();  // does nothing
  held.drop_all();   // does nothing either
}

TEST(G20, ARefusedTaskOfADeadServiceTellsNobody) {
  support::held_executor held;
  int told = 0;
  {
    detent::manual_clock clock;
    detent::service_options options;
    options.clock = &clock;
    options.executor = held;
    options.on_error = [&](const detent::callback_error&) { ++told; };
    detent::timer_service service(std::move(options));
    service.once(0ns, [] { ADD_FAILURE(); });
    clock.settle();
  }
  held.drop_all();
  EXPECT_EQ(told, 0);
}

// A handle in the captures of its own callback, or of another's, is destroyed by the end of the service.
TEST(G20, HandlesInCapturesGoWithTheService) {
  for (int round = 0; round < 2; ++round) {
    detent::manual_clock clock;
    auto service = std::make_unique<detent::timer_service>(clock);
    auto own = std::make_shared<detent::timer>();
    *own = detent::timer(*service, [own] { static_cast<void>(own); });
    auto other = std::make_unique<detent::timer>(*service, [] {});
    other->arm_after(1h);
    detent::timer holder(*service, [other = std::move(other)] { static_cast<void>(other); });
    const std::weak_ptr<detent::timer> seen = own;
    own.reset();
    if (round == 1) holder = {};
    service.reset();
    EXPECT_TRUE(seen.expired());
  }
}

// --- Verbs that wait read the handle once ----------------------------------------------------------------------------

struct owner_of_both {
  detent::timer_service service;
  detent::timer t;
};

TEST(G20, ACloseAndWaitMayFreeTheHandleAndTheServiceInItsCaptures) {
  auto all = std::make_shared<owner_of_both>();
  detent::timer& t = all->t;
  t = detent::timer(all->service, [all] { static_cast<void>(all); });
  const std::weak_ptr<owner_of_both> seen = all;
  all.reset();
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_TRUE(seen.expired());
}

TEST(G20, AGroupsCloseMayFreeTheGroupAndTheHandleInItsMembersCaptures) {
  struct owner {
    explicit owner(detent::timer_service& service) : group(service) {}
    detent::timer_group group;
    detent::timer t;
  };
  for (const bool waits : {false, true}) {
    detent::timer_service service;
    auto both = std::make_shared<owner>(service);
    detent::timer_group& group = both->group;
    both->t = detent::timer(group, [both] { static_cast<void>(both); });
    const std::weak_ptr<owner> seen = both;
    both.reset();
    if (waits) EXPECT_EQ(group.close_and_wait(), detent::wait_result::quiet);
    else EXPECT_EQ(group.close(), 0U);
    EXPECT_TRUE(seen.expired());
  }
}

// The callback destroys the handle on which another thread waits, and then the service goes too.
TEST(G20, HandleAndServiceMayGoWhileAThreadWaits) {
  enum class verb { close_and_wait, cancel_and_wait, wait };
  for (const verb waited_by : {verb::close_and_wait, verb::cancel_and_wait, verb::wait}) {
    // Nothing that this sanitizer sees orders the begin of the other verbs, which read the handle, and its destruction.
    if (waited_by != verb::close_and_wait && support::under_tsan) continue;
    for (int round = 0; round < 20; ++round) {
      auto service = std::make_unique<detent::timer_service>();
      std::unique_ptr<detent::timer> t;
      support::gate begun;
      support::gate waits;
      support::gate destroyed;
      t = std::make_unique<detent::timer>(*service, [&](detent::firing& now) {
        begun.open();
        // A close is told to the call: what its thread did before is seen then. The other verbs leave no such trace.
        if (waited_by == verb::close_and_wait) support::eventually([&] { return now.token().stop_requested(); });
        waits.pass();
        t.reset();
        destroyed.open();
      });
      detent::timer& handle = *t;
      handle.arm_after(0ns);
      begun.pass();
      support::background waiter([&] {
        switch (waited_by) {
          case verb::close_and_wait: EXPECT_EQ(handle.close_and_wait().wait, detent::wait_result::quiet); break;
          case verb::cancel_and_wait: EXPECT_EQ(handle.cancel_and_wait().wait, detent::wait_result::quiet); break;
          case verb::wait: EXPECT_EQ(handle.wait(), detent::wait_result::quiet); break;
        }
      });
      support::eventually([&] { return waiter.is_asleep(); });
      waits.open();
      destroyed.pass();
      service.reset();
      waiter.join();
    }
  }
}

// The record of a handle that went has a new tenant, which a thread that waited on the handle does not wait for.
TEST(G20, AWaitOnADestroyedHandleIsNotKeptByTheNextTenant) {
  if (support::under_tsan) GTEST_SKIP() << "nothing that this sanitizer sees orders the reading of the handle";
  detent::timer_service service;
  for (int round = 0; round < 50; ++round) {
    std::unique_ptr<detent::timer> t;
    support::gate begun;
    support::gate go_on;
    t = std::make_unique<detent::timer>(service, [&] {
      t->arm_after(1h);
      begun.open();
      go_on.pass();
    });
    detent::timer& handle = *t;
    handle.arm_after(0ns);
    begun.pass();
    support::background waiter([&] { EXPECT_EQ(handle.wait(), detent::wait_result::quiet); });
    support::eventually([&] { return waiter.is_asleep(); });
    go_on.open();
    t.reset();
    detent::timer next(service, [] {});
    next.arm_after(1h);
    ASSERT_TRUE(support::eventually([&] { return waiter.is_done(); }));
    waiter.join();
  }
}

}  // namespace
