// G18. Stale ids are harmless: an id of a finished timer never touches another timer, also when check and reuse race.
//
// Method: on a manual clock every verb is tried on an id whose record already has its next tenant, which must not
// notice. On real threads, some hold ids of finished timers and use every verb on them while others create, fire and
// close new tenants in the same records: each of these must fire, and end, exactly once.
//
// Planted bug that this catches: id_unchecked (8).
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

// Every verb that takes an id must answer as for a timer that is gone.
void expect_gone(detent::timer_service& service, detent::timer_id id) {
  EXPECT_EQ(service.arm_after(id, 1h), detent::arm_result::closed);
  EXPECT_EQ(service.arm_at(id, service.now() + 1h), detent::arm_result::closed);
  EXPECT_EQ(service.arm_every(id, 1h), detent::arm_result::closed);
  EXPECT_EQ(service.cancel(id), detent::cancel_result::closed);
  EXPECT_EQ(service.cancel_and_wait(id).outcome, detent::cancel_result::closed);
  EXPECT_EQ(service.cancel_and_wait_for(id, 1h).wait, detent::wait_result::quiet);
  EXPECT_EQ(service.close(id), detent::cancel_result::closed);
  EXPECT_EQ(service.close_and_wait(id).outcome, detent::cancel_result::closed);
  EXPECT_EQ(service.stop(id), detent::stop_result::idle);
  EXPECT_EQ(service.wait(id), detent::wait_result::quiet);
  EXPECT_EQ(service.wait_for(id, 1h), detent::wait_result::quiet);
  EXPECT_EQ(service.status(id), detent::timer_state::closed);
  EXPECT_FALSE(service.info(id).has_value());
}

// A continuation that still waits for its target has a record, but no id that verbs could reach it by: its target will
// arm that record, whoever lives in it then.
TEST(G18, WhatWaitsForATimersEndCannotBeTakenFromItsList) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int continued = 0, strange_calls = 0;
  std::unique_ptr<detent::timer> stranger;
  detent::timer target(service, [&](detent::firing& firing) {
    EXPECT_EQ(target.close_then([&] { ++continued; }), detent::then_result::accepted);
    for (const detent::timer_info& told : service.snapshot()) {
      if (told.id != firing.id()) static_cast<void>(service.close(told.id));
    }
    for (const detent::timer_id id : service.active()) static_cast<void>(service.close(id));
    stranger = std::make_unique<detent::timer>(service, [&] { ++strange_calls; });
  });
  static_cast<void>(target.arm_after(1s));
  clock.advance(2s);
  EXPECT_EQ(strange_calls, 0);
  EXPECT_EQ(continued, 1);
}

TEST(G18, EveryVerbOnAStaleIdLeavesTheNextTenantAlone) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  const detent::timer_id stale = service.once(1s, [] {});
  clock.advance(1s);
  int calls = 0;
  const detent::timer_id fresh = service.once(1h, [&] { ++calls; });
  ASSERT_EQ(stale.index, fresh.index) << "records are reused last in, first out; without that this test says nothing";
  EXPECT_NE(stale, fresh);
  expect_gone(service, stale);
  EXPECT_EQ(service.status(fresh), detent::timer_state::pending);
  ASSERT_TRUE(service.info(fresh).has_value());
  EXPECT_EQ(service.info(fresh)->due_in, 1h);
  EXPECT_EQ(clock.advance(1h), 1U);
  EXPECT_EQ(calls, 1);
}

TEST(G18, AnIdOfADestroyedHandleIsStaleToo) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  detent::timer t(service, [] {});
  const detent::timer_id stale = t.id();
  t = {};
  int calls = 0;
  detent::timer next(service, [&] { ++calls; });
  ASSERT_EQ(next.id().index, stale.index);
  next.arm_after(1s);
  expect_gone(service, stale);
  EXPECT_EQ(clock.advance(1s), 1U);
  EXPECT_EQ(calls, 1);
}

TEST(G18, AContinuationForAStaleIdRunsAndClosesNobody) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  const detent::timer_id stale = service.once(1s, [] {});
  clock.advance(1s);
  int calls = 0;
  int ends = 0;
  const detent::timer_id fresh = service.once(1h, [&] { ++calls; });
  EXPECT_EQ(service.close_then(stale, [&] { ++ends; }), detent::then_result::accepted);
  clock.settle();
  EXPECT_EQ(ends, 1);
  EXPECT_EQ(service.status(fresh), detent::timer_state::pending);
  clock.advance(1h);
  EXPECT_EQ(calls, 1);
}

