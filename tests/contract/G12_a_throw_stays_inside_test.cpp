// needs: exceptions
// G12 An exception ends neither the service nor a series; it reaches the error handler with the timer's name; a policy
// can make it end the series; a handler that throws is contained too.
//
// Method: manual clock; throwing callbacks in one-shots, series of both paces and id-only timers; every firing after
// the throw is counted. The default report is read from standard error.
#include <detent/detent.hpp>

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::callback_error;
using detent::manual_clock;
using detent::on_throw;
using detent::pace;
using detent::service_options;
using detent::timer;
using detent::timer_service;

struct told {
  std::string name;
  std::string what;
  unsigned line;
};

service_options with_handler(manual_clock& clock, std::vector<told>& heard) {
  service_options options;
  options.clock = &clock;
  options.executor = detent::on_driver{};
  options.on_error = [&heard](const callback_error& e) {
    EXPECT_EQ(e.kind, callback_error::what::threw);
    try {
      std::rethrow_exception(e.exception);
    } catch (const std::exception& inner) {
      heard.push_back({e.timer.name, inner.what(), e.timer.place.line()});
    }
  };
  return options;
}

TEST(G12, the_handler_hears_name_place_and_exception_and_the_series_goes_on) {
  for (const pace p : {pace::fixed_rate, pace::fixed_delay}) {
    manual_clock clock;
    std::vector<told> heard;
    timer_service service(with_handler(clock, heard));
    int calls = 0;
    const unsigned line = __LINE__;
    timer t(service, {.name = "thrower"}, [&] {
      ++calls;
      throw std::runtime_error("call " + std::to_string(calls));
    });
    t.arm_every(10ms, {.pace = p});
    clock.advance(50ms);
    EXPECT_EQ(calls, 5);
    ASSERT_EQ(heard.size(), 5U);
    EXPECT_EQ(heard[4].name, "thrower");
    EXPECT_EQ(heard[4].what, "call 5");
    EXPECT_GT(heard[4].line, line);
    EXPECT_LT(heard[4].line, line + 6);  // Compilers differ in which line of a call they name.
    EXPECT_EQ(service.counters().threw, 5U);
  }
}

TEST(G12, end_series_cancels_the_series_and_leaves_the_timer_open) {
  for (const pace p : {pace::fixed_rate, pace::fixed_delay}) {
    manual_clock clock;
    std::vector<told> heard;
    timer_service service(with_handler(clock, heard));
    int calls = 0;
    timer t(service, {.throws = on_throw::end_series}, [&] {
      ++calls;
      throw std::runtime_error("once");
    });
    t.arm_every(10ms, {.pace = p});
    clock.advance(1s);
    EXPECT_EQ(calls, 1);
    EXPECT_EQ(t.status(), detent::timer_state::idle);
    EXPECT_EQ(t.arm_after(1ms), detent::arm_result::armed);
    clock.advance(1ms);
    EXPECT_EQ(calls, 2);
  }
}

TEST(G12, a_one_shot_and_an_id_only_timer_are_over_and_others_go_on) {
  manual_clock clock;
  std::vector<told> heard;
  timer_service service(with_handler(clock, heard));
  int good = 0;
  timer bad(service, [] { throw std::logic_error("bad"); });
  timer other(service, [&] { ++good; });
  bad.arm_after(1ms);
  other.arm_after(1ms);
  const auto id = service.once(1ms, [] { throw std::logic_error("worse"); });
  clock.advance(1ms);
  EXPECT_EQ(good, 1);
  EXPECT_EQ(heard.size(), 2U);
  EXPECT_EQ(service.status(id), detent::timer_state::closed);
  EXPECT_EQ(bad.status(), detent::timer_state::idle);
}

TEST(G12, a_throw_while_closing_still_ends_the_timer) {
  manual_clock clock;
  std::vector<told> heard;
  timer_service service(with_handler(clock, heard));
  bool then = false;
  timer t(service, [&] {
    t.close_then([&] { then = true; });
    throw std::runtime_error("while closing");
  });
  t.arm_after(0ns);
  clock.settle();
  EXPECT_TRUE(then);
  EXPECT_EQ(t.status(), detent::timer_state::closed);
  EXPECT_EQ(heard.size(), 1U);
}

TEST(G12, a_handler_that_throws_is_contained) {
  manual_clock clock;
  service_options options;
  options.clock = &clock;
  options.executor = detent::on_driver{};
  int handled = 0;
  options.on_error = [&](const callback_error&) {
    ++handled;
    throw std::runtime_error("the handler too");
  };
  timer_service service(std::move(options));
  timer t(service, [] { throw 42; });
  t.arm_every(1ms);
  clock.advance(3ms);
  EXPECT_EQ(handled, 3);
  EXPECT_EQ(service.counters().threw, 3U);
}

TEST(G12, without_a_handler_each_timer_is_told_of_once_and_all_are_counted) {
  manual_clock clock;
  timer_service service(clock);
  timer a(service, {.name = "first"}, [] { throw std::runtime_error("oh"); });
  timer b(service, {.name = "second"}, [] { throw 1; });
  a.arm_every(1ms);
  b.arm_every(1ms);
  testing::internal::CaptureStderr();
  clock.advance(5ms);
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(service.counters().threw, 10U);
  const auto count = [&said](const std::string& word) {
    std::size_t n = 0;
    for (std::size_t at = said.find(word); at != std::string::npos; at = said.find(word, at + 1)) ++n;
    return n;
  };
  EXPECT_EQ(count("'first'"), 1U);
  EXPECT_EQ(count("'second'"), 1U);
  EXPECT_EQ(count("oh"), 1U);
}

}  // namespace
