// Two parties brought to the same point at the same time, again and again. Which of them comes first is measured, and
// the distance between them is moved until both outcomes come up: a race that always ends the same way was not run.
#pragma once

#include "stress/stress_length.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace stress {

using clock = std::chrono::steady_clock;

inline void spin_until(clock::time_point at) {
  while (clock::now() < at) {
  }
}

/// Waits for what has to happen by itself; answers whether it did.
template <class Condition>
bool happens(Condition condition, std::chrono::milliseconds patience = std::chrono::seconds(10)) {
  const auto until = clock::now() + patience;
  for (int i = 0; !condition(); ++i) {
    if (clock::now() > until) return false;
    if (i > 100) std::this_thread::yield();
  }
  return true;
}

/// Tells a waiting thread an instant. It waits without giving up its CPU, so that it is there when the instant comes.
class start_signal {
 public:
  void reset() { at_.store(0, std::memory_order_relaxed); }
  void give(clock::time_point at) { at_.store(at.time_since_epoch().count(), std::memory_order_release); }
  void await() const {
    std::int64_t at = 0;
    for (int turns = 0; (at = at_.load(std::memory_order_acquire)) == 0; ++turns) {
      if (turns > 20'000) std::this_thread::yield();
    }
    spin_until(clock::time_point(std::chrono::nanoseconds(at)));
  }

 private:
  std::atomic<std::int64_t> at_{0};
};

/// A second thread that does one thing at an instant.
class opponent {
 public:
  opponent()
      : thread_([this] {
          for (std::uint64_t seen = 0;;) {
            while (round_.load(std::memory_order_acquire) == seen) std::this_thread::yield();
            seen = round_.load(std::memory_order_acquire);
            if (!act_) return;
            ready_.store(seen, std::memory_order_release);
            start_.await();
            act_();
            done_.store(seen, std::memory_order_release);
          }
        }) {}
  ~opponent() {
    act_ = nullptr;
    round_.fetch_add(1, std::memory_order_release);
    thread_.join();
  }
  opponent(const opponent&) = delete;
  opponent& operator=(const opponent&) = delete;

  /// Returns when the opponent is on its CPU; answers the instant at which it will act.
  clock::time_point start(std::function<void()> act) {
    start_.reset();
    act_ = std::move(act);
    const std::uint64_t mine = round_.fetch_add(1, std::memory_order_release) + 1;
    while (ready_.load(std::memory_order_acquire) != mine) std::this_thread::yield();
    const auto at = clock::now() + std::chrono::microseconds(5);
    start_.give(at);
    return at;
  }
  void join() {
    while (done_.load(std::memory_order_acquire) != round_.load(std::memory_order_relaxed)) std::this_thread::yield();
  }

 private:
  std::atomic<std::uint64_t> round_{0};
  std::atomic<std::uint64_t> ready_{0};
  std::atomic<std::uint64_t> done_{0};
  start_signal start_;
  std::function<void()> act_;
  std::thread thread_;
};

/// Runs rounds until every outcome came up often enough, or the time is over; then says so and requires it.
class race {
 public:
  /// Outcome 0 and 1 are the two orders; there may be more. `round` is told by how much the second party has to come
  /// later than the first, and answers the outcome.
  race(const char* name, std::vector<std::string> outcomes) : name_(name), outcomes_(std::move(outcomes)) {}

  template <class Round>
  void run(Round round, std::int64_t first_distance_ns = 0) {
    const auto until = clock::now() + length(std::chrono::seconds(10));
    std::vector<std::uint64_t> seen(outcomes_.size());
    std::uint64_t rounds = 0;
    std::int64_t distance_ns = first_distance_ns;
    std::int64_t stride_ns = 4000;
    std::size_t before = 0;
    const auto is_enough = [&] {
      return rounds >= 4000 && std::all_of(seen.begin(), seen.end(), [&](std::uint64_t n) { return n * 10 >= rounds; });
    };
    while (clock::now() < until && !is_enough() && !testing::Test::HasFailure()) {
      // A little noise, so that the rounds do not lock in with anything that is periodic.
      const std::int64_t noise = static_cast<std::int64_t>((rounds * 7919) % 600) - 300;
      const std::size_t outcome = round(distance_ns + noise);
      ++seen[outcome];
      ++rounds;
      // Outcome 0: the first party won, so bring the second one forward. The stride shrinks where they alternate and
      // grows where they do not: a party may be put off its CPU for milliseconds.
      stride_ns = outcome == before ? std::min<std::int64_t>(stride_ns + stride_ns / 4 + 1, 30'000)
                                    : std::max<std::int64_t>(stride_ns / 2, 16);
      distance_ns = std::clamp<std::int64_t>(distance_ns + (outcome == 0 ? -stride_ns : stride_ns), -60'000, 2'000'000);
      before = outcome;
    }
    std::printf("%s: %llu rounds", name_, static_cast<unsigned long long>(rounds));
    for (std::size_t i = 0; i < seen.size(); ++i) {
      std::printf(", %s %.1f %%", outcomes_[i].c_str(),
                  100.0 * static_cast<double>(seen[i]) / static_cast<double>(std::max<std::uint64_t>(rounds, 1)));
      EXPECT_GE(seen[i] * 25, rounds) << name_ << ": the outcome '" << outcomes_[i] << "' hardly ever came up";
    }
    std::printf("\n");
    EXPECT_GE(rounds, 300U) << name_ << " was hardly run";
  }

 private:
  const char* name_;
  std::vector<std::string> outcomes_;
};

}  // namespace stress
