#include "workload_list.hpp"

namespace detent::bench {

const std::vector<workload>& workloads() {
  static const std::vector<std::uint32_t> decades{1'000, 10'000, 100'000, 1'000'000, 10'000'000};
  static const std::vector<std::uint32_t> few{1'000, 100'000, 1'000'000};
  static const std::vector<workload> all{
      {"floor",
       "what the machine charges for memory, atomics, clocks, wake-ups, sleeps",
       {1, 1'000, 10'000, 100'000, 1'000'000, 10'000'000},
       {1},
       0.05,
       {1, 1'000'000}},
      {"churn", "W1: cancel a random timer and arm it anew, 1 ms to 60 s", decades, {1}, 0.1, few},
      {"turnover", "W1b: destroy a random timer, create another and arm it", decades, {1}, 0.1, few},
      {"postpone", "W2: push a random timeout back to 30 s from now", decades, {1}, 0.1, few},
      {"threads",
       "W3: churn and postpone from several threads, on one service and on one each",
       {10'000, 1'000'000},
       {1, 2, 4, 8},
       0.1,
       {}},
      {"fire", "W4: one-shots that are all due within one second", {1'000'000}, {1}, 1, {1'000'000}},
      {"lateness", "W5: a thousand random timers a second; how late, beside a bare sleep", {5'000}, {1}, 5, {2'000}},
      {"memory", "W6: bytes per armed timer", {1'000, 1'000'000}, {1}, 1, {1'000'000}},
      {"idle", "W7: wake-ups and CPU while nothing is due", {100'000}, {1}, 5, {}},
      {"close", "W8: the cancel that waits, with and without a call in progress", {1'000}, {1}, 0.2, {}},
      {replay_workload, "W9: the recorded trace in data/, as fast as possible", {}, {1}, 0.5, {}},
      {"periodic", "W10: series of 500 to 1500 ms", {100'000}, {1}, 3, {}},
      {"channel", "W12: receiving what a ticker sends, and select over n channels", {8}, {1}, 1, {}},
      {"post", "W13: tasks posted to a thread with a queue, n at a time", {1, 1'000}, {1}, 1, {}},
      {"herd", "W11: timers that are due in the same millisecond", {1'000'000}, {1}, 1, {1'000'000}},
  };
  return all;
}

const workload* find_workload(std::string_view name) {
  for (const workload& w : workloads()) {
    if (w.name == name) return &w;
  }
  return nullptr;
}

}  // namespace detent::bench
