// choosers: who decides the schedule. Depth first over all of them up to a bound, at random, by priorities (PCT), or
// as a string says.
#pragma once

#include "explore/execution.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace detent::explore {

inline constexpr int unbounded = 1000;

// All schedules with at most `bound` preemptions and `stale_bound` loads of old values. A preemption is a step of
// another thread although the last one's could go on, or a move of the time although somebody could.
//
// Sleep sets: what was explored first is not begun again after steps that do not matter to it. Under a bound only the
// thread that was running may sleep: running it first costs nothing, so no schedule within the bound is lost by it.
class depth_first final : public chooser {
 public:
  depth_first(int bound, int stale_bound);

  // On to the next schedule; false when there is none.
  bool advance() noexcept;
  void restart() noexcept { path_.clear(); }

  void begin() noexcept override;
  int pick_thread(const choice& from) noexcept override;
  int pick_value(int count) noexcept override;
  void note_dependents(thread_set threads) noexcept override { asleep_ &= ~threads; }

 private:
  struct node {
    thread_set left;       // options not taken yet
    thread_set may_sleep;  // taken ones that sleep in what follows
    std::int8_t chosen;
    std::int8_t values;  // of a load: how many; else 0
    std::int8_t current;
  };

  const int bound_;
  const int stale_bound_;
  std::vector<node> path_;
  std::size_t depth_ = 0;
  int preemptions_ = 0;
  int stale_ = 0;
  thread_set asleep_ = 0;
};

class random_source {
 public:
  explicit random_source(std::uint64_t seed) noexcept : state_(seed * 0x9e3779b97f4a7c15U + 1) {}
  std::uint64_t operator()() noexcept {
    state_ ^= state_ << 13;
    state_ ^= state_ >> 7;
    state_ ^= state_ << 17;
    return state_;
  }
  int below(int limit) noexcept { return static_cast<int>(((*this)() >> 33) % static_cast<std::uint64_t>(limit)); }

 private:
  std::uint64_t state_;
};

// With `depth` 0 every step is a throw of dice; else the thread of the highest priority runs, and `depth - 1` times the
// running one falls to the lowest (PCT: finds a bug of that depth with a known probability).
class at_random final : public chooser {
 public:
  at_random(std::uint64_t seed, int depth) noexcept : random_(seed), depth_(depth) {}
  void begin() noexcept override;
  int pick_thread(const choice& from) noexcept override;
  int pick_value(int count) noexcept override;

 private:
  random_source random_;
  const int depth_;
  int priority_[thread_limit] = {};
  int lowest_ = 0;
  std::size_t steps_ = 0;
  std::size_t expected_steps_ = 64;
  std::size_t changes_[16] = {};
};

// Follows a schedule string; `misfit` says that the scenario went another way.
class replay final : public chooser {
 public:
  explicit replay(std::string_view schedule);
  bool is_readable() const noexcept { return readable_; }
  bool misfit() const noexcept { return misfit_; }
  void begin() noexcept override { at_ = 0; }
  int pick_thread(const choice& from) noexcept override;
  int pick_value(int count) noexcept override;
  bool wants_every_step() const noexcept override { return true; }

 private:
  struct step {
    int thread;
    int stale;
  };
  std::vector<step> steps_;
  std::size_t at_ = 0;
  bool readable_ = true;
  bool misfit_ = false;
};

}  // namespace detent::explore
