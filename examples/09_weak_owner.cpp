// A timer bound to an owner that others hold: the owner is kept alive for the length of each call and no longer, and
// when it is gone, the engine closes the timer.
#include <detent/detent.hpp>

#include <cstdio>
#include <memory>

using namespace std::chrono_literals;

struct session {
  int ticks = 0;
  bool* destroyed = nullptr;
  ~session() { *destroyed = true; }
  void tick() { ++ticks; }
};

int main() {
  detent::manual_clock clock;
  detent::timer_service service{clock};

  bool destroyed = false;
  auto owner = std::make_shared<session>();
  owner->destroyed = &destroyed;

  // Nobody keeps the id: the timer lives as long as its owner.
  const detent::timer_id id = service.every(1s, detent::bound_to(owner, [](session& s) { s.tick(); }));
  clock.advance(3s);
  const int ticks = owner->ticks;
  std::printf("three seconds: %d ticks, %ld owner\n", ticks, owner.use_count());

  owner.reset();
  const bool gone_at_once = destroyed;  // the timer holds a weak_ptr only
  clock.advance(1s);
  std::printf("the owner is gone: the timer is %s, %llu timers are left\n", to_string(service.status(id)),
              static_cast<unsigned long long>(service.counters().alive));

  // What the last owner drops inside its own callback is destroyed after the call, not under it.
  destroyed = false;
  owner = std::make_shared<session>();
  owner->destroyed = &destroyed;
  bool destroyed_inside = true;
  service.once(1s, detent::bound_to(owner, [&](session&) {
                 owner.reset();
                 destroyed_inside = destroyed;
               }));
  clock.advance(1s);

  const bool holds = ticks == 3 && gone_at_once && service.status(id) == detent::timer_state::closed &&
                     !destroyed_inside && destroyed && service.counters().alive == 0;
  return holds ? 0 : 1;
}
