#include "explore/choosers.hpp"

#include <bit>
#include <cctype>

namespace detent::explore {

// --- Depth first -----------------------------------------------------------------------------------------------------

depth_first::depth_first(int bound, int stale_bound) : bound_(bound), stale_bound_(stale_bound) {
  path_.reserve(std::size_t{1} << 16);  // Nothing is allocated while an execution runs.
}

void depth_first::begin() noexcept {
  depth_ = 0;
  preemptions_ = 0;
  stale_ = 0;
  asleep_ = 0;
}

int depth_first::pick_thread(const choice& from) noexcept {
  const thread_set current = only(from.current) & from.can_run;
  const bool may_preempt = preemptions_ < bound_;
  thread_set options = current != 0 && !may_preempt ? current : from.can_run;
  if (from.time_can_move && may_preempt) options |= only(clock_thread);
  options &= ~asleep_;
  if (options == 0) return redundant;
  int chosen = 0;
  if ((options & (options - 1)) == 0) {
    chosen = std::countr_zero(options);
  } else {
    if (depth_ == path_.size()) {
      const int first = (options & current) != 0 ? from.current : std::countr_zero(options);
      path_.push_back({options & ~only(first), 0, static_cast<std::int8_t>(first), 0,
                       static_cast<std::int8_t>(current != 0 ? from.current : -1)});
    }
    const node& here = path_[depth_++];
    chosen = here.chosen;
    asleep_ |= here.may_sleep;
  }
  if ((current != 0 && chosen != from.current) || chosen == clock_thread) ++preemptions_;
  return chosen;
}

int depth_first::pick_value(int count) noexcept {
  if (stale_ >= stale_bound_ || count == 1) return 0;
  if (depth_ == path_.size()) path_.push_back({0, 0, 0, static_cast<std::int8_t>(count > 100 ? 100 : count), 0});
  const int chosen = path_[depth_++].chosen;
  if (chosen != 0) ++stale_;
  return chosen;
}

bool depth_first::advance() noexcept {
  for (; !path_.empty(); path_.pop_back()) {
    node& last = path_.back();
    if (last.values != 0) {
      if (++last.chosen < last.values) return true;
      continue;
    }
    if (last.left == 0) continue;
    if ((bound_ == unbounded || last.chosen == last.current) && last.chosen != clock_thread) {
      last.may_sleep |= only(last.chosen);
    }
    const int next = std::countr_zero(last.left);
    last.left &= ~only(next);
    last.chosen = static_cast<std::int8_t>(next);
    return true;
  }
  return false;
}

// --- At random -------------------------------------------------------------------------------------------------------

void at_random::begin() noexcept {
  if (steps_ != 0) expected_steps_ = (expected_steps_ * 7 + steps_) / 8 + 1;
  steps_ = 0;
  lowest_ = 0;
  for (int t = 0; t < thread_limit; ++t) priority_[t] = 1 + random_.below(1000);
  priority_[clock_thread] = random_.below(4) == 0 ? priority_[clock_thread] : 0;
  for (int i = 0; i < depth_ - 1 && i < 16; ++i) {
    changes_[i] = static_cast<std::size_t>(random_.below(static_cast<int>(expected_steps_)));
  }
}

int at_random::pick_thread(const choice& from) noexcept {
  ++steps_;
  thread_set options = from.can_run;
  if (depth_ == 0) {
    if (from.time_can_move && random_.below(32) == 0) return clock_thread;
    if ((options & only(from.current)) != 0 && random_.below(3) != 0) return from.current;
    int nth = random_.below(std::popcount(options));
    for (; nth > 0; --nth) options &= options - 1;
    return std::countr_zero(options);
  }
  for (int i = 0; i < depth_ - 1 && i < 16; ++i) {
    if (changes_[i] == steps_) priority_[from.current] = --lowest_;
  }
  if (from.time_can_move) options |= only(clock_thread);
  int best = -1;
  for (int t = 0; t < thread_limit; ++t) {
    if ((options & only(t)) != 0 && (best < 0 || priority_[t] > priority_[best])) best = t;
  }
  if (best == clock_thread) priority_[clock_thread] = --lowest_;
  return best;
}

int at_random::pick_value(int count) noexcept { return random_.below(2) == 0 ? 0 : random_.below(count); }

// --- Replay ----------------------------------------------------------------------------------------------------------

replay::replay(std::string_view text) {
  const auto number = [&text] {
    int n = 0;
    while (!text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0 && n < 100'000) {
      n = n * 10 + (text.front() - '0');
      text.remove_prefix(1);
    }
    return n;
  };
  while (!text.empty()) {
    const char first = text.front();
    text.remove_prefix(1);
    if (first == '~' && !steps_.empty()) {
      steps_.back().stale = number();
    } else if (first >= 'A' && first < 'A' + thread_limit) {
      const bool counted = !text.empty() && std::isdigit(static_cast<unsigned char>(text.front())) != 0;
      const int run = counted ? number() : 1;
      for (int i = 0; i < run; ++i) steps_.push_back({first - 'A', 0});
    } else {
      readable_ = false;
      return;
    }
  }
}

int replay::pick_thread(const choice& from) noexcept {
  if (at_ < steps_.size()) {
    const int wanted = steps_[at_].thread;
    const bool can = wanted == clock_thread ? from.time_can_move : (from.can_run & only(wanted)) != 0;
    ++at_;
    if (can) return wanted;
    misfit_ = true;
  } else {
    ++at_;
  }
  return (from.can_run & only(from.current)) != 0 ? from.current : std::countr_zero(from.can_run);
}

int replay::pick_value(int count) noexcept {
  if (at_ == 0 || at_ > steps_.size()) return 0;
  const int wanted = steps_[at_ - 1].stale;
  return wanted < count ? wanted : 0;
}

}  // namespace detent::explore
