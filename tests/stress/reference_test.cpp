// Random operations on a manual clock, made by the real service and by the reference model: the same calls in the same
// order at the same instants, the same answers, the same missed ticks, the same clocks.
//
// A clock starts at every 2^k - 5 .. 2^k + 5, on both sides of its epoch, and a timer far in the future is always
// there: that is where wheels break. DETENT_SEED=n runs one seed; a failing one prints its operations as C++.
#include "reference/real_world.hpp"
#include "reference/timer_model.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <string>

#include <gtest/gtest.h>

namespace {

using namespace reference;

constexpr int timer_count = 24;
constexpr int far_timer = timer_count;  // always pending

class dice {
 public:
  explicit dice(std::uint64_t seed) : state_(seed) {}
  std::uint64_t roll() {
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15U);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9U;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebU;
    return z ^ (z >> 31);
  }
  int below(int limit) { return static_cast<int>(roll() % static_cast<std::uint64_t>(limit)); }
  bool chance(int percent) { return below(100) < percent; }
  // About a power of two: where digits of a wheel change.
  std::int64_t about_power(int highest) { return (std::int64_t{1} << below(highest + 1)) + below(11) - 5; }
  std::int64_t positive(int highest) { return std::max<std::int64_t>(1, about_power(highest)); }

 private:
  std::uint64_t state_;
};

std::int64_t start_of(std::uint64_t seed) {
  const auto k = static_cast<int>(seed % 63);
  const auto off = static_cast<std::int64_t>(seed / 63 % 11) - 5;
  const std::int64_t start = (std::int64_t{1} << k) + off;
  return seed / 63 / 11 % 2 == 0 ? start : -start;
}

template <class Answer>
void note(world& w, event::kind what, int timer, Answer answer) {
  w.trace.push_back({what, timer, static_cast<std::int64_t>(answer), 0, 0});
}

series_terms draw_series(dice& d, std::int64_t now_ns, std::int64_t least_first) {
  series_terms terms{};
  terms.first_at_ns = now_ns + std::max(least_first, d.about_power(30));
  terms.period_ns = 500 + d.about_power(36);
  terms.pace = d.chance(30) ? detent::pace::fixed_delay : detent::pace::fixed_rate;
  terms.missed = static_cast<detent::missed_ticks>(d.below(3));
  return terms;
}

// What a callback does follows from the seed, the timer and the number of its call. Others are armed for later than
// now: where a timer stands that is armed anew for this very look is left open (G21).
void on_call(world& w, int timer, int call, void* context) {
  if (timer == far_timer) return;
  const std::uint64_t seed = *static_cast<const std::uint64_t*>(context);
  dice d(seed * 1'000'003 + static_cast<std::uint64_t>(timer) * 7919 + static_cast<std::uint64_t>(call));
  const int other = (timer + 1 + d.below(timer_count - 1)) % timer_count;
  const int lot = d.below(100);
  if (lot < 15) note(w, event::kind::armed, timer, w.arm_after(timer, d.chance(30) ? 0 : d.about_power(34)));
  else if (lot < 22) note(w, event::kind::cancelled, timer, w.cancel(timer));
  else if (lot < 26) note(w, event::kind::closed, timer, w.close(timer));
  else if (lot < 29) w.destroy(timer);
  else if (lot < 38) note(w, event::kind::armed, other, w.arm_after(other, d.positive(34)));
  else if (lot < 44) note(w, event::kind::cancelled, other, w.cancel(other));
  else if (lot < 46) note(w, event::kind::closed, other, w.close(other));
  else if (lot < 48) w.destroy(other);
  else if (lot < 52) {
    const std::int64_t now_ns = w.now_ns(detent::clock_kind::steady);  // On another clock this is any instant at all.
    note(w, event::kind::armed, timer, w.arm_every(timer, draw_series(d, now_ns, 1)));
  } else if (lot < 56) note(w, event::kind::state, other, w.status(other));
}

std::string say(const event& e) {
  static const char* const names[] = {"call", "arm", "cancel", "close", "status", "count"};
  std::ostringstream text;
  text << names[static_cast<std::size_t>(e.what)] << " t" << e.timer << " (" << e.a << ", " << e.b << ", " << e.c
       << ")";
  return text.str();
}

