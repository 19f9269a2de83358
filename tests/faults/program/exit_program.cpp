// One program of the exit matrix: exit_program WAY STATE SEAT WHO. It has to end with status 7, see
// exit_matrix_test.cpp.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace detent;
using namespace std::chrono_literals;

constexpr int expected_status = 7;

enum class way { return_from_main, exit, quick_exit, underscore_exit };

// Never destroyed: callbacks may use it to the very end of the process.
struct shared_state {
  way how = way::exit;
  std::atomic<bool> main_may_return{false};
  std::atomic<int> running{0};
  std::atomic<std::uint64_t> calls{0};
};
shared_state& state() {
  static auto* made = new shared_state;
  return *made;
}

service_options options_of(const std::string& seat) {
  service_options options;
  if (seat == "driver") options.executor = on_driver{};
  else options.executor = pool{2};
  return options;
}

// Destroyed by exit, in this order: first the handles, then their service.
std::optional<timer_service> static_service;
std::vector<timer> static_timers;

// Ends the process, or lets main return and goes on for a while.
void end_process() {
  switch (state().how) {
    case way::return_from_main:
      state().main_may_return = true;
      std::this_thread::sleep_for(20ms);
      return;
    case way::exit: std::exit(expected_status);
    case way::quick_exit: std::quick_exit(expected_status);
    case way::underscore_exit: ::_exit(expected_status);
  }
}

// A call that lasts until it is asked to stop, or long enough for the process to have ended.
void last(stop_token stop) {
  state().running.fetch_add(1);
  const auto until = std::chrono::steady_clock::now() + 30ms;
  while (!stop.stop_requested() && std::chrono::steady_clock::now() < until) std::this_thread::sleep_for(1ms);
}

void fill(timer_service& service, std::vector<timer>& timers, const std::string& what) {
  timers.reserve(128);
  for (int i = 0; i < 50; ++i) {
    timers.emplace_back(service, [] { state().calls.fetch_add(1); });
    if (i % 2 == 0) timers.back().arm_every(1ms);
    else timers.back().arm_after(i % 3 == 0 ? 3600s : 0s);
  }
  if (what == "armed" || what == "static") return;
  // One call in progress; or both threads taken, and a queue behind them.
  for (int i = 0; i < (what == "queued" ? 2 : 1); ++i) {
    timers.emplace_back(service, [](firing& f) { last(f.token()); });
    timers.back().arm_after(0s);
  }
  while (state().running == 0) std::this_thread::sleep_for(100us);
  for (int i = 0; i < 20 && what == "queued"; ++i) {
    timers.emplace_back(service, [] { state().calls.fetch_add(1); });
    timers.back().arm_after(0s);
  }
}

}  // namespace

int main(int count, char** words) {
  if (count != 5) return 2;
  const std::string how = words[1];
  const std::string what = words[2];
  state().how = how == "return"       ? way::return_from_main
                : how == "exit"       ? way::exit
                : how == "quick_exit" ? way::quick_exit
                                      : way::underscore_exit;
  const std::string seat = words[3];
  const bool by_callback = std::strcmp(words[4], "callback") == 0;

  std::optional<timer_service> local;
  std::vector<timer> timers;
  std::optional<timer_service>& service = what == "static" ? static_service : local;
  service.emplace(options_of(seat));
  fill(*service, what == "static" ? static_timers : timers, what);
  if (by_callback) {
    static_cast<void>(service->once(1ms, [] { end_process(); }));
    while (!state().main_may_return) std::this_thread::sleep_for(100us);
    return expected_status;
  }
  if (state().how != way::return_from_main) end_process();
  return expected_status;
}
