// A test with the manual clock: eight hours of retries pass in no time, in the same order on every run. The code under
// test is what runs in production; only the clock of its service is another one.
#include <detent/detent.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

// Code under test: tries until it succeeds, after 1 s, 2 s, 4 s, ... but never more than an hour apart.
template <class Attempt>
class retry {
 public:
  retry(detent::timer_service& service, Attempt attempt)
      : attempt_(std::move(attempt)), timer_{service, {.name = "retry"}, [this] { try_again(); }} {
    timer_.arm_after(1s);
  }

 private:
  void try_again() {
    if (attempt_()) return;
    pause_ = std::min<detent::duration>(pause_ * 2, 1h);
    timer_.arm_after(pause_);  // a timer may arm itself in its own callback
  }

  Attempt attempt_;
  detent::duration pause_ = 1s;
  detent::timer timer_;
};

bool expect(const char* what, bool holds) {
  std::printf("%s  %s\n", holds ? "ok  " : "FAIL", what);
  return holds;
}

int main() {
  detent::manual_clock clock;
  detent::timer_service service{clock};
  const auto start = clock.now();
  std::vector<long long> tried_at_s;
  retry task{service, [&] {
               tried_at_s.push_back((clock.now() - start) / 1s);
               return clock.now() - start >= 8h;
             }};

  bool holds = expect("nothing happens before the first pause is over", clock.advance(1s - 1ns) == 0);
  holds &= expect("one step fires exactly one timer", clock.step() == 1 && tried_at_s.size() == 1);
  clock.advance(30s);
  holds &= expect("pauses double", tried_at_s == std::vector<long long>{1, 3, 7, 15, 31});
  clock.advance(24h);
  const std::size_t last = tried_at_s.size() - 1;
  holds &= expect("pauses end at an hour", tried_at_s[last] - tried_at_s[last - 1] == 3600);
  holds &= expect("success ends the retries", service.active().empty() && tried_at_s[last] >= 8 * 3600);
  return holds ? 0 : 1;
}
