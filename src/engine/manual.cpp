#include "engine/manual.hpp"

#include "engine/core.hpp"

#include <cstdio>
#include <cstdlib>

namespace detent::inline v0::detail {

manual_state::~manual_state() {
  lock_guard guard(lock_);
  DETENT_CHECK(first_ == nullptr, "a manual_clock was destroyed before a service that stands on it");
}

void manual_state::join(core* service) noexcept {
  lock_guard guard(lock_);
  core** at = &first_;
  while (*at != nullptr) at = &(*at)->next_on_clock;
  *at = service;
}

void manual_state::leave(core* service) noexcept {
  lock_guard guard(lock_);
  core** at = &first_;
  while (*at != service) at = &(*at)->next_on_clock;
  *at = service->next_on_clock;
}

std::vector<core*> manual_state::services() {
  std::vector<core*> all;
  lock_guard guard(lock_);
  for (core* service = first_; service != nullptr; service = service->next_on_clock) all.push_back(service);
  for (core* service : all) service->share();
  return all;
}

void manual_state::shift(clock_set moving, std::int64_t by_ns) noexcept {
  for (unsigned clock = 0; clock < platform::clock_count; ++clock) {
    if ((moving >> clock & 1) != 0) readings_->shift(static_cast<clock_id>(clock), by_ns);
  }
}

// Hands out what is due on every service, and waits for the pools: what the calls armed is filed before we answer.
// The look is the driver role's: `next_deadline` or a shutdown in its callbacks, or on another thread, keeps out of it.
std::size_t manual_state::look_everywhere(std::size_t limit) {
  std::size_t count = 0;
  for (core* service : services()) {
    if (count < limit && service->await_role()) {
      count += service->look(limit - count);
      service->leave_role();
    }
    service->wait_pool_idle();
    service->unshare();
  }
  return count;
}

std::int64_t manual_state::until_next(clock_set moving) {
  std::int64_t least = ns_max;
  for (core* service : services()) {
    if (service->await_role()) {
      const std::int64_t wait = service->until_next_ns(moving);
      if (wait < least) least = wait;
      service->leave_role();
    }
    service->unshare();
  }
  return least;
}

bool manual_state::has_deadline() {
  bool has = false;
  for (core* service : services()) {
    has = has || service->has_deadline();
    service->unshare();
  }
  return has;
}

std::size_t manual_state::move(clock_set moving, std::int64_t by_ns) {
  std::size_t fired = 0;
  std::size_t here = 0;
  for (std::int64_t left = by_ns;;) {
    // What the last calls armed is on the inbox: a look files it, and fires what is due at this very instant.
    const std::size_t now = look_everywhere(SIZE_MAX);
    fired += now;
    here += now;
    if (here > manual_clock::limit_per_instant) {
      std::string name = "a timer";
      for (core* service : services()) {
        name = service->name_of_earliest();
        service->unshare();
      }
      std::fprintf(
          stderr,
          "detent: a manual clock fired more than %zu times at one instant and stopped: %s re-arms itself with no "
          "delay, so time would never move. Give it a delay, or stop it.\n",
          manual_clock::limit_per_instant, name.c_str());
      std::abort();
    }
    if (now != 0) continue;
    const std::int64_t next = until_next(moving);
    if (next == 0) continue;  // An armer on another thread came in between.
    const std::int64_t hop = next < left ? next : left;
    if (hop <= 0) return fired;
    shift(moving, hop);
    left -= hop;
    here = 0;
  }
}

// One move at a time. It ends with the scope, also where a list of services finds no memory.
class manual_state::one_move {
 public:
  explicit one_move(manual_state& clock) noexcept
      : clock_(clock), begun_(!clock.moving_.exchange(true, memory_order_acquire)) {  // V3 <- V3.
    if (!begun_) call_frame::check_not_left();
  }
  ~one_move() {
    if (begun_) clock_.moving_.store(false, memory_order_release);  // V3.
  }
  one_move(const one_move&) = delete;
  one_move& operator=(const one_move&) = delete;
  explicit operator bool() const noexcept { return begun_; }

 private:
  manual_state& clock_;
  const bool begun_;
};

std::size_t manual_state::advance(std::int64_t by_ns) {
  const one_move mine(*this);
  return mine ? move(all_clocks, by_ns < 0 ? 0 : by_ns) : 0;
}

std::size_t manual_state::step() {
  const one_move mine(*this);
  if (!mine) return 0;
  std::size_t fired = look_everywhere(1);
  // A token may be left over from a firing that was withdrawn: alone it is no reason to move the clock.
  while (fired == 0 && has_deadline()) {
    const std::int64_t next = until_next(all_clocks);
    if (next == ns_max) break;
    shift(all_clocks, next);
    fired = look_everywhere(1);
  }
  return fired;
}

std::size_t manual_state::suspend(std::int64_t by_ns) {
  const one_move mine(*this);
  if (!mine) return 0;
  // Nothing runs while the machine sleeps: the clocks jump, and what became due fires on waking.
  shift(sleeping_clocks, by_ns < 0 ? 0 : by_ns);
  return move(all_clocks, 0);
}

std::size_t manual_state::step_system(std::int64_t by_ns) {
  const one_move mine(*this);
  if (!mine) return 0;
  shift(1U << static_cast<unsigned>(clock_id::system), by_ns);
  for (core* service : services()) {
    // Further out on this thread, in a shutdown's last look, nobody else can be in the wheel.
    const bool took = service->await_role();
    service->notice_clock_step(by_ns);
    if (took) service->leave_role();
    service->unshare();
  }
  return move(all_clocks, 0);
}

}  // namespace detent::inline v0::detail