// One operation on both worlds, and its line of C++.
class driver {
 public:
  explicit driver(std::uint64_t seed) : seed_(seed), d_(seed), real_(start_of(seed)), model_(start_of(seed)) {
    line_ << "reference::real_world w(" << start_of(seed) << "); std::uint64_t seed = " << seed
          << "; w.on_call = on_call, w.context = &seed;\n";
    for (world* w : {static_cast<world*>(&real_), static_cast<world*>(&model_)}) {
      w->on_call = on_call;
      w->context = &seed_;
    }
    both("create", far_timer, "detent::clock_kind::steady",
         [](world& w) { w.create(far_timer, detent::clock_kind::steady); });
    arm_far_timer();
  }

  // Answers whether the worlds agree to the end.
  bool run(int operations) {
    for (int i = 0; i < operations && agrees_; ++i) {
      operate();
      if (model_.status(far_timer) != detent::timer_state::pending) arm_far_timer();
    }
    if (agrees_ && real_.counters().early != 0) agrees_ = false;
    if (!agrees_)
      std::printf("seed %llu, start %lld; this repeats it:\n%s", static_cast<unsigned long long>(seed_),
                  static_cast<long long>(start_of(seed_)), line_.str().c_str());
    return agrees_;
  }

 private:
  template <class F>
  void both(const char* verb, int timer, const std::string& arguments, F f) {
    line_ << "w." << verb << "(";
    if (timer >= 0) line_ << timer << (arguments.empty() ? "" : ", ");
    line_ << arguments << ");\n";
    f(real_);
    f(model_);
    compare();
  }

  void compare() {
    const std::size_t shorter = std::min(real_.trace.size(), model_.trace.size());
    for (std::size_t i = 0; i <= shorter && agrees_; ++i) {
      const bool both_end = i == real_.trace.size() && i == model_.trace.size();
      if (both_end || (i < shorter && real_.trace[i] == model_.trace[i])) continue;
      agrees_ = false;
      for (const event& e : real_.trace) std::printf("service: %s\n", say(e).c_str());
      for (const event& e : model_.trace) std::printf("model:   %s\n", say(e).c_str());
      ADD_FAILURE() << "event " << i << " of the last operation: the service has "
                    << (i < real_.trace.size() ? say(real_.trace[i]) : "nothing") << ", the model "
                    << (i < model_.trace.size() ? say(model_.trace[i]) : "nothing");
    }
    for (const auto clock : {detent::clock_kind::steady, detent::clock_kind::boottime, detent::clock_kind::system}) {
      if (!agrees_ || real_.now_ns(clock) == model_.now_ns(clock)) continue;
      agrees_ = false;
      ADD_FAILURE() << "clock " << static_cast<int>(clock) << " of the service shows " << real_.now_ns(clock)
                    << ", the model's " << model_.now_ns(clock);
    }
    real_.trace.clear();
    model_.trace.clear();
  }

  void arm_far_timer() {
    const std::int64_t at = INT64_MAX - 100 - d_.below(1000);
    both("arm_at", far_timer, std::to_string(at),
         [at](world& w) { note(w, event::kind::armed, far_timer, w.arm_at(far_timer, at)); });
  }

  std::int64_t now_of(int timer) const {
    return timer % 3 == 0 ? model_.now_ns(detent::clock_kind::boottime)
                          : model_.now_ns(timer % 5 == 0 ? detent::clock_kind::system : detent::clock_kind::steady);
  }