TEST(G18, IdsThatNeverExisted) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  detent::timer t(service, [&] { ++calls; });
  t.arm_after(1s);
  constexpr std::uint32_t most = std::numeric_limits<std::uint32_t>::max();
  for (const std::uint32_t index : {0U, 1U, 63U, 64U, 1'000'000U, most - 1, most}) {
    for (const std::uint32_t generation : {0U, 2U, most}) {
      const detent::timer_id id{index, generation};
      if (id == t.id()) continue;
      SCOPED_TRACE(std::to_string(index) + "/" + std::to_string(generation));
      expect_gone(service, id);
    }
  }
  EXPECT_EQ(clock.advance(1s), 1U);
  EXPECT_EQ(calls, 1);
}

TEST(G18, AnIdThatOnlyAnotherServiceHandedOut) {
  // An id says nothing of its service. What the other service never handed out, it does not know.
  detent::manual_clock clock;
  detent::timer_service first(clock);
  detent::timer_service second(clock);
  for (int i = 0; i < 100; ++i) first.once(1h, [] {});
  const detent::timer_id far = first.once(1h, [] {});
  expect_gone(second, far);
}

TEST(G18, ManyGenerationsOfOneRecord) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::vector<detent::timer_id> old;
  for (int i = 0; i < 1000; ++i) {
    const detent::timer_id id = service.once(0ns, [] {});
    for (const detent::timer_id before : old) ASSERT_NE(before, id);
    old.push_back(id);
    EXPECT_EQ(clock.settle(), 1U);
  }
  int calls = 0;
  service.once(1s, [&] { ++calls; });
  for (const detent::timer_id id : old) EXPECT_EQ(service.cancel(id), detent::cancel_result::closed);
  clock.advance(1s);
  EXPECT_EQ(calls, 1);
}

// Ids of finished timers, handed to the threads that misuse them.
class lost_ids {
 public:
  void add(detent::timer_id id) {
    const std::lock_guard guard(lock_);
    ids_.push_back(id);
    if (ids_.size() > 64) ids_.pop_front();
  }
  detent::timer_id any(std::size_t number) const {
    const std::lock_guard guard(lock_);
    return ids_.empty() ? detent::timer_id{} : ids_[number % ids_.size()];
  }

 private:
  mutable std::mutex lock_;
  std::deque<detent::timer_id> ids_;
};

void race(detent::executor_choice executor) {
  detent::service_options options;
  options.executor = executor;
  detent::timer_service service(std::move(options));
  lost_ids lost;
  std::atomic<bool> stopping{false};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::unique_ptr<support::background>> strangers;
  for (std::size_t number = 0; number < 2; ++number) {
    strangers.push_back(std::make_unique<support::background>([&, number] {
      for (std::size_t i = number; !stopping; ++i) {
        const detent::timer_id id = lost.any(i);
        bool harmless = true;
        switch (i % 6) {
          case 0: harmless = service.cancel(id) == detent::cancel_result::closed; break;
          case 1: harmless = service.close(id) == detent::cancel_result::closed; break;
          case 2: harmless = service.arm_after(id, 1h) == detent::arm_result::closed; break;
          case 3: harmless = service.close_and_wait(id).wait == detent::wait_result::quiet; break;
          case 4: harmless = service.arm_every(id, 1h) == detent::arm_result::closed; break;
          default: harmless = service.status(id) == detent::timer_state::closed; break;
        }
        if (!harmless) ++wrong;
      }
    }));
  }
  // Each tenant is armed by its owner alone and must fire once for each arming.
  const std::size_t rounds = support::times(20'000, 2'000);
  std::atomic<std::uint64_t> fired{0};
  std::uint64_t expected = 0;
  for (std::size_t round = 0; round < rounds; ++round) {
    if (round % 2 == 0) {
      detent::timer t(service, [&] { ++fired; });
      t.arm_after(0ns);
      ++expected;
      if (!support::eventually([&] { return fired == expected; })) break;
      const detent::timer_id id = t.id();
      t.close_and_wait();
      t = {};
      lost.add(id);
    } else {
      const detent::timer_id id = service.once(0ns, [&] { ++fired; });
      ++expected;
      if (!support::eventually([&] { return fired == expected; })) break;
      static_cast<void>(service.wait(id));
      if (!support::eventually([&] { return service.status(id) == detent::timer_state::closed; })) break;
      lost.add(id);
    }
  }
  stopping = true;
  strangers.clear();
  EXPECT_EQ(wrong, 0U);
  EXPECT_EQ(fired, expected);
  EXPECT_EQ(service.counters().alive, 0U);
}

TEST(G18, StrangersRaceWithReuseOnTheDriver) { race(detent::on_driver{}); }
TEST(G18, StrangersRaceWithReuseOnAPool) { race(detent::pool{2}); }

}  // namespace
