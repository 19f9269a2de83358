// Timers while somebody sets the wall clock by ten years, forwards and backwards. Run under libfaketime, which reads
// the step from the file named by the argument (kernel_test.cpp). Status 0 says that everything was as promised, 1 that
// something was not, and stderr says what; 3, that the wall clock cannot be stepped here.
//
// libfaketime fakes readings, not the kernel's alarms: what sleeps here sleeps by the steady clock, and the service
// whose timers follow the wall clock is driven by this program.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
#include <utility>

namespace {

using namespace detent;
using namespace std::chrono_literals;

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return false;                                                        \
    }                                                                      \
  } while (false)

constexpr auto ten_years = 10 * 365 * 24h;
const std::chrono::system_clock::time_point started = std::chrono::system_clock::now();

// Sets the wall clock to what it was at the start, and so many years more. The file is replaced in one step.
bool set_wall_clock(const std::string& file, int years) {
  {
    std::ofstream out(file + ".new");
    out << (years < 0 ? '-' : '+') << (years < 0 ? -years : years) << "y\n";
  }
  if (std::rename((file + ".new").c_str(), file.c_str()) != 0) return false;
  const auto wanted = started + years * (ten_years / 10);
  const auto now = std::chrono::system_clock::now();
  return now > wanted - 24h && now < wanted + 24h;
}

// A series of steady time goes on through every step, and what is due in an hour is not due.
bool steady_time_goes_on(const std::string& file) {
  timer_service service;
  std::atomic<int> ticks{0};
  std::atomic<int> later_fired{0};
  timer series{service, [&] { ticks.fetch_add(1); }};
  timer later{service, [&] { later_fired.fetch_add(1); }};
  later.arm_after(1h);
  series.arm_every(1ms);
  for (const int years : {10, -10, 0, -10, 10, 0}) {
    REQUIRE(set_wall_clock(file, years));
    const int before = ticks;
    const auto until = steady_clock::now() + 20s;
    while (ticks < before + 5 && steady_clock::now() < until) std::this_thread::sleep_for(100us);
    REQUIRE(ticks >= before + 5);
    REQUIRE(later_fired == 0);
  }
  series.close_and_wait();
  REQUIRE(service.counters().early == 0);
  REQUIRE(service.counters().rescues == 0);
  return true;
}

// What follows the wall clock is due when that says so: sooner by a step forwards, later by one backwards.
bool system_time_follows(const std::string& file) {
  REQUIRE(set_wall_clock(file, 0));
  service_options by_user;
  by_user.drive = drive::by_user;
  by_user.executor = on_driver{};
  timer_service service(std::move(by_user));
  int year_fired = 0;
  int soon_fired = 0;
  int ticks = 0;
  int steady_fired = 0;
  system_timer in_a_year{service, [&] { ++year_fired; }};
  system_timer hourly{service, [&] { ++ticks; }};
  timer steady{service, [&] { ++steady_fired; }};
  in_a_year.arm_after(365 * 24h);
  hourly.arm_every(1h);
  steady.arm_after(1h);
  service.run_due();
  REQUIRE(year_fired == 0 && ticks == 0 && steady_fired == 0);

  REQUIRE(set_wall_clock(file, 10));
  service.run_due();
  REQUIRE(year_fired == 1 && ticks == 1 && steady_fired == 0);
  REQUIRE(service.counters().missed > 80'000);  // One firing stood for all the hours of ten years.

  system_timer soon{service, [&] { ++soon_fired; }};
  soon.arm_after(1ms);
  REQUIRE(set_wall_clock(file, -10));
  const auto until = steady_clock::now() + 5ms;
  while (steady_clock::now() < until) service.run_due();
  REQUIRE(soon_fired == 0 && soon.status() == timer_state::pending);  // In twenty years.
  REQUIRE(ticks == 1);

  REQUIRE(set_wall_clock(file, 10));
  const auto limit = steady_clock::now() + 20s;
  while (soon_fired == 0 && steady_clock::now() < limit) service.run_due();
  REQUIRE(soon_fired == 1 && steady_fired == 0);
  REQUIRE(service.counters().early == 0);
  return true;
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) return 2;
  const std::string file = words[1];
  if (!set_wall_clock(file, 10) || !set_wall_clock(file, -10)) return 3;
  const bool good = steady_time_goes_on(file) && system_time_follows(file);
  return good ? 0 : 1;
}
