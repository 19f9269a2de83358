// G01 Never early: by the reading of the timer's clock with which the firing was claimed, the deadline has been
// reached.
//
// Method: a manual clock is moved to one nanosecond before each deadline and then onto it, through every verb that
// arms; an executor that holds its tasks is told to run them at the wrong moments; services in real time compare the
// clock itself, read inside the callback, with what was asked for.
#include <detent/detent.hpp>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::duration;
using detent::manual_clock;
using detent::timer;
using detent::timer_service;

// --- Every verb, to the nanosecond ---------------------------------------------------------------------------------

struct way_to_arm {
  const char* name;
  std::function<void(timer_service&, timer&, const manual_clock&, duration)> arm;
};

class G01_by_verb : public ::testing::TestWithParam<way_to_arm> {};

TEST_P(G01_by_verb, fires_at_its_deadline_and_not_a_resolution_before) {
  for (const duration delay : {duration(8), duration(80), duration(1us), duration(999'999'984), duration(1h)}) {
    manual_clock clock;
    timer_service service(clock);
    int fired = 0;
    const auto due = clock.now() + delay;
    timer t(service, [&](detent::firing& f) {
      ++fired;
      EXPECT_EQ(clock.now(), due);
      EXPECT_EQ(f.deadline(), due);
      EXPECT_EQ(f.lateness(), 0ns);
    });
    GetParam().arm(service, t, clock, delay);
    clock.advance(delay - timer_service::resolution);
    EXPECT_EQ(fired, 0) << delay.count();
    clock.advance(timer_service::resolution - 1ns);
    EXPECT_EQ(fired, 0) << delay.count();
    clock.advance(1ns);
    EXPECT_EQ(fired, 1) << delay.count();
    t.close();
    EXPECT_EQ(service.counters().early, 0U);
  }
}

const way_to_arm ways_to_arm[] = {
    {"arm_after", [](auto&, timer& t, auto&, duration d) { t.arm_after(d); }},
    {"arm_at", [](auto&, timer& t, const manual_clock& c, duration d) { t.arm_at(c.now() + d); }},
    {"arm_after_now", [](auto&, timer& t, const manual_clock& c, duration d) { t.arm_after(d, c.now()); }},
    {"arm_every", [](auto&, timer& t, auto&, duration d) { t.arm_every(d); }},
    {"arm_every_first", [](auto&, timer& t, auto&, duration d) { t.arm_every(2h, {.first = d}); }},
    {"arm_every_at", [](auto&, timer& t, const manual_clock& c, duration d) { t.arm_every(c.now() + d, 2h); }},
    {"rearm_later",
     [](auto&, timer& t, auto&, duration d) {
       t.arm_after(0ns);
       t.arm_after(d);
     }},
    {"rearm_sooner",
     [](auto&, timer& t, auto&, duration d) {
       t.arm_after(10h);
       t.arm_after(d);
     }},
    {"one_shot_over_series",
     [](auto&, timer& t, auto&, duration d) {
       t.arm_every(8ns, {.first = 0ns});
       t.arm_after(d);
     }},
    {"series_over_one_shot",
     [](auto&, timer& t, auto&, duration d) {
       t.arm_after(0ns);
       t.arm_every(d);
     }},
    {"by_id", [](timer_service& s, timer& t, auto&, duration d) { s.arm_after(t.id(), d); }},
    {"by_id_at", [](timer_service& s, timer& t, const manual_clock& c, duration d) { s.arm_at(t.id(), c.now() + d); }},
};

INSTANTIATE_TEST_SUITE_P(, G01_by_verb, ::testing::ValuesIn(ways_to_arm),
                         [](const auto& row) { return std::string(row.param.name); });

