// Callbacks that do what no callback should: they end their thread, jump out, block for ever, recurse. Each is
// contained or ends the process at once with a sentence; none hangs, and none is silently obeyed.
//
// needs: exceptions
// needs: quiet
//
// What a throw does is G12's, deleting the owner, the group or the service inside the callback G04's, exit and fork in
// it G24's.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <csetjmp>
#include <csignal>
#include <mutex>
#include <pthread.h>
#include <string>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <thread>

#include <gtest/gtest.h>

namespace {

using namespace detent;
using namespace std::chrono_literals;

void expect_loud(const support::heard& heard, const char* sentence) {
  EXPECT_EQ(heard.end, (support::child_end{support::child_end::how::signalled, SIGABRT})) << heard.text;
  EXPECT_NE(heard.text.find(sentence), std::string::npos) << heard.text;
}

enum class seat { driver, pool };

service_options options_of(seat where) {
  service_options options;
  if (where == seat::driver) options.executor = on_driver{};
  else options.executor = pool{2};
  return options;
}

class Callbacks : public testing::TestWithParam<seat> {};

// --- Leaving the thread ---------------------------------------------------------------------------------------------

// The thread belongs to the service: unwinding it from inside a callback would leave a call that never ends. The C
// library says so and aborts, because nobody may catch what unwinds.
TEST_P(Callbacks, PthreadExitIsLoud) {
  expect_loud(support::in_heard_child([] {
                timer_service service(options_of(GetParam()));
                timer t{service, [] { ::pthread_exit(nullptr); }};
                t.arm_after(0s);
                t.wait();
                return 0;
              }),
              "FATAL");
}

TEST_P(Callbacks, ACancelledThreadIsLoud) {
  expect_loud(support::in_heard_child([] {
                timer_service service(options_of(GetParam()));
                timer t{service, [] {
                          ::pthread_cancel(::pthread_self());
                          ::pthread_testcancel();
                        }};
                t.arm_after(0s);
                t.wait();
                return 0;
              }),
              "FATAL");
}

// --- Jumping out ----------------------------------------------------------------------------------------------------

std::jmp_buf before_run_due;

TEST(Callbacks, ALongjmpOutOfRunDueIsLoud) {
  expect_loud(support::in_heard_child([] {
                service_options options;
                options.drive = drive::by_user;
                options.executor = on_driver{};
                auto* service = new timer_service(std::move(options));  // Never destroyed: that would hang.
                static_cast<void>(service->once(0s, [] { std::longjmp(before_run_due, 1); }));
                if (setjmp(before_run_due) == 0) service->run_due();
                service->run_due();
                return 0;
              }),
              "longjmp");
}

TEST(Callbacks, ALongjmpOutOfAManualClockIsLoud) {
  expect_loud(support::in_heard_child([] {
                auto* clock = new manual_clock;
                auto* service = new timer_service(*clock);
                static_cast<void>(service->once(0s, [] { std::longjmp(before_run_due, 1); }));
                if (setjmp(before_run_due) == 0) clock->advance(1s);
                clock->advance(1s);
                return 0;
              }),
              "longjmp");
}

// --- Recursion ------------------------------------------------------------------------------------------------------

TEST(Callbacks, NestedDrivingAnswersBusyAndIsNoJump) {
  service_options options;
  options.drive = drive::by_user;
  options.executor = on_driver{};
  timer_service service(std::move(options));
  int nested = 0;
  timer t{service, [&] {
            for (int i = 0; i < 3; ++i) nested += service.run_due().outcome == run_answer::kind::busy ? 1 : 0;
          }};
  t.arm_after(0s);
  support::eventually([&] {
    service.run_due();
    return nested == 3;
  });
}

TEST(Callbacks, ANestedMoveOfAManualClockMovesNothing) {
  manual_clock clock;
  timer_service service(clock);
  std::size_t nested = 99;
  timer t{service, [&] { nested = clock.advance(1h) + clock.step() + clock.suspend(1h); }};
  t.arm_after(1s);
  EXPECT_EQ(clock.advance(1s), 1U);
  EXPECT_EQ(nested, 0U);
}

// A timer that arms itself for now again and again is called from the same depth of the stack each time.
TEST_P(Callbacks, SelfArmingDoesNotGrowTheStack) {
  timer_service service(options_of(GetParam()));
  constexpr int calls = 20'000;
  int called = 0;
  std::uintptr_t lowest = UINTPTR_MAX;
  std::uintptr_t highest = 0;
  support::gate done;
  timer t;
  t = timer{service, [&] {
              const auto here = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
              lowest = std::min(lowest, here);
              highest = std::max(highest, here);
              if (++called == calls) done.open();
              else t.arm_after(0s);
            }};
  t.arm_after(0s);
  done.pass();
  t.close_and_wait();
  if (GetParam() == seat::driver) {  // One thread, one stack.
    EXPECT_LT(highest - lowest, 4096U);
  }
}

// --- Blocking for ever ----------------------------------------------------------------------------------------------

// The watchdog names the culprit and its place within two seconds. On a pool the others stay punctual: what is late is
// late by less than the culprit blocks.
TEST_P(Callbacks, TheWatchdogNamesWhoBlocks) {
  std::mutex lock;
  slow_call told;
  support::gate heard;
  support::gate release;
  service_options options = options_of(GetParam());
  options.call_limit = 100ms;
  options.on_slow_call = [&](const slow_call& slow) {
    const std::lock_guard guard(lock);
    told = slow;
    heard.open();
  };
  timer_service service(std::move(options));
  timer_options named;
  named.name = "culprit";
  timer culprit{service, named, [&] { release.pass(); }};
  std::atomic<int> punctual{0};
  std::atomic<int> late{0};
  timer other{service, [&](firing& f) { (f.lateness() < 1s ? punctual : late).fetch_add(1); }};
  const auto begun = steady_clock::now();
  culprit.arm_after(0s);
  heard.pass();
  EXPECT_LT(steady_clock::now() - begun, 2s);
  if (GetParam() == seat::pool) {
    other.arm_every(5ms);
    support::eventually([&] { return punctual >= 50; });
    EXPECT_EQ(late, 0);
  }
  {
    const std::lock_guard guard(lock);
    EXPECT_EQ(told.timer.name, "culprit");
    EXPECT_EQ(told.timer.place.line(), culprit.place().line());
    EXPECT_GE(told.running_for, 100ms);
  }
  release.open();
  service.shutdown();
}

std::string name_of(const testing::TestParamInfo<seat>& info) { return info.param == seat::driver ? "driver" : "pool"; }

INSTANTIATE_TEST_SUITE_P(Faults, Callbacks, testing::Values(seat::driver, seat::pool), name_of);

}  // namespace
