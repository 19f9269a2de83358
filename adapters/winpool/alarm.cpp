// alarm: one arming on one of two clocks, and the windows in which armings share a wake-up.
#include "engine.hpp"

#include <algorithm>

DETENT_BEGIN_NAMESPACE
namespace winpool {
namespace {

constexpr std::int64_t ns_max = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t hundreds_from_1601_to_1970 = 116444736000000000;

std::int64_t saturating_add(std::int64_t a, std::int64_t b) {
  std::int64_t sum = 0;
  if (__builtin_add_overflow(a, b, &sum)) return b > 0 ? ns_max : std::numeric_limits<std::int64_t>::min();
  return sum;
}

std::int64_t ns_of_hundreds(std::int64_t hundreds) {
  std::int64_t ns = 0;
  if (__builtin_mul_overflow(hundreds, std::int64_t{100}, &ns)) {
    return hundreds > 0 ? ns_max : std::numeric_limits<std::int64_t>::min();
  }
  return ns;
}

std::int64_t ns_of_ms(DWORD ms) { return std::int64_t{ms} * 1'000'000; }

template <class Clock>
std::int64_t now_ns(const engine& e) {
  return std::chrono::duration_cast<duration>(e.service.now<Clock>().time_since_epoch()).count();
}

std::int64_t now_ns(const engine& e, clock_kind kind) {
  return kind == clock_kind::steady ? now_ns<steady_clock>(e) : now_ns<system_clock>(e);
}

template <class Clock>
typename Clock::time_point instant(std::int64_t ns) {
  return typename Clock::time_point(std::chrono::duration_cast<typename Clock::duration>(duration(ns)));
}

std::size_t row(clock_kind kind) { return kind == clock_kind::steady ? 0 : 1; }

}  // namespace

alarm::alarm(engine& e, object& owner)
    : owner_(owner),
      steady_(e.service,
              [this](firing& now) {
                tick(clock_kind::steady, duration(now.deadline<steady_clock>().time_since_epoch()).count());
              }),
      system_(e.service, [this](firing& now) {
        tick(clock_kind::system, duration(now.deadline<system_clock>().time_since_epoch()).count());
      }) {
  early_calls one;
  one.emplace(0, this);
  node_ = one.extract(one.begin());
}

void alarm::arm_locked(engine& e, std::int64_t due, DWORD window_ms) {
  if (due > 0) {
    const std::int64_t since_1970 = due - hundreds_from_1601_to_1970;
    arm_at_locked(e, clock_kind::system, ns_of_hundreds(since_1970), ns_of_ms(window_ms));
  } else {
    const std::int64_t delay = due == std::numeric_limits<std::int64_t>::min() ? ns_max : ns_of_hundreds(-due);
    arm_at_locked(e, clock_kind::steady, saturating_add(now_ns<steady_clock>(e), delay), ns_of_ms(window_ms));
  }
}

void alarm::arm_next_locked(engine& e, DWORD period_ms, DWORD window_ms) {
  // A period is a distance, whatever clock its first tick went by: setting the wall clock does not stretch it.
  const std::int64_t now = now_ns<steady_clock>(e);
  const std::int64_t from = kind_ == clock_kind::steady ? due_ns_ : now;
  arm_at_locked(e, clock_kind::steady, std::max(now, saturating_add(from, ns_of_ms(period_ms))), ns_of_ms(window_ms));
}

void alarm::arm_after_now_locked(engine& e, DWORD period_ms, DWORD window_ms) {
  const std::int64_t now = now_ns<steady_clock>(e);
  arm_at_locked(e, clock_kind::steady, saturating_add(now, ns_of_ms(period_ms)), ns_of_ms(window_ms));
}

void alarm::arm_at_locked(engine& e, clock_kind kind, std::int64_t at_ns, std::int64_t window_ns) {
  cancel_locked(e);
  constexpr std::int64_t resolution = timer_service::resolution.count();
  due_ns_ = std::max(at_ns, now_ns(e, kind));
  kind_ = kind;
  const std::int64_t last = saturating_add(due_ns_, window_ns);
  if (last > ns_max - resolution) return;  // Never.
  expected_ns_ = (last + resolution - 1) / resolution * resolution;
  armed_ = true;
  if (window_ns > 0) {
    node_.key() = due_ns_;
    place_ = e.early[row(kind)].insert(std::move(node_));
    in_early_ = true;
  }
  if (kind == clock_kind::steady) {
    static_cast<void>(steady_.arm_at(instant<steady_clock>(expected_ns_)));
  } else {
    static_cast<void>(system_.arm_at(instant<system_clock>(expected_ns_)));
  }
}

void alarm::leave_early_locked(engine& e) {
  if (!in_early_) return;
  node_ = e.early[row(kind_)].extract(place_);
  in_early_ = false;
}

void alarm::cancel_locked(engine& e) {
  leave_early_locked(e);
  if (!armed_) return;
  armed_ = false;
  if (kind_ == clock_kind::steady) {
    steady_.cancel();
  } else {
    system_.cancel();
  }
}

bool alarm::close() {
  const auto may_tick = [](cancel_result found) {
    return found == cancel_result::running || found == cancel_result::cancelled_running;
  };
  const bool steady = may_tick(steady_.close());
  const bool system = may_tick(system_.close());
  return steady || system;
}

void alarm::tick(clock_kind kind, std::int64_t deadline_ns) {
  engine& e = the_engine();
  const guard held(e.lock);
  if (armed_ && kind == kind_ && deadline_ns == expected_ns_) call_locked(e);
  call_early_locked(e);
}

void alarm::call_locked(engine& e) {
  cancel_locked(e);  // Withdraws nothing, but for a call that comes early.
  owner_.due_locked(e);
}

void alarm::call_early_locked(engine& e) {
  for (const clock_kind kind : {clock_kind::steady, clock_kind::system}) {
    early_calls& early = e.early[row(kind)];
    if (early.empty()) continue;
    const std::int64_t now = now_ns(e, kind);
    // What is re-armed in here is due later than `now`, or is left to its own tick.
    for (std::size_t left = early.size(); left != 0 && !early.empty() && early.begin()->first <= now; --left) {
      early.begin()->second->call_locked(e);
    }
  }
}

}  // namespace winpool
DETENT_END_NAMESPACE
