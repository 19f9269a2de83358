// manual: moves a manual clock from deadline to deadline and lets the services on it work off what is due.
#pragma once

#include "base/base.hpp"
#include "clock/clock.hpp"
#include "sync/sync.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace detent::inline v0::detail {

class core;

class manual_state {
 public:
  explicit manual_state(std::int64_t start_ns) noexcept : readings_(std::make_shared<manual_readings>(start_ns)) {}
  ~manual_state();
  manual_state(const manual_state&) = delete;
  manual_state& operator=(const manual_state&) = delete;

  const std::shared_ptr<manual_readings>& readings() const noexcept { return readings_; }

  // Neither can fail: the list runs through the services.
  void join(core* service) noexcept DETENT_EXCLUDES(lock_);
  void leave(core* service) noexcept DETENT_EXCLUDES(lock_);

  // What manual_clock's verbs do; each answers the firings handed out.
  std::size_t advance(std::int64_t by_ns);
  std::size_t step();
  std::size_t suspend(std::int64_t by_ns);
  std::size_t step_system(std::int64_t by_ns);

 private:
  // The clocks that move together: a bit for each.
  using clock_set = unsigned;
  static constexpr clock_set all_clocks = 7;
  static constexpr clock_set sleeping_clocks = 6;  // boottime and system go on while the machine is suspended

  class one_move;
  std::size_t move(clock_set moving, std::int64_t by_ns);
  std::int64_t until_next(clock_set moving);
  bool has_deadline();
  void shift(clock_set moving, std::int64_t by_ns) noexcept;
  std::size_t look_everywhere(std::size_t limit);
  std::vector<core*> services() DETENT_EXCLUDES(lock_);

  const std::shared_ptr<manual_readings> readings_;
  mutex lock_;
  core* first_ DETENT_GUARDED_BY(lock_) = nullptr;
  sync_atomic<bool> moving_{false};  // V3 <- V3: one move at a time, none inside a callback.
};

}  // namespace detent::inline v0::detail
