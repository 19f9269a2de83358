// What the machine gives to anybody: the lateness of a thread that does nothing but sleep to absolute instants.
#pragma once

#include "lateness_meter.hpp"

#include <atomic>
#include <cstdint>
#include <thread>

namespace detent::cli {

std::int64_t steady_now_ns() noexcept;

/// Sleeps to an instant of the steady clock; may return early when a signal came.
void sleep_until_ns(std::int64_t at_ns) noexcept;

/// The kernel may put a sleep of the calling thread off by 50 µs to share a wake-up, unless told otherwise.
void forbid_timer_slack() noexcept;

class sleep_probe {
 public:
  /// Deadlines are random, or they would keep step with the timers; this is their mean distance.
  static constexpr std::int64_t mean_gap_ns = 5'000'000;

  sleep_probe();
  ~sleep_probe();
  sleep_probe(const sleep_probe&) = delete;
  sleep_probe& operator=(const sleep_probe&) = delete;

  /// Ends the probe and answers what it found.
  const lateness_histogram& stop();

 private:
  void work();

  std::atomic<bool> stopping_{false};
  lateness_meter meter_;
  std::thread thread_;
};

}  // namespace detent::cli
