// G02: one handle owns a timer, so a handle is moved and never copied.
// expect-error: deleted
#include <detent/detent.hpp>

#include <utility>

detent::timer take(detent::timer& t);
detent::timer take(detent::timer& t) {
#if defined(DETENT_COMPILE_OK)
  return std::move(t);
#else
  return detent::timer(t);
#endif
}
