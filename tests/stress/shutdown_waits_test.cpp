// A continuation of close_then that begins while shutdown waits for another call: shutdown waits for it too, and its
// report does not list it. Found by the storm.
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

}  // namespace
