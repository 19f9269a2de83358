// A thread that was woken and does not come to the processor: its wait is over, and whoever acts on that is not told
// that it still waits. The pthread_cond_wait() of this program, which the library calls in place of the system's, holds
// such a thread where it has not taken its lock again.
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <ctime>
#include <pthread.h>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace {

// What holds the thread that asked for it, at its first wait.
struct holder {
  support::gate waits;   // it is about to wait, with its lock
  support::gate parked;  // it was woken, and has no lock
  support::gate go_on;
};
thread_local holder* held = nullptr;

}  // namespace

// The thread sanitizer needs the functions of its own.
#if !defined(__SANITIZE_THREAD__)

extern "C" int pthread_cond_wait(pthread_cond_t* condition, pthread_mutex_t* mutex) {
  holder* const by = std::exchange(held, nullptr);
  if (by != nullptr) by->waits.open();
  timespec never{};
  ::clock_gettime(CLOCK_REALTIME, &never);
  never.tv_sec += 86400;
  const int error = ::pthread_cond_timedwait(condition, mutex, &never);
  if (by == nullptr) return error;
  ::pthread_mutex_unlock(mutex);
  by->parked.open();
  by->go_on.pass();
  ::pthread_mutex_lock(mutex);
  return error;
}

#endif

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;

// R-ANSWER. The task behind the one that was waited for calls the waiter's worker, whose thread has not woken from the
// answer: that is no cycle, only a call that gets no answer in its time.
TEST(worker_slow_wake, an_answered_wait_is_over) {
  if (support::under_tsan) GTEST_SKIP() << "the thread sanitizer needs its own pthread_cond_wait";
  holder by;
  support::gate busy;
  support::gate release;
  support::gate over;
  std::atomic<call_result> answer{call_result::done};
  std::atomic<call_result> late{call_result::full};
  detent::timer_service service;
  detent::worker called(service, {.name = "called"});
  detent::worker caller(service, {.name = "caller"});
  called.start();
  caller.start();
  ASSERT_EQ(called.post([&] {
    busy.open();
    release.pass();
  }),
            post_result::accepted);
  busy.pass();
  ASSERT_EQ(caller.post([&] {
    held = &by;
    answer.store(called.call_and_wait([] {}));
  }),
            post_result::accepted);
  by.waits.pass();
  ASSERT_EQ(called.post([&] {
    late.store(caller.call_and_wait_for(1ms, [] {}));
    over.open();
  }),
            post_result::accepted);
  release.open();
  over.pass();
  EXPECT_EQ(late.load(), call_result::timed_out);
  by.parked.pass();
  by.go_on.open();
  EXPECT_TRUE(caller.shutdown(support::patience).complete);
  EXPECT_EQ(answer.load(), call_result::done);
}

// R-ROOM. The same of a caller that waits for room, when the stop of the full worker refuses it.
TEST(worker_slow_wake, a_caller_refused_by_the_stop_waits_no_more) {
  if (support::under_tsan) GTEST_SKIP() << "the thread sanitizer needs its own pthread_cond_wait";
  holder by;
  support::gate busy;
  support::gate release;
  support::gate over;
  std::atomic<call_result> answer{call_result::done};
  std::atomic<call_result> late{call_result::full};
  detent::timer_service service;
  detent::worker full(service, {.name = "full", .queue_limit = 1});
  detent::worker caller(service, {.name = "caller"});
  full.start();
  caller.start();
  ASSERT_EQ(full.post([&] {
    busy.open();
    release.pass();
    full.stop();
    late.store(caller.call_and_wait_for(1ms, [] {}));
    over.open();
  }),
            post_result::accepted);
  busy.pass();
  ASSERT_EQ(full.post([] {}), post_result::accepted);
  ASSERT_EQ(caller.post([&] {
    held = &by;
    answer.store(full.call_and_wait([] {}));
  }),
            post_result::accepted);
  by.waits.pass();
  release.open();
  over.pass();
  EXPECT_EQ(late.load(), call_result::timed_out);
  by.parked.pass();
  by.go_on.open();
  EXPECT_TRUE(caller.shutdown(support::patience).complete);
  EXPECT_EQ(answer.load(), call_result::stopping);
}

}  // namespace
