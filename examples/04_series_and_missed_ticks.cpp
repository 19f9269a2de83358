// Series: a deadline every 10 ms. The machine is suspended for 35 ms; what becomes of the ticks it slept through is a
// policy. The clock here is one that counts suspend, moved by hand.
#include <detent/detent.hpp>

#include <cstdio>
#include <vector>

using namespace std::chrono_literals;
using detent::missed_ticks;

struct seen {
  long long deadline_ms;
  unsigned long long missed;
  bool operator==(const seen&) const = default;
};

// The firings of a series with this policy: 35 ms of suspend, then 20 ms of work.
std::vector<seen> run(missed_ticks policy) {
  detent::manual_clock clock{0s};
  detent::timer_service service{clock};
  std::vector<seen> firings;
  detent::boottime_timer tick{service, [&](detent::firing& now) {
                                const auto due = now.deadline<detent::boottime_clock>().time_since_epoch();
                                firings.push_back({due / 1ms, now.missed()});
                              }};
  detent::series_options options;
  options.missed = policy;
  tick.arm_every(10ms, options);  // the first tick is due after one period
  clock.suspend(35ms);
  clock.advance(20ms);
  return firings;
}

bool show(const char* name, missed_ticks policy, const std::vector<seen>& expected) {
  const std::vector<seen> firings = run(policy);
  std::printf("%-6s", name);
  for (const seen& s : firings) std::printf("  due at %lld ms (+%llu missed)", s.deadline_ms, s.missed);
  std::printf("\n");
  return firings == expected;
}

int main() {
  bool holds = true;
  // skip: one firing stands for all three ticks, and the phase of 10 ms is kept.
  holds &= show("skip", missed_ticks::skip, {{10, 2}, {40, 0}, {50, 0}});
  // burst: each of them fires.
  holds &= show("burst", missed_ticks::burst, {{10, 0}, {20, 0}, {30, 0}, {40, 0}, {50, 0}});
  // delay: one firing stands for all three, and the phase starts anew at 35 ms.
  holds &= show("delay", missed_ticks::delay, {{10, 2}, {45, 0}, {55, 0}});
  return holds ? 0 : 1;
}
