#include "trace_life.hpp"

#include <algorithm>
#include <utility>

namespace detent::cli {

void trace_life::add(const trace_event& event) {
  if (!any_event_) {
    any_event_ = true;
    result_.started_at_ns = event.time_ns;
  }
  const std::int64_t time_ns = event.time_ns - result_.started_at_ns;
  // A per-CPU trace clock may step back from one line to the next. The order of the file is the order of the events.
  if (time_ns < now_ns_) ++result_.counts.time_went_back;
  now_ns_ = std::max(now_ns_, time_ns);
  result_.cpus = std::max<std::uint32_t>(result_.cpus, event.cpu + 1U);
  deadlines_.add(event);

  family_counts& counts = counts_of(event.family);
  history& timer = (event.family == timer_family::wheel ? wheel_ : hrtimer_)[event.address];
  switch (event.verb) {
    case trace_verb::start:
      ++counts.start_events;
      start(timer, event);
      break;
    case trace_verb::cancel:
      ++counts.cancel_events;
      cancel(timer, event);
      break;
    case trace_verb::expire_entry:
      ++counts.expire_events;
      expire(timer, event);
      break;
  }
  timer.seen = true;
}

void trace_life::add(const lost_marker& marker) {
  ++result_.counts.lost_markers;
  result_.counts.lost_events += marker.events.value_or(0);
}

void trace_life::start(history& timer, const trace_event& event) {
  if (timer.now == phase::cancelling && continues_cancel(timer, event)) {
    withdrawn_[timer.cancel_operation] = true;
    append(operation_kind::rearm, timer, event);
    timer.now = phase::armed;
    return;
  }
  settle_blind_cancel(timer);
  const bool same_function =
      timer.seen_start && result_.functions[result_.timers[timer.timer].function] == event.function;
  if (timer.now == phase::armed && same_function) {
    append(operation_kind::rearm, timer, event);
    return;
  }
  if (timer.now == phase::armed) {
    ++result_.counts.ends_not_seen;
    append(operation_kind::cancel, timer, event);
  } else if (timer.seen_start && !same_function) {
    ++result_.counts.addresses_reused;
  }
  if (!same_function) begin_timer(timer, event);
  append(operation_kind::arm, timer, event);
  timer.now = phase::armed;
}

bool trace_life::continues_cancel(const history& timer, const trace_event& event) const {
  return timer.cancel_cpu == event.cpu && now_ns_ - timer.cancel_time_ns <= rearm_window_ns &&
         result_.functions[result_.timers[timer.timer].function] == event.function;
}

void trace_life::cancel(history& timer, const trace_event& event) {
  settle_blind_cancel(timer);
  timer.cancel_cpu = event.cpu;
  timer.cancel_time_ns = now_ns_;
  if (timer.now == phase::armed) {
    timer.cancel_operation = result_.operations.size();
    append(operation_kind::cancel, timer, event);
    timer.now = phase::cancelling;
  } else {
    timer.blind_first = !timer.seen;
    timer.now = phase::cancelling_blind;
  }
}

void trace_life::expire(history& timer, const trace_event& event) {
  switch (timer.now) {
    case phase::cancelling: result_.operations[timer.cancel_operation].kind = operation_kind::expiry; break;
    case phase::armed: append(operation_kind::expiry, timer, event); break;
    case phase::cancelling_blind:
      ++(timer.blind_first ? result_.counts.first_seen_by_expiry : result_.counts.expired_while_idle);
      break;
    case phase::idle: ++(timer.seen ? result_.counts.expired_while_idle : result_.counts.first_seen_by_expiry); break;
  }
  timer.now = phase::idle;
}

void trace_life::settle_blind_cancel(history& timer) {
  if (timer.now != phase::cancelling_blind) return;
  ++(timer.blind_first ? result_.counts.first_seen_by_cancel : result_.counts.cancelled_while_idle);
  timer.now = phase::idle;
}

void trace_life::begin_timer(history& timer, const trace_event& event) {
  timer.timer = static_cast<std::uint32_t>(result_.timers.size());
  timer.seen_start = true;
  result_.timers.push_back({function_index(event.function), event.family});
}

void trace_life::append(operation_kind kind, const history& timer, const trace_event& event) {
  operation one{now_ns_, 0, timer.timer, event.cpu, kind};
  if (is_arming(one)) one.delay_ns = event.family == timer_family::wheel ? event.timeout_jiffies : event.expires;
  result_.operations.push_back(one);
  withdrawn_.push_back(false);
}

std::uint32_t trace_life::function_index(std::string_view name) {
  const auto known = function_numbers_.find(name);
  if (known != function_numbers_.end()) return known->second;
  const auto number = static_cast<std::uint32_t>(result_.functions.size());
  result_.functions.emplace_back(name);
  function_numbers_.emplace(name, number);
  return number;
}

family_counts& trace_life::counts_of(timer_family family) {
  return family == timer_family::wheel ? result_.counts.wheel : result_.counts.hrtimer;
}

rebuilt_trace trace_life::finish(std::optional<std::uint32_t> hz) {
  result_.hz = deadlines_.jiffies_per_second(hz);
  result_.hz_was_given = hz.has_value();
  result_.length_ns = now_ns_;
  settle_ends();
  drop_withdrawn();
  count_operations();
  result_.counts.deadlines = deadlines_.convert(result_.operations, result_.timers, result_.hz, result_.started_at_ns);
  return std::move(result_);
}

void trace_life::settle_ends() {
  for (histories* family : {&wheel_, &hrtimer_}) {
    for (auto& [address, timer] : *family) {
      settle_blind_cancel(timer);
      if (timer.now == phase::armed) ++result_.counts.armed_at_end;
    }
  }
}

void trace_life::drop_withdrawn() {
  std::size_t kept = 0;
  for (std::size_t at = 0; at < result_.operations.size(); ++at) {
    if (!withdrawn_[at]) result_.operations[kept++] = result_.operations[at];
  }
  result_.operations.resize(kept);
}

void trace_life::count_operations() {
  for (operation& one : result_.operations) {
    family_counts& counts = counts_of(result_.timers[one.timer].family);
    switch (one.kind) {
      case operation_kind::arm: ++counts.arms; break;
      case operation_kind::rearm: ++counts.rearms; break;
      case operation_kind::cancel: ++counts.cancels; break;
      case operation_kind::expiry: ++counts.expiries; break;
    }
  }
}

}  // namespace detent::cli
