// G09: close_then stores f before it touches the timer; a move that throws would leave it half done.
// expect-error: the move must not throw
#include <detent/detent.hpp>

struct careless {
  careless() = default;
#if defined(DETENT_COMPILE_OK)
  careless(careless&&) noexcept {}
#else
  careless(careless&&) {}
#endif
  void operator()() {}
};

detent::then_result end(detent::timer& t);
detent::then_result end(detent::timer& t) { return t.close_then(careless()); }
