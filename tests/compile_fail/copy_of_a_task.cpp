// G02: a task is called or destroyed once, which ends its firing; two of them would end it twice.
// expect-error: deleted
#include <detent/detent.hpp>

#include <utility>

void run(detent::task& t);
void run(detent::task& t) {
#if defined(DETENT_COMPILE_OK)
  detent::task mine(std::move(t));
#else
  detent::task mine(t);
#endif
  mine();
}
