// A group makes a component quiet in one line, however many timers it has made, from whichever thread.
#include <detent/detent.hpp>

#include <cstdio>
#include <map>
#include <string>

using namespace std::chrono_literals;

class plug_in {
 public:
  explicit plug_in(detent::timer_service& service)
      : timers_{service, {.name = "plug-in", .order = detent::group_order::serial}} {}

  void watch(const std::string& name) {
    detent::timer timer{timers_, {.name = name}, [this, name] { ++seen_[name]; }};
    timer.arm_every(100us);
    watches_.insert_or_assign(name, std::move(timer));
  }

  // Every timer is closed and every call is over; after this the code of the plug-in may be unloaded.
  detent::wait_result unload() { return timers_.close_and_wait(); }

  std::size_t size() const { return timers_.size(); }
  int count(const std::string& name) { return seen_[name]; }

 private:
  std::map<std::string, int> seen_;  // no lock: callbacks of a serial group never overlap
  std::map<std::string, detent::timer> watches_;
  detent::timer_group timers_;
};

int main() {
  detent::timer_service service;
  plug_in component{service};
  for (const char* name : {"disk", "net", "fans"}) component.watch(name);
  const auto until = detent::steady_clock::now() + 20ms;
  while (detent::steady_clock::now() < until) {
  }

  const detent::wait_result end = component.unload();
  const int seen = component.count("disk") + component.count("net") + component.count("fans");
  std::printf("%zu timers, %d callbacks, then: %s\n", component.size(), seen, to_string(end));

  // Closed for good: what is created in it from now on is born closed. Nothing throws, its verbs answer `closed`.
  component.watch("late");
  const auto more = detent::steady_clock::now() + 5ms;
  while (detent::steady_clock::now() < more) {
  }
  const int after = component.count("disk") + component.count("net") + component.count("fans");
  return end == detent::wait_result::quiet && seen > 0 && after == seen && component.count("late") == 0 ? 0 : 1;
}
