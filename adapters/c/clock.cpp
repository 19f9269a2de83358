// clock: a manual clock. Services on it hold a share, and so does every move, so that it may be freed at any time.
#include "handles.hpp"

using detent_c::counted;
using detent_c::ns;

int detent_clock_new(int64_t start_ns, detent_clock** clock) noexcept {
  if (clock == nullptr) return DETENT_INVALID;
  *clock = nullptr;
  return detent_c::creating([&]() -> int {
    *clock = new detent_clock{std::make_shared<detent::manual_clock>(ns(start_ns))};
    return DETENT_OK;
  });
}

void detent_clock_free(detent_clock* clock) noexcept { delete clock; }

int detent_clock_now(detent_clock* clock, int kind, int64_t* now_ns) noexcept {
  if (now_ns != nullptr) *now_ns = 0;
  if (clock == nullptr || now_ns == nullptr || !detent_c::is_one_of(kind, 3)) return DETENT_INVALID;
  const detent::manual_clock& core = *clock->clock;
  if (kind == DETENT_CLOCK_STEADY) *now_ns = detent::detail::epoch_ns(core.now<detent::steady_clock>());
  if (kind == DETENT_CLOCK_BOOTTIME) *now_ns = detent::detail::epoch_ns(core.now<detent::boottime_clock>());
  if (kind == DETENT_CLOCK_SYSTEM) *now_ns = detent::detail::epoch_ns(core.now<detent::system_clock>());
  return DETENT_OK;
}

namespace {

template <class Move>
int move_clock(detent_clock* clock, size_t* count, Move&& move) noexcept {
  counted(0, count);
  if (clock == nullptr) return DETENT_INVALID;
  const std::shared_ptr<detent::manual_clock> kept = clock->clock;
  return detent_c::creating([&] { return counted(move(*kept), count); });
}

}  // namespace

int detent_clock_advance(detent_clock* clock, int64_t by_ns, size_t* count) noexcept {
  return move_clock(clock, count, [&](detent::manual_clock& core) { return core.advance(ns(by_ns)); });
}

int detent_clock_step(detent_clock* clock, size_t* count) noexcept {
  return move_clock(clock, count, [](detent::manual_clock& core) { return core.step(); });
}

int detent_clock_suspend(detent_clock* clock, int64_t by_ns, size_t* count) noexcept {
  return move_clock(clock, count, [&](detent::manual_clock& core) { return core.suspend(ns(by_ns)); });
}

int detent_clock_step_system(detent_clock* clock, int64_t by_ns, size_t* count) noexcept {
  return move_clock(clock, count, [&](detent::manual_clock& core) { return core.step_system(ns(by_ns)); });
}
