// The real service behind the same questions as the model.
#pragma once

#include "reference/world.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <variant>

namespace reference {

class real_world : public world {
 public:
  explicit real_world(std::int64_t start_ns) : clock_(detent::duration(start_ns)), service_(clock_) {}

  std::int64_t now_ns(detent::clock_kind clock) const override {
    switch (clock) {
      case detent::clock_kind::steady: return clock_.now().time_since_epoch().count();
      case detent::clock_kind::boottime: return clock_.now<detent::boottime_clock>().time_since_epoch().count();
      case detent::clock_kind::system: break;
    }
    return clock_.now<detent::system_clock>().time_since_epoch().count();
  }

  void create(int timer, detent::clock_kind clock) override {
    // The callback owns nothing: its timer may be destroyed in it.
    const auto body = [this, timer](detent::firing& f) { call(timer, f); };
    switch (clock) {
      case detent::clock_kind::steady: timers_[timer].handle.emplace<detent::timer>(service_, body); break;
      case detent::clock_kind::boottime: timers_[timer].handle.emplace<detent::boottime_timer>(service_, body); break;
      case detent::clock_kind::system: timers_[timer].handle.emplace<detent::system_timer>(service_, body); break;
    }
    timers_[timer].calls = 0;
    timers_[timer].clock = clock;
  }

  void destroy(int timer) override {
    const auto at = timers_.find(timer);
    if (at == timers_.end()) return;
    const auto dying = timers_.extract(at);  // Out of the map first: its captures may look here.
  }

  detent::arm_result arm_at(int timer, std::int64_t at_ns) override {
    return visit(timer, detent::arm_result::closed, [&]<class Clock>(detent::basic_timer<Clock>& t) {
      return t.arm_at(typename Clock::time_point(typename Clock::duration(at_ns)));
    });
  }
  detent::arm_result arm_after(int timer, std::int64_t delay_ns) override {
    return visit(timer, detent::arm_result::closed,
                 [&]<class Clock>(detent::basic_timer<Clock>& t) { return t.arm_after(detent::duration(delay_ns)); });
  }
  detent::arm_result arm_every(int timer, const series_terms& terms) override {
    detent::series_options options;
    options.pace = terms.pace;
    options.missed = terms.missed;
    return visit(timer, detent::arm_result::closed, [&]<class Clock>(detent::basic_timer<Clock>& t) {
      const typename Clock::time_point first{typename Clock::duration(terms.first_at_ns)};
      return t.arm_every(first, detent::duration(terms.period_ns), options);
    });
  }
  detent::cancel_result cancel(int timer) override {
    return visit(timer, detent::cancel_result::closed, [](auto& t) { return t.cancel(); });
  }
  detent::cancel_result close(int timer) override {
    return visit(timer, detent::cancel_result::closed, [](auto& t) { return t.close(); });
  }
  detent::timer_state status(int timer) override {
    return visit(timer, detent::timer_state::closed, [](auto& t) { return t.status(); });
  }
  std::size_t advance(std::int64_t by_ns) override { return clock_.advance(detent::duration(by_ns)); }
  std::size_t step() override { return clock_.step(); }
  std::size_t suspend(std::int64_t by_ns) override { return clock_.suspend(detent::duration(by_ns)); }
  std::size_t step_system(std::int64_t by_ns) override { return clock_.step_system(detent::duration(by_ns)); }

  detent::service_counters counters() const { return service_.counters(); }

 private:
  struct entry {
    std::variant<std::monostate, detent::timer, detent::boottime_timer, detent::system_timer> handle;
    detent::clock_kind clock = detent::clock_kind::steady;
    int calls = 0;
  };

  template <class Answer, class F>
  Answer visit(int timer, Answer gone, F f) {
    const auto at = timers_.find(timer);
    if (at == timers_.end()) return gone;
    switch (at->second.clock) {
      case detent::clock_kind::steady: return f(std::get<detent::timer>(at->second.handle));
      case detent::clock_kind::boottime: return f(std::get<detent::boottime_timer>(at->second.handle));
      case detent::clock_kind::system: break;
    }
    return f(std::get<detent::system_timer>(at->second.handle));
  }

  void call(int timer, detent::firing& f) {
    entry& e = timers_.at(timer);
    std::int64_t deadline_ns = 0;
    switch (e.clock) {
      case detent::clock_kind::steady: deadline_ns = f.deadline<>().time_since_epoch().count(); break;
      case detent::clock_kind::boottime:
        deadline_ns = f.deadline<detent::boottime_clock>().time_since_epoch().count();
        break;
      case detent::clock_kind::system:
        deadline_ns = f.deadline<detent::system_clock>().time_since_epoch().count();
        break;
    }
    trace.push_back({event::kind::call, timer, deadline_ns, deadline_ns + f.lateness().count(),
                     static_cast<std::int64_t>(f.missed())});
    on_call(*this, timer, ++e.calls, context);
  }

  detent::manual_clock clock_;
  detent::timer_service service_;
  std::map<int, entry> timers_;
};

}  // namespace reference
