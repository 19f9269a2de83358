// web: the rules of the web and of Node, in virtual time, so that each is exact: order, clamping, nesting, intervals,
// keeping, refresh. Each rule is asserted from below and from above: a timer that is early or late by 1 ms is found.
#include "host.hpp"

#include <cmath>
#include <limits>

namespace {

using detent::script_change;
using detent::script_keeping;

class web : public script_test::in_virtual_time {
 protected:
  web() : in_virtual_time(detent::script_rules::web) {}
};

// A timer starts at its delay, not a microsecond before.
TEST_F(web, ATimeoutFiresOnceAtItsDelay) {
  int fired = 0;
  after(50, [&] { ++fired; });
  pass_ms(49.999);
  EXPECT_EQ(fired, 0);
  pass_ms(0.001);
  EXPECT_EQ(fired, 1);
  pass_ms(1000);
  EXPECT_EQ(fired, 1);
}

// Where the clock stands makes no difference, at none of the borders that the structures below could have. (Scenarios
// B09 and B10.)
TEST_F(web, ADelayIsTheSameFromEverywhere) {
  for (const double stands_ms : {0.0, 5.0, 62.0, 255.0, 100.0, 4096.0, 262'143.0}) {
    pass_ms(stands_ms);
    for (const double ms :
         {1.0, 10.0, 60.0, 63.0, 64.0, 65.0, 192.0, 255.0, 256.0, 257.0, 1023.0, 1024.0, 4095.0, 4097.0, 262'144.0}) {
      written.clear();
      after(ms, write("x"));
      pass_ms(ms - 0.5);
      EXPECT_EQ(written, "") << stands_ms << " " << ms;
      pass_ms(0.5);
      EXPECT_EQ(written, "x") << stands_ms << " " << ms;
    }
  }
}

TEST_F(web, NothingRunsInsideTheVerb) {
  int fired = 0;
  for (const double delay : {0.0, 1.0, -1.0, std::nan("")}) after(delay, [&] { ++fired; });
  EXPECT_EQ(fired, 0);
  clock.settle();
  EXPECT_EQ(fired, 0);
  pass_ms(1);
  EXPECT_EQ(fired, 4);
}

// What is no delay from 1 to 2^31-1 counts as 1; fractions are cut off.
TEST_F(web, DelaysAreClampedToOneMillisecond) {
  int fired = 0;
  for (const double delay :
       {0.0, -0.5, -5.0, -1e300, 2147483648.0, 1e300, std::numeric_limits<double>::infinity(), std::nan(""), 1.9})
    after(delay, [&] { ++fired; });
  pass_ms(0.999);
  EXPECT_EQ(fired, 0);
  pass_ms(0.001);
  EXPECT_EQ(fired, 9);
}

TEST_F(web, TheLargestDelayIsKept) {
  int fired = 0;
  after(2147483647, [&] { ++fired; });
  pass_ms(2147483646);
  EXPECT_EQ(fired, 0);
  pass_ms(1);
  EXPECT_EQ(fired, 1);
}

TEST_F(web, OverflowAndNegativeFireSoon) {
  after(4294967296.0, write("a"));
  after(-2147483649.0, write("b"));
  every(-1, write("c"));
  pass_ms(1);
  EXPECT_EQ(written, "abc");
}

TEST_F(web, OrderIsByDeadlineThenByArming) {
  after(3, write("d"));
  after(1, write("a"));
  after(2, write("b"));
  after(2, write("c"));
  after(0, write("A"));
  pass_ms(10);
  EXPECT_EQ(written, "aAbcd");
}

TEST_F(web, EqualDeadlinesInOrderOfArmingInALongRow) {
  std::vector<int> order;
  for (int i = 0; i < 1000; ++i) after(5, [&order, i] { order.push_back(i); });
  pass_ms(5);
  ASSERT_EQ(order.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(order[static_cast<std::size_t>(i)], i);
}

// What a callback arms comes behind everything that was due already, however late the engine is.
TEST_F(web, ACallbacksTimersComeInALaterPass) {
  after(1, [&] {
    written += "a";
    after(0, write("c"));
  });
  after(1, write("b"));
  pass_ms(5);
  EXPECT_EQ(written, "abc");
}

TEST_F(web, ATimerArmedInACallbackNeverStartsInTheSamePass) {
  std::vector<double> at;
  std::function<void()> again = [&] {
    at.push_back(timers->now_ms());
    if (at.size() < 4) after(0, again);
  };
  after(0, again);
  pass_ms(20);
  ASSERT_EQ(at.size(), 4U);
  for (std::size_t i = 1; i < at.size(); ++i) EXPECT_GE(at[i] - at[i - 1], 1.0);
}

// Deeper than five levels a delay is at least 4 ms.
TEST_F(web, NestedTimeoutsSlowDown) {
  std::vector<double> at{timers->now_ms()};
  std::function<void()> again = [&] {
    at.push_back(timers->now_ms());
    if (at.size() < 10) after(0, again);
  };
  after(0, again);
  pass_ms(100);
  ASSERT_EQ(at.size(), 10U);
  for (std::size_t i = 1; i < 10; ++i) EXPECT_NEAR(at[i] - at[i - 1], i <= 6 ? 1.0 : 4.0, 1e-6) << i;
}

TEST_F(web, AFastIntervalSlowsDownToo) {
  int ticks = 0;
  every(1, [&] { ++ticks; });
  pass_ms(6);
  EXPECT_EQ(ticks, 6);
  pass_ms(40);
  EXPECT_EQ(ticks, 16);
}

TEST_F(web, NestingIsNotInheritedBySlowTimers) {
  std::vector<double> at{timers->now_ms()};
  std::function<void()> again = [&] {
    at.push_back(timers->now_ms());
    if (at.size() < 12) after(10, again);
  };
  after(10, again);
  pass_ms(200);
  ASSERT_EQ(at.size(), 12U);
  EXPECT_NEAR(at.back() - at.front(), 110.0, 1e-6);
}

// The web's delays are for its own verbs: a sleep is neither cut nor made longer.
TEST_F(web, ASleepIsAsLongAsItSaysAndWokenWhenItIsEnded) {
  const auto write_why = [this](const detent::script_occasion& at) {
    written += at.why == detent::script_occasion::reason::tick ? "t" : "e";
  };
  timers->sleep(3e9, host.hold(script_test::function(write_why)));
  timers->sleep(std::numeric_limits<double>::infinity(), host.hold(script_test::function(write_why)));
  pass_ms(2e9);
  EXPECT_EQ(written, "");
  pass_ms(1e9);
  EXPECT_EQ(written, "t");
  EXPECT_EQ(timers->active().size(), 1U);
  EXPECT_EQ(timers->cleanup(), 1U);
  EXPECT_EQ(written, "t");  // not inside the verb
  host.loop.run_posted();
  EXPECT_EQ(written, "te");
  EXPECT_EQ(host.held(), 0U);
  int slept = 0;
  std::function<void()> again = [&] {
    if (++slept < 100) timers->sleep(1, host.hold(again));
  };
  again();
  for (int i = 0; i < 99; ++i) pass_ms(1);
  EXPECT_EQ(slept, 100);
  timers->close();
  EXPECT_EQ(timers->sleep(1, host.hold(write("x"))).outcome, detent::script_creation::closed);
  EXPECT_EQ(host.held(), 0U);
  host.loop.run_posted();
  EXPECT_EQ(written, "te");
}

// What is late already waits for nothing: `sleep(due - now())` is no trap.
TEST_F(web, ASleepBelowZeroIsAtOnce) {
  for (const double ms : {0.0, -0.5, -1.0, -1000.0, -1e300}) {
    written.clear();
    timers->sleep(ms, host.hold(write("s")));
    EXPECT_EQ(written, "");
    pass_ms(0);
    EXPECT_EQ(written, "s") << ms;
  }
}

TEST_F(web, AnIntervalTicksUntilCleared) {
  int ticks = 0;
  const auto id = every(10, [&] { ++ticks; });
  pass_ms(9.999);
  EXPECT_EQ(ticks, 0);
  pass_ms(90.001);
  EXPECT_EQ(ticks, 10);
  EXPECT_EQ(timers->clear(id), script_change::changed);
  pass_ms(100);
  EXPECT_EQ(ticks, 10);
  EXPECT_EQ(host.held(), 0U);
}

// A callback that takes this long.
void spend(const script_test::engine_thread& engine, double ms) {
  const double until = engine.timers->now_ms() + ms;
  while (engine.timers->now_ms() < until) std::this_thread::yield();
}

// The time a callback takes is not added to the period: an engine that is busy for 4 of 10 ms ticks every 10.
TEST(web_in_real_time, AnIntervalCountsFromTheStartOfItsCall) {
  script_test::engine_thread engine;
  std::vector<double> at;
  support::gate enough;
  std::int64_t id = 0;
  engine.on_thread([&] {
    id = engine.timers
             ->set_interval(30, engine.host.hold(std::function<void()>([&] {
               at.push_back(engine.timers->now_ms());
               spend(engine, 25);
               if (at.size() == 6) {
                 engine.timers->clear(id);
                 enough.open();
               }
             })))
             .id;
  });
  enough.pass();
  double least = 1e9;
  for (std::size_t i = 1; i < at.size(); ++i) {
    EXPECT_GE(at[i] - at[i - 1], 29.9);  // never early
    least = std::min(least, at[i] - at[i - 1]);
  }
  EXPECT_LT(least, 54.0);  // from the end of the call it were 55 or more each time
}

// The same seen from the status: what is left behind a call that took a while.
TEST(web_in_real_time, WhatIsLeftOfAPeriodCountsFromTheStartOfTheCall) {
  script_test::engine_thread engine;
  support::gate seen;
  double remaining_ms = 1e9;
  std::int64_t id = 0;
  engine.on_thread([&] {
    id = engine.timers
             ->set_interval(400, engine.host.hold(std::function<void()>([&] {
               engine.host.loop.post([&] {
                 remaining_ms = engine.timers->status(id)->remaining_ms;
                 engine.timers->clear(id);
                 seen.open();
               });
               spend(engine, 100);
             })))
             .id;
  });
  seen.pass();
  EXPECT_LE(remaining_ms, 300);
}

// Between two passes the engine's other work has its turn, however busy the timers are: what a callback posted comes
// before the timer that it armed, even when that is overdue as soon as the callback returns.
TEST(web_in_real_time, OtherWorkComesBeforeATimerOfTheNextPass) {
  script_test::engine_thread engine;
  std::string written;
  support::gate end;
  engine.timers->set_timeout(1, engine.host.hold(std::function<void()>([&] {
    engine.timers->set_timeout(1, engine.host.hold(std::function<void()>([&] {
      written += "t";
      end.open();
    })));
    engine.host.loop.post([&] { written += "w"; });
    spend(engine, 5);
  })));
  end.pass();
  engine.on_thread([&] { EXPECT_EQ(written, "wt"); });
}

TEST(web_in_real_time, OtherWorkComesBetweenTheTicksOfABusyInterval) {
  script_test::engine_thread engine;
  std::string written;
  support::gate end;
  std::int64_t id = 0;
  engine.on_thread([&] {
    id = engine.timers
             ->set_interval(1, engine.host.hold(std::function<void()>([&] {
               written += "i";
               engine.host.loop.post([&] { written += "w"; });
               spend(engine, 5);
               if (written.size() >= 5) {
                 engine.timers->clear(id);
                 end.open();
               }
             })))
             .id;
  });
  end.pass();
  engine.on_thread([&] { EXPECT_EQ(written, "iwiwiw"); });
}

TEST_F(web, ClearIsHarmlessForEveryIdAndEndsEitherKind) {
  const auto first = after(5, write("x"));
  const auto second = every(5, write("y"));
  after(5, write("z"));
  for (const std::int64_t id : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 60, first + 1000}) {
    EXPECT_EQ(timers->clear(id), script_change::unknown);
  }
  EXPECT_EQ(timers->clear(first), script_change::changed);
  EXPECT_EQ(timers->clear(first), script_change::unknown);
  EXPECT_EQ(timers->clear(second), script_change::changed);
  pass_ms(50);
  EXPECT_EQ(written, "z");
}

// The first of those due together clears the others: they do not run. (P13)
TEST_F(web, ATimerMayClearThoseDueWithIt) {
  std::vector<std::int64_t> ids;
  ids.push_back(after(5, [&] {
    written += "a";
    timers->clear(ids[1]);
    timers->clear(ids[2]);
  }));
  ids.push_back(after(5, write("b")));
  ids.push_back(every(5, write("c")));
  after(5, write("d"));
  pass_ms(20);
  EXPECT_EQ(written, "ad");
  EXPECT_EQ(host.held(), 0U);
}

TEST_F(web, AnIdThatIsOverEndsNoOther) {
  const auto over = after(1, write("a"));
  pass_ms(1);
  after(5, write("b"));
  every(5, write("c"));
  EXPECT_EQ(timers->clear(over), script_change::unknown);
  pass_ms(5);
  EXPECT_EQ(written, "abc");
}

// (P10)
TEST_F(web, AnIntervalMayClearItselfAndStartAnother) {
  std::int64_t first = 0;
  first = every(10, [&] {
    written += "a";
    EXPECT_EQ(timers->clear(first), script_change::changed);
    EXPECT_EQ(timers->clear(first), script_change::unknown);
    every(10, write("b"));
  });
  pass_ms(35);
  EXPECT_EQ(written, "abb");
  EXPECT_EQ(host.held(), 1U);
}

TEST_F(web, AThrowEndsNeitherTheIntervalNorTheOthers) {
  int ticks = 0;
  const auto id = every(10, [&] {
    if (++ticks == 1) throw std::runtime_error("first");
  });
  after(10, write("b"));
  pass_ms(10);
  ASSERT_EQ(host.reports.size(), 1U);
  EXPECT_EQ(host.reports[0], std::make_pair(id, std::string("first")));
  EXPECT_EQ(timers->status(id)->last_error, "first");
  EXPECT_EQ(written, "b");
  pass_ms(20);
  EXPECT_EQ(ticks, 3);
  EXPECT_EQ(host.reports.size(), 1U);
}

TEST_F(web, AThrowingTimeoutIsOverAndReleased) {
  after(1, [] { throw std::runtime_error("it"); });
  after(2, write("b"));
  pass_ms(2);
  EXPECT_EQ(host.reports.size(), 1U);
  EXPECT_EQ(written, "b");
  EXPECT_TRUE(timers->active().empty());
  EXPECT_EQ(host.held(), 0U);
}

TEST_F(web, OnlyKeptTimersKeepTheProgram) {
  const auto one = after(10, write("a"));
  const auto two = every(10, write("b"));
  EXPECT_EQ(timers->kept_count(), 2U);
  EXPECT_EQ(timers->keep(one, script_keeping::unkept), script_change::changed);
  EXPECT_EQ(timers->keep(one, script_keeping::unkept), script_change::unchanged);
  EXPECT_EQ(timers->kept_count(), 1U);
  EXPECT_EQ(timers->keeping(one), script_keeping::unkept);
  EXPECT_EQ(timers->keep(two, script_keeping::unkept), script_change::changed);
  EXPECT_EQ(timers->kept_count(), 0U);
  timers->keep(two, script_keeping::kept);
  EXPECT_EQ(timers->kept_count(), 1U);
  pass_ms(10);
  EXPECT_EQ(written, "ab");  // unkept timers run while the program does
  EXPECT_EQ(timers->keep(one, script_keeping::kept), script_change::unknown);
  EXPECT_FALSE(timers->keeping(one).has_value());
}

TEST_F(web, AnUnkeptTimerStillFires) {
  const auto id = every(10, write("a"));
  timers->keep(id, script_keeping::unkept);
  EXPECT_EQ(timers->active().size(), 1U);
  EXPECT_EQ(timers->kept_count(), 0U);
  pass_ms(30);
  EXPECT_EQ(written, "aaa");
}

TEST_F(web, RefreshStartsTheDelayAnewBehindItsPeers) {
  const auto id = after(10, write("a"));
  pass_ms(6);
  after(10, write("b"));
  EXPECT_EQ(timers->refresh(id), script_change::changed);
  pass_ms(9.999);
  EXPECT_EQ(written, "");
  pass_ms(0.001);
  EXPECT_EQ(written, "ba");
  EXPECT_EQ(timers->refresh(id), script_change::unknown);
}

TEST_F(web, RefreshInItsOwnCallbackFiresAgain) {
  std::int64_t id = 0;
  int fired = 0;
  id = after(10, [&] {
    if (++fired < 3) {
      EXPECT_EQ(timers->refresh(id), script_change::changed);
    }
  });
  pass_ms(100);
  EXPECT_EQ(fired, 3);
  EXPECT_TRUE(timers->active().empty());
}

TEST_F(web, RefreshOfAnIntervalMovesItsPhase) {
  std::vector<double> at;
  const double begin = timers->now_ms();
  const auto id = every(10, [&] { at.push_back(timers->now_ms() - begin); });
  pass_ms(15);
  timers->refresh(id);
  pass_ms(20);
  ASSERT_EQ(at.size(), 3U);
  EXPECT_NEAR(at[1], 25, 1e-6);
  EXPECT_NEAR(at[2], 35, 1e-6);
}

// The web takes (function, delay), whatever the delay is, and nothing but a function.
TEST(web_arguments, OneOrder) {
  using kind = detent::script_argument::kind;
  const auto arrange = [](detent::script_argument a, detent::script_argument b) {
    return detent::arrange_arguments(detent::script_rules::web, "setTimeout", a, b);
  };
  EXPECT_EQ(arrange({kind::function}, {kind::number, 5}).refusal, "");
  EXPECT_EQ(arrange({kind::function}, {kind::number, 5}).delay_ms, 5);
  EXPECT_EQ(arrange({kind::function}, {kind::number, 5}).function_index, 0U);
  EXPECT_EQ(arrange({kind::function}, {}).delay_ms, 0);
  EXPECT_EQ(arrange({kind::function}, {kind::other, 7}).delay_ms, 7);
  for (const auto& wrong : {detent::script_argument{kind::number, 1}, {kind::other}, {}}) {
    EXPECT_NE(arrange(wrong, {kind::number, 5}).refusal.find("setTimeout(function"), std::string::npos);
  }
  const auto told = [&](const detent::script_argument& first) { return arrange(first, {kind::number, 5}).refusal; };
  EXPECT_NE(told({kind::other, 0, "\"x\""}).find("the first is \"x\", not a function"), std::string::npos);
  EXPECT_NE(told({kind::number, 1}).find("the first is a number, not"), std::string::npos);
  EXPECT_NE(told({}).find("the first is nothing, not"), std::string::npos);
}

TEST(web_arguments, NumbersFirstAreRefused) {
  using kind = detent::script_argument::kind;
  EXPECT_NE(
      detent::arrange_arguments(detent::script_rules::web, "setInterval", {kind::number, 5}, {kind::function}).refusal,
      "");
}

}  // namespace
