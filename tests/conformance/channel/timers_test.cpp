// Go's time package: After, NewTimer, NewTicker, Tick and AfterFunc, Stop and Reset as Go 1.23 defines them.
//
// Method: the behaviours one by one, on a manual clock, where an absence is an absence; what happens to threads that
// are blocked is played on a service with threads of its own too. Each test is named after what it shows; the
// behaviours of Go's own tests are there under what they are about, not under their names.
#include <detent/detent.hpp>
#include <detent/go.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

namespace go = detent::go;
using namespace std::chrono_literals;
using detent::channel;
using detent::manual_clock;
using detent::on_receive;
using detent::on_timeout;
using detent::otherwise;
using detent::receive_result;
using detent::received;
using detent::receiver;
using detent::select;
using detent::timer_service;
using go::found;
using go::func_found;
using support::background;
using support::eventually;
using support::gate;
using support::never;

constexpr auto forever = std::chrono::hours::max();

class Go : public ::testing::Test {
 protected:
  bool is_empty(const receiver<go::instant>& c) { return c.try_receive().outcome() == receive_result::empty; }

  manual_clock clock;
  timer_service service{clock};
};

// --- One-shots ---

TEST_F(Go, AValueIsTheInstantAtWhichItWasDue) {
  const auto t = go::new_timer(service, 10ms);
  const auto due = clock.now() + 10ms;
  clock.advance(9'999'999ns);
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(1h);
  EXPECT_EQ(*t.c().try_receive(), due);
  EXPECT_TRUE(is_empty(t.c()));
}

// O10
TEST_F(Go, ZeroAndNegativeAreDueAtOnce) {
  EXPECT_EQ(*go::after(service, 0s).try_receive(), clock.now());
  EXPECT_EQ(*go::after(service, -1h).receive(), clock.now());
  EXPECT_EQ(*go::new_timer(service, std::chrono::hours::min()).c().receive(), clock.now());
}

TEST_F(Go, TheLargestDurationIsNever) {
  const auto t = go::new_timer(service, forever);
  clock.advance(1000000h);
  EXPECT_TRUE(is_empty(t.c()));
  EXPECT_EQ(t.stop(), found::active);
  EXPECT_EQ(t.reset(std::chrono::nanoseconds::max() - 1ns), found::inactive);
  EXPECT_TRUE(is_empty(t.c()));
}

TEST_F(Go, ATimerMayBeMadeUnarmed) {
  const auto t = go::new_timer(service, go::unarmed);
  const auto k = go::new_ticker(service, go::unarmed);
  int calls = 0;
  auto f = go::after_func(service, go::unarmed, [&] { ++calls; });
  clock.advance(1h);
  EXPECT_TRUE(is_empty(t.c()));
  EXPECT_TRUE(is_empty(k.c()));
  EXPECT_EQ(calls, 0);
  EXPECT_EQ(t.stop(), found::inactive);
  EXPECT_EQ(k.stop(), found::inactive);
  EXPECT_EQ(f.stop(), func_found::idle);
  EXPECT_EQ(t.reset(1ms), found::inactive);
  EXPECT_EQ(k.reset(1ms), found::inactive);
  EXPECT_EQ(f.reset(1ms), found::inactive);
  clock.advance(1ms);
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_TRUE(k.c().try_receive());
  EXPECT_EQ(calls, 1);
}

// O01, O03 and G1, G3: what was due and not received is withdrawn, and stop says so.
TEST_F(Go, StopWithdrawsWhatWasDue) {
  const auto t = go::new_timer(service, 1ms);
  clock.advance(1h);
  EXPECT_EQ(t.stop(), found::active);
  EXPECT_TRUE(is_empty(t.c()));
  EXPECT_EQ(t.stop(), found::inactive);
  EXPECT_EQ(t.reset(0s), found::inactive);
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_EQ(t.stop(), found::inactive) << "its value was received";
}

// O02 and G2
TEST_F(Go, ResetWithdrawsWhatWasDue) {
  const auto t = go::new_timer(service, 1ms);
  clock.advance(1h);
  EXPECT_EQ(t.reset(10ms), found::active);
  const auto due = clock.now() + 10ms;
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(9ms);
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(1ms);
  EXPECT_EQ(*t.c().try_receive(), due);
}

