// A plug-in for G24: it links Detent into itself and is unloaded again. Its callbacks are code that goes away with it.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>

using namespace std::chrono_literals;

namespace {

std::atomic<int>* calls = nullptr;

struct parts {
  detent::timer_service service;
  detent::timer_group group{service};
  detent::timer often;
  detent::timer never;
  // Here: clang 16 does not take std::source_location::current() from a member's initializer.
  parts() : often(group, [] { calls->fetch_add(1); }), never(group, [] { calls->fetch_add(1); }) {}
};

std::unique_ptr<parts> made;

// Of static storage: constructed while the plug-in is loaded, destroyed while it is unloaded.
detent::timer_service& standing() {
  static detent::timer_service service;
  return service;
}

}  // namespace

extern "C" {

__attribute__((visibility("default"))) void component_open(std::atomic<int>* counter) {
  calls = counter;
  made = std::make_unique<parts>();
  made->often.arm_every(100us);
  made->never.arm_after(1h);
}

// Answers whether everything was quiet.
__attribute__((visibility("default"))) bool component_close() {
  const bool quiet = made->group.close_and_wait() == detent::wait_result::quiet;
  made.reset();
  return quiet;
}

// Code of the plug-in that the host's timer calls.
__attribute__((visibility("default"))) void component_tick(std::atomic<int>* counter) { counter->fetch_add(1); }

__attribute__((visibility("default"))) void component_stand(std::atomic<int>* counter) {
  calls = counter;
  standing().every(100us, [] { calls->fetch_add(1); });
}
}
