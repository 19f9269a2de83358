// Timers that only their ids name, cancelled while their last call is ending: each of them ends (decision 0008).
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

// Found by scenario 12 of model/: the call had looked whether anything was pending (T11), the cancel withdrew what the
// callback had armed and left the end to that call, and the call ended (T5) without looking again.
TEST(SpentTimers, ACancelWhileTheCallEndsLeavesNoTimerBehind) {
  detent::timer_service service;
  const std::size_t rounds = support::times(20'000, 4'000);
  std::size_t met = 0;
  // Where two threads rarely run at once it takes more rounds until enough of them meet.
  for (std::size_t i = 0; i < rounds || (met <= rounds / 100 && i < 10 * rounds); ++i) {
    std::atomic<bool> armed{false};
    const detent::timer_id id = service.once(0s, [&](detent::firing& firing) {
      static_cast<void>(service.arm_after(firing.id(), 1h));
      armed.store(true);
    });
    while (!armed.load()) std::this_thread::yield();
    const detent::cancel_result found = service.cancel(id);
    if (found == detent::cancel_result::cancelled_running) ++met;
    static_cast<void>(service.wait(id));
  }
  EXPECT_GT(met, rounds / 100) << "the cancels never met a call in progress: nothing was tested";
  // The last one's record goes back a moment after its call is over.
  EXPECT_TRUE(support::eventually([&] { return service.counters().alive == 0; }));
}

}  // namespace