// O07
TEST_F(Go, AStoppedTimerGivesNothing) {
  const auto t = go::new_timer(service, 1ms);
  EXPECT_EQ(t.stop(), found::active);
  std::atomic<bool> got{false};
  background receiver([&] { got = bool(t.c().receive_for(5ms)); });
  clock.advance(1h);
  receiver.join();
  EXPECT_FALSE(got.load());
}

// O04 and O05
TEST_F(Go, ABlockedReceiverFollowsResets) {
  const auto t = go::new_timer(service, 10ms);
  std::atomic<bool> got{false};
  background receiver([&] { got = bool(t.c().receive()); });
  ASSERT_TRUE(eventually([&] { return service.active().size() == 1; })) << "the receiver is not blocked";
  EXPECT_EQ(t.reset(20ms), found::active);
  clock.advance(19ms);
  EXPECT_TRUE(never([&] { return got.load(); }));
  EXPECT_EQ(t.reset(1ns), found::active);
  clock.advance(8ns);
  receiver.join();
  EXPECT_TRUE(got.load());
}

TEST_F(Go, AResetToNowServesABlockedReceiverAtOnce) {
  const auto t = go::new_timer(service, go::unarmed);
  background receiver([&] { EXPECT_EQ(*t.c().receive(), clock.now()); });
  EXPECT_EQ(t.reset(0s), found::inactive);
}

// O06
TEST_F(Go, OneFiringIsReceivedByOneOfSeveral) {
  const auto t = go::new_timer(service, 1ms);
  const auto done = channel<int>::make();
  std::atomic<int> values{0};
  std::atomic<int> left{0};
  const auto party = [&] {
    const auto which = select(on_receive(t.c(), [&](received<go::instant>) { ++values; }), on_receive(done));
    if (which == 1) ++left;
  };
  background one(party);
  background two(party);
  clock.advance(1h);
  ASSERT_TRUE(eventually([&] { return values.load() == 1; }));
  EXPECT_TRUE(never([&] { return values.load() > 1; }));
  done.close();
  one.join();
  two.join();
  EXPECT_EQ(values.load(), 1);
  EXPECT_EQ(left.load(), 1);
}

// O12
TEST_F(Go, TheShorterOfTwoIsSelected) {
  const auto huge = go::new_timer(service, forever);
  const auto near = go::new_timer(service, 25ms);
  std::atomic<std::size_t> which{99};
  background selects([&] { which = select(on_receive(huge.c()), on_receive(near.c())); });
  ASSERT_TRUE(eventually([&] {
    clock.advance(25ms);
    return which.load() != 99;
  }));
  EXPECT_EQ(which.load(), 1U);
}

// O15: one value for each round, at another instant each, with ten resets that change nothing.
TEST_F(Go, AdvanceReceiveResetRounds) {
  const auto t = go::new_timer(service, 1ms);
  go::instant last{};
  for (int i = 0; i < 100; ++i) {
    clock.advance(1ms);
    const received<go::instant> got = t.c().try_receive();
    ASSERT_TRUE(got);
    EXPECT_GT(*got, last);
    last = *got;
    EXPECT_TRUE(is_empty(t.c()));
    for (int k = 0; k < 10; ++k) EXPECT_EQ(t.reset(1ms), k == 0 ? found::inactive : found::active);
  }
}

// O16
TEST_F(Go, ManyResetsWithoutAReceiverGiveOneValue) {
  const auto t = go::new_timer(service, go::unarmed);
  for (int i = 0; i < 10; ++i) static_cast<void>(t.reset(0s));
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_TRUE(is_empty(t.c()));
}

// --- Tickers ---

// G5: whoever comes late receives one tick, the first that he missed; the phase is kept.
TEST_F(Go, ATickerDropsAndKeepsItsPhase) {
  const auto start = clock.now();
  const auto t = go::new_ticker(service, 10ms);
  clock.advance(35ms);
  EXPECT_EQ(*t.c().try_receive(), start + 10ms);
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(4ms);
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(1ms);
  EXPECT_EQ(*t.c().try_receive(), start + 40ms);
  clock.advance(1h);
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_TRUE(is_empty(t.c()));
}

