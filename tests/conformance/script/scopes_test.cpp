// scopes: a scope that is closed has no timers and makes none; limits; and engines that end at any moment.
#include "host.hpp"

#include <algorithm>
#include <ctime>
#include <optional>
#include <random>
#include <support/effort.hpp>

namespace {

using detent::script_change;
using detent::script_creation;
using detent::script_leave;
using detent::script_return;
using detent::script_rules;
using detent::script_tie;
using detent::wait_result;

class scopes : public script_test::in_virtual_time {
 protected:
  scopes() : in_virtual_time(script_rules::web, 100) {}
  std::int64_t every_in(detent::script_scope where, double ms, std::function<void()> what) {
    return timers->set_interval(ms, host.hold(std::move(what)), where).id;
  }
};

TEST_F(scopes, ClosingEndsItsTimersAndNoOthers) {
  const auto file = timers->open_scope();
  every_in(file, 10, write("a"));
  every_in(file, 10, write("b"));
  every(10, write("c"));
  const auto closed = timers->close_scope(file);
  EXPECT_EQ(closed.ended, 2U);
  EXPECT_EQ(closed.wait, wait_result::quiet);
  pass_ms(20);
  EXPECT_EQ(written, "cc");
  EXPECT_EQ(host.held(), 1U);
  const auto late = timers->set_timeout(1, host.hold(write("d")), file);
  EXPECT_EQ(late.outcome, script_creation::closed);
  EXPECT_EQ(late.id, 0);
  EXPECT_EQ(host.held(), 1U);  // what is refused is released
}

TEST_F(scopes, AScopeOwnsThoseInsideItAndWhatCallbacksMake) {
  const auto file = timers->open_scope();
  const auto mode = timers->open_scope(file);
  every_in(mode, 10, write("a"));
  timers->set_timeout(5, host.hold([&] { every(10, write("b")); }), mode);
  pass_ms(15);
  EXPECT_EQ(written, "ab");
  EXPECT_EQ(timers->close_scope(file).ended, 2U);
  pass_ms(50);
  EXPECT_EQ(written, "ab");
  EXPECT_EQ(host.held(), 0U);
  EXPECT_EQ(timers->set_timeout(1, host.hold(write("c")), mode).outcome, script_creation::closed);
}

TEST_F(scopes, ClosingTheOuterClosesTheInnerOneOnly) {
  const auto outer = timers->open_scope();
  const auto inner = timers->open_scope(outer);
  every_in(outer, 10, write("o"));
  every_in(inner, 10, write("i"));
  timers->close_scope(inner);
  pass_ms(10);
  EXPECT_EQ(written, "o");
  const auto another = timers->open_scope(outer);
  every_in(another, 10, write("n"));
  timers->close_scope(outer);
  pass_ms(30);
  EXPECT_EQ(written, "o");
  EXPECT_EQ(timers->set_timeout(1, host.hold(write("x")), another).outcome, script_creation::closed);
}

TEST_F(scopes, ClosingInsideACallbackOfItsOwn) {
  const auto file = timers->open_scope();
  every_in(file, 10, [&] {
    written += "a";
    const auto closed = timers->close_scope(file);
    EXPECT_EQ(closed.ended, 2U);
    EXPECT_EQ(closed.wait, wait_result::from_callback);
    EXPECT_EQ(timers->set_timeout(1, host.hold(write("x"))).outcome, script_creation::closed);
  });
  every_in(file, 10, write("b"));
  every(10, write("c"));
  pass_ms(20);
  EXPECT_EQ(written, "acc");
  EXPECT_EQ(host.held(), 1U);
}

// A function that waits for a tick is called for that timer: what it makes is in the same scope.
TEST_F(scopes, WhatAWaiterMakesIsInTheScopeOfItsTimer) {
  const auto file = timers->open_scope();
  const auto id = every_in(file, 10, [] {});
  timers->next_tick(id, host.hold([&] {
    after(1, write("t"));
    every_in(timers->open_scope(), 20, write("i"));
  }));
  pass_ms(10);
  pass_ms(1);
  EXPECT_EQ(written, "t");
  timers->next_tick(id, host.hold([&] { after(5, write("x")); }));
  timers->set_timeout(1, host.hold([&] { timers->next_tick(-1, host.hold([&] { after(5, write("y")); })); }), file);
  pass_ms(1);
  EXPECT_EQ(timers->close_scope(file).ended, 3U);
  pass_ms(20);
  EXPECT_EQ(written, "t");
  EXPECT_EQ(host.held(), 0U);
  after(5, write("o"));
  pass_ms(5);
  EXPECT_EQ(written, "to");
}

TEST_F(scopes, LiveTimersAreLimitedAndTheRestGoesOn) {
  for (int i = 0; i < 100; ++i) EXPECT_GT(after(10, write("a")), 0);
  const auto refused = timers->set_timeout(10, host.hold(write("b")));
  EXPECT_EQ(refused.outcome, script_creation::too_many);
  EXPECT_EQ(host.held(), 100U);
  pass_ms(10);
  EXPECT_EQ(written, std::string(100, 'a'));
  EXPECT_GT(after(10, write("b")), 0);
}

TEST_F(scopes, ManyAreMadeAndClearedAndNothingStays) {
  const std::size_t rounds = support::times(100'000, 10'000);
  for (std::size_t i = 0; i < rounds; ++i) timers->clear(after(1000, write("a")));
  EXPECT_TRUE(timers->active().empty());
  EXPECT_EQ(host.held(), 0U);
}

// --- What modes do to timers.
// -------------------------------------------------------------------------------------------

TEST_F(scopes, SuspendedKeepsWhatIsLeftAndSkippedKeepsThePhase) {
  const auto suspended = every(10, write("a"));
  const auto skipped = every(10, write("b"));
  pass_ms(14);
  EXPECT_EQ(written, "ab");
  timers->leave(suspended, script_leave::suspend);
  timers->leave(skipped, script_leave::skip);
  EXPECT_EQ(timers->status(suspended)->state, detent::script_timer_state::suspended);
  pass_ms(100);
  EXPECT_EQ(written, "ab");
  EXPECT_EQ(timers->status(skipped)->missed, 10U);
  timers->come_back(suspended, script_return::resume);
  timers->come_back(skipped, script_return::resume);
  pass_ms(6);
  EXPECT_EQ(written, "abab");  // in its former place
}

TEST_F(scopes, ReturningMayRestartOrStay) {
  const auto restarted = after(10, write("a"));
  const auto stays = every(10, write("b"));
  const auto cancelled = every(10, write("c"));
  pass_ms(5);
  for (const auto id : {restarted, stays}) timers->leave(id, script_leave::suspend);
  timers->leave(cancelled, script_leave::cancel);
  EXPECT_FALSE(timers->status(cancelled).has_value());
  timers->come_back(restarted, script_return::restart);
  timers->come_back(stays, script_return::stay);
  pass_ms(9);
  EXPECT_EQ(written, "");
  pass_ms(1);
  EXPECT_EQ(written, "a");
  timers->resume(stays);
  pass_ms(5);
  EXPECT_EQ(written, "ab");
}

TEST_F(scopes, ATimeoutWhoseTickIsSkippedIsOver) {
  const auto id = after(10, write("a"));
  timers->leave(id, script_leave::skip);
  pass_ms(10);
  timers->come_back(id, script_return::resume);
  pass_ms(50);
  EXPECT_EQ(written, "");
  EXPECT_EQ(host.held(), 0U);
}

TEST_F(scopes, LeavingInsideItsOwnCallback) {
  std::int64_t id = 0;
  id = every(10, [&] {
    written += "a";
    timers->leave(id, script_leave::suspend);
  });
  pass_ms(100);
  EXPECT_EQ(written, "a");
  timers->come_back(id, script_return::resume);
  pass_ms(10);
  EXPECT_EQ(written, "aa");
}

// --- What modes do to whole scopes.
// -------------------------------------------------------------------------------------------

TEST_F(scopes, ASuspendedScopeKeepsWhatIsLeftOfEachTimer) {
  const auto file = timers->open_scope();
  const auto inner = timers->open_scope(file);
  const auto a = every_in(file, 10, write("a"));
  every_in(inner, 6, write("i"));
  every(10, write("c"));
  pass_ms(4);
  EXPECT_EQ(timers->leave(file, script_leave::suspend), detent::script_change::changed);
  EXPECT_EQ(timers->leave(file, script_leave::skip), detent::script_change::unchanged);
  EXPECT_EQ(timers->status(a)->state, detent::script_timer_state::suspended);
  EXPECT_EQ(timers->status(a)->remaining_ms, 6);
  EXPECT_EQ(timers->kept_count(), 1U);
  pass_ms(96);
  EXPECT_EQ(written, "cccccccccc");
  written.clear();
  EXPECT_EQ(timers->come_back(file, script_return::resume), detent::script_change::changed);
  EXPECT_EQ(timers->come_back(file, script_return::resume), detent::script_change::unchanged);
  pass_ms(2);
  EXPECT_EQ(written, "i");
  pass_ms(4);
  EXPECT_EQ(written, "ia");
}

// As the timers that were made just before: also in a scope inside, and by a callback in progress.
TEST_F(scopes, WhatIsMadeInAScopeThatWasLeftIsLeftToo) {
  const auto file = timers->open_scope();
  const auto deep = timers->open_scope(timers->open_scope(file));
  timers->leave(file, script_leave::suspend);
  every_in(file, 10, write("a"));
  every_in(deep, 10, write("b"));
  EXPECT_EQ(timers->status(1)->state, detent::script_timer_state::suspended);
  pass_ms(50);
  EXPECT_EQ(written, "");
  timers->come_back(file, script_return::resume);
  pass_ms(10);
  EXPECT_EQ(written, "ab");
  timers->leave(file, script_leave::cancel);
  host.loop.run_posted();
  EXPECT_EQ(host.held(), 0U);
  const auto over = timers->set_timeout(1, host.hold(write("x")), deep);
  EXPECT_EQ(over.outcome, script_creation::created);
  EXPECT_EQ(timers->status(over.id), std::nullopt);
  EXPECT_EQ(host.held(), 0U);
  timers->come_back(file, script_return::restart);
  pass_ms(50);
  EXPECT_EQ(written, "ab");
  timers->set_timeout(5, host.hold([&] {
    timers->leave(file, script_leave::suspend);
    after(1, write("n"));
  }),
                      file);
  pass_ms(5);
  pass_ms(20);
  EXPECT_EQ(written, "ab");
  timers->come_back(file, script_return::resume);
  pass_ms(1);
  EXPECT_EQ(written, "abn");
}

TEST_F(scopes, AScopeThatSkipsKeepsThePhase) {
  const auto file = timers->open_scope();
  const auto id = every_in(file, 10, write("a"));
  pass_ms(14);
  timers->leave(file, script_leave::skip);
  const auto made = every_in(file, 10, write("b"));
  pass_ms(40);
  EXPECT_EQ(written, "a");
  EXPECT_EQ(timers->status(id)->missed, 4U);
  EXPECT_EQ(timers->status(made)->missed, 4U);
  timers->come_back(file, script_return::stay);
  pass_ms(6);
  EXPECT_EQ(written, "aa");
}

TEST_F(scopes, AScopeMayRestartOrStay) {
  const auto restarts = timers->open_scope();
  const auto stays = timers->open_scope();
  every_in(restarts, 10, write("r"));
  const auto id = every_in(stays, 10, write("s"));
  pass_ms(8);
  timers->leave(restarts, script_leave::suspend);
  timers->leave(stays, script_leave::suspend);
  timers->come_back(restarts, script_return::restart);
  timers->come_back(stays, script_return::stay);
  EXPECT_EQ(timers->status(id)->state, detent::script_timer_state::paused);
  pass_ms(9);
  EXPECT_EQ(written, "");
  pass_ms(1);
  EXPECT_EQ(written, "r");
  timers->resume(id);
  pass_ms(2);
  EXPECT_EQ(written, "rs");
}

// A timer goes on when nothing holds it any more: its script, its own mode, its scope's, or that of one around.
TEST_F(scopes, AllWhoHoldATimerHaveToLetItGo) {
  const auto outer = timers->open_scope();
  const auto inner = timers->open_scope(outer);
  const auto id = every_in(inner, 10, write("a"));
  pass_ms(4);
  timers->leave(outer, script_leave::suspend);
  timers->leave(inner, script_leave::skip);
  timers->leave(id, script_leave::suspend);
  timers->pause(id);
  timers->come_back(outer, script_return::resume);
  pass_ms(50);
  timers->resume(id);
  pass_ms(50);
  EXPECT_EQ(timers->status(id)->remaining_ms, 6);
  timers->come_back(id, script_return::resume);
  pass_ms(6);
  EXPECT_EQ(timers->status(id)->missed, 1U);  // the scope skips still
  timers->come_back(inner, script_return::resume);
  pass_ms(10);
  EXPECT_EQ(written, "a");
}

// A function that waits for a tick does not run for one that a mode has skipped.
TEST_F(scopes, ASkippedTickIsNoneForThoseWhoWait) {
  const auto file = timers->open_scope();
  const auto id = every_in(file, 10, [] {});
  const auto once = timers->set_timeout(10, host.hold([] {}), file).id;
  const auto note = [this](const std::string& word) {
    return host.hold(script_test::function([this, word](const detent::script_occasion& occasion) {
      written += word + (occasion.why == detent::script_occasion::reason::tick ? "+" : "-");
    }));
  };
  timers->next_tick(id, note("i"));
  timers->next_tick(once, note("o"));
  timers->leave(file, script_leave::skip);
  pass_ms(25);
  EXPECT_EQ(written, "o-");
  timers->come_back(file, script_return::resume);
  pass_ms(5);
  EXPECT_EQ(written, "o-i+");
}

TEST_F(scopes, ASleepInAScopeThatWasLeft) {
  const auto file = timers->open_scope();
  timers->leave(file, script_leave::suspend);
  timers->enter_scope(file);
  const auto note = [this](const detent::script_occasion& occasion) {
    written += occasion.why == detent::script_occasion::reason::tick ? "slept" : "woken";
  };
  timers->sleep(10, host.hold(script_test::function(note)));
  timers->enter_scope({});
  pass_ms(50);
  EXPECT_EQ(written, "");
  timers->come_back(file, script_return::resume);
  pass_ms(10);
  EXPECT_EQ(written, "slept");
  timers->leave(file, script_leave::cancel);
  timers->enter_scope(file);
  timers->sleep(10, host.hold(script_test::function(note)));
  timers->enter_scope({});
  host.loop.run_posted();
  EXPECT_EQ(written, "sleptwoken");
}

TEST_F(scopes, AScopeThatIsClosedIsUnknownToModes) {
  const auto file = timers->open_scope();
  EXPECT_TRUE(timers->is_open(file));
  timers->leave(file, script_leave::suspend);
  timers->close_scope(file);
  EXPECT_FALSE(timers->is_open(file));
  EXPECT_EQ(timers->come_back(file, script_return::resume), detent::script_change::unknown);
  EXPECT_EQ(timers->leave(file, script_leave::suspend), detent::script_change::unknown);
}

// One that its owner has let go of is forgotten behind its last timer, and before that it is as any other.
TEST_F(scopes, ADetachedScopeIsForgottenWithTheLastInIt) {
  const auto one = timers->open_scope();
  EXPECT_EQ(timers->scope_count(), 1U);
  EXPECT_EQ(timers->detach_scope(one, script_tie::nobody), script_change::changed);
  EXPECT_EQ(timers->scope_count(), 0U);
  EXPECT_FALSE(timers->is_open(one));
  EXPECT_EQ(timers->detach_scope(one, script_tie::nobody), script_change::unknown);
  EXPECT_EQ(timers->detach_scope({}, script_tie::nobody), script_change::unknown);
  const auto two = timers->open_scope();
  const auto id = every_in(two, 10, write("a"));
  timers->set_timeout(15, host.hold([&] { every(10, write("b")); }), two);
  EXPECT_EQ(timers->detach_scope(two, script_tie::nobody), script_change::changed);
  EXPECT_EQ(timers->detach_scope(two, script_tie::nobody), script_change::unchanged);
  pass_ms(10);
  pass_ms(5);
  timers->clear(id);
  pass_ms(10);
  EXPECT_EQ(written, "ab");
  EXPECT_EQ(timers->scope_count(), 1U);
  EXPECT_EQ(timers->close_scope(two).ended, 1U);
  EXPECT_EQ(timers->scope_count(), 0U);
  EXPECT_EQ(host.held(), 0U);
}

// What a callback is yet to make, and who is yet to be told, keep it.
TEST_F(scopes, ADetachedScopeIsThereForWhatIsCalledInIt) {
  const auto one = timers->open_scope();
  timers->set_timeout(1, host.hold([&] {
    EXPECT_EQ(timers->detach_scope(one, script_tie::nobody), script_change::changed);
    after(10, write("a"));
  }),
                      one);
  pass_ms(1);
  EXPECT_EQ(timers->scope_count(), 1U);
  pass_ms(10);
  EXPECT_EQ(written, "a");
  EXPECT_EQ(timers->scope_count(), 0U);
  // A sleeper that is woken early, and one that waits for what is over, are called later.
  for (const bool is_over : {false, true}) {
    const auto two = timers->open_scope();
    const auto former = timers->current_scope();
    timers->enter_scope(two);
    const auto go_on = host.hold([&] { after(10, write("b")); });
    if (is_over) {
      timers->next_tick(9999, go_on);
    } else {
      timers->clear(timers->sleep(1000, go_on).id);
    }
    timers->enter_scope(former);
    timers->detach_scope(two, script_tie::nobody);
    pass_ms(1);
    EXPECT_EQ(timers->scope_count(), 1U);
    pass_ms(10);
    EXPECT_EQ(timers->scope_count(), 0U);
  }
  EXPECT_EQ(written, "abb");
  EXPECT_EQ(host.held(), 0U);
}

// One that modes follow stays while there is something in it that they could leave; others make way for what they hold.
TEST_F(scopes, ADetachedScopeMovesWhatItHoldsUp) {
  const auto outer = timers->open_scope();
  const auto tied = timers->open_scope(outer);
  const auto between = timers->open_scope(tied);
  const auto inner = timers->open_scope(between);
  every_in(inner, 10, write("i"));
  timers->leave(tied, script_leave::skip);
  timers->detach_scope(outer, script_tie::nobody);
  timers->detach_scope(between, script_tie::nobody);
  timers->detach_scope(tied, script_tie::modes);
  timers->detach_scope(inner, script_tie::nobody);
  EXPECT_EQ(timers->scope_count(), 2U);  // `tied` and `inner`
  pass_ms(10);
  EXPECT_EQ(written, "");
  EXPECT_EQ(timers->come_back(tied, script_return::resume), script_change::changed);
  pass_ms(10);
  EXPECT_EQ(written, "i");
  EXPECT_EQ(timers->leave(tied, script_leave::cancel), script_change::changed);
  EXPECT_EQ(timers->scope_count(), 0U);
  EXPECT_EQ(timers->come_back(tied, script_return::resume), script_change::unknown);
  pass_ms(1);
  EXPECT_EQ(host.held(), 0U);
}

// Callbacks that each open a scope for the next timer, for ever: two scopes at a time are known.
TEST_F(scopes, AnEndlessChainOfScopesKeepsItsSize) {
  std::function<void()> step = [&] {
    const auto next = timers->open_scope();
    timers->set_timeout(1, host.hold(step), next);
    timers->detach_scope(next, script_tie::nobody);
    EXPECT_LE(timers->scope_count(), 2U);
  };
  step();
  for (int i = 0; i < 200; ++i) pass_ms(4);
  EXPECT_EQ(timers->scope_count(), 1U);
  EXPECT_EQ(timers->close().ended, 1U);
  EXPECT_EQ(timers->scope_count(), 0U);
}

// Closing inside a call leaves the closed ones known to the end of that call, innermost first and all at once.
TEST_F(scopes, WhatIsClosedAroundACallIsForgottenBehindIt) {
  for (const bool from_inside : {true, false}) {
    std::vector<detent::script_scope> around{timers->open_scope()};
    for (int i = 0; i < 9; ++i) around.push_back(timers->open_scope(around.back()));
    const auto beside = timers->open_scope(around[4]);
    every_in(beside, 1000, [] {});
    timers->set_timeout(1, host.hold([&] {
      if (from_inside) std::reverse(around.begin(), around.end());
      for (const auto one : around) EXPECT_NE(timers->close_scope(one).wait, wait_result::quiet);
      EXPECT_FALSE(timers->is_open(beside));
      EXPECT_EQ(timers->scope_count(), 10U);
    }),
                        around.back());
    pass_ms(1);
    EXPECT_EQ(timers->scope_count(), 0U);
  }
}

// The processor's time for `what` with n, and with eight times as many: the least of three.
double growth(const std::function<double(int n)>& what) {
  constexpr int few = 500;
  double least[2] = {1e9, 1e9};
  for (int i = 0; i < 3; ++i) {
    least[0] = std::min(least[0], what(few));
    least[1] = std::min(least[1], what(8 * few));
  }
  return least[1] / least[0];
}

double seconds_since(std::clock_t began) { return static_cast<double>(std::clock() - began) / CLOCKS_PER_SEC; }

// What costs the square of their number costs 64 times as much.
TEST(scope_costs, ClosingCostsWhatTheScopeHolds) {
  EXPECT_LT(growth([](int n) {
              detent::manual_clock clock;
              script_test::test_host host;
              detent::script_options options;
              options.clock = &clock;
              detent::script_timers timers(host, options);
              std::vector<detent::script_scope> opened;
              for (int i = 0; i < n; ++i) {
                opened.push_back(timers.open_scope());
                timers.set_timeout(1e6, host.hold(std::function<void()>([] {})), opened.back());
              }
              const std::clock_t began = std::clock();
              for (const auto one : opened) EXPECT_EQ(timers.close_scope(one).ended, 1U);
              return seconds_since(began);
            }),
            30);
}

TEST(scope_costs, AStepInADeepScopeCostsNoMoreThanOneOutside) {
  EXPECT_LT(growth([](int n) {
              detent::manual_clock clock;
              script_test::test_host host;
              detent::script_options options;
              options.clock = &clock;
              detent::script_timers timers(host, options);
              int left = n;
              std::function<void()> step = [&] {
                if (--left > 0) timers.set_timeout(1, host.hold(step), timers.open_scope());
              };
              step();
              const std::clock_t began = std::clock();
              while (left > 0) clock.advance(std::chrono::milliseconds(4));
              const double spent = seconds_since(began);
              EXPECT_EQ(timers.scope_count(), static_cast<std::size_t>(n - 1));
              return spent;
            }),
            30);
}

// How a file is loaded again: its scope is closed, and it is evaluated in another.
TEST_F(scopes, ReloadingAFileLeavesNothingBehind) {
  detent::script_scope file;
  int loaded = 0;
  const auto load = [&] {
    timers->close_scope(file);
    file = timers->open_scope();
    const auto former = timers->current_scope();
    timers->enter_scope(file);
    const std::string version = std::to_string(++loaded);
    const auto id = every(10, [this, version] {
      written += version;
      after(5, write("'"));
    });
    timers->next_tick(id, host.hold([] {}));
    timers->sleep(1000, host.hold([] {}));
    timers->enter_scope(former);
  };
  file = timers->open_scope();
  every(10, write("o"));
  for (int i = 0; i < 3; ++i) {
    load();
    pass_ms(10);
    pass_ms(10);
    EXPECT_EQ(timers->active().size(), 4U);
    EXPECT_EQ(host.held(), 4U);
  }
  EXPECT_EQ(written, "o1'o1o2'o2o3'o3");
  EXPECT_EQ(timers->close_scope(file).ended, 3U);
  host.loop.run_posted();
  EXPECT_EQ(host.held(), 1U);
  EXPECT_EQ(timers->current_scope(), detent::script_scope{});
}

// --- Threads.
// -----------------------------------------------------------------------------------------------------------

// When close_scope has answered `quiet`, on another thread, no call of the scope is in progress or will be; the
// engine's other timers go on.
TEST(scope_threads, ClosingWaitsForTheCall) {
  script_test::engine_thread engine;
  std::atomic<int> others{0};
  engine.timers->set_interval(1, engine.host.hold(std::function<void()>([&] { others.fetch_add(1); })));
  const std::size_t rounds = support::times(300, 30);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto scope = engine.timers->open_scope(detent::script_scope{});
    auto inside = std::make_unique<std::atomic<int>>(0);
    std::atomic<int> ticks{0};
    for (int i = 0; i < 3; ++i) {
      engine.timers->set_interval(1, engine.host.hold(std::function<void()>([&, at = inside.get()] {
        at->fetch_add(1);
        std::this_thread::yield();
        at->fetch_sub(1);
        ticks.fetch_add(1);
      })),
                                  scope);
    }
    if (round % 2 == 0) support::eventually([&] { return ticks.load() > 0; });
    EXPECT_EQ(engine.timers->close_scope(scope).wait, wait_result::quiet);
    EXPECT_EQ(inside->load(), 0);
    inside.reset();  // a later call would be found by the sanitizers
  }
  const int before = others.load();
  support::eventually([&] { return others.load() > before; });
}

