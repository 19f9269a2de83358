// Close without waiting: `close_then` returns at once, and what it was given runs after the last call has returned and
// the callable is destroyed. There is the place to free what the callback uses; nothing can deadlock.
#include <detent/detent.hpp>

#include <atomic>
#include <cstdio>
#include <memory>
#include <utility>

using namespace std::chrono_literals;

struct connection {
  std::atomic<bool> in_callback{false};
  detent::timer poll;
};

int main() {
  detent::timer_service service;
  std::atomic<bool> may_return{false};
  std::atomic<bool> freed{false};

  auto owner = std::make_unique<connection>();
  connection* raw = owner.get();
  owner->poll = detent::timer{service, [raw, &may_return] {
                                raw->in_callback = true;
                                raw->in_callback.notify_one();
                                may_return.wait(false);
                                raw->in_callback = false;
                              }};
  owner->poll.arm_after(0ms);
  raw->in_callback.wait(false);  // the callback runs now, and will not return before we say so

  // The continuation owns the connection, and with it the timer that is being closed.
  raw->poll.close_then([owner = std::move(owner), &freed]() mutable {
    const bool over = !owner->in_callback;
    owner.reset();
    freed = over;
    freed.notify_one();
  });
  const bool freed_too_early = freed;
  std::printf("close_then returned while the callback runs; freed: %s\n", freed_too_early ? "yes" : "no");

  may_return = true;
  may_return.notify_one();
  freed.wait(false);
  std::printf("the callback has returned; freed: yes\n");

  // A timer that is idle is no exception: the continuation runs on the executor, never inside close_then.
  detent::timer quiet{service, [] {}};
  std::atomic<bool> ran{false};
  quiet.close_then([&ran] { ran = true; });
  service.shutdown();  // what has not started by its end is run by the thread that shuts down
  return !freed_too_early && ran ? 0 : 1;
}
