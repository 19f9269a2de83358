// G22. No lost timer: at every moment the driver is on its way to the earliest pending deadline of every timer whose
// arm has returned.
//
// Method: "nobody comes to the rescue". After the step that is under test no verb is called at all, so that nothing but
// the step itself can have woken the driver; the far timer beside it would wake it in an hour. In proof builds the
// service counts sleeps that only a safety limit ended: none.
//
// Planted bug that this catches: lost_wake (4).
#include <detent/detent.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <random>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::background;
using support::gate;

namespace {

class nobody : public ::testing::TestWithParam<unsigned> {
 protected:
  nobody() {
    detent::service_options options;
    options.executor = detent::pool{GetParam()};  // 0 is the driver itself
    service = std::make_unique<detent::timer_service>(std::move(options));
  }
  ~nobody() override {
    const detent::service_counters c = service->counters();
    EXPECT_EQ(c.rescues, 0U);
    EXPECT_EQ(c.early, 0U);
  }
  // The driver has come to rest: it has been back from its sleep as often as it will be.
  void let_driver_sleep() { std::this_thread::sleep_for(2ms); }
  std::unique_ptr<detent::timer_service> service;
};

TEST_P(nobody, ArmedEarlierThanTheSleepFromAnotherThread) {
  for (int round = 0; round < 50; ++round) {
    gate fired;
    detent::timer far(*service, [] {});
    detent::timer near(*service, [&] { fired.open(); });
    far.arm_after(1h);
    let_driver_sleep();
    near.arm_after(1ms);
    ASSERT_TRUE(fired.pass());
  }
}

TEST_P(nobody, PulledForward) {
  for (int round = 0; round < 50; ++round) {
    gate fired;
    detent::timer t(*service, [&] { fired.open(); });
    t.arm_after(1h);
    let_driver_sleep();
    t.arm_after(1ms);
    ASSERT_TRUE(fired.pass());
  }
}

TEST_P(nobody, TheEarliestIsCancelledAndTheNextStillFires) {
  for (int round = 0; round < 50; ++round) {
    gate fired;
    std::atomic<int> calls{0};
    detent::timer first(*service, [&] { calls.fetch_add(1); });
    detent::timer next(*service, [&] { fired.open(); });
    next.arm_after(8ms);
    first.arm_after(1h);
    first.arm_after(6ms);
    if (first.cancel() != detent::cancel_result::cancelled) continue;  // This machine stood still for 6 ms.
    ASSERT_TRUE(fired.pass());
    ASSERT_EQ(calls, 0);
  }
}

TEST_P(nobody, TheEarliestIsPostponedAndTheNextStillFires) {
  for (int round = 0; round < 50; ++round) {
    gate fired;
    detent::timer first(*service, [] {});
    detent::timer next(*service, [&] { fired.open(); });
    next.arm_after(8ms);
    first.arm_after(6ms);
    first.arm_after(1h);
    ASSERT_TRUE(fired.pass());
  }
}

TEST_P(nobody, PostponedAndThenItFires) {
  for (int round = 0; round < 30; ++round) {
    gate fired;
    detent::timer t(*service, [&] { fired.open(); });
    t.arm_after(2ms);
    t.arm_after(4ms);
    t.arm_after(6ms);
    ASSERT_TRUE(fired.pass());
  }
}

TEST_P(nobody, TheEarliestIsClosedOrDestroyedAndTheNextStillFires) {
  for (int round = 0; round < 50; ++round) {
    gate fired;
    auto first = std::make_unique<detent::timer>(*service, [] {});
    detent::timer next(*service, [&] { fired.open(); });
    next.arm_after(6ms);
    first->arm_after(4ms);
    if (round % 2 == 0) first->close();
    else first.reset();
    ASSERT_TRUE(fired.pass());
  }
}

// Arming while the driver is between its last look and its sleep, over and over: each arming is alone.
TEST_P(nobody, ArmedWhileTheDriverGoesToSleep) {
  const std::size_t rounds = support::times(20'000, 2'000);
  std::atomic<std::size_t> fired{0};
  detent::timer t(*service, [&] { ++fired; });
  for (std::size_t round = 1; round <= rounds; ++round) {
    t.arm_after(0ns);
    // Spinning, so that the next arming hits the driver on its way to sleep.
    const auto limit = std::chrono::steady_clock::now() + support::patience;
    while (fired != round) {
      std::this_thread::yield();
      ASSERT_LT(std::chrono::steady_clock::now(), limit) << "the arming of round " << round << " was lost";
    }
    for (std::size_t spin = 0; spin < round % 64; ++spin) std::atomic_signal_fence(std::memory_order_seq_cst);
  }
}

// Several threads arm at once, each a timer of its own; then silence. Every last arming fires.
TEST_P(nobody, ManyThreadsArmAndFallSilent) {
  const int rounds = static_cast<int>(support::times(100, 20));
  for (int round = 0; round < rounds; ++round) {
    constexpr std::size_t threads = 3;
    std::atomic<int> fired{0};
    gate go;
    std::vector<detent::timer> timers;
    for (std::size_t i = 0; i < threads; ++i) timers.emplace_back(*service, [&] { ++fired; });
    std::atomic<int> expected{0};
    {
      std::vector<std::unique_ptr<background>> armers;
      for (std::size_t i = 0; i < threads; ++i) {
        armers.push_back(std::make_unique<background>([&, i] {
          std::mt19937_64 random(static_cast<std::uint64_t>(round) * threads + i);
          go.pass();
          for (int k = 0; k < 20; ++k) timers[i].arm_after(1h - std::chrono::seconds(random() % 3000));
          static_cast<void>(timers[i].cancel());
          ++expected;
          timers[i].arm_after(std::chrono::microseconds(random() % 2000));
        }));
      }
      go.open();
    }
    ASSERT_TRUE(support::eventually([&] { return fired == expected; })) << fired << " of " << expected;
  }
}

// One timer, armed by two threads at once: whichever came last, an armed timer fires.
TEST_P(nobody, TwoThreadsArmOneTimer) {
  const int rounds = static_cast<int>(support::times(300, 50));
  for (int round = 0; round < rounds; ++round) {
    gate go;
    gate fired;
    detent::timer t(*service, [&] { fired.open(); });
    {
      background one([&] {
        go.pass();
        t.arm_after(200us);
      });
      background other([&] {
        go.pass();
        t.arm_after(300us);
      });
      go.open();
    }
    ASSERT_TRUE(fired.pass());
  }
}

TEST_P(nobody, ASeriesGoesOnByItself) {
  std::atomic<int> fired{0};
  detent::timer rate(*service, [&] { ++fired; });
  rate.arm_every(1ms);
  ASSERT_TRUE(support::eventually([&] { return fired >= 50; }));
  fired = 0;
  rate.arm_every(1ms, {.pace = detent::pace::fixed_delay});
  ASSERT_TRUE(support::eventually([&] { return fired >= 50; }));
}

TEST_P(nobody, ArmedInsideAnotherTimersCallback) {
  gate fired;
  detent::timer last(*service, [&] { fired.open(); });
  std::vector<detent::timer> links;
  links.reserve(100);
  for (std::size_t i = 0; i < 100; ++i) {
    links.emplace_back(*service, [&, i] { (i == 0 ? last : links[i - 1]).arm_after(std::chrono::microseconds(i)); });
  }
  links.back().arm_after(0ns);
  EXPECT_TRUE(fired.pass());
}

INSTANTIATE_TEST_SUITE_P(Executors, nobody, ::testing::Values(0U, 2U));

// --- The user's loop: its poll is the only one to be woken. ---------------------------------------------------------

TEST(G22, AnArmingElsewhereMakesTheDescriptorReadable) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  ASSERT_GE(service.fd(), 0);
  std::atomic<int> fired{0};
  std::atomic<bool> stopping{false};
  const background loop([&] {
    while (!stopping) {
      pollfd waiting{service.fd(), POLLIN, 0};
      ASSERT_GT(::poll(&waiting, 1, 30'000), 0) << "the loop was not woken";
      service.run_due();
    }
  });
  detent::timer far(service, [] {});
  far.arm_after(1h);
  detent::timer t(service, [&] { ++fired; });
  for (int round = 1; round <= 200; ++round) {
    t.arm_after(std::chrono::microseconds(round % 5 * 100));
    if (!support::eventually([&] { return fired == round; })) break;
  }
  stopping = true;
  t.arm_after(0ns);
}

TEST(G22, NextDeadlineIsExactAndCountsWhatWasJustArmed) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  EXPECT_EQ(service.next_deadline(), detent::steady_clock::time_point::max());
  detent::timer a(service, [] {});
  detent::timer b(service, [] {});
  const auto now = service.now();
  const auto near = [&](detent::steady_clock::time_point wanted) {
    const auto told = service.next_deadline();
    return told <= wanted && told + 1s >= wanted;  // Early by what passes between two readings, never late.
  };
  a.arm_at(now + 2h);
  EXPECT_TRUE(near(now + 2h));
  b.arm_at(now + 1h);
  EXPECT_TRUE(near(now + 1h));
  a.arm_at(now + 30min);
  EXPECT_TRUE(near(now + 30min));
  a.arm_after(0ns);
  const auto told = service.next_deadline();
  EXPECT_LE(told, service.now());
  EXPECT_EQ(service.run_due().count, 1U);
  EXPECT_TRUE(near(now + 1h));
}

TEST(G22, NestedAndConcurrentRunDueAnswerBusy) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  detent::run_answer nested;
  detent::run_answer beside;
  detent::wait_result waited{};
  detent::timer other(service, [] {});
  detent::timer t(service, [&] {
    nested = service.run_due();
    background([&] { beside = service.run_due(); }).join();
    other.arm_after(1h);
    waited = other.wait();
  });
  t.arm_after(0ns);
  EXPECT_EQ(service.run_due().outcome, detent::run_answer::kind::ran);
  EXPECT_EQ(nested.outcome, detent::run_answer::kind::busy);
  EXPECT_EQ(beside.outcome, detent::run_answer::kind::busy);
  EXPECT_EQ(waited, detent::wait_result::from_callback);
  // Outside a callback, on the thread that drives: only run_due could do the work this would wait for.
  EXPECT_EQ(other.wait(), detent::wait_result::would_deadlock);
  EXPECT_EQ(other.status(), detent::timer_state::pending);
}