  void operate() {
    const int lot = d_.below(100);
    const int timer = d_.below(timer_count);
    if (lot < 12) create_or_destroy(timer);
    else if (lot < 30) {
      const std::int64_t delay = d_.chance(10) ? 0 : d_.chance(5) ? -d_.about_power(40) : d_.about_power(45);
      both("arm_after", timer, std::to_string(delay),
           [=](world& w) { note(w, event::kind::armed, timer, w.arm_after(timer, delay)); });
    } else if (lot < 42) {
      // Many meet at the same instants, so that order is put to the test.
      const std::int64_t grid = std::int64_t{1} << d_.below(20);
      const std::int64_t at = (now_of(timer) + d_.about_power(34) - (d_.chance(10) ? 1000 : 0)) / grid * grid;
      both("arm_at", timer, std::to_string(at),
           [=](world& w) { note(w, event::kind::armed, timer, w.arm_at(timer, at)); });
    } else if (lot < 47) arm_series(timer);
    else if (lot < 57)
      both("cancel", timer, "", [=](world& w) { note(w, event::kind::cancelled, timer, w.cancel(timer)); });
    else if (lot < 59) both("close", timer, "", [=](world& w) { note(w, event::kind::closed, timer, w.close(timer)); });
    else if (lot < 63)
      both("status", timer, "", [=](world& w) { note(w, event::kind::state, timer, w.status(timer)); });
    else move_clock();
  }

  void create_or_destroy(int timer) {
    if (d_.chance(30)) {
      both("destroy", timer, "", [=](world& w) { w.destroy(timer); });
      return;
    }
    // A timer anew, on any clock: its record comes from another one.
    const auto clock = static_cast<detent::clock_kind>(d_.chance(60) ? 0 : d_.below(3));
    both("destroy", timer, "", [=](world& w) { w.destroy(timer); });
    both("create", timer, "static_cast<detent::clock_kind>(" + std::to_string(static_cast<int>(clock)) + ")",
         [=](world& w) { w.create(timer, clock); });
  }

  void arm_series(int timer) {
    const series_terms terms = draw_series(d_, now_of(timer), INT64_MIN / 4);
    std::ostringstream text;
    text << "{" << terms.first_at_ns << ", " << terms.period_ns << ", static_cast<detent::pace>("
         << static_cast<int>(terms.pace) << "), static_cast<detent::missed_ticks>(" << static_cast<int>(terms.missed)
         << ")}";
    both("arm_every", timer, text.str(),
         [=](world& w) { note(w, event::kind::armed, timer, w.arm_every(timer, terms)); });
  }

  // A jump over very many ticks would only repeat itself.
  bool is_too_far(std::int64_t by_ns) const { return model_.ticks_within(by_ns) + model_.ticks_behind(by_ns) > 400; }

  void move_clock() {
    const int lot = d_.below(100);
    const std::int64_t next = model_.until_next();
    std::int64_t by = d_.about_power(40);
    if (next < INT64_MAX / 4 && d_.chance(60)) by = next + d_.below(17) - 8;
    while (by > 0 && is_too_far(by)) by /= 16;
    if (by < 0) by = 0;
    const auto count_of = [](auto verb) { return [=](world& w) { note(w, event::kind::count, -1, verb(w)); }; };
    if (lot < 70) both("advance", -1, std::to_string(by), count_of([=](world& w) { return w.advance(by); }));
    else if (lot < 88 && next < (std::int64_t{1} << 46) && !is_too_far(next))
      both("step", -1, "", count_of([](world& w) { return w.step(); }));
    else if (lot < 94) both("suspend", -1, std::to_string(by), count_of([=](world& w) { return w.suspend(by); }));
    else {
      const std::int64_t step = d_.chance(50) ? by : -d_.about_power(40);
      both("step_system", -1, std::to_string(step), count_of([=](world& w) { return w.step_system(step); }));
    }
  }

  std::uint64_t seed_;
  dice d_;
  real_world real_;
  timer_model model_;
  std::ostringstream line_;
  bool agrees_ = true;
};

TEST(Reference, TheServiceDoesWhatTheModelSays) {
  if (const char* text = std::getenv("DETENT_SEED")) {
    EXPECT_TRUE(driver(std::strtoull(text, nullptr, 10)).run(400));
    return;
  }
  // A prime step through all start offsets, so that few seeds meet many of them.
  const char* many = std::getenv("DETENT_LONG");
  const std::uint64_t seeds = many != nullptr ? 2 * 63 * 11 * 10 : 300;
  for (std::uint64_t i = 0; i < seeds; ++i) {
    const std::uint64_t seed = i * 587;
    ASSERT_TRUE(driver(seed).run(400)) << "DETENT_SEED=" << seed;
  }
}

}  // namespace
