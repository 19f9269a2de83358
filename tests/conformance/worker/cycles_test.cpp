// Starts and stops by the thousand, with full queues, timers that race, requests in flight and stops from several
// sides: threads, descriptors and captures are back at the baseline. Under TSan and ASan this is the test of races and
// leaks.
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <random>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

std::size_t entries_of(const char* folder) {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder)) ++count;
  return count;
}

TEST(worker_cycles, leave_nothing) {
  detent::timer_service service;
  const std::size_t cycles = support::is_long() ? 10000 : support::times(1500, 150);
  const std::size_t threads = entries_of("/proc/self/task");
  const std::size_t files = entries_of("/proc/self/fd");
  std::mt19937 dice(std::random_device{}());
  support::cage cage;
  std::uint64_t replies = 0;
  std::uint64_t asked = 0;
  for (std::size_t cycle = 0; cycle < cycles; ++cycle) {
    std::atomic<std::uint64_t> told{0};
    {
      detent::worker disk(service, {.name = "disk", .queue_limit = 16});
      detent::worker w(service, {.name = "cycle",
                                 .queue_limit = 16,
                                 .when_full = static_cast<detent::when_full>(1 + dice() % 2),
                                 .at_end = static_cast<detent::queue_end>(dice() % 3),
                                 .heir = &disk});
      detent::worker child(w, service, {.name = "child"});
      w.own(support::canary(cage));
      detent::timer tick(w.timers(), [&w, &cage] { static_cast<void>(w.post([c = support::canary(cage)] {})); });
      tick.arm_every(20us);
      if (dice() % 8 != 0) disk.start();
      if (dice() % 8 != 0) w.start();
      if (dice() % 4 != 0) child.start();
      const detent::expectation e = w.expect([&](detent::reply_result) { told.fetch_add(1); });
      for (unsigned i = 0; i < 24; ++i) {
        static_cast<void>(w.post([c = support::canary(cage)] {}, {.urgency = static_cast<detent::priority>(i % 5)}));
        if (i % 8 == 0) {
          const auto r = w.ask(
              disk, [c = support::canary(cage)] { return 1; }, [&](detent::reply_result, const int*) { ++replies; });
          asked += r == detent::post_result::accepted ? 1 : 0;
        }
      }
      const bool waits = dice() % 2 == 0;
      if (waits) {
        support::background other([&] { w.shutdown(support::patience); });
        EXPECT_TRUE(w.shutdown(support::patience).complete);
      }
      EXPECT_TRUE(!waits || told.load() == 1);
      if (dice() % 2 == 0) disk.stop();
    }
    EXPECT_LE(told.load(), 1u);  // The expectation ended before the worker: it need not be told any more.
  }
  EXPECT_EQ(replies, asked);
  EXPECT_EQ(cage.alive(), 0);
  EXPECT_TRUE(support::eventually([&] { return entries_of("/proc/self/task") == threads; }));
  EXPECT_EQ(entries_of("/proc/self/fd"), files);
}

}  // namespace
