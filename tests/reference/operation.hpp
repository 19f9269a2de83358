// One operation on a world of timers, in absolute figures: it can be made on the service and on the model, left out of
// a sequence, made smaller, and printed as C++.
#pragma once

#include "reference/timer_model.hpp"
#include "reference/world.hpp"

#include <cstdint>
#include <sstream>
#include <string>

namespace reference {

inline constexpr int timer_count = 24;
inline constexpr int far_timer = timer_count;  // always pending, far in the future

struct operation {
  enum class verb : std::uint8_t {
    create,
    destroy,
    arm_after,
    arm_at,
    arm_every,
    cancel,
    close,
    status,
    advance,
    step,
    suspend,
    step_system
  };
  verb what = verb::advance;
  int timer = 0;
  std::int64_t amount = 0;  // a delay, an instant, a first tick, a clock's number
  std::int64_t period_ns = 0;
  detent::pace pace = detent::pace::fixed_rate;
  detent::missed_ticks missed = detent::missed_ticks::skip;
};

inline bool moves_clocks(const operation& o) { return o.what >= operation::verb::advance; }

template <class Answer>
void note(world& w, event::kind what, int timer, Answer answer) {
  w.trace.push_back({what, timer, static_cast<std::int64_t>(answer), 0, 0});
}

inline void perform(world& w, const operation& o) {
  using verb = operation::verb;
  switch (o.what) {
    case verb::create:
      // A timer anew, on any clock: its record comes from another one.
      w.destroy(o.timer);
      w.create(o.timer, static_cast<detent::clock_kind>(o.amount));
      return;
    case verb::destroy: w.destroy(o.timer); return;
    case verb::arm_after: note(w, event::kind::armed, o.timer, w.arm_after(o.timer, o.amount)); return;
    case verb::arm_at: note(w, event::kind::armed, o.timer, w.arm_at(o.timer, o.amount)); return;
    case verb::arm_every:
      note(w, event::kind::armed, o.timer, w.arm_every(o.timer, {o.amount, o.period_ns, o.pace, o.missed}));
      return;
    case verb::cancel: note(w, event::kind::cancelled, o.timer, w.cancel(o.timer)); return;
    case verb::close: note(w, event::kind::closed, o.timer, w.close(o.timer)); return;
    case verb::status: note(w, event::kind::state, o.timer, w.status(o.timer)); return;
    case verb::advance: note(w, event::kind::count, -1, w.advance(o.amount)); return;
    case verb::step: note(w, event::kind::count, -1, w.step()); return;
    case verb::suspend: note(w, event::kind::count, -1, w.suspend(o.amount)); return;
    case verb::step_system: note(w, event::kind::count, -1, w.step_system(o.amount)); return;
  }
}

// A jump over very many ticks would only repeat itself.
inline bool is_too_far(const timer_model& m, std::int64_t by_ns) {
  return m.ticks_within(by_ns) + m.ticks_behind(by_ns) > 400;
}

// The first instant the engine tells apart; what a clock shows before it counts as this one (words.hpp).
inline constexpr std::int64_t first_ns = INT64_MIN + 8;

// Whether every clock can go on by so much. It stays clear of its last instants, where a deadline reads as "never".
inline bool has_room(const timer_model& m, std::int64_t by_ns) {
  for (const auto clock : {detent::clock_kind::steady, detent::clock_kind::boottime, detent::clock_kind::system}) {
    std::int64_t end = 0;
    if (__builtin_add_overflow(m.now_ns(clock), by_ns, &end) || end < first_ns || end > never_ns - 1024) return false;
  }
  return true;
}

// Whether the operation is one that both worlds have an answer to, in the state the model is in.
inline bool is_allowed(const timer_model& m, const operation& o) {
  using verb = operation::verb;
  switch (o.what) {
    case verb::create: return o.amount >= 0 && o.amount <= 2;
    case verb::advance:
    case verb::suspend: return o.amount >= 0 && !is_too_far(m, o.amount) && has_room(m, o.amount);
    case verb::step: {
      const std::int64_t next = m.until_next();
      return next < (std::int64_t{1} << 46) && !is_too_far(m, next) && has_room(m, next);
    }
    case verb::step_system: return !is_too_far(m, o.amount < 0 ? 0 : o.amount) && has_room(m, o.amount);
    default: return true;
  }
}

// A value of `script::operations`, as C++.
inline std::string as_code(const operation& o) {
  static const char* const names[] = {"create", "destroy", "arm_after", "arm_at", "arm_every", "cancel",
                                      "close",  "status",  "advance",   "step",   "suspend",   "step_system"};
  const auto literal = [](std::int64_t n) { return n == INT64_MIN ? "INT64_MIN" : std::to_string(n); };
  std::ostringstream text;
  text << "{operation::verb::" << names[static_cast<std::size_t>(o.what)] << ", " << o.timer << ", "
       << literal(o.amount);
  if (o.what == operation::verb::arm_every) {
    static const char* const missed[] = {"skip", "burst", "delay"};
    text << ", " << literal(o.period_ns)
         << ", detent::pace::" << (o.pace == detent::pace::fixed_rate ? "fixed_rate" : "fixed_delay")
         << ", detent::missed_ticks::" << missed[static_cast<std::size_t>(o.missed)];
  }
  text << "}";
  return text.str();
}

}  // namespace reference
