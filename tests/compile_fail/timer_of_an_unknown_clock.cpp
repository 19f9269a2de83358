// G16: the clocks are a closed list; another one has no timers.
// expect-error: clock_kind_of
#include <detent/detent.hpp>

#include <chrono>

struct stopped_clock {
  using duration = std::chrono::nanoseconds;
  using time_point = std::chrono::time_point<stopped_clock, duration>;
};

void make(detent::timer_service& service);
void make(detent::timer_service& service) {
#if defined(DETENT_COMPILE_OK)
  const detent::basic_timer<detent::boottime_clock> t(service, [] {});
#else
  const detent::basic_timer<stopped_clock> t(service, [] {});
#endif
}
