// Starts and stops by the thousand, with full queues, posters that wait for room in them, timers that race, requests in
// flight, subscriptions, and stops from several sides, also by a plan: threads, descriptors and captures are back at
// the baseline. Under TSan and ASan this is the test of races and leaks.
#include <detent/publication.hpp>
#include <detent/shutdown_plan.hpp>
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <memory>
#include <optional>
#include <random>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;

// One round in so many is ended by a plan, which reads lists of /proc twice. The leak sanitizer looks through all of
// the memory then.
constexpr std::size_t plan_every = support::under_asan ? 1000 : 48;

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
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(seed);
  std::mt19937 dice(seed);
  support::cage cage;
  std::uint64_t replies = 0;
  std::uint64_t asked = 0;
  std::atomic<std::uint64_t> cut_off{0};  // posts that waited for room, or were about to, when the worker stopped
  for (std::size_t cycle = 0; cycle < cycles; ++cycle) {
    std::atomic<std::uint64_t> told{0};
    std::atomic<std::uint64_t> unsubscribed{0};
    {
      const bool never_makes_room = cycle % 24 == 0;
      // The leak sanitizer may take for lost what a thread holds that it stops: a plan is made before there are others,
      // and nobody waits for room while it is carried out.
      const bool by_plan = cycle % plan_every == 5;
      std::optional<detent::shutdown_plan> plan;
      if (by_plan) plan.emplace(detent::plan_options{.after_second_signal = support::patience});
      const auto policy = never_makes_room ? detent::when_full::block
                                           : static_cast<detent::when_full>(by_plan ? 1 + dice() % 2 : dice() % 3);
      const bool blocks = policy == detent::when_full::block;
      detent::worker disk(service, {.name = "disk", .queue_limit = 16});
      detent::worker w(service, {.name = "cycle",
                                 .queue_limit = 16,
                                 .when_full = policy,
                                 .at_end = static_cast<detent::queue_end>(dice() % 3),
                                 .heir = &disk});
      detent::worker child(w, service, {.name = "child"});
      w.own(support::canary(cage));
      detent::timer tick(w.timers(), [&w, &cage] { static_cast<void>(w.post([c = support::canary(cage)] {})); });
      tick.arm_every(20us);
      if (dice() % 8 != 0) disk.start();
      if (!never_makes_room && dice() % 8 != 0) w.start();
      if (dice() % 4 != 0) child.start();
      const detent::expectation e = w.expect([&](detent::reply_result) { told.fetch_add(1); });
      detent::publication<int> values;
      const auto hears = [&](detent::reply_result, const int* value) {
        if (value == nullptr) unsubscribed.fetch_add(1);
      };
      const detent::subscription by_w =
          values.subscribe(w, [hears, c = support::canary(cage)](auto... said) { hears(said...); });
      const detent::subscription by_child =
          values.subscribe(child, [hears, c = support::canary(cage)](auto... said) { hears(said...); });
      const auto posts = [&] {
        for (unsigned i = 0; i < 24; ++i) {
          const auto urgency = static_cast<detent::priority>(i % 5);
          const auto answer = w.post([c = support::canary(cage)] {}, {.urgency = urgency});
          if (answer == detent::post_result::stopping) cut_off.fetch_add(1);
          if (i % 8 == 4) values.publish(static_cast<int>(i));
        }
      };
      // Who waits for room does so on a thread of its own: w's stop is what may end it.
      std::optional<support::background> poster;
      if (blocks) {
        poster.emplace(posts);
      } else {
        posts();
      }
      for (unsigned i = 0; i < 3; ++i) {
        const auto r = w.ask(
            disk, [c = support::canary(cage)] { return 1; }, [&](detent::reply_result, const int*) { ++replies; });
        asked += r == detent::post_result::accepted ? 1 : 0;
      }
      if (never_makes_room) support::eventually([&] { return w.size() == 16; });
      const bool waits = by_plan || dice() % 2 == 0;
      if (by_plan) {
        plan->uses(plan->add(w), plan->add(disk));
        support::background other([&] {
          for (int i = 0; i < 3; ++i) plan->stop();
        });
        EXPECT_TRUE(plan->shutdown(support::patience).complete);
      } else if (waits) {
        support::background other([&] { w.shutdown(support::patience); });
        EXPECT_TRUE(w.shutdown(support::patience).complete);
      } else if (blocks) {
        w.stop();  // Else the timer's call may wait for room for ever.
      }
      EXPECT_TRUE(!waits || told.load() == 1);
      EXPECT_TRUE(!waits || unsubscribed.load() == 2);
      if (dice() % 2 == 0) disk.stop();
    }
    EXPECT_LE(told.load(), 1u);  // The expectation ended before the worker: it need not be told any more.
    EXPECT_LE(unsubscribed.load(), 2u);
  }
  EXPECT_EQ(replies, asked);
  EXPECT_GT(cut_off.load(), 0u);
  EXPECT_EQ(cage.alive(), 0);
  EXPECT_TRUE(support::eventually([&] { return entries_of("/proc/self/task") == threads; }));
  EXPECT_EQ(entries_of("/proc/self/fd"), files);
}

}  // namespace
