// What a user's executor must offer is a concept: another type is refused where it is chosen.
// expect-error: no match for | no viable overloaded
#include <detent/detent.hpp>

#include <utility>

struct queue {
#if defined(DETENT_COMPILE_OK)
  void post(detent::task t) { t(); }
#else
  void push(detent::task t) { t(); }
#endif
};

void choose(detent::service_options& options, queue& q);
void choose(detent::service_options& options, queue& q) { options.executor = q; }
