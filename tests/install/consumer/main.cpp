// What a user's first program looks like: one service, one timer, one firing.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>

int main() {
  detent::timer_service service;
  std::atomic<bool> fired{false};
  detent::timer timer(service, [&] {
    fired = true;
    fired.notify_one();
  });
  timer.arm_after(std::chrono::milliseconds(1));
  fired.wait(false);
  std::puts("detent: fired");
}