TEST(G22, RunDueOfAServiceWithAThreadIsBusyAndItHasNoDescriptor) {
  detent::timer_service service;
  EXPECT_EQ(service.run_due().outcome, detent::run_answer::kind::busy);
  EXPECT_EQ(service.fd(), -1);
  detent::manual_clock clock;
  detent::timer_service manual(clock);
  EXPECT_EQ(manual.fd(), -1);
  EXPECT_EQ(manual.run_due().outcome, detent::run_answer::kind::busy);
}

// --- Hooks and names of the threads that carry all this. ------------------------------------------------------------

TEST(G22, EveryThreadIsAnnouncedAndNamed) {
  std::mutex lock;
  std::vector<std::string> told;
  std::vector<std::string> shown;
  detent::service_options options;
  options.name = "wrk";
  options.executor = detent::pool{2};
  options.on_thread_start = [&](const std::string& name) {
    char text[16] = {};
    pthread_getname_np(pthread_self(), text, sizeof text);
    const std::lock_guard guard(lock);
    told.push_back(name);
    shown.emplace_back(text);
  };
  {
    const detent::timer_service service(std::move(options));
    EXPECT_TRUE(support::eventually([&] {
      const std::lock_guard guard(lock);
      return told.size() == 3;
    }));
  }
  std::sort(told.begin(), told.end());
  std::sort(shown.begin(), shown.end());
  EXPECT_EQ(told, (std::vector<std::string>{"wrk-0", "wrk-1", "wrk-driver"}));
  EXPECT_EQ(shown, told);
}

TEST(G22, TheWatchdogNamesASlowCallOnce) {
  std::atomic<int> told{0};
  std::string name;
  gate leave;
  detent::service_options options;
  options.executor = detent::on_driver{};
  options.call_limit = 5ms;
  options.on_slow_call = [&](const detent::slow_call& slow) {
    name = slow.timer.name;
    EXPECT_GE(slow.running_for, 5ms);
    ++told;
    leave.open();
  };
  detent::timer_service service(std::move(options));
  detent::timer quick(service, {.name = "quick"}, [] {});
  detent::timer slow(service, {.name = "slow"}, [&] { leave.pass(); });
  slow.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return told == 1; }));
  quick.arm_after(0ns);
  EXPECT_EQ(quick.wait(), detent::wait_result::quiet);
  EXPECT_EQ(slow.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(told, 1);
  EXPECT_EQ(name, "slow");
}

}  // namespace
