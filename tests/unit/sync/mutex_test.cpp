// Goal: the mutex excludes, and the eventcount loses no wake-up.
// Method: counts under contention; a sleeper whose condition is made true between its look and its sleep.
#include "sync/sync.hpp"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using detent::detail::eventcount;
using detent::detail::lock_guard;
using detent::detail::mutex;

constexpr std::int64_t second_ns = 1'000'000'000;

std::int64_t in_seconds(std::int64_t n) {
  return detent::detail::platform::read_clock_ns(detent::detail::platform::clock_id::steady) + n * second_ns;
}

TEST(mutex, excludes) {
  mutex m;
  std::int64_t count = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20'000; ++i) {
        lock_guard guard(m);
        ++count;
      }
    });
  }
  for (auto& t : threads) t.join();
  EXPECT_EQ(count, 80'000);
}

TEST(mutex, is_constant_initialised_and_small) {
  static constinit mutex m;
  EXPECT_EQ(sizeof m, 4U);
  lock_guard guard(m);
}

TEST(eventcount, a_notify_after_prepare_makes_wait_return_at_once) {
  eventcount e;
  const eventcount::ticket ticket = e.prepare();
  e.notify();
  e.wait(ticket, detent::detail::platform::forever_ns);  // Would hang for ever.
}

TEST(eventcount, a_wait_ends_at_its_instant) {
  eventcount e;
  const std::int64_t until_ns = in_seconds(0) + 1'000'000;
  while (in_seconds(0) < until_ns) e.wait(e.prepare(), until_ns);
}

TEST(eventcount, hands_a_baton_back_and_forth_without_losing_it) {
  eventcount e;
  std::atomic<int> baton{0};
  const auto run = [&](int mine) {
    for (int i = 0; i < 5000; ++i) {
      for (;;) {
        const eventcount::ticket ticket = e.prepare();
        if (baton == mine) break;
        const std::int64_t limit_ns = in_seconds(20);
        e.wait(ticket, limit_ns);
        ASSERT_LT(in_seconds(0), limit_ns) << "a wake-up was lost";
      }
      baton = 1 - mine;
      e.notify();
    }
  };
  std::thread other(run, 1);
  run(0);
  other.join();
}

}  // namespace
