#include "engine/engine.hpp"

#include <detent/testing.hpp>

namespace detent::inline v0 {

manual_clock::manual_clock(duration start) : state_(new detail::manual_state(start.count())) {}

manual_clock::~manual_clock() { delete state_; }

std::size_t manual_clock::advance(duration d) { return state_->advance(d.count()); }

std::size_t manual_clock::step() { return state_->step(); }

std::size_t manual_clock::suspend(duration d) { return state_->suspend(d.count()); }

std::size_t manual_clock::step_system(duration d) { return state_->step_system(d.count()); }

duration manual_clock::now_since_epoch(clock_kind kind) const noexcept {
  return duration(state_->readings()->now_ns(static_cast<detail::clock_id>(kind)));
}

}  // namespace detent::inline v0
