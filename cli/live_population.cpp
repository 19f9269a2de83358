#include "live_population.hpp"

#include "sleep_probe.hpp"

#include <cstdlib>

namespace detent::cli {
namespace {

void note_firing(live_timer& timer, firing_log& log, const firing& current) noexcept {
  const std::int64_t now_ns = steady_now_ns();
  // The service counts early firings by the reading with which it claimed them; this is a reading of our own.
  if (now_ns < current.deadline().time_since_epoch().count()) log.early.fetch_add(1, std::memory_order_relaxed);
  log.fired.fetch_add(1, std::memory_order_relaxed);
  {
    const std::lock_guard guard(log.lock);
    log.track.add(now_ns - log.start_ns, 1);
  }
  timer.fired.fetch_add(1, std::memory_order_release);
}

bool found_pending(cancel_result outcome) noexcept {
  return outcome == cancel_result::cancelled || outcome == cancel_result::cancelled_running;
}

}  // namespace

live_population::live_population(std::size_t recorded, std::size_t times)
    : times_(times), count_(recorded * times), all_(std::make_unique<live_timer[]>(count_)) {}

void live_population::create(timer_service& service, firing_log& log) {
  for (std::size_t at = 0; at < count_; ++at) {
    live_timer* const timer = &all_[at];
    timer->handle = detent::timer(service, [timer, &log](const firing& current) { note_firing(*timer, log, current); });
  }
}

bool live_population::any_overdue(std::int64_t now_ns) const noexcept {
  for (std::size_t at = 0; at < count_; ++at) {
    if (all_[at].open_armings() > 0 && all_[at].due_ns <= now_ns) return true;
  }
  return false;
}

arming_account live_population::close_all(std::int64_t overdue_ns) {
  arming_account account;
  for (std::size_t at = 0; at < count_; ++at) {
    live_timer& timer = all_[at];
    const bool overdue = timer.open_armings() > 0 && timer.due_ns <= overdue_ns;
    const cancel_result outcome = timer.handle.close_and_wait().outcome;
    // The waiting close has ended any call, so `fired` stands still from here on.
    const std::uint64_t closed = found_pending(outcome) ? 1 : 0;
    const std::uint64_t shut_down = outcome == cancel_result::shut_down && timer.open_armings() > 0 ? 1 : 0;
    const std::int64_t unaccounted = timer.open_armings() - static_cast<std::int64_t>(closed + shut_down);
    account.armings += timer.armings;
    account.fired += timer.fired.load(std::memory_order_acquire);
    account.replaced += timer.replaced;
    account.cancelled += timer.cancelled;
    account.closed += closed;
    account.shut_down += shut_down;
    account.lost += static_cast<std::uint64_t>(std::abs(unaccounted));
    if (overdue && unaccounted == 0 && closed != 0) ++account.lost;
  }
  return account;
}

}  // namespace detent::cli
