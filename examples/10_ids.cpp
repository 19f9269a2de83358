// Ids, for fire-and-forget: a timer without a handle ends by itself, and an id that has grown stale is harmless.
#include <detent/detent.hpp>

#include <cstdio>
#include <memory>

using namespace std::chrono_literals;

int main() {
  detent::manual_clock clock;
  detent::timer_service service{clock};
  bool holds = true;

  // Once: after its call the timer is gone, with all it captured.
  auto capture = std::make_shared<int>(0);
  const detent::timer_id once = service.once(1s, [capture] { ++*capture; });
  clock.advance(1s);
  holds &= *capture == 1 && capture.use_count() == 1 && service.status(once) == detent::timer_state::closed;

  // The record of the first timer is used again. Its old id still names the old timer, which is gone.
  const detent::timer_id next = service.once(1s, [capture] { *capture = 100; });
  std::printf("first id %u.%u, second id %u.%u\n", once.index, once.generation, next.index, next.generation);
  holds &= service.cancel(once) == detent::cancel_result::closed;
  holds &= service.arm_after(once, 0s) == detent::arm_result::closed;
  holds &= service.status(next) == detent::timer_state::pending;

  // A cancelled timer that only its id names is over: there is nobody left who would close it.
  holds &= service.cancel(next) == detent::cancel_result::cancelled;
  holds &= service.status(next) == detent::timer_state::closed && capture.use_count() == 1;

  // Every: a series, until its id is closed or cancelled.
  int ticks = 0;
  const detent::timer_id series = service.every(1s, [&ticks] { ++ticks; }, {}, {.name = "heartbeat"});
  clock.advance(5s);
  holds &= ticks == 5 && service.active().size() == 1;
  for (const detent::timer_info& timer : service.snapshot()) {
    std::printf("'%s' created at line %u, %s, %llu calls\n", timer.name.c_str(), timer.place.line(),
                to_string(timer.state), static_cast<unsigned long long>(timer.calls));
  }
  holds &= service.close(series) == detent::cancel_result::cancelled;
  clock.advance(5s);
  holds &= ticks == 5 && service.counters().alive == 0;

  // The id of no timer: a default id, and what `every` answers for a period that is not positive.
  holds &= !detent::timer_id{} && !service.every(0s, [] {});
  return holds ? 0 : 1;
}
