// G16: the first tick of a series is an instant of the timer's own clock.
// expect-error: arm_every
#include <detent/detent.hpp>

#include <chrono>

detent::arm_result mix(detent::system_timer& t) {
#if defined(DETENT_COMPILE_OK)
  return t.arm_every(detent::system_clock::now(), std::chrono::seconds(1));
#else
  return t.arm_every(detent::boottime_clock::now(), std::chrono::seconds(1));
#endif
}
