// Clocks: a timer has one, fixed by its type. When somebody sets the wall clock, its timers follow, both ways, and no
// others do. An instant of another clock does not compile.
#include <detent/detent.hpp>

#include <cstdio>

using namespace std::chrono_literals;

int main() {
  detent::manual_clock clock;
  int steps_told = 0;
  detent::service_options options;
  options.clock = &clock;
  options.executor = detent::on_driver{};
  options.on_clock_step = [&steps_told](detent::duration) { ++steps_told; };
  detent::timer_service service{std::move(options)};

  int alarms = 0;
  int steadies = 0;
  int sleepers = 0;
  detent::system_timer alarm{service, [&alarms] { ++alarms; }};
  detent::timer steady{service, [&steadies] { ++steadies; }};
  detent::boottime_timer sleeper{service, [&sleepers] { ++sleepers; }};

  alarm.arm_at(clock.now<detent::system_clock>() + 8h);  // "tomorrow at seven"
  steady.arm_after(8h);
  sleeper.arm_after(8h);
  // steady.arm_at(clock.now<detent::system_clock>());   // does not compile

  clock.step_system(-2h);  // set back: now it is ten hours away
  clock.advance(1h);
  const bool none_yet = alarms == 0 && steadies == 0;

  clock.step_system(9h);  // set past the alarm: it is due at once
  const bool alarm_only = alarms == 1 && steadies == 0 && sleepers == 0;
  std::printf("the wall clock was set twice: %d alarm, %d steady, %d boottime\n", alarms, steadies, sleepers);

  clock.suspend(7h);  // the machine sleeps: boottime goes on, steady stands still
  const bool sleeper_only = sleepers == 1 && steadies == 0;
  std::printf("seven hours of suspend: %d alarm, %d steady, %d boottime\n", alarms, steadies, sleepers);

  clock.advance(7h);
  std::printf("seven hours awake: %d alarm, %d steady, %d boottime\n", alarms, steadies, sleepers);
  return none_yet && alarm_only && sleeper_only && steadies == 1 && steps_told == 2 ? 0 : 1;
}
