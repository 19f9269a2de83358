// Goal: every entry posted runs once, in order on one thread; stopping and joining leave nothing behind.
#include "dispatch/dispatch.hpp"

#include <numeric>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using detent::detail::pool_threads;

struct bench {
  std::vector<std::uint32_t> next = std::vector<std::uint32_t>(1000);
  std::vector<std::uint32_t> ran;
  std::atomic<std::uint32_t> count{0};
  std::atomic<int> started{0};
  std::atomic<int> ended{0};

  pool_threads::work work() {
    return {this,
            [](void* self, std::uint32_t e) noexcept -> std::uint32_t& { return static_cast<bench*>(self)->next[e]; },
            [](void* self, std::uint32_t e) noexcept {
              auto* b = static_cast<bench*>(self);
              if (b->ended == 0 && b->started == 1) b->ran.push_back(e);
              ++b->count;
              return true;
            },
            [](void* self, const char*) noexcept { ++static_cast<bench*>(self)->started; },
            [](void* self) noexcept { ++static_cast<bench*>(self)->ended; }};
  }

  void post_all(pool_threads& pool, std::uint32_t chain) {
    for (std::uint32_t first = 0; first < next.size(); first += chain) {
      for (std::uint32_t i = first; i + 1 < first + chain; ++i) next[i] = i + 1;
      pool.post(first, first + chain - 1, chain);
    }
  }
};

int start(pool_threads& pool) {
  const char* operation = nullptr;
  unsigned started = 0;
  return pool.start("unit", {}, &operation, &started);
}

// One entry at a time, posted while the thread is about to sleep or asleep: each has to be run by its own wake-up, for
// nothing is posted after it before it ran.
TEST(pool, each_entry_alone_wakes_a_thread) {
  bench b;
  pool_threads pool(b.work(), 1);
  ASSERT_EQ(start(pool), 0);
  for (std::uint32_t posted = 1; posted <= 20000; ++posted) {
    pool.post(0, 0, 1);
    ASSERT_TRUE(support::eventually([&] { return b.count == posted; })) << posted;
  }
  pool.stop();
  EXPECT_TRUE(pool.join_until(detent::detail::platform::forever_ns));
}

TEST(pool, one_thread_runs_everything_in_order) {
  bench b;
  pool_threads pool(b.work(), 1);
  ASSERT_EQ(start(pool), 0);
  while (b.started == 0) detent::detail::platform::yield();
  b.post_all(pool, 10);
  pool.wait_idle();
  std::vector<std::uint32_t> expected(1000);
  std::iota(expected.begin(), expected.end(), 0U);
  EXPECT_EQ(b.ran, expected);
  EXPECT_FALSE(pool.has_self());
  pool.stop();
  EXPECT_TRUE(pool.join_until(detent::detail::platform::forever_ns));
  EXPECT_EQ(b.ended, 1);
}

TEST(pool, several_threads_run_each_entry_once) {
  for (int round = 0; round < 20; ++round) {
    bench b;
    pool_threads pool(b.work(), 3);
    ASSERT_EQ(start(pool), 0);
    b.started = 5;  // No order is recorded.
    b.post_all(pool, 1);
    pool.wait_idle();
    EXPECT_EQ(b.count, 1000U);
    pool.stop();
    EXPECT_TRUE(pool.join_until(detent::detail::platform::forever_ns));
    EXPECT_EQ(b.ended, 3);
  }
}

TEST(pool, what_is_queued_when_it_stops_still_runs) {
  bench b;
  pool_threads pool(b.work(), 2);
  ASSERT_EQ(start(pool), 0);
  b.started = 5;
  b.post_all(pool, 100);
  pool.stop();
  pool.join_until(detent::detail::platform::forever_ns);
  EXPECT_EQ(b.count, 1000U);
}

}  // namespace
