// Goal: a wait that would close a cycle of n calls is refused, on n threads, and no other wait is.
// Method: threads play calls; each enters its wait in turn, so the last one closes the cycle. No sleeping: gates only.
#include "lifetime/calls.hpp"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace detent::detail;  // NOLINT(google-build-using-namespace): the names of this very header

struct one_call {
  std::uint32_t index;
  std::atomic<bool> over{false};
  static bool covers(const void* self, const call_key& call) noexcept {
    return static_cast<const one_call*>(self)->index == call.index;
  }
  static bool is_over(const void* self) noexcept { return static_cast<const one_call*>(self)->over; }
  wait_target target() const { return {&covers, &is_over, this}; }
};

struct in_call {
  explicit in_call(std::uint32_t index) {
    node.key.index = index;
    node.outer = innermost_call();
    innermost_call() = &node;
  }
  ~in_call() { innermost_call() = node.outer; }
  in_call(const in_call&) = delete;
  in_call& operator=(const in_call&) = delete;
  call_node node;
};

TEST(wait_graph, a_thread_outside_every_call_is_never_refused) {
  one_call target{1};
  const registered_wait w(target.target(), nullptr);
  EXPECT_FALSE(w.is_refused());
}

TEST(wait_graph, waiting_for_the_own_call_is_a_cycle_of_one) {
  const in_call a(1);
  one_call target{1};
  EXPECT_TRUE(covers_own_call(target.target()));
  cycle found;
  const registered_wait w(target.target(), &found);
  EXPECT_TRUE(w.is_refused());
  EXPECT_EQ(found.length, 1U);
}

// Thread i makes call i and waits for call i + 1; the last waits for call 0.
std::size_t refused_in_ring(std::uint32_t n, bool first_is_over) {
  std::atomic<std::uint32_t> turn{0};
  std::atomic<std::size_t> refused{0};
  std::atomic<std::size_t> length{0};
  std::vector<one_call> targets(n);
  for (std::uint32_t i = 0; i < n; ++i) targets[i].index = (i + 1) % n;
  std::vector<std::thread> threads;
  for (std::uint32_t i = 0; i < n; ++i) {
    threads.emplace_back([&, i] {
      const in_call mine(i);
      while (turn != i) std::this_thread::yield();
      cycle found;
      const registered_wait w(targets[i].target(), &found);
      if (w.is_refused()) {
        ++refused;
        length = found.length;
      }
      if (i == 0 && first_is_over) targets[0].over = true;
      ++turn;
      while (turn < n) std::this_thread::yield();
    });
  }
  for (auto& t : threads) t.join();
  if (refused != 0) {
    EXPECT_EQ(length, n);
  }
  return refused;
}

TEST(wait_graph, the_wait_that_closes_a_ring_is_refused_and_only_that) {
  for (std::uint32_t n = 2; n <= 5; ++n) EXPECT_EQ(refused_in_ring(n, false), 1U) << n;
}

TEST(wait_graph, a_wait_that_is_over_holds_nobody_up) {
  for (std::uint32_t n = 2; n <= 5; ++n) EXPECT_EQ(refused_in_ring(n, true), 0U) << n;
}

TEST(wait_graph, a_wait_that_ended_is_forgotten) {
  const in_call a(1);
  one_call other{2};
  { const registered_wait w(other.target(), nullptr); }
  std::thread([] {
    const in_call b(2);
    one_call first{1};
    const registered_wait w(first.target(), nullptr);
    EXPECT_FALSE(w.is_refused());
  }).join();
}

}  // namespace
