// A delay has a unit; a bare number could be any.
// expect-error: no matching
#include <detent/detent.hpp>

#include <chrono>

detent::arm_result arm(detent::timer& t);
detent::arm_result arm(detent::timer& t) {
#if defined(DETENT_COMPILE_OK)
  return t.arm_after(std::chrono::milliseconds(5));
#else
  return t.arm_after(5);
#endif
}
