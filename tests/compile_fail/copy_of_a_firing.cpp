// A firing lives while its call lasts; whoever needs more of it copies what it tells.
// expect-error: deleted
#include <detent/detent.hpp>

detent::duration keep(detent::firing& f);
detent::duration keep(detent::firing& f) {
#if defined(DETENT_COMPILE_OK)
  return f.lateness();
#else
  const detent::firing kept = f;
  return kept.lateness();
#endif
}