// Two engines whose callbacks close each other's scope: the second wait is refused instead of hanging.
// When `leave` of a scope has returned, on another thread, at most the call in progress is at its first line, and no
// other starts: neither of a timer that was there, nor of one that such a call makes.
TEST(scope_threads, OnceAScopeIsLeftNoTickStarts) {
  script_test::engine_thread engine;
  const auto scope = engine.timers->open_scope();
  std::atomic<std::uint64_t> ticks{0};
  engine.on_thread([&] {
    engine.timers->enter_scope(scope);
    for (int i = 0; i < 4; ++i) {
      engine.timers->set_interval(1, engine.host.hold(std::function<void()>([&] {
        ticks.fetch_add(1);
        engine.timers->set_timeout(0, engine.host.hold(std::function<void()>([&] { ticks.fetch_add(1); })));
      })));
    }
    engine.timers->enter_scope({});
  });
  const std::size_t rounds = support::times(60, 12);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto before = ticks.load();
    support::eventually([&] { return ticks.load() > before; });
    engine.timers->leave(scope, round % 2 == 0 ? script_leave::suspend : script_leave::skip);
    const auto at_most = ticks.load() + 1;
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(5);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_LE(ticks.load(), at_most);
    engine.timers->come_back(scope, script_return::resume);
  }
}

