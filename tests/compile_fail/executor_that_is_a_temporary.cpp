// An executor outlives the service, so a temporary is refused.
// expect-error: cannot bind non-const lvalue reference | no viable overloaded
#include <detent/detent.hpp>

struct queue {
  void post(detent::task t) { t(); }
};

void choose(detent::service_options& options);
void choose(detent::service_options& options) {
#if defined(DETENT_COMPILE_OK)
  static queue lasting;
  options.executor = lasting;
#else
  options.executor = queue();
#endif
}