// O08
TEST_F(Go, AShortTickerIsReadyAtOnceAndAgain) {
  const auto t = go::new_ticker(service, 1h);
  EXPECT_EQ(t.reset(1ns), found::active);
  for (int i = 0; i < 3; ++i) {
    clock.advance(8ns);
    EXPECT_TRUE(t.c().try_receive());
  }
  const auto once = go::new_timer(service, 1ns);
  clock.advance(8ns);
  EXPECT_TRUE(once.c().try_receive());
  clock.advance(8ns);
  EXPECT_TRUE(is_empty(once.c()));
}

// O09
TEST_F(Go, AResetTickerForgetsItsTicks) {
  const auto t = go::new_ticker(service, 1ms);
  clock.advance(5ms);
  EXPECT_EQ(t.reset(10ms), found::active);
  const auto start = clock.now();
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(9ms);
  EXPECT_TRUE(is_empty(t.c()));
  clock.advance(1ms);
  EXPECT_EQ(*t.c().try_receive(), start + 10ms);
  EXPECT_EQ(t.stop(), found::active);
  clock.advance(1h);
  EXPECT_TRUE(is_empty(t.c()));
}

TEST_F(Go, APeriodMustBePositive) {
  EXPECT_FALSE(go::new_ticker(service, 0s));
  EXPECT_FALSE(go::new_ticker(service, -1s));
  EXPECT_FALSE(go::tick(service, 0s));
  const auto t = go::new_ticker(service, 1ms);
  EXPECT_EQ(t.reset(0s), found::refused);
  clock.advance(1ms);
  EXPECT_TRUE(t.c().try_receive()) << "what is refused changes nothing";
}

TEST_F(Go, EveryTickWakesABlockedReceiver) {
  constexpr int ticks = 20;
  const auto t = go::new_ticker(service, 1ms);
  std::vector<go::instant> got;
  std::atomic<int> count{0};
  const auto start = clock.now();
  background receiver([&] {
    for (int i = 0; i < ticks; ++i) {
      got.push_back(*t.c().receive());
      ++count;
    }
  });
  for (int i = 1; i <= ticks; ++i) {
    clock.advance(1ms);
    ASSERT_TRUE(eventually([&] { return count.load() == i; }));
  }
  receiver.join();
  for (int i = 0; i < ticks; ++i) EXPECT_EQ(got[static_cast<std::size_t>(i)], start + (i + 1) * 1ms);
}

// --- Handles ---

// O11 and G6: what is dropped is freed at once, stopped or not; nothing stays behind in the engine.
TEST_F(Go, WhatIsDroppedIsFreed) {
  const std::size_t before = service.snapshot().size();
  for (int i = 0; i < 10'000; ++i) {
    static_cast<void>(go::after(service, 1h));
    static_cast<void>(go::tick(service, 1h));
    const auto t = go::new_timer(service, 1h);
    const auto k = go::new_ticker(service, 1h);
    if (i % 2 == 0) t.stop();
    if (i % 2 == 0) k.stop();
  }
  EXPECT_EQ(service.snapshot().size(), before);
  EXPECT_EQ(clock.advance(2h), 0U) << "the clock woke something";
}

// A timer that nobody waits for is no work for the engine, due or not.
TEST_F(Go, WithoutAReceiverNothingIsWoken) {
  const auto t = go::new_timer(service, 1ms);
  const auto k = go::new_ticker(service, 1ms);
  EXPECT_TRUE(service.active().empty());
  EXPECT_EQ(clock.advance(1h), 0U);
  EXPECT_EQ(select(on_receive(t.c()), on_receive(k.c()), otherwise()) < 2, true);
  {
    const auto far = go::new_timer(service, 1h);
    EXPECT_EQ(far.c().receive_for(1ms).outcome(), receive_result::timed_out);
  }
  EXPECT_TRUE(service.active().empty()) << "who has left is not woken";
}

