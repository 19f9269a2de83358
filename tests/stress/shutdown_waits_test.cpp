// What shutdown waits for, and what it must not wait for. Each was found by the storm.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

// Keeps tasks until the test runs them.
class keeper {
 public:
  void post(detent::task t) {
    const std::lock_guard guard(lock_);
    kept_.push_back(std::move(t));
  }
  // Waits for the next one.
  detent::task take() {
    for (;;) {
      {
        const std::lock_guard guard(lock_);
        if (!kept_.empty()) {
          detent::task t = std::move(kept_.front());
          kept_.erase(kept_.begin());
          return t;
        }
      }
      std::this_thread::sleep_for(1ms);
    }
  }

 private:
  std::mutex lock_;
  std::vector<detent::task> kept_;
};

void wait_until(const std::atomic<bool>& flag) {
  while (!flag) std::this_thread::sleep_for(1ms);
}

TEST(Shutdown, WaitsForAContinuationThatBeganMeanwhile) {
  keeper executor;
  detent::service_options options;
  options.executor = executor;
  detent::timer_service service(std::move(options));
  std::atomic<bool> f_runs{false}, f_may_end{false}, call_runs{false}, call_may_end{false};

  // The continuation gets the lower record: shutdown has passed it when it begins.
  detent::timer ended{service, [] {}};
  ASSERT_EQ(ended.close_then([&] { f_runs = true, wait_until(f_may_end); }), detent::then_result::accepted);
  detent::task f = executor.take();
  detent::timer busy{service, [&] { call_runs = true, wait_until(call_may_end); }};
  busy.arm_after(0s);
  std::thread runs_call([call = executor.take()]() mutable { call(); });
  wait_until(call_runs);

  detent::shutdown_report report;
  std::atomic<bool> over{false};
  std::thread shuts_down([&] { report = service.shutdown(), over = true; });
  std::this_thread::sleep_for(50ms);
  std::thread runs_f([&] { f(); });
  wait_until(f_runs);
  call_may_end = true;
  std::this_thread::sleep_for(100ms);
  EXPECT_FALSE(over);
  f_may_end = true;
  shuts_down.join();
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(report.still_running.empty());
  runs_f.join();
  runs_call.join();
}

// What was due when run_due began is re-armed for later while shutdown waits for it: there is nothing left to wait for.
TEST(Shutdown, DoesNotWaitForADeadlineThatWasMovedAway) {
  keeper executor;
  detent::service_options options;
  options.executor = executor;
  detent::timer_service service(std::move(options));
  std::atomic<int> calls{0};
  detent::timer t{service, [&] { ++calls; }};
  t.arm_after(0s);
  detent::task entry = executor.take();
  detent::shutdown_report report;
  std::thread shuts_down([&] { report = service.shutdown(detent::shutdown_policy::run_due); });
  std::this_thread::sleep_for(50ms);
  EXPECT_EQ(t.arm_after(1h), detent::arm_result::rearmed);
  shuts_down.join();
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cancelled, 1U);
  entry();
  EXPECT_EQ(calls, 0);
}

// The driver may be about to hand an entry to the pool when the service goes: the entry is worked off all the same, and
// with it the share of its serial group that it holds. The leak sanitizer is the judge.
TEST(Shutdown, WorksOffWhatTheDriverWasHandingOver) {
  for (int round = 0; round < 4000; ++round) {
    detent::service_options options;
    options.executor = detent::pool{1};
    detent::timer_service service(std::move(options));
    detent::timer_group group(service, {.order = detent::group_order::serial});
    std::vector<detent::timer> timers;
    for (int i = 0; i < 3; ++i) {
      timers.emplace_back(group, [] {});
      timers.back().arm_after(std::chrono::microseconds(round % 3 * 10));
    }
    for (int i = 0; i < round % 4; ++i) std::this_thread::yield();
  }
}

}  // namespace
