// Two parties brought into one window of the protocol at the same time, again and again.
//
// Each party stops at the chaos point before its step until the other is at its own: from then on both are inside. Then
// one of them gets a head start: which one, that follows from the outcome that came up less often. So a round counts
// only if the parties met, and neither load nor luck decides how often each of them wins.
//
// The meeting itself uses relaxed accesses only: it must not order for the thread sanitizer what the library orders.
#pragma once

#include "sync/proof.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace stress {

using clock = std::chrono::steady_clock;
using detent::detail::chaos_at;

inline std::int64_t now_ns() { return clock::now().time_since_epoch().count(); }

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

/// Who comes to a chaos point: a thread of the library, the test's own, or its opponent.
enum class role : std::uint8_t { engine, here, opponent };

inline role& role_of_this_thread() {
  thread_local role value = role::engine;
  return value;
}

/// The point at which one of the two parties stops.
struct place {
  role who;
  chaos_at point;
};

/// Requires: made before the service whose threads come to it, so that it outlives them.
class meeting {
 public:
  meeting(place first, place second) : places_{first, second} {
    current() = this;
    role_of_this_thread() = role::here;
    detent::detail::set_chaos_hook(&meeting::hook);
  }
  ~meeting() { detent::detail::set_chaos_hook(nullptr); }
  meeting(const meeting&) = delete;
  meeting& operator=(const meeting&) = delete;

  /// Before each round. `lead_ns`: by how much the first party may go ahead of the second; negative: behind it.
  void reset(std::int64_t lead_ns) {
    // Who is still on the way out of the last round must not be taken for a party of this one.
    happens([&] { return visitors_.load(std::memory_order_relaxed) == 0; });
    for (int side = 0; side < 2; ++side) state_[side].store(away, std::memory_order_relaxed);
    go_ns_.store(0, std::memory_order_relaxed);
    delay_ns_[0].store(std::max<std::int64_t>(-lead_ns, 0), std::memory_order_relaxed);
    delay_ns_[1].store(std::max<std::int64_t>(lead_ns, 0), std::memory_order_relaxed);
  }
  /// From here on the party stops when it comes to its point next, and what this thread does is noted.
  void open(int side) {
    if (places_[side].who == role::here) {
      for (auto& n : told_) n.store(0, std::memory_order_relaxed);
    }
    state_[side].store(expected, std::memory_order_relaxed);
  }
  void open_both() {
    open(0);
    open(1);
  }
  /// Whether that party came to its point since it was opened.
  bool has_come(int side) const { return state_[side].load(std::memory_order_relaxed) != expected; }
  /// Nobody is kept any longer. Answers whether both were inside.
  bool close() {
    for (auto& state : state_) {
      int seen = expected;
      state.compare_exchange_strong(seen, away, std::memory_order_relaxed);
    }
    std::int64_t go = 0;
    return !go_ns_.compare_exchange_strong(go, nobody, std::memory_order_relaxed) && go != nobody;
  }
  /// Whether the test's own thread came to this point since its side was opened.
  bool was_here(chaos_at point) const { return told_[static_cast<std::size_t>(point)].load(std::memory_order_relaxed); }

 private:
  enum : int { away, expected, inside, through };
  static constexpr std::int64_t nobody = 1;  // go, in the past: the round is over

  static meeting*& current() {
    static meeting* value = nullptr;
    return value;
  }

  static void hook(chaos_at point) noexcept {
    meeting& m = *current();
    const role who = role_of_this_thread();
    if (who == role::here) m.told_[static_cast<std::size_t>(point)].store(1, std::memory_order_relaxed);
    for (int side = 0; side < 2; ++side) {
      if (m.places_[side].who != who || m.places_[side].point != point) continue;
      m.visitors_.fetch_add(1, std::memory_order_relaxed);
      int seen = expected;
      const bool comes = m.state_[side].compare_exchange_strong(seen, inside, std::memory_order_relaxed);
      if (comes) m.meet(side);
      m.visitors_.fetch_sub(1, std::memory_order_relaxed);
      if (comes) return;
    }
  }

  void meet(int side) noexcept {
    const std::int64_t patience_until = now_ns() + 100'000'000;
    for (int turns = 0;; ++turns) {
      std::int64_t go = go_ns_.load(std::memory_order_relaxed);
      if (go == 0 && state_[1 - side].load(std::memory_order_relaxed) == inside) {
        const std::int64_t now = now_ns();
        if (go_ns_.compare_exchange_strong(go, now, std::memory_order_relaxed)) go = now;
      }
      if (go != 0) {
        const std::int64_t until = go + delay_ns_[side].load(std::memory_order_relaxed);
        while (now_ns() < until) {
        }
        break;
      }
      if (turns > 200) {
        std::this_thread::yield();
        if (now_ns() > patience_until) break;  // The other does not come: no meeting this time.
      }
    }
    state_[side].store(through, std::memory_order_relaxed);
  }

  const place places_[2];
  std::atomic<int> state_[2]{};
  std::atomic<std::int64_t> go_ns_{0};
  std::atomic<std::int64_t> delay_ns_[2]{};
  std::atomic<int> visitors_{0};
  std::atomic<int> told_[static_cast<std::size_t>(chaos_at::last)]{};
};