// O14: the channel keeps the timer, as in Go, where After is nothing else.
TEST_F(Go, AChannelOutlivesItsTimersHandle) {
  receiver<go::instant> c;
  {
    auto t = go::new_timer(service, 1ms);
    c = t.c();
    const go::timer moved = std::move(t);
    EXPECT_EQ(t.stop(), found::shut_down);  // NOLINT(bugprone-use-after-move): it is defined
    EXPECT_EQ(moved.c(), c);
  }
  clock.advance(1ms);
  EXPECT_TRUE(c.try_receive());
  static_assert(!std::is_copy_constructible_v<go::timer> && !std::is_copy_constructible_v<go::ticker>);
}

// O18: a timer's channel has nothing in it, so there is nothing to ask.
template <class Channel>
concept has_size = requires(const Channel& c) { c.size(); };
static_assert(!has_size<receiver<go::instant>> && has_size<channel<int>>);

// O13
TEST(GoShutdown, ABlockedReceiverIsToldThatTheServiceIsGone) {
  auto service = std::make_unique<timer_service>();
  const auto t = go::new_timer(*service, 1h);
  const auto k = go::new_ticker(*service, 1h);
  auto f = go::after_func(*service, 1h, [] {});
  background one([&] { EXPECT_EQ(t.c().receive().outcome(), receive_result::closed); });
  background two([&] { EXPECT_EQ(select(on_timeout(1h), on_receive(k.c())), 1U); });
  ASSERT_TRUE(eventually([&] { return service->active().size() == 3; }));
  service.reset();
  one.join();
  two.join();
  EXPECT_EQ(t.stop(), found::shut_down);
  EXPECT_EQ(t.reset(0s), found::shut_down);
  EXPECT_EQ(k.reset(1s), found::shut_down);
  EXPECT_EQ(f.stop(), func_found::shut_down);
  EXPECT_EQ(f.reset(0s), found::shut_down);
  EXPECT_EQ(t.c().try_receive().outcome(), receive_result::closed);
}

TEST(GoShutdown, RacesWithReceiversStopsAndResets) {
  const std::size_t rounds = support::times(100, 40);
  for (std::size_t i = 0; i < rounds; ++i) {
    auto service = std::make_unique<timer_service>();
    const auto t = go::new_ticker(*service, 10us);
    background one([&] {
      while (t.c().receive().outcome() != receive_result::closed) {
      }
    });
    background two([&] {
      while (t.reset(10us) != found::shut_down) {
        t.stop();
        // A loop that never lets go of the timer's lock would keep the shutdown waiting.
        const auto next = std::chrono::steady_clock::now() + 2us;
        while (std::chrono::steady_clock::now() < next) continue;
      }
    });
    service.reset();
  }
}

TEST(GoShutdown, InAServiceThatIsShutDownATimerIsBornClosed) {
  timer_service service;
  service.shutdown();
  const auto t = go::new_timer(service, 0s);
  EXPECT_EQ(t.c().receive().outcome(), receive_result::closed);
  EXPECT_EQ(t.stop(), found::shut_down);
}

// --- after_func ---

