// The deadlock of the waiting destructor: who destroys the timer holds a lock that its callback wants. Three remedies.
#include <detent/detent.hpp>

#include <atomic>
#include <cstdio>
#include <memory>
#include <mutex>
#include <thread>

using namespace std::chrono_literals;

struct window {  // What the callback uses, and the lock that its owner holds.
  std::mutex& lock;
  std::atomic<int>& destroyed;
  detent::timer refresh{};
  ~window() { ++destroyed; }
  void paint() { const std::scoped_lock guard(lock); }
};

int main() {
  std::mutex lock;
  std::atomic<int> destroyed{0}, entered{0};
  detent::timer_service service;
  const auto until = [](const auto& value, int wanted) {
    while (value != wanted) std::this_thread::yield();
  };
  // [completion]
  auto* first = new window{lock, destroyed};
  first->refresh = detent::timer{service, [=, &entered] { ++entered, first->paint(); }};
  std::unique_lock<std::mutex> held(lock);
  first->refresh.arm_after(0ms);
  until(entered, 1);
  const bool is_stuck =
      first->refresh.close_and_wait_for(10ms).wait == detent::wait_result::timed_out;  // as the destructor
  first->refresh.close_then([first] { delete first; });  // does not wait: runs after the call that is in progress
  held.unlock();
  until(destroyed, 1);
  // [/completion]
  // [weak]
  auto second = std::make_shared<window>(lock, destroyed);
  second->refresh = detent::timer{service, detent::bound_to(second, [&](window& w) { ++entered, w.paint(); })};
  held.lock();
  second->refresh.arm_after(0ms);
  until(entered, 2);
  second.reset();  // does not wait: the call in progress holds the last reference, and destroys timer and owner
  held.unlock();
  until(destroyed, 2);
  // [/weak]
  // [detach]
  auto third = std::make_shared<window>(lock, destroyed);
  detent::timer own{service, [&, third](detent::firing& now) { now.detach(), ++entered, third->paint(); }};
  held.lock();
  own.arm_after(0ms);
  until(entered, 3);
  const bool is_quiet = own.close_and_wait().wait == detent::wait_result::quiet;  // the detached call does not count
  // [/detach]
  std::printf("waiting: %s; detached: %s\n", is_stuck ? "stuck" : "not stuck", is_quiet ? "quiet" : "not quiet");
  held.unlock();
  return is_stuck && is_quiet ? 0 : 1;
}
