// What the random driver can ask of a world of timers on manual clocks: of the real service, and of the model.
#pragma once

#include <detent/detent.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace reference {

/// Longer than any clock runs here: a deadline from here on never comes.
inline constexpr std::int64_t never_ns = INT64_MAX - 47;

struct series_terms {
  std::int64_t first_at_ns;
  std::int64_t period_ns;
  detent::pace pace;
  detent::missed_ticks missed;
};

/// One thing that happened: a call, or what a verb answered.
struct event {
  enum class kind : std::uint8_t { call, armed, cancelled, closed, state, count } what;
  int timer = 0;
  std::int64_t a = 0;  // a call: the deadline; else the answer
  std::int64_t b = 0;  // a call: now
  std::int64_t c = 0;  // a call: missed ticks
  friend bool operator==(const event&, const event&) = default;
};

class world {
 public:
  virtual ~world() = default;
  virtual std::int64_t now_ns(detent::clock_kind clock) const = 0;
  virtual void create(int timer, detent::clock_kind clock) = 0;
  virtual void destroy(int timer) = 0;
  virtual detent::arm_result arm_at(int timer, std::int64_t at_ns) = 0;
  virtual detent::arm_result arm_after(int timer, std::int64_t delay_ns) = 0;
  virtual detent::arm_result arm_every(int timer, const series_terms& terms) = 0;
  virtual detent::cancel_result cancel(int timer) = 0;
  virtual detent::cancel_result close(int timer) = 0;
  virtual detent::timer_state status(int timer) = 0;
  virtual std::size_t advance(std::int64_t by_ns) = 0;
  virtual std::size_t step() = 0;
  virtual std::size_t suspend(std::int64_t by_ns) = 0;
  virtual std::size_t step_system(std::int64_t by_ns) = 0;

  /// What the callback of a timer does; the same for both worlds.
  using callback = void (*)(world& self, int timer, int call, void* context);
  callback on_call = nullptr;
  void* context = nullptr;
  std::vector<event> trace;
};

}  // namespace reference
