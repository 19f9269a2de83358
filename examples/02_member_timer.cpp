// A timer as a member: its owner may be destroyed on any thread, at any moment, also while the callback runs.
#include <detent/detent.hpp>

#include <atomic>
#include <cstdio>
#include <memory>
#include <vector>

using namespace std::chrono_literals;

std::atomic<int> pings{0};

// [readme]
class connection {
 public:
  explicit connection(detent::timer_service& service) : keepalive_{service, [this] { ping(); }} {
    keepalive_.arm_every(30us);
  }

  // No destructor: the timer is the last member, so it goes first. It closes, waits for a call in progress, and
  // destroys the callable. Only then does `buffer_` go.

 private:
  void ping() {
    for (int& byte : buffer_) ++byte;
    ++pings;
  }

  std::vector<int> buffer_ = std::vector<int>(64);
  detent::timer keepalive_;
};
// [/readme]

int main() {
  detent::timer_service service;
  int late = 0;
  for (int i = 0; i < 200; ++i) {
    auto client = std::make_unique<connection>(service);
    const int before = pings;
    const auto until = detent::steady_clock::now() + 200us;
    while (pings == before && detent::steady_clock::now() < until) {
    }
    client.reset();  // on this thread, while the pool may be in the middle of ping()
    const int last = pings;
    const auto watched = detent::steady_clock::now() + 60us;
    while (detent::steady_clock::now() < watched) {
    }
    late += pings - last;  // nothing of this connection runs any more
  }

  // A callback may destroy its own timer, or the owner of it: the destructor then does not wait.
  std::unique_ptr<detent::timer> own;
  own = std::make_unique<detent::timer>(service, [&own] { own.reset(); });
  own->arm_after(1ms);
  while (service.counters().alive != 0) {
  }

  std::printf("%d pings in 200 connections, %d of them after their connection was gone\n", pings.load(), late);
  return late == 0 && pings > 0 ? 0 : 1;
}
