// One shot: a timer is created quiet, armed, fires once, and is armed again by the same handle.
#include <detent/detent.hpp>

#include <cstdio>

using namespace std::chrono_literals;

int main() {
  detent::timer_service service;  // a driver thread and a pool of two; there is no service behind your back

  int calls = 0;
  detent::duration lateness{-1};
  detent::timer hello{service, [&](detent::firing& now) {
                        ++calls;
                        lateness = now.lateness();
                      }};

  const auto armed_at = detent::steady_clock::now();
  if (hello.arm_after(20ms) != detent::arm_result::armed) return 1;
  hello.wait();  // for what is pending and for its call; what the call wrote is visible from here on
  const auto passed = detent::steady_clock::now() - armed_at;
  std::printf("fired %d time, %lld us after its deadline\n", calls, static_cast<long long>(lateness.count() / 1000));

  hello.arm_at(detent::steady_clock::now() - 1h);  // an instant that has passed is due at once
  hello.wait();
  std::printf("armed again by the same handle: fired %d times\n", calls);

  const bool holds = passed >= 20ms && lateness >= 0ns && calls == 2;
  return holds ? 0 : 1;
}
