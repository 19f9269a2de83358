#include "sleep_probe.hpp"

#include <chrono>
#include <random>
#include <sys/prctl.h>
#include <time.h>

namespace detent::cli {

std::int64_t steady_now_ns() noexcept {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void sleep_until_ns(std::int64_t at_ns) noexcept {
  constexpr std::int64_t ns_per_s = 1'000'000'000;
  const timespec until{static_cast<time_t>(at_ns / ns_per_s), static_cast<long>(at_ns % ns_per_s)};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, nullptr);
}

void forbid_timer_slack() noexcept { prctl(PR_SET_TIMERSLACK, 1UL); }

sleep_probe::sleep_probe() : thread_([this] { work(); }) {}

sleep_probe::~sleep_probe() { stop(); }

const lateness_histogram& sleep_probe::stop() {
  stopping_ = true;
  if (thread_.joinable()) thread_.join();
  return meter_.histogram();
}

void sleep_probe::work() {
  forbid_timer_slack();
  std::mt19937_64 random{std::random_device{}()};
  std::exponential_distribution<double> gap{1.0 / static_cast<double>(mean_gap_ns)};
  constexpr std::int64_t longest_gap_ns = 10 * mean_gap_ns;
  while (!stopping_) {
    const auto drawn_ns = static_cast<std::int64_t>(gap(random));
    const std::int64_t deadline_ns = steady_now_ns() + (drawn_ns < longest_gap_ns ? drawn_ns : longest_gap_ns);
    sleep_until_ns(deadline_ns);
    const std::int64_t late_ns = steady_now_ns() - deadline_ns;
    if (late_ns >= 0) meter_.add(late_ns);  // Before the deadline a signal has ended the sleep.
  }
}

}  // namespace detent::cli
