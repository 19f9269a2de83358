// A lock that a callback takes and that is held while somebody waits for that callback: 30 programs that never hang in
// this run and could, all reported; and each again with one line changed, all silent.
//
// Method: each program is a child process that lets the callback run first and waits for it afterwards, so that nothing
// is left to wait for. Under the thread sanitizer its own report is expected, elsewhere that of tracked_mutex: either
// ends the child with status 66, and its text has to name the mistake.
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <string>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <tuple>
#include <unistd.h>

#include <gtest/gtest.h>

#if DETENT_THREAD_SANITIZER
extern "C" const char* __tsan_default_options();
extern "C" const char* __tsan_default_options() {
  return "halt_on_error=1:detect_deadlocks=1:second_deadlock_stack=1:exitcode=66";
}
#endif

namespace {

using namespace detent;
using namespace std::chrono_literals;

constexpr int reported = 66;

enum class lock_kind { mutex, shared_mutex, recursive_mutex };
enum class waiting_verb { close_and_wait, destructor, group, wait, shutdown };
enum class where { driver, pool };
enum class twin { bad, good };

[[maybe_unused]] void end_with_report(const lock_order_report& told) {
  std::fputs(told.text.c_str(), stderr);
  std::fflush(stderr);
  ::_exit(reported);
}

// Runs `program` in a child.
template <class F>
support::heard run(F program) {
  return support::in_heard_child([&] {
    set_lock_order_handler(&end_with_report);
    program();
    return testing::Test::HasFailure() ? 1 : 0;
  });
}

// How many steps begin with `head`; outside the thread sanitizer a stack has to follow each.
std::size_t steps_in(const std::string& text, const char* head) {
  std::size_t n = 0;
  for (std::size_t at = text.find(head); at != std::string::npos; at = text.find(head, at + 1)) {
    ++n;
#if !DETENT_THREAD_SANITIZER
    EXPECT_EQ(text.compare(text.find('\n', at + 1) + 1, 4, "    "), 0) << text;
#endif
  }
  return n;
}

// Both steps of the cycle with their stacks: the lock taken in a callback, and the wait while it is held.
void expect_reported(const support::heard& o) {
  EXPECT_EQ(o.end, support::exited(reported)) << o.text;
#if DETENT_THREAD_SANITIZER
  EXPECT_NE(o.text.find("lock-order-inversion (potential deadlock)"), std::string::npos) << o.text;
  EXPECT_GE(steps_in(o.text, "acquired here while holding mutex"), 2U) << o.text;
#else
  EXPECT_NE(o.text.find("lock-order"), std::string::npos) << o.text;
  EXPECT_NE(o.text.find("mutex 'm'"), std::string::npos) << o.text;
  EXPECT_NE(o.text.find("lock_order_test.cpp"), std::string::npos) << o.text;
  EXPECT_GE(steps_in(o.text, "\n  thread '"), 2U) << o.text;
#endif
}

void expect_silent(const support::heard& o) {
  EXPECT_EQ(o.end, support::exited(0)) << o.text;
  EXPECT_EQ(o.text.find("lock-order"), std::string::npos) << o.text;
}

service_options options_for(where executor) {
  service_options options;
  options.name = "locks";
  if (executor == where::driver) options.executor = on_driver{};
  else options.executor = pool{2};
  return options;
}

// --- The 30 programs ------------------------------------------------------------------------------------------------

// How each kind is locked by the callback: a shared mutex for readers, a recursive one twice.
template <class Mutex>
void lock_and_unlock(Mutex& m) {
  m.lock();
  m.unlock();
}
void lock_and_unlock(tracked_mutex<std::shared_mutex>& m) {
  m.lock_shared();
  m.unlock_shared();
}
void lock_and_unlock(tracked_mutex<std::recursive_mutex>& m) {
  m.lock();
  m.lock();
  m.unlock();
  m.unlock();
}

template <class Mutex>
void program(waiting_verb verb, where executor, twin which) {
  Mutex m{"m"};
  timer_service service(options_for(executor));
  timer_group group(service);
  support::gate ran;
  timer_options named;
  named.name = "t";
  std::optional<timer> t;
  t.emplace(group, named, [&] {
    lock_and_unlock(m);
    ran.open();
  });
  t->arm_after(0s);
  ran.pass();
  m.lock();
  if (which == twin::good) m.unlock();
  switch (verb) {
    case waiting_verb::close_and_wait: t->close_and_wait(); break;
    case waiting_verb::destructor: t.reset(); break;
    case waiting_verb::group: group.close_and_wait(); break;
    case waiting_verb::wait: t->wait(); break;
    case waiting_verb::shutdown: service.shutdown(); break;
  }
  if (which == twin::bad) m.unlock();
}

using program_of = std::tuple<lock_kind, waiting_verb, where>;

class Programs : public testing::TestWithParam<program_of> {
 protected:
  static support::heard run_as(twin which) {
    const auto [kind, verb, executor] = GetParam();
    return run([kind = kind, verb = verb, executor = executor, which] {
      switch (kind) {
        case lock_kind::mutex: program<tracked_mutex<std::mutex>>(verb, executor, which); break;
        case lock_kind::shared_mutex: program<tracked_mutex<std::shared_mutex>>(verb, executor, which); break;
        case lock_kind::recursive_mutex: program<tracked_mutex<std::recursive_mutex>>(verb, executor, which); break;
      }
    });
  }
};

TEST_P(Programs, BadIsReported) { expect_reported(run_as(twin::bad)); }
TEST_P(Programs, GoodIsSilent) { expect_silent(run_as(twin::good)); }

std::string name_of(const testing::TestParamInfo<program_of>& info) {
  static const char* const kinds[] = {"mutex", "shared_mutex", "recursive_mutex"};
  static const char* const verbs[] = {"close_and_wait", "destructor", "group", "wait", "shutdown"};
  static const char* const executors[] = {"driver", "pool"};
  return std::string(kinds[static_cast<int>(std::get<0>(info.param))]) + "_" +
         verbs[static_cast<int>(std::get<1>(info.param))] + "_" + executors[static_cast<int>(std::get<2>(info.param))];
}

INSTANTIATE_TEST_SUITE_P(
    LockOrder, Programs,
    testing::Combine(testing::Values(lock_kind::mutex, lock_kind::shared_mutex, lock_kind::recursive_mutex),
                     testing::Values(waiting_verb::close_and_wait, waiting_verb::destructor, waiting_verb::group,
                                     waiting_verb::wait, waiting_verb::shutdown),
                     testing::Values(where::driver, where::pool)),
    name_of);

#if !DETENT_THREAD_SANITIZER
// --- A wait inside a callback
// -----------------------------------------------------------------------------------------
//
// Three parties: a thread holds the lock and waits for one callback, that one waits for another, and the other takes
// the lock. No two of them suffice, and the wait graph of G08 knows nothing of locks. The sanitizer is not told of
// waits inside callbacks, see src/sync/lock_order.hpp. Not by the destructor of the other timer: with a timer all that
// was learnt of it goes.

enum class other_timer { of_this_service, of_another };

template <class Mutex>
void mixed_program(waiting_verb verb, where executor, other_timer owner, twin which) {
  Mutex m{"m"};
  timer_service service(options_for(executor));
  timer_service another(options_for(executor));
  timer_service& of_inner = owner == other_timer::of_another ? another : service;
  timer_group group(of_inner);
  support::gate inner_ran;
  support::gate outer_ran;
  std::optional<timer> inner;
  inner.emplace(group, [&] {
    m.lock();
    m.unlock();
    inner_ran.open();
  });
  timer outer{service, [&] {
                switch (verb) {
                  case waiting_verb::close_and_wait: inner->close_and_wait(); break;
                  case waiting_verb::destructor: break;
                  case waiting_verb::group: group.close_and_wait(); break;
                  case waiting_verb::wait: inner->wait(); break;
                  case waiting_verb::shutdown: of_inner.shutdown(); break;
                }
                outer_ran.open();
              }};
  inner->arm_after(0s);
  inner_ran.pass();
  outer.arm_after(0s);
  outer_ran.pass();
  m.lock();
  if (which == twin::good) m.unlock();
  outer.close_and_wait();
  if (which == twin::bad) m.unlock();
}

using mixed_of = std::tuple<lock_kind, waiting_verb, where>;

class MixedPrograms : public testing::TestWithParam<mixed_of> {
 protected:
  static support::heard run_as(other_timer owner, twin which) {
    const auto [kind, verb, executor] = GetParam();
    return run([kind = kind, verb = verb, executor = executor, owner, which] {
      switch (kind) {
        case lock_kind::mutex: mixed_program<tracked_mutex<std::mutex>>(verb, executor, owner, which); break;
        case lock_kind::shared_mutex:
          mixed_program<tracked_mutex<std::shared_mutex>>(verb, executor, owner, which);
          break;
        case lock_kind::recursive_mutex:
          mixed_program<tracked_mutex<std::recursive_mutex>>(verb, executor, owner, which);
          break;
      }
    });
  }
};

TEST_P(MixedPrograms, BadIsReported) { expect_reported(run_as(other_timer::of_another, twin::bad)); }
TEST_P(MixedPrograms, GoodIsSilent) { expect_silent(run_as(other_timer::of_another, twin::good)); }

INSTANTIATE_TEST_SUITE_P(LockOrder, MixedPrograms,
                         testing::Combine(testing::Values(lock_kind::mutex, lock_kind::shared_mutex,
                                                          lock_kind::recursive_mutex),
                                          testing::Values(waiting_verb::close_and_wait, waiting_verb::group,
                                                          waiting_verb::wait, waiting_verb::shutdown),
                                          testing::Values(where::driver, where::pool)),
                         name_of);

// Both callbacks in one service: with two threads they may meet, on one they cannot.
class MixedInOneService : public testing::TestWithParam<waiting_verb> {
 protected:
  static support::heard run_as(where executor, twin which) {
    return run([executor, which] {
      mixed_program<tracked_mutex<std::mutex>>(GetParam(), executor, other_timer::of_this_service, which);
    });
  }
};

TEST_P(MixedInOneService, BadIsReported) { expect_reported(run_as(where::pool, twin::bad)); }
TEST_P(MixedInOneService, GoodIsSilent) { expect_silent(run_as(where::pool, twin::good)); }
TEST_P(MixedInOneService, OnOneThreadItCannotHang) { expect_silent(run_as(where::driver, twin::bad)); }

INSTANTIATE_TEST_SUITE_P(LockOrder, MixedInOneService,
                         testing::Values(waiting_verb::close_and_wait, waiting_verb::group));

// A chain: each callback waits for the next one, and the last takes the lock.
TEST(LockOrder, AChainOfWaitsInsideCallbacks) {
  expect_reported(run([] {
    tracked_mutex<std::mutex> m{"m"};
    timer_service service(options_for(where::pool));
    std::array<support::gate, 4> ran;
    std::array<timer, 4> link;
    link[3] = timer(service, [&] {
      m.lock();
      m.unlock();
      ran[3].open();
    });
    for (const std::size_t i : {2U, 1U, 0U}) {
      link[i] = timer(service, [&, i] {
        link[i + 1].close_and_wait();
        ran[i].open();
      });
    }
    for (const std::size_t i : {3U, 2U, 1U, 0U}) {
      link[i].arm_after(0s);
      ran[i].pass();
    }
    m.lock();
    link[0].close_and_wait();
    m.unlock();
  }));
}

// Two callbacks that wait for each other, a lock beside: the cycle has no lock in it, and is refused when it closes.
TEST(LockOrder, ACycleOfCallbacksAloneIsSilent) {
  expect_silent(run([] {
    tracked_mutex<std::mutex> m{"m"};
    timer_service service(options_for(where::pool));
    support::gate first_ran;
    support::gate second_ran;
    timer second;
    timer first{service, [&] {
                  const std::lock_guard guard(m);
                  first_ran.open();
                }};
    second = timer(service, [&] {
      first.cancel_and_wait();
      second_ran.open();
    });
    timer third{service, [&] { second.cancel_and_wait(); }};
    first.arm_after(0s);
    first_ran.pass();
    second.arm_after(0s);
    second_ran.pass();
    third.arm_after(0s);
    third.wait();
    timer turned{service, [&] { third.cancel_and_wait(); }};
    turned.arm_after(0s);
    turned.wait();
  }));
}
#endif

// --- What the table does not ask ------------------------------------------------------------------------------------

using plain = tracked_mutex<std::mutex>;

// The wait is seen first, the callback's lock later.
TEST(LockOrder, TheOrderInWhichBothAreSeenDoesNotMatter) {
  expect_reported(run([] {
    plain m{"m"};
    timer_service service(options_for(where::pool));
    support::gate ran;
    timer t{service, [&] {
              const std::lock_guard guard(m);
              ran.open();
            }};
    {
      const std::lock_guard guard(m);
      t.cancel_and_wait();
    }
    t.arm_after(0s);
    ran.pass();
  }));
}

TEST(LockOrder, AWaitByIdCountsLikeOneByHandle) {
  expect_reported(run([] {
    plain m{"m"};
    timer_service service(options_for(where::pool));
    support::gate ran;
    const timer_id id = service.every(1ms, [&] {
      const std::lock_guard guard(m);
      ran.open();
    });
    ran.pass();
    const std::lock_guard guard(m);
    service.close_and_wait(id);
  }));
}

// Two locks: the waiter holds A, the callback takes B, and elsewhere A is taken under B.
TEST(LockOrder, ACycleOfThree) {
  expect_reported(run([] {
    plain m{"m"};
    plain other{"other"};
    timer_service service(options_for(where::pool));
    support::gate ran;
    timer t{service, [&] {
              const std::lock_guard guard(other);
              ran.open();
            }};
    t.arm_after(0s);
    ran.pass();
    {
      const std::lock_guard first(other);
      const std::lock_guard second(m);
    }
    const std::lock_guard guard(m);
    t.close_and_wait();
  }));
}

TEST(LockOrder, ALockInTheDestructorOfACapture) {
  expect_reported(run([] {
    plain m{"m"};
    struct capture {
      plain* lock;
      ~capture() {
        if (lock == nullptr) return;
        lock->lock();
        lock->unlock();
      }
      explicit capture(plain* its_lock) : lock(its_lock) {}
      capture(capture&& from) noexcept : lock(std::exchange(from.lock, nullptr)) {}
    };
    timer_service service(options_for(where::pool));
    {
      timer_group group(service);
      timer first{group, [held = capture(&m)] {}};
      first.close_and_wait();
      timer second{group, [] {}};
      const std::lock_guard guard(m);
      group.close_and_wait();
    }
  }));
}

// What could not hang must not be told of.
TEST(LockOrder, WhatCannotHangIsSilent) {
  expect_silent(run([] {
    plain m{"m"};
    timer_service service(options_for(where::pool));
    support::gate ran;
    timer t{service, [&] {
              const std::lock_guard guard(m);
              t.close_and_wait();  // its own call: no wait
              ran.open();
            }};
    {
      const std::lock_guard guard(m);
      t.arm_after(1ms);
      t.cancel_and_wait_for(1ms);  // bounded
      t.cancel();
    }
    t.arm_after(0s);
    ran.pass();
    t.close_and_wait();
    const std::lock_guard guard(m);
    t.close_and_wait();  // closed and quiet already
    t = timer{};
  }));
}

// A record's next tenant is another timer: what was learnt of the last one is forgotten.
TEST(LockOrder, TheNextTenantIsAnotherTimer) {
  expect_silent(run([] {
    plain m{"m"};
    timer_service service(options_for(where::driver));
    for (int i = 0; i < 50; ++i) {
      {
        support::gate ran;
        timer locks{service, [&] {
                      const std::lock_guard guard(m);
                      ran.open();
                    }};
        locks.arm_after(0s);
        ran.pass();
      }
      timer harmless{service, [] {}};
      const std::lock_guard guard(m);
      harmless.close_and_wait();
    }
  }));
}

TEST(LockOrder, ATryLockWaitsForNobody) {
  expect_silent(run([] {
    plain m{"m"};
    timer_service service(options_for(where::pool));
    support::gate ran;
    timer t{service, [&] {
              if (m.try_lock()) m.unlock();
              ran.open();
            }};
    t.arm_after(0s);
    ran.pass();
    const std::lock_guard guard(m);
    t.close_and_wait();
  }));
}

#if !DETENT_THREAD_SANITIZER
// L1, L2: the handler that was set is told. The report's parts: who held what, created and locked where, on which
// thread, with which stack.
TEST(LockOrder, AReportNamesBothPlaces) {
  static std::optional<lock_order_report> told;
  set_lock_order_handler([](const lock_order_report& r) { told = r; });
  plain m{"m"};
  timer_service service(options_for(where::driver));
  support::gate ran;
  timer_options named;
  named.name = "t";
  std::uint32_t locked_inside = 0;
  timer t{service, named, [&] {
            locked_inside = std::source_location::current().line() + 1;
            m.lock();
            m.unlock();
            ran.open();
          }};
  t.arm_after(0s);
  ran.pass();
  const std::uint32_t locked = std::source_location::current().line() + 1;
  m.lock();
  t.cancel_and_wait();
  m.unlock();
  set_lock_order_handler(nullptr);
  ASSERT_TRUE(told.has_value());
  ASSERT_EQ(told->steps.size(), 2U);
  EXPECT_EQ(told->steps[0].held, "mutex 'm'");
  EXPECT_EQ(told->steps[0].held_place.line(), locked);
  EXPECT_EQ(told->steps[0].wanted, "callback of timer 't'");
  EXPECT_EQ(told->steps[0].wanted_place.line(), t.place().line());
  EXPECT_EQ(told->steps[0].verb, "cancel_and_wait");
  EXPECT_FALSE(told->steps[0].stack.empty());
  EXPECT_EQ(told->steps[1].held, "callback of timer 't'");
  EXPECT_EQ(told->steps[1].held_place.line(), t.place().line());
  EXPECT_EQ(told->steps[1].wanted, "mutex 'm'");
  EXPECT_EQ(told->steps[1].wanted_place.line(), locked_inside);
  EXPECT_EQ(told->steps[1].thread, "locks-driver");
}

// More edges than there is room for: what was learnt is forgotten, and what comes after is still found.
TEST(LockOrder, AFullGraphBeginsAnew) {
  expect_reported(run([] {
    plain first{"first"};
    for (int i = 0; i < 3000; ++i) {
      auto* second = new plain{"second"};  // never destroyed: its edge stays
      const std::lock_guard a(first);
      const std::lock_guard b(*second);
    }
    program<plain>(waiting_verb::close_and_wait, where::driver, twin::bad);
  }));
}
#else
// The pseudo-mutexes are no synchronisation: a race between two callbacks of one group is still told of.
TEST(LockOrder, ARaceBetweenTwoCallbacksIsNotHidden) {
  const support::heard o = run([] {
    timer_service service(options_for(where::pool));
    timer_group group(service);
    volatile int shared = 0;  // Each of the accesses below is made: of two alone the detector may miss the one race.
    std::atomic<int> met{0};
    const auto work = [&] {
      met.fetch_add(1, std::memory_order_relaxed);
      while (met.load(std::memory_order_relaxed) < 2) {
      }
      for (int i = 0; i < 1000; ++i) shared = shared + 1;
    };
    timer first{group, work};
    timer second{group, work};
    first.arm_after(0s);
    second.arm_after(0s);
    group.wait();
    support::eventually([&] { return met.load(std::memory_order_relaxed) == 2; });
    service.shutdown();
  });
  EXPECT_EQ(o.end, support::exited(reported)) << o.text;
  EXPECT_NE(o.text.find("data race"), std::string::npos) << o.text;
}
#endif

}  // namespace