// G7: pending, running, finished, stopped and never armed are told apart.
TEST(GoFunc, StopTellsWhetherFHasStarted) {
  timer_service service;
  gate inside;
  gate leave;
  auto t = go::after_func(service, 1h, [&] {
    inside.open();
    leave.pass();
  });
  EXPECT_EQ(t.stop(), func_found::prevented);
  EXPECT_EQ(t.stop(), func_found::idle);
  EXPECT_EQ(t.reset(0s), found::inactive);
  ASSERT_TRUE(inside.pass());
  EXPECT_EQ(t.stop(), func_found::running);
  EXPECT_EQ(t.reset(1h), found::inactive);
  EXPECT_EQ(t.stop(), func_found::prevented_running);
  leave.open();
  EXPECT_EQ(t.stop_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(t.stop(), func_found::finished);
}

// What Go never tells: f has returned.
TEST(GoFunc, StopAndWaitIsTheEndOfTheCall) {
  timer_service service;
  gate inside;
  gate leave;
  std::vector<int> notes;  // not atomic: the wait orders it
  auto t = go::after_func(service, 0s, [&] {
    inside.open();
    leave.pass();
    notes.push_back(1);
  });
  ASSERT_TRUE(inside.pass());
  EXPECT_EQ(t.stop(), func_found::running);
  background opener([&] { leave.open(); });
  const go::func_answer answer = t.stop_and_wait();
  // Which of the two is left to chance: f may return before the wait begins.
  EXPECT_TRUE(answer.outcome == func_found::running || answer.outcome == func_found::finished);
  EXPECT_EQ(answer.wait, detent::wait_result::quiet);
  EXPECT_EQ(notes.size(), 1U);
}

// G8: f that is armed again while it runs is called again when it has returned, never beside itself.
TEST(GoFunc, CallsNeverOverlap) {
  timer_service service;
  std::atomic<int> inside{0};
  std::atomic<int> most{0};
  std::atomic<int> calls{0};
  go::func_timer t;
  gate made;
  t = go::after_func(service, go::unarmed, [&] {
    made.pass();
    const int now = ++inside;
    if (now > most.load()) most = now;
    if (++calls < 20) t.reset(0s);
    std::this_thread::yield();
    --inside;
  });
  made.open();
  t.reset(0s);
  ASSERT_TRUE(eventually([&] { return calls.load() == 20; }));
  t.stop_and_wait();
  EXPECT_EQ(most.load(), 1);
}

TEST(GoFunc, FromInsideNothingWaits) {
  timer_service service;
  go::func_timer t;
  gate done;
  t = go::after_func(service, go::unarmed, [&] {
    const go::func_answer answer = t.stop_and_wait();
    EXPECT_EQ(answer.outcome, func_found::running);
    EXPECT_EQ(answer.wait, detent::wait_result::from_callback);
    done.open();
  });
  t.reset(0s);
  EXPECT_TRUE(done.pass());
}

TEST(GoFunc, ADroppedHandleNeverCallsAndFreesF) {
  support::cage home;
  std::atomic<int> calls{0};
  manual_clock clock;
  timer_service service{clock};
  {
    const auto t = go::after_func(service, 1ms, [&, c = support::canary(home)] { ++calls; });
    EXPECT_EQ(home.alive(), 1);
  }
  EXPECT_EQ(home.alive(), 0);
  clock.advance(1h);
  EXPECT_EQ(calls.load(), 0);
}

// O17: of three calls at one instant two are blocked; with threads enough the third gets through.
TEST(GoFunc, BlockedCallsDoNotKeepOthersInAPoolLargeEnough) {
  detent::service_options options;
  options.executor = detent::pool{3};
  timer_service service(std::move(options));
  const auto hold = channel<int>::make();
  const auto passed = channel<int>::make(1);
  auto one = go::after_func(service, 0s, [&] { static_cast<void>(hold.receive()); });
  auto two = go::after_func(service, 0s, [&] { static_cast<void>(hold.receive()); });
  auto three = go::after_func(service, 0s, [&] { static_cast<void>(passed.send(1)); });
  EXPECT_TRUE(passed.receive_for(support::patience));
  hold.close();
}

// O20: two threads that play ping-pong without a pause do not keep a short timer from its turn.
TEST(GoFunc, AShortTimerGetsThroughBesideABusyPair) {
  timer_service service;
  const auto ball = channel<int>::make();
  const auto back = channel<int>::make();
  background pair([&] {
    while (received<int> b = ball.receive()) static_cast<void>(back.send(std::move(*b)));
  });
  gate called;
  auto t = go::after_func(service, 1us, [&] { called.open(); });
  const auto limit = std::chrono::steady_clock::now() + support::patience;
  while (!called.is_open() && std::chrono::steady_clock::now() < limit) {
    EXPECT_EQ(ball.send(1), detent::send_result::sent);
    EXPECT_TRUE(back.receive());
  }
  EXPECT_TRUE(called.is_open());
  ball.close();
}

}  // namespace
