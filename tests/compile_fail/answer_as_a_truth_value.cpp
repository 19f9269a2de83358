// Answers read as adjectives; none is true or false by itself.
// expect-error: could not convert | cannot convert | no viable conversion | contextually convertible
#include <detent/detent.hpp>

bool ended(detent::timer& t);
bool ended(detent::timer& t) {
#if defined(DETENT_COMPILE_OK)
  return t.cancel() == detent::cancel_result::cancelled;
#else
  if (t.cancel()) return true;
  return false;
#endif
}
