// A hook says what it is told; one with other parameters is refused where it is set.
// expect-error: no match for | no viable overloaded
#include <detent/detent.hpp>

void set(detent::service_options& options);
void set(detent::service_options& options) {
#if defined(DETENT_COMPILE_OK)
  options.on_error = [](const detent::callback_error&) {};
#else
  options.on_error = [](const detent::deadlock_report&) {};
#endif
}
