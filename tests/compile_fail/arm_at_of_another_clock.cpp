// G16: a timer has one clock, and an instant of another one does not compile.
// expect-error: arm_at
#include <detent/detent.hpp>

detent::arm_result mix(detent::timer& t) {
#if defined(DETENT_COMPILE_OK)
  return t.arm_at(detent::steady_clock::now());
#else
  return t.arm_at(detent::system_clock::now());
#endif
}
