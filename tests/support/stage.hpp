// stage: one service of each kind, with whatever makes its callbacks run, so that one test is played on all of them.
#pragma once

#include <detent/detent.hpp>

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace support {

enum class scene {
  driver,            // own thread, callbacks on it
  pool,              // own thread, callbacks on two threads
  manual,            // manual clock, callbacks inside advance
  manual_pool,       // manual clock, callbacks on two threads
  manual_one,        // manual clock, one_thread
  manual_reversing,  // manual clock, a user's executor that turns the order round
  user_any,          // the user's loop, any_thread
  user_one,          // the user's loop, one_thread
  inlined,           // own thread, a user's executor that runs inside post
  foreign,           // own thread, a user's executor with two threads
};

inline const char* to_string(scene s) {
  switch (s) {
    case scene::driver: return "driver";
    case scene::pool: return "pool";
    case scene::manual: return "manual";
    case scene::manual_pool: return "manual_pool";
    case scene::manual_one: return "manual_one";
    case scene::manual_reversing: return "manual_reversing";
    case scene::user_any: return "user_any";
    case scene::user_one: return "user_one";
    case scene::inlined: return "inlined";
    case scene::foreign: return "foreign";
  }
  return "unknown";
}
inline std::ostream& operator<<(std::ostream& to, scene s) { return to << to_string(s); }

inline constexpr scene every_scene[] = {
    scene::driver,           scene::pool,     scene::manual,   scene::manual_pool, scene::manual_one,
    scene::manual_reversing, scene::user_any, scene::user_one, scene::inlined,     scene::foreign};

// Those whose callbacks run on other threads than the test's.
inline constexpr scene threaded_scenes[] = {scene::driver, scene::pool, scene::inlined, scene::foreign};

class stage {
 public:
  explicit stage(scene kind, detent::service_options options = {}) : kind_(kind) {
    switch (kind) {
      case scene::driver: options.executor = detent::on_driver{}; break;
      case scene::pool: options.executor = detent::pool{2}; break;
      case scene::manual:
        options.clock = &clock_;
        options.executor = detent::on_driver{};
        break;
      case scene::manual_pool:
        options.clock = &clock_;
        options.executor = detent::pool{2};
        break;
      case scene::manual_one:
        options.clock = &clock_;
        options.executor = detent::on_driver{};
        options.sharing = detent::sharing::one_thread;
        break;
      case scene::manual_reversing:
        options.clock = &clock_;
        options.executor = held_;
        break;
      case scene::user_any:
      case scene::user_one:
        options.drive = detent::drive::by_user;
        options.executor = detent::on_driver{};
        if (kind == scene::user_one) options.sharing = detent::sharing::one_thread;
        break;
      case scene::inlined: options.executor = inline_; break;
      case scene::foreign:
        foreign_ = std::make_unique<foreign_executor>(2U);
        options.executor = *foreign_;
        break;
    }
    service_ = std::make_unique<detent::timer_service>(std::move(options));
  }

  scene kind() const { return kind_; }
  detent::timer_service& service() { return *service_; }
  // For callbacks that destroy the service.
  std::unique_ptr<detent::timer_service>& holder() { return service_; }

  // Lets some time pass, and what is due run. On threads of the service's own it runs by itself.
  void turn() {
    switch (kind_) {
      case scene::manual:
      case scene::manual_pool:
      case scene::manual_one: clock_.advance(std::chrono::milliseconds(1)); break;
      case scene::manual_reversing:
        clock_.advance(std::chrono::milliseconds(1));
        held_.run_reversed();
        break;
      case scene::user_any:
      case scene::user_one:
        if (service_ != nullptr) service_->run_due();
        break;
      default: break;
    }
  }

  // Lets time pass until the condition holds.
  template <class Condition>
  bool until(Condition holds, std::source_location place = std::source_location::current()) {
    return eventually(
        [&] {
          if (holds()) return true;
          turn();
          return holds();
        },
        place);
  }

  // Whether the condition stayed false while time went on for at least as long as an absence is watched.
  template <class Condition>
  bool quiet_of(Condition holds) {
    return never([&] {
      turn();
      return holds();
    });
  }

 private:
  scene kind_;
  detent::manual_clock clock_;
  inline_executor inline_;
  held_executor held_;
  std::unique_ptr<foreign_executor> foreign_;
  std::unique_ptr<detent::timer_service> service_;
};

// The fixture of a test that is played on several scenes.
class on_scene : public ::testing::TestWithParam<scene> {
 public:
  stage play{GetParam()};
  detent::timer_service& service = play.service();
};

inline std::string scene_name(const ::testing::TestParamInfo<scene>& info) { return to_string(info.param); }

}  // namespace support
