// A callback takes a firing or nothing; another parameter is refused where the timer is made, not inside the library.
// expect-error: timer_callback
#include <detent/detent.hpp>

void make(detent::timer_service& service);
void make(detent::timer_service& service) {
#if defined(DETENT_COMPILE_OK)
  const detent::timer t(service, [](detent::firing&) {});
#else
  const detent::timer t(service, [](int) {});
#endif
}
