// The live timers of a replay, each with the account of its own armings.
#pragma once

#include "activity_track.hpp"
#include "replay_report.hpp"

#include <detent/detent.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

namespace detent::cli {

/// What the callbacks of all timers share.
struct firing_log {
  std::int64_t start_ns = 0;  ///< of the replay, on the steady clock
  std::atomic<std::uint64_t> early{0};
  std::atomic<std::uint64_t> fired{0};
  std::mutex lock;  ///< of `track`: with a pool, callbacks of several timers run at once
  activity_track track;
};

/// A timer and the answers that its verbs gave. Everything but `fired` belongs to the thread whose turn it is with this
/// timer, for verbs on one timer are replayed one after the other.
struct alignas(64) live_timer {
  detent::timer handle;
  std::atomic<std::uint64_t> fired{0};  ///< counted by the callback
  std::uint64_t armings = 0;
  std::uint64_t replaced = 0;
  std::uint64_t cancelled = 0;
  std::int64_t due_ns = 0;  ///< of the last arming, on the steady clock

  /// Armings that have not ended so far; not negative unless something fired that was not armed.
  std::int64_t open_armings() const noexcept {
    return static_cast<std::int64_t>(armings - replaced - cancelled - fired.load(std::memory_order_acquire));
  }
};

/// `times` live timers for each recorded one.
class live_population {
 public:
  /// The timers' memory is touched here, before the service exists, so that it does not count as the service's.
  live_population(std::size_t recorded, std::size_t times);

  /// Makes the timers in `service`. `log` must outlive them.
  void create(timer_service& service, firing_log& log);

  /// Those that live the life of one recorded timer.
  std::span<live_timer> of(std::uint32_t recorded) noexcept { return {all_.get() + recorded * times_, times_}; }

  /// Whether some timer should have fired by `now_ns` and has not.
  bool any_overdue(std::int64_t now_ns) const noexcept;

  /// Closes every timer and sums the account. What was due by `overdue_ns` and is still pending then is lost, and so is
  /// every arming by which a timer's own account does not add up. No thread may use the timers any more.
  arming_account close_all(std::int64_t overdue_ns);

 private:
  std::size_t times_;
  std::size_t count_;
  std::unique_ptr<live_timer[]> all_;
};

}  // namespace detent::cli
