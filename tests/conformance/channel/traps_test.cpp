// The traps of Go's time package before 1.23, and those that are still there: each is the program that went wrong,
// written with this library, and ends as its author meant it to. The comment before it says what happened in Go.
//
// Method: a manual clock decides what has expired when; a program that would hang is played on a thread that must end.
#include <detent/detent.hpp>
#include <detent/go.hpp>

#include <atomic>
#include <chrono>
#include <memory>
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
using detent::otherwise;
using detent::receive_result;
using detent::received;
using detent::select;
using detent::timer_service;
using go::found;
using go::func_found;
using support::background;
using support::gate;

class Traps : public ::testing::Test {
 protected:
  // Go's idiom, as it was: if !t.Stop() { <-t.C }.
  static void stop_and_drain(const go::timer& t) {
    if (t.stop() == found::inactive) static_cast<void>(t.c().try_receive());
  }

  manual_clock clock;
  timer_service service{clock};
};

// 1. The drain after a receive: the value was gone, and the drain waited for ever. Here there is never anything to
// drain: reset is all that the loop needs.
TEST_F(Traps, DrainAfterTheValueWasReceived) {
  background program([&] {
    const auto t = go::new_timer(service, 0s);
    EXPECT_TRUE(t.c().receive());
    EXPECT_EQ(t.stop(), found::inactive);
    EXPECT_EQ(t.reset(0s), found::inactive);
    EXPECT_TRUE(t.c().receive());
    stop_and_drain(t);  // The idiom of then, with a receive that does not block, does no harm.
  });
}

// 2. The deferred stop-and-drain, after the select had taken the timer's case: a deadlock on the way out.
TEST_F(Traps, DeferredDrainAfterTheTimersCase) {
  background program([&] {
    const auto work = channel<int>::make();
    const auto t = go::new_timer(service, 0s);
    struct deferred {
      const go::timer& t;
      ~deferred() { EXPECT_EQ(t.stop(), found::inactive); }
    } end{t};
    EXPECT_EQ(select(on_receive(work), on_receive(t.c())), 1U);
  });
}

// 3. A ticker whose reader is slow: the ticks he has not read are dropped, not kept for him (by design, also here).
TEST_F(Traps, TicksThatNobodyReadDoNotPileUp) {
  const auto t = go::new_ticker(service, 1ms);
  clock.advance(1000ms);
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_EQ(t.c().try_receive().outcome(), receive_result::empty);
}

// 4., 6. and 7. A ticker that is not stopped, Tick, and After in a loop were never collected, or not before they fired.
TEST_F(Traps, NothingHasToBeStoppedToBeFreed) {
  const auto messages = channel<int>::make(1);
  for (int i = 0; i < 1000; ++i) {
    EXPECT_EQ(messages.send(i), detent::send_result::sent);
    EXPECT_EQ(select(on_receive(messages), on_receive(go::after(service, 1h))), 0U);
    static_cast<void>(go::tick(service, 1h));
    static_cast<void>(go::new_ticker(service, 1h));
  }
  EXPECT_TRUE(service.snapshot().empty());
}

// 5. and 9. A timer's C could be assigned, without effect, and AfterFunc's C blocked for ever. Here c() is only read,
// and a func_timer has none.
template <class Timer>
concept has_channel = requires(Timer& t) { t.c(); };
static_assert(has_channel<go::timer> && !has_channel<go::func_timer>);
static_assert(!std::is_assignable_v<decltype(std::declval<go::timer&>().c()), detent::receiver<go::instant>>);

// 8. and 12. Stop's false says that f was started, or that the timer was stopped already, and nothing about f's end.
// Who frees what f uses after it, frees it too early.
TEST(TrapsOfFunc, WhatFUsesMayGoAfterTheWait) {
  timer_service service;
  gate inside;
  auto used = std::make_unique<int>(0);
  auto t = go::after_func(service, 0s, [&] {
    inside.open();
    std::this_thread::yield();
    ++*used;
  });
  ASSERT_TRUE(inside.pass());
  const go::func_answer answer = t.stop_and_wait();
  EXPECT_TRUE(answer.outcome == func_found::running || answer.outcome == func_found::finished);
  EXPECT_EQ(*used, 1);
  used.reset();
  EXPECT_EQ(t.stop(), func_found::finished);
}