TEST(scope_threads, EnginesThatCloseEachOtherAreToldSo) {
  script_test::engine_thread one;
  script_test::engine_thread two;
  support::gate in_one;
  support::gate in_two;
  std::atomic<int> refused{0};
  std::atomic<int> over{0};
  const auto closes = [&](script_test::engine_thread& mine, script_test::engine_thread& other, support::gate& here,
                          support::gate& there) {
    mine.timers->set_timeout(1, mine.host.hold(std::function<void()>([&] {
      here.open();
      there.pass();
      if (other.timers->close().wait == wait_result::would_deadlock) refused.fetch_add(1);
      over.fetch_add(1);
    })));
  };
  closes(one, two, in_one, in_two);
  closes(two, one, in_two, in_one);
  support::eventually([&] { return over.load() == 2; });
  EXPECT_EQ(refused.load(), 1);
}

// An engine ends, on another thread, at a random moment of its life, with calls queued and in progress.
TEST(scope_threads, EnginesEndAtRandomMoments) {
  const std::size_t rounds = support::times(1'000, 150);
  std::mt19937 dice(7);
  for (std::size_t round = 0; round < rounds; ++round) {
    auto alive = std::make_unique<std::atomic<int>>(0);
    {
      script_test::engine_thread engine;
      for (int i = 0; i < 20; ++i) {
        engine.timers->set_interval(i % 3, engine.host.hold(std::function<void()>([&engine, at = alive.get()] {
          at->fetch_add(1);
          const auto ids = engine.timers->active();
          if (!ids.empty()) engine.timers->clear(ids.back());
          at->fetch_sub(1);
        })));
      }
      const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(dice() % 2500);
      while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
      engine.timers->close();  // callbacks above use the pointer: first quiet, then gone
      engine.end();
      EXPECT_EQ(engine.host.held(), 0U);
    }
    EXPECT_EQ(alive->load(), 0);
  }
}

// An engine that is destroyed inside a callback of its own.
TEST(scope_threads, AnEngineEndsInsideItsOwnCallback) {
  for (std::size_t round = 0; round < support::times(300, 30); ++round) {
    script_test::test_host host;
    auto timers = std::make_unique<detent::script_timers>(host, detent::script_options{});
    bool over = false;
    timers->set_interval(1, host.hold(std::function<void()>([&] {
      timers.reset();
      over = true;
    })));
    timers->set_interval(1, host.hold(std::function<void()>([] {})));
    host.loop.run([&] { return !over; });
    host.loop.run_posted();
    EXPECT_TRUE(over);
    EXPECT_EQ(host.held(), 0U);
  }
}

// Two engines with threads of their own on one manual clock: each step of it is one alarm, worked off on its engine's
// thread before the next, so that time stands still inside every call.
TEST(scope_threads, TwoEnginesOnOneManualClock) {
  detent::manual_clock clock;
  detent::script_options options;
  options.clock = &clock;
  options.under_clock = detent::script_pass::posted;
  const auto begin = clock.now();
  std::vector<std::int64_t> at_ms[2];  // written by the engines' threads, read here when both rest
  {
    script_test::engine_thread engines[2] = {script_test::engine_thread(options), script_test::engine_thread(options)};
    for (int i = 0; i < 2; ++i) {
      auto& engine = engines[i];
      engine.on_thread([&, i] {
        engine.timers->set_interval(10.0 * (i + 1), engine.host.hold(std::function<void()>([&, i] {
          at_ms[i].push_back((clock.now() - begin) / std::chrono::milliseconds(1));
        })));
      });
    }
    // Both rest, and have begun what the first steps have brought.
    const auto await_steps = [&](std::uint64_t count) {
      support::eventually([&] {
        return engines[0].host.loop.is_resting() && engines[1].host.loop.is_resting() &&
               engines[0].host.loop.begun_count() + engines[1].host.loop.begun_count() == count + 2;
      });
    };
    for (std::uint64_t step = 0; step < 30; ++step) {
      await_steps(step);
      EXPECT_EQ(clock.step(), 1U);
    }
    await_steps(30);
    for (auto& engine : engines) engine.end();
  }
  ASSERT_EQ(at_ms[0].size() + at_ms[1].size(), 30U);
  EXPECT_EQ(at_ms[1].size(), 10U);
  for (int i = 0; i < 2; ++i) {
    for (std::size_t tick = 0; tick < at_ms[i].size(); ++tick) {
      EXPECT_EQ(at_ms[i][tick], static_cast<std::int64_t>((tick + 1) * 10 * static_cast<std::size_t>(i + 1)));
    }
  }
}

// Eight engines at once, each with many timers: no call off its thread (the host checks), and none lost.
TEST(scope_threads, EightEnginesAtOnce) {
  const std::size_t count = support::times(10'000, 300);
  std::vector<std::unique_ptr<script_test::engine_thread>> engines;
  for (int i = 0; i < 8; ++i) engines.push_back(std::make_unique<script_test::engine_thread>());
  for (auto& engine : engines) {
    engine->host.loop.post([&engine, count] {
      for (std::size_t i = 0; i < count; ++i) {
        engine->timers->set_timeout(static_cast<double>(i % 50), engine->host.hold(std::function<void()>([] {})));
      }
    });
  }
  for (auto& engine : engines) {
    support::eventually([&] { return engine->host.calls.load() == count; });
    support::eventually([&] { return engine->host.held() == 0; });
  }
}

}  // namespace
