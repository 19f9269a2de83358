// The deadlock of a waiting destructor, and each remedy: the closer holds a lock that the callback wants.
#include <detent/detent.hpp>

#include <barrier>
#include <cstdio>
#include <mutex>

using namespace std::chrono_literals;
using detent::wait_result;

int main() {
  detent::timer_service service;
  bool holds = true;
  std::mutex lock;

  detent::timer t{service, [&lock] { const std::scoped_lock guard(lock); }};
  {
    const std::scoped_lock guard(lock);
    t.arm_after(0ms);
    while (t.status() != detent::timer_state::running) {
    }
    // The mistake: a wait for a callback that wants what we hold. Without a limit it would never end: Detent sees the
    // locks of its own waits, not yours.
    const detent::cancel_answer answer = t.cancel_and_wait_for(20ms);
    std::printf("waiting under the callback's lock: %s\n", to_string(answer.wait));
    holds &= answer.wait == wait_result::timed_out;

    // Remedy 1: close does not wait. The callback in progress may still need what it uses.
    holds &= t.close() == detent::cancel_result::running;
    // Remedy 2: close_then frees it later, after the last call (06_close_without_waiting.cpp).
  }
  // Remedy 3: wait after the lock is released. The destructor waits in the same way.
  holds &= t.close_and_wait().wait == wait_result::quiet;

  // Remedy 4 is built in: a wait that closes a cycle of callbacks is refused at once. Two callbacks close each other:
  detent::timer a;
  detent::timer b;
  std::barrier both_run(2);
  wait_result answers[2] = {};
  a = detent::timer{service, [&] { both_run.arrive_and_wait(), answers[0] = b.close_and_wait().wait; }};
  b = detent::timer{service, [&] { both_run.arrive_and_wait(), answers[1] = a.close_and_wait().wait; }};
  a.arm_after(0ms);
  b.arm_after(0ms);
  holds &= a.wait() == wait_result::quiet && b.wait() == wait_result::quiet;
  std::printf("two callbacks that close each other: %s, %s\n", to_string(answers[0]), to_string(answers[1]));
  holds &= (answers[0] == wait_result::would_deadlock) != (answers[1] == wait_result::would_deadlock);

  // And a callback that waits for itself is told so.
  wait_result own{};
  detent::timer self;
  self = detent::timer{service, [&] { own = self.close_and_wait().wait; }};
  self.arm_after(0ms);
  self.wait();
  std::printf("a callback that waits for itself: %s\n", to_string(own));
  return holds && own == wait_result::from_callback ? 0 : 1;
}