// 10. Reset of an AfterFunc timer runs f again, beside the call before. Here it comes after it: `last` needs no lock.
TEST(TrapsOfFunc, ResetRunsFAgainButNotBesideItself) {
  timer_service service;
  int calls = 0;
  const auto done = channel<int>::make();
  go::func_timer t;
  t = go::after_func(service, go::unarmed, [&] { static_cast<void>(done.send(++calls)); });
  t.reset(0s);
  t.reset(0s);
  EXPECT_TRUE(done.receive());
  t.reset(0s);
  EXPECT_TRUE(done.receive());
  done.close();  // The two resets may have been two calls, or one: the last of three must not keep the end waiting.
}

// 11. A timer that is armed later had to be made with a long delay, stopped and drained.
TEST_F(Traps, ATimerForLaterIsMadeUnarmed) {
  const auto t = go::new_timer(service, go::unarmed);
  clock.advance(1000h);
  EXPECT_EQ(t.c().try_receive().outcome(), receive_result::empty);
}

// 13. and 17. Stop-and-drain was valid at most once and by nobody else at the same time: the second one hung, and a
// receiver could take what the first had meant to throw away.
TEST_F(Traps, ManyMayStopAtOnce) {
  const auto t = go::new_timer(service, 0s);
  std::atomic<int> ended{0};
  const auto stop_twice = [&] {
    for (int i = 0; i < 2; ++i) {
      if (t.stop() == found::active) ++ended;
    }
  };
  {
    background one(stop_twice);
    background two(stop_twice);
    background receiver([&] {
      if (t.c().try_receive()) ++ended;
    });
  }
  EXPECT_EQ(ended.load(), 1) << "its value was received, or withdrawn by one of them";
}

// 14. (golang issue 14038) Reset's answer could not be used: between Stop and drain the timer expired anew, and a
// timeout was lost, or the drain hung. The answer here is about exactly what was there before.
TEST_F(Traps, ResetsAnswerIsAboutWhatItReplaced) {
  const auto t = go::new_timer(service, 1ms);
  EXPECT_EQ(t.reset(1ms), found::active);
  clock.advance(1ms);
  EXPECT_EQ(t.reset(1ms), found::active) << "due, but not received";
  clock.advance(1ms);
  EXPECT_TRUE(t.c().try_receive());
  EXPECT_EQ(t.reset(1ms), found::inactive);
}

// 15. and 16. (golang issue 11513) Reset without a drain: the value of before was received at once, as if the new delay
// had passed, and the new one was dropped, because the buffer was full.
TEST_F(Traps, ResetWithoutADrainIsNotAnsweredByTheValueOfBefore) {
  const auto t = go::new_timer(service, 1ms);
  clock.advance(5ms);
  EXPECT_EQ(t.reset(1h), found::active);
  EXPECT_EQ(select(on_receive(t.c()), otherwise()), 1U);
  const auto due = clock.now() + 1h;
  clock.advance(2h);
  EXPECT_EQ(*t.c().try_receive(), due) << "the new one is not lost";
}

// (golang issue 69312) Stop said that the timer had expired, although nobody had received anything.
TEST_F(Traps, StopIsActiveAsLongAsNothingWasReceived) {
  for (int i = 0; i < 100; ++i) {
    const auto t = go::new_timer(service, 0s);
    EXPECT_EQ(t.stop(), found::active);
  }
}

// A read timeout that every message pushes back, the loop in which most of these traps were met.
TEST_F(Traps, ATimeoutThatIsPushedBackByEveryMessage) {
  const auto messages = channel<int>::make(1);
  const auto timeout = go::new_timer(service, 10ms);
  int seen = 0;
  for (int i = 0; i < 50; ++i) {
    clock.advance(9ms);
    EXPECT_EQ(messages.send(i), detent::send_result::sent);
    EXPECT_EQ(select(on_receive(messages, [&] { ++seen; }), on_receive(timeout.c())), 0U);
    EXPECT_EQ(timeout.reset(10ms), found::active);
  }
  clock.advance(10ms);
  EXPECT_EQ(select(on_receive(messages), on_receive(timeout.c())), 1U);
  EXPECT_EQ(seen, 50);
}

}  // namespace
