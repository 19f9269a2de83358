// G18: an id names a timer in its service and nothing else; it does not take part in arithmetic by accident.
// expect-error: cannot convert | no viable conversion
#include <detent/detent.hpp>

#include <cstdint>

std::uint64_t print(detent::timer_id id);
std::uint64_t print(detent::timer_id id) {
#if defined(DETENT_COMPILE_OK)
  const std::uint64_t number = id.value();
#else
  const std::uint64_t number = id;
#endif
  return number;
}
