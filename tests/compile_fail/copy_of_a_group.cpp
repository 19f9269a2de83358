// G03: one object answers for the group. Made directly from another group it is a child; a copy there is not.
// expect-error: deleted
#include <detent/detent.hpp>

void nest(detent::timer_group& group);
void nest(detent::timer_group& group) {
#if defined(DETENT_COMPILE_OK)
  const detent::timer_group child(group);
#else
  const detent::timer_group copy = group;
#endif
}