/// A second thread of the test, which does one thing per round.
class opponent {
 public:
  opponent()
      : thread_([this] {
          role_of_this_thread() = role::opponent;
          for (std::uint64_t seen = 0;;) {
            for (int turns = 0; round_.load(std::memory_order_acquire) == seen; ++turns) {
              if (turns > 200) std::this_thread::yield();
            }
            ++seen;
            if (!act_) return;
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

  void start(std::function<void()> act) {
    act_ = std::move(act);
    round_.fetch_add(1, std::memory_order_release);
  }
  void join() {
    const std::uint64_t mine = round_.load(std::memory_order_relaxed);
    for (int turns = 0; done_.load(std::memory_order_acquire) != mine; ++turns) {
      if (turns > 200) std::this_thread::yield();
    }
  }

 private:
  std::atomic<std::uint64_t> round_{0};
  std::atomic<std::uint64_t> done_{0};
  std::function<void()> act_;
  std::thread thread_;
};

/// Meetings wanted per race: DETENT_RACES=n, else 1000.
inline std::uint64_t wanted_hits() {
  const char* text = std::getenv("DETENT_RACES");
  return text == nullptr ? 1000 : std::strtoull(text, nullptr, 10);
}

/// Of every hundred meetings each outcome has to have so many: 5, and 10 of very many.
inline std::uint64_t least_percent() { return wanted_hits() >= 1'000'000 ? 10 : 5; }

/// Runs a race until its parties met often enough and every outcome had its share; then says so, and requires it.
class race {
 public:
  /// Outcome 0: the first party of `at` came first; outcome 1: the second.
  race(const char* name, meeting& at, const char* first, const char* second)
      : name_(name), at_(at), outcomes_{first, second} {}

  /// `round` plays one round between `reset` and `close`, and answers its outcome, or -1 if it was spoilt.
  template <class Round>
  void run(Round round) {
    const std::uint64_t wanted = wanted_hits();
    const auto until = clock::now() + std::chrono::milliseconds(60'000 + 100 * wanted);
    while (clock::now() < until && !testing::Test::HasFailure() && !is_enough(wanted)) {
      ++rounds_;
      // A little noise, so that the rounds do not lock in with anything that is periodic.
      const auto noise = static_cast<std::int64_t>(rounds_ * 7919 % 257) - 128;
      const int wished = seen_[0] * 2 <= hits() ? 0 : 1;  // the outcome that is behind
      at_.reset(lead_ns_[wished] + noise * stride_ns_[wished] / 256);
      const int outcome = round();
      if (!at_.close() || outcome < 0) continue;
      ++seen_[outcome];
      steer(wished, outcome == wished);
    }
    report(wanted);
  }

 private:
  std::uint64_t hits() const { return seen_[0] + seen_[1]; }
  bool has_share(int outcome) const { return seen_[outcome] * 100 >= hits() * least_percent(); }
  bool is_enough(std::uint64_t wanted) const { return hits() >= wanted && has_share(0) && has_share(1); }

  // Each outcome has a head start of its own. One that failed moves away from the other one's, in strides that grow
  // while it fails: a party may be off its CPU for milliseconds. One that worked comes closer by an eighth of the way,
  // so both stay at the moment where the outcomes part, which is the one to try, and no round waits longer than it has
  // to.
  void steer(int wished, bool came) {
    std::int64_t& lead_ns = lead_ns_[wished];
    std::int64_t& stride_ns = stride_ns_[wished];
    if (came) {
      lead_ns += (lead_ns_[1 - wished] - lead_ns) / 8;
      stride_ns = std::max<std::int64_t>(stride_ns / 2, 16);
    } else {
      lead_ns = std::clamp<std::int64_t>(lead_ns + (wished == 0 ? stride_ns : -stride_ns), -10'000'000, 10'000'000);
      stride_ns = std::min<std::int64_t>(stride_ns * 2, 1'000'000);
    }
  }

  void report(std::uint64_t wanted) const {
    // Read by tools/stress.py.
    std::printf("race %s: rounds %llu, hits %llu", name_, static_cast<unsigned long long>(rounds_),
                static_cast<unsigned long long>(hits()));
    for (int i = 0; i < 2; ++i) {
      std::printf(" | %s: %llu (%.1f %%)", outcomes_[i], static_cast<unsigned long long>(seen_[i]),
                  100.0 * static_cast<double>(seen_[i]) / static_cast<double>(std::max<std::uint64_t>(hits(), 1)));
    }
    std::printf("\n");
    std::fflush(stdout);
    if (testing::Test::HasFailure()) return;
    EXPECT_GE(hits(), wanted) << name_ << ": the parties hardly ever met";
    for (int i = 0; i < 2; ++i) {
      EXPECT_TRUE(has_share(i)) << name_ << ": the outcome '" << outcomes_[i] << "' hardly ever came up";
    }
  }

  const char* name_;
  meeting& at_;
  const char* outcomes_[2];
  std::uint64_t rounds_ = 0;
  std::uint64_t seen_[2] = {0, 0};
  std::int64_t lead_ns_[2] = {0, 0};  // of the first party, where that outcome is wished for
  std::int64_t stride_ns_[2] = {512, 512};
};

}  // namespace stress
