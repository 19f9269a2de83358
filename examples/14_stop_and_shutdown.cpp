// Shutdown: bounded, and it says what it did. A long call is asked to stop through its token, what is pending is
// withdrawn and counted, a call that does not listen is named instead of waited for.
#include <detent/detent.hpp>

#include <atomic>
#include <cstdio>

using namespace std::chrono_literals;

int main() {
  detent::timer_service service;
  std::atomic<int> running{0};
  std::atomic<bool> stopped_early{false};
  std::atomic<bool> let_go{false};

  detent::timer scan{service, {.name = "scan"}, [&](detent::firing& now) {
                       ++running;
                       const detent::stop_token token = now.token();
                       while (!token.stop_requested()) {  // a long call that listens
                       }
                       stopped_early = true;
                     }};
  detent::timer deaf{service, {.name = "deaf"}, [&] {
                       ++running;
                       let_go.wait(false);  // a long call that does not
                     }};
  detent::timer later{service, {.name = "later"}, [] {}};
  scan.arm_after(0ms);
  deaf.arm_after(0ms);
  later.arm_after(1h);
  while (running != 2) {
  }

  const auto began = detent::steady_clock::now();
  const detent::shutdown_report report = service.shutdown(detent::shutdown_policy::cancel_pending, 50ms);
  const auto took = detent::steady_clock::now() - began;
  std::printf("shutdown %s: %llu withdrawn, still running:", report.complete ? "complete" : "incomplete",
              static_cast<unsigned long long>(report.cancelled));
  for (const detent::timer_name& name : report.still_running) {
    std::printf(" '%s' (created at line %u)", name.name.c_str(), name.place.line());
  }
  std::printf("\n");

  bool holds = !report.complete && report.cancelled == 1 && stopped_early && took >= 50ms;
  holds &= report.still_running.size() == 1 && report.still_running[0].name == "deaf";
  holds &= later.arm_after(1s) == detent::arm_result::shut_down;

  let_go = true;
  let_go.notify_one();
  holds &= service.shutdown().complete;  // any number of times; the destructor would join in the same way
  return holds ? 0 : 1;
}