// Deadlines are rounded up to the resolution, so the real deadline is never before what was asked for.
TEST(G01_never_early, a_deadline_between_two_resolutions_is_rounded_up) {
  for (int ns = 1; ns <= 24; ++ns) {
    manual_clock clock;
    timer_service service(clock);
    const auto asked = clock.now() + duration(ns);
    int fired = 0;
    timer t(service, [&](detent::firing& f) {
      ++fired;
      EXPECT_GE(clock.now(), asked);
      EXPECT_GE(f.deadline(), asked);
      EXPECT_LT(f.deadline() - asked, timer_service::resolution);
    });
    t.arm_at(asked);
    clock.advance(duration(ns - 1));
    EXPECT_EQ(fired, 0) << ns;
    clock.advance(timer_service::resolution);
    EXPECT_EQ(fired, 1) << ns;
  }
}

TEST(G01_never_early, delays_finer_than_the_clock_are_rounded_up) {
  manual_clock clock;
  timer_service service(clock);
  const auto start = clock.now();
  duration at{0};
  timer t(service, [&] { at = clock.now() - start; });
  t.arm_after(std::chrono::duration<double>(1e-9 * 16.25));
  clock.advance(1us);
  EXPECT_GE(at, 17ns);
  at = 0ns;
  const auto again = clock.now();
  t.arm_after(std::chrono::duration<std::int64_t, std::ratio<1, 3'000'000'000>>(50));  // 16 and two thirds of a ns
  clock.advance(1us);
  EXPECT_GE(at - (again - start), 17ns);
}

TEST(G01_never_early, tolerance_puts_off_and_never_brings_forward) {
  std::mt19937_64 random(7);
  for (const duration tolerance : {duration(16), duration(1us), duration(1ms), duration(3s)}) {
    manual_clock clock(duration(static_cast<std::int64_t>(random() % 1'000'000'000'000)));
    timer_service service(clock);
    std::vector<timer> timers;
    int fired = 0;
    for (int i = 0; i < 50; ++i) {
      const auto asked = clock.now() + duration(static_cast<std::int64_t>(random() % 5'000'000'000));
      timers.emplace_back(service, detent::timer_options{.tolerance = tolerance}, [&, asked, tolerance] {
        ++fired;
        EXPECT_GE(clock.now(), asked);
        EXPECT_LE(clock.now(), asked + tolerance + timer_service::resolution);
      });
      timers.back().arm_at(asked);
    }
    clock.advance(10s);
    EXPECT_EQ(fired, 50);
  }
}

TEST(G01_never_early, every_tick_of_a_fixed_delay_series_has_the_timers_tolerance) {
  constexpr auto grid = duration(std::int64_t{1} << 19);  // the largest power of two in a millisecond
  manual_clock clock(duration(std::int64_t{1} << 40));
  timer_service service(clock);
  int fired = 0;
  timer t(service, {.tolerance = 1ms}, [&] {
    ++fired;
    EXPECT_EQ(clock.now().time_since_epoch() % grid, 0ns) << "tick " << fired << " shares no wake-up";
  });
  t.arm_every(1500us, {.pace = detent::pace::fixed_delay});
  clock.advance(10ms);
  EXPECT_GE(fired, 4);
}

TEST(G01_never_early, random_timers_fire_exactly_when_asked_over_ten_orders_of_magnitude) {
  std::mt19937_64 random(11);
  manual_clock clock;
  timer_service service(clock);
  std::vector<timer> timers;
  int fired = 0;
  for (int i = 0; i < 2000; ++i) {
    const auto delay = duration(static_cast<std::int64_t>((random() >> (8 + random() % 48)) & ~std::uint64_t{7}));
    const auto due = clock.now() + delay;
    timers.emplace_back(service, [&, due] {
      ++fired;
      EXPECT_EQ(clock.now(), due);
    });
    timers.back().arm_after(delay);
  }
  clock.advance(duration::max());
  EXPECT_EQ(fired, 2000);
  EXPECT_EQ(service.counters().early, 0U);
}

// --- A task run at the wrong moment --------------------------------------------------------------------------------

class G01_held : public ::testing::Test {
 protected:
  manual_clock clock;
  support::held_executor executor;
  timer_service service{[this] {
    detent::service_options options;
    options.clock = &clock;
    options.executor = executor;
    return options;
  }()};
  int fired = 0;
};

TEST_F(G01_held, a_task_for_a_postponed_firing_does_not_run_it) {
  timer t(service, [&] { ++fired; });
  t.arm_after(10ms);
  clock.advance(10ms);
  ASSERT_EQ(executor.size(), 1U);
  EXPECT_EQ(t.arm_after(1s), detent::arm_result::rearmed);
  executor.run_all();
  EXPECT_EQ(fired, 0);
  clock.advance(1s - 8ns);
  executor.run_all();
  EXPECT_EQ(fired, 0);
  clock.advance(8ns);
  executor.run_all();
  EXPECT_EQ(fired, 1);
}

// The hint of a postponed timer still says the former deadline: the driver looks then, and must not hand it out.
TEST_F(G01_held, a_postponed_timer_is_not_handed_out_at_its_former_deadline) {
  timer t(service, [&] { ++fired; });
  t.arm_after(10ms);
  clock.advance(5ms);
  t.arm_after(1s);
  clock.advance(500ms);
  EXPECT_EQ(executor.size(), 0U);
  EXPECT_EQ(t.status(), detent::timer_state::pending);
  executor.run_all();
  EXPECT_EQ(fired, 0);
  clock.advance(500ms);
  executor.run_all();
  EXPECT_EQ(fired, 1);
}

TEST_F(G01_held, a_wall_clock_set_back_while_queued_puts_the_firing_off) {
  detent::system_timer t(service, [&](detent::firing& f) {
    ++fired;
    EXPECT_GE(clock.now<detent::system_clock>(), f.deadline<detent::system_clock>());
  });
  t.arm_after(10ms);
  clock.advance(10ms);
  ASSERT_EQ(executor.size(), 1U);
  clock.step_system(-1h);
  executor.run_all();
  EXPECT_EQ(fired, 0) << "the clock by which it would be claimed has not reached the deadline";
  clock.advance(1h - 1ms);
  executor.run_all();
  EXPECT_EQ(fired, 0);
  clock.advance(1ms);
  executor.run_all();
  EXPECT_EQ(fired, 1);
  EXPECT_EQ(service.counters().early, 0U);
}

TEST_F(G01_held, lateness_is_what_the_executor_took) {
  duration late{-1};
  timer t(service, [&](detent::firing& f) { late = f.lateness(); });
  t.arm_after(10ms);
  clock.advance(10ms);
  clock.advance(35ms);
  executor.run_all();
  EXPECT_EQ(late, 35ms);
}

TEST_F(G01_held, a_series_whose_tick_was_queued_is_not_early_after_it) {
  std::vector<duration> at;
  const auto start = clock.now();
  timer t(service, [&](detent::firing& f) {
    EXPECT_GE(clock.now(), f.deadline());
    at.push_back(clock.now() - start);
  });
  t.arm_every(10ms);
  clock.advance(14ms);
  executor.run_all();
  clock.advance(5ms);
  executor.run_all();
  clock.advance(1ms);
  executor.run_all();
  EXPECT_EQ(at, (std::vector<duration>{14ms, 20ms}));
}

// --- Series --------------------------------------------------------------------------------------------------------

TEST(G01_never_early, no_tick_of_a_series_is_early_with_a_period_off_the_resolution) {
  for (const auto pace : {detent::pace::fixed_rate, detent::pace::fixed_delay}) {
    for (const auto missed : {detent::missed_ticks::skip, detent::missed_ticks::burst, detent::missed_ticks::delay}) {
      manual_clock clock;
      timer_service service(clock);
      const auto start = clock.now();
      std::int64_t ticks = 0;
      timer t(service, [&] {
        ++ticks;
        EXPECT_GE(clock.now() - start, duration(ticks * 1'000'003));
      });
      t.arm_every(duration(1'000'003), {.pace = pace, .missed = missed});
      clock.advance(1s);
      EXPECT_GE(ticks, 990);
    }
  }
}

// --- Real time -----------------------------------------------------------------------------------------------------

template <class Clock>
void fire_in_real_time(detent::executor_choice where) {
  detent::service_options options;
  options.executor = where;
  timer_service service(std::move(options));
  std::mt19937_64 random(13);
  std::atomic<int> fired{0};
  std::atomic<int> early{0};
  std::vector<detent::basic_timer<Clock>> timers;
  constexpr int count = 300;
  for (int i = 0; i < count; ++i) {
    const auto asked = Clock::now() + std::chrono::duration_cast<typename Clock::duration>(
                                          duration(static_cast<std::int64_t>(random() % 60'000'000)));
    timers.emplace_back(service, [&fired, &early, asked](detent::firing& f) {
      if (Clock::now() < asked || f.lateness() < 0ns) early.fetch_add(1);
      fired.fetch_add(1);
    });
    timers.back().arm_at(asked);
  }
  support::eventually([&] { return fired.load() == count; });
  EXPECT_EQ(early.load(), 0);
  EXPECT_EQ(service.counters().early, 0U);
}

TEST(G01_never_early, steady_clock_on_the_driver) { fire_in_real_time<detent::steady_clock>(detent::on_driver{}); }
TEST(G01_never_early, steady_clock_on_a_pool) { fire_in_real_time<detent::steady_clock>(detent::pool{3}); }
TEST(G01_never_early, boottime_clock_on_the_driver) { fire_in_real_time<detent::boottime_clock>(detent::on_driver{}); }
TEST(G01_never_early, system_clock_on_the_driver) { fire_in_real_time<detent::system_clock>(detent::on_driver{}); }

TEST(G01_never_early, postponed_again_and_again_in_real_time) {
  timer_service service;
  std::atomic<std::int64_t> due_ns{0};
  std::atomic<int> early{0};
  std::atomic<int> fired{0};
  timer t(service, [&] {
    // The deadline is written before it is armed and only ever grows, so an earlier one read here proves nothing wrong.
    if (detent::steady_clock::now().time_since_epoch().count() < due_ns.load()) early.fetch_add(1);
    fired.fetch_add(1);
  });
  for (int i = 0; i < 20'000; ++i) {
    const auto at = detent::steady_clock::now() + 200us;
    // Quiet first: the firing of the earlier arming would be measured against the later deadline.
    t.cancel_and_wait();
    due_ns.store(at.time_since_epoch().count());
    t.arm_at(at);
    if (i % 64 == 0) support::eventually([&] { return t.status() == detent::timer_state::idle; });
  }
  EXPECT_EQ(early.load(), 0);
  EXPECT_GT(fired.load(), 300);
}

class G01_scenes : public support::on_scene {};

TEST_P(G01_scenes, the_service_s_own_reading_has_reached_the_deadline) {
  std::atomic<int> fired{0};
  std::atomic<int> early{0};
  std::vector<timer> timers;
  for (int i = 0; i < 40; ++i) {
    const auto asked = service.now() + std::chrono::microseconds(100 * i);
    timers.emplace_back(service, [this, &fired, &early, asked](detent::firing& f) {
      if (service.now() < asked || f.deadline() < asked || f.lateness() < 0ns) early.fetch_add(1);
      fired.fetch_add(1);
    });
    timers.back().arm_at(asked);
  }
  play.until([&] { return fired.load() == 40; });
  EXPECT_EQ(early.load(), 0);
  EXPECT_EQ(service.counters().early, 0U);
}

INSTANTIATE_TEST_SUITE_P(, G01_scenes, ::testing::ValuesIn(support::every_scene), support::scene_name);

}  // namespace
