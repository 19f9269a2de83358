// The reference model: timers as a plain list, looked through from the beginning whenever something is asked. No wheel,
// no hints, no words; what it does is what docs and contract say, in the most obvious way.
#pragma once

#include "reference/world.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <vector>

namespace reference {

class timer_model : public world {
 public:
  explicit timer_model(std::int64_t start_ns) : now_{start_ns, start_ns, start_ns} {}

  std::int64_t now_ns(detent::clock_kind clock) const override { return now_[static_cast<std::size_t>(clock)]; }

  void create(int timer, detent::clock_kind clock) override { timers_[timer] = model_timer{clock}; }

  void destroy(int timer) override {
    // A call in progress goes on; nothing of the timer comes after it.
    timers_.erase(timer);
  }

  detent::arm_result arm_at(int timer, std::int64_t at_ns) override {
    model_timer* t = find(timer);
    if (t == nullptr || t->closed) return detent::arm_result::closed;
    const bool replaces = t->pending;
    t->pending = true;
    t->held = false;
    t->period_ns = 0;
    t->due_ns = at_ns;
    t->stamp = ++armings_;
    return replaces ? detent::arm_result::rearmed : detent::arm_result::armed;
  }

  detent::arm_result arm_after(int timer, std::int64_t delay_ns) override {
    const model_timer* t = find(timer);
    if (t == nullptr) return detent::arm_result::closed;
    // At once also on a clock that stands between two multiples of 8 ns.
    const std::int64_t now = now_ns(t->clock);
    return arm_at(timer, delay_ns <= 0 ? now & ~std::int64_t{7} : sum(now, delay_ns));
  }

  detent::arm_result arm_every(int timer, const series_terms& terms) override {
    if (terms.period_ns <= 0) return detent::arm_result::refused;
    const detent::arm_result answer = arm_at(timer, terms.first_at_ns);
    if (answer == detent::arm_result::closed) return answer;
    model_timer* t = find(timer);
    t->period_ns = terms.period_ns;
    t->pace = terms.pace;
    t->missed = terms.missed;
    return answer;
  }

  detent::cancel_result cancel(int timer) override {
    model_timer* t = find(timer);
    if (t == nullptr || t->closed) return detent::cancel_result::closed;
    const bool withdrew = t->pending;
    t->pending = false;
    t->held = false;
    if (withdrew)
      return t->calls_in_progress ? detent::cancel_result::cancelled_running : detent::cancel_result::cancelled;
    return t->calls_in_progress ? detent::cancel_result::running : detent::cancel_result::idle;
  }

  detent::cancel_result close(int timer) override {
    const detent::cancel_result found = cancel(timer);
    if (model_timer* t = find(timer)) t->closed = true;
    return found;
  }

  detent::timer_state status(int timer) override {
    const model_timer* t = find(timer);
    if (t == nullptr || t->closed) return detent::timer_state::closed;
    if (t->calls_in_progress) return detent::timer_state::running;
    return t->pending ? detent::timer_state::pending : detent::timer_state::idle;
  }

  std::size_t advance(std::int64_t by_ns) override {
    std::size_t calls = 0;
    for (std::int64_t left = std::max<std::int64_t>(by_ns, 0);;) {
      for (std::size_t fired = look(SIZE_MAX); fired != 0; fired = look(SIZE_MAX)) calls += fired;
      const std::int64_t hop = std::min(left, until_next());
      if (hop == 0) return calls;
      for (std::int64_t& now : now_) now = sum(now, hop);
      left -= hop;
    }
  }

  std::size_t step() override {
    if (look(1) == 1) return 1;
    const std::int64_t hop = until_next();
    if (hop == INT64_MAX) return 0;
    for (std::int64_t& now : now_) now = sum(now, hop);
    return look(1);
  }

  std::size_t suspend(std::int64_t by_ns) override {
    now_[1] = sum(now_[1], by_ns);
    now_[2] = sum(now_[2], by_ns);
    return advance(0);
  }

  std::size_t step_system(std::int64_t by_ns) override {
    now_[2] = sum(now_[2], by_ns);
    return advance(0);
  }

  /// For the driver: how far the next firing is, and how often series fire within a time.
  std::int64_t until_next() const {
    std::int64_t least = INT64_MAX;
    for (const auto& [key, t] : timers_) {
      if (!t.pending || t.held || deadline(t) >= never_ns) continue;
      std::int64_t wait = 0;
      if (deadline(t) > now_ns(t.clock) && __builtin_sub_overflow(deadline(t), now_ns(t.clock), &wait)) continue;
      least = std::min(least, wait);
    }
    return least;
  }
  double ticks_within(std::int64_t ns) const {
    double ticks = 0;
    for (const auto& [key, t] : timers_) {
      if (t.pending && t.period_ns > 0) ticks += static_cast<double>(ns) / static_cast<double>(t.period_ns);
    }
    return ticks;
  }
  /// How far the series that has most to catch up is behind.
  double ticks_behind(std::int64_t jump_ns) const {
    double ticks = 0;
    for (const auto& [key, t] : timers_) {
      if (!t.pending || t.period_ns == 0) continue;
      const double late = static_cast<double>(now_ns(t.clock)) - static_cast<double>(t.due_ns);
      ticks += (std::max(late, 0.0) + static_cast<double>(jump_ns)) / static_cast<double>(t.period_ns);
    }
    return ticks;
  }

 private:
  struct model_timer {
    detent::clock_kind clock = detent::clock_kind::steady;
    bool closed = false;
    bool pending = false;
    bool held = false;  // a series of fixed delay, during its call
    bool calls_in_progress = false;
    std::int64_t due_ns = 0;
    std::int64_t period_ns = 0;
    detent::pace pace = detent::pace::fixed_rate;
    detent::missed_ticks missed = detent::missed_ticks::skip;
    std::uint64_t stamp = 0;
    int calls = 0;
  };

  static std::int64_t sum(std::int64_t a, std::int64_t b) {
    std::int64_t s = 0;
    if (__builtin_add_overflow(a, b, &s)) return b > 0 ? INT64_MAX : INT64_MIN;
    return s;
  }

  // Deadlines are kept to 8 ns, rounded up; the first of all instants is never used.
  static std::int64_t deadline(const model_timer& t) {
    if (t.due_ns >= never_ns) return INT64_MAX;
    return std::max((t.due_ns + 7) & ~std::int64_t{7}, INT64_MIN + 8);
  }

  model_timer* find(int timer) {
    const auto at = timers_.find(timer);
    return at == timers_.end() ? nullptr : &at->second;
  }

  bool is_due(const model_timer& t) const { return t.pending && !t.held && deadline(t) <= now_ns(t.clock); }

  // One look: what is due now, clock by clock, by deadline, then in the order of arming. What a call withdraws or
  // postpones does not fire; what it arms waits for the next look.
  std::size_t look(std::size_t limit) {
    std::size_t fired = 0;
    for (const auto clock : {detent::clock_kind::steady, detent::clock_kind::boottime, detent::clock_kind::system}) {
      std::vector<int> due;
      for (const auto& [key, t] : timers_) {
        if (t.clock == clock && is_due(t)) due.push_back(key);
      }
      std::sort(due.begin(), due.end(), [this](int a, int b) {
        const model_timer& x = timers_.at(a);
        const model_timer& y = timers_.at(b);
        return deadline(x) != deadline(y) ? deadline(x) < deadline(y) : x.stamp < y.stamp;
      });
      for (const int key : due) {
        if (fired == limit) return fired;
        const model_timer* t = find(key);
        if (t == nullptr || !is_due(*t)) continue;
        fire(key);
        ++fired;
      }
    }
    return fired;
  }

  void fire(int key) {
    model_timer& t = timers_.at(key);
    const std::int64_t now = now_ns(t.clock);
    event call{event::kind::call, key, deadline(t), now, 0};
    if (t.period_ns == 0) {
      t.pending = false;
    } else if (t.pace == detent::pace::fixed_delay) {
      t.held = true;
    } else {
      const std::int64_t behind = (now - t.due_ns) / t.period_ns;
      if (t.missed != detent::missed_ticks::burst) call.c = behind;
      if (t.missed == detent::missed_ticks::delay && behind > 0) t.due_ns = sum(now, t.period_ns);
      else t.due_ns = sum(t.due_ns, sum(call.c, 1) * t.period_ns);
    }
    trace.push_back(call);
    t.calls_in_progress = true;
    on_call(*this, key, ++t.calls, context);
    model_timer* after = find(key);
    if (after == nullptr) return;
    after->calls_in_progress = false;
    if (after->held && after->pending) {
      after->held = false;
      after->due_ns = sum(now, after->period_ns);
    }
  }

  std::array<std::int64_t, 3> now_;
  std::uint64_t armings_ = 0;
  std::map<int, model_timer> timers_;
};

}  // namespace reference
