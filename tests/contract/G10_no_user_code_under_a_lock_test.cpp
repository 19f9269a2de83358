// G10 Callbacks, hooks, executors' post, error handlers and destructors of captures run with no lock of the library
// held.
//
// Method: at every call-out the user's code calls every verb there is, on its own timer, on others, on ids, groups and
// the service, and creates and destroys timers: with a lock held, one of them would never come back. Each case runs
// under a limit that fails the test.
#include <detent/detent.hpp>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::manual_clock;
using detent::service_options;
using detent::timer;
using detent::timer_group;
using detent::timer_service;

// Everything a user may call, from wherever he stands.
void call_everything(timer_service& service, timer_group& group, timer& other, detent::timer_id id) {
  timer fresh(service, [] {});
  fresh.arm_after(1h);
  fresh.arm_every(1h);
  timer member(group, {.name = "member", .tolerance = 1ms}, [] {});
  member.arm_after(1h);
  static_cast<void>(other.arm_after(1h));
  static_cast<void>(other.cancel());
  static_cast<void>(other.stop());
  static_cast<void>(other.status());
  static_cast<void>(other.name());
  static_cast<void>(service.arm_after(id, 1h));
  static_cast<void>(service.status(id));
  static_cast<void>(service.info(id));
  static_cast<void>(service.stop(id));
  static_cast<void>(service.snapshot());
  static_cast<void>(service.active());
  static_cast<void>(service.counters());
  static_cast<void>(group.size());
  static_cast<void>(group.stop());
  static_cast<void>(service.cancel(service.once(1h, [] {})));
  static_cast<void>(service.close(service.every(1h, [] {})));
  static_cast<void>(fresh.close_and_wait());
  static_cast<void>(service.run_due());
}

struct scene {
  manual_clock clock;
  std::optional<timer_service> service;
  std::optional<timer_group> group;
  std::optional<timer> other;
  detent::timer_id id;
  int reached = 0;

  void open(service_options options = {}) {
    options.clock = &clock;
    if (options.executor.which() == detent::executor_choice::kind::pool) options.executor = detent::on_driver{};
    service.emplace(std::move(options));
    group.emplace(*service);
    other.emplace(*service, [] {});
    id = service->every(1h, [] {});
  }
  void everything() {
    ++reached;
    call_everything(*service, *group, *other, id);
  }
  void close() {
    other.reset();
    group.reset();
    service.reset();
  }
};

// Runs a case on a thread of its own; one that hangs ends the program with its place.
void bounded(std::function<void()> body, std::source_location place = std::source_location::current()) {
  support::background run(std::move(body), place);
}

TEST(G10, callbacks_of_one_shots_series_serial_members_and_ids) {
  bounded([] {
    scene s;
    s.open();
    timer one(*s.service, [&] { s.everything(); });
    timer series(*s.service, [&] { s.everything(); });
    timer_group serial(*s.service, {.order = detent::group_order::serial});
    timer member(serial, [&] { s.everything(); });
    one.arm_after(1ms);
    series.arm_every(1ms, {.pace = detent::pace::fixed_delay});
    member.arm_after(1ms);
    s.service->once(1ms, [&] { s.everything(); });
    s.clock.advance(2ms);
    EXPECT_EQ(s.reached, 5);
  });
}

template <class End>
void ends_with(End end) {
  bounded([end] {
    scene s;
    s.open();
    auto t = std::make_unique<timer>(*s.group, [last = support::at_end([&s] { s.everything(); })] {});
    t->arm_after(1h);
    end(s, t);
    EXPECT_EQ(s.reached, 1);
  });
}

TEST(G10, destructors_of_captures_at_close_destructor_group_and_shutdown) {
  ends_with([](scene&, std::unique_ptr<timer>& t) { t->close(); });
  ends_with([](scene&, std::unique_ptr<timer>& t) { t->close_and_wait(); });
  ends_with([](scene&, std::unique_ptr<timer>& t) { t.reset(); });
  ends_with([](scene& s, std::unique_ptr<timer>& t) { s.service->close(t->id()); });
  ends_with([](scene& s, std::unique_ptr<timer>&) { s.group->close(); });
  ends_with([](scene& s, std::unique_ptr<timer>&) { s.service->shutdown(); });
}

TEST(G10, destructors_of_captures_after_the_call_and_of_ids) {
  bounded([] {
    scene s;
    s.open();
    s.service->once(1ms, [last = support::at_end([&s] { s.everything(); })] {});
    s.clock.advance(1ms);
    EXPECT_EQ(s.reached, 1);
    const auto id = s.service->once(1h, [last = support::at_end([&s] { s.everything(); })] {});
    s.service->cancel(id);
    EXPECT_EQ(s.reached, 2);
    s.service->once(1h, [last = support::at_end([&s] { s.everything(); })] {});
    s.service->cancel_all();
    EXPECT_EQ(s.reached, 3);
    timer t(*s.service, [&t, last = support::at_end([&s] { s.everything(); })] { t.close(); });
    t.arm_after(0ns);
    s.clock.settle();
    EXPECT_EQ(s.reached, 4);
    timer born_closed;
    s.group->close();
    born_closed = timer(*s.group, [last = support::at_end([&s] { s.everything(); })] {});
    EXPECT_EQ(s.reached, 5);
  });
}

// The destructor of one member's capture destroys another member's handle: the closing thread must not hold both.
TEST(G10, a_capture_that_owns_another_members_handle) {
  for (const bool by_shutdown : {false, true}) {
    bounded([by_shutdown] {
      scene s;
      s.open();
      support::cage birds;
      for (int i = 0; i < 5; ++i) {
        auto inner = std::make_shared<timer>(*s.group, [bird = support::canary(birds)] {});
        inner->arm_after(1h);
        auto outer = std::make_shared<timer>(*s.group, [inner, bird = support::canary(birds)] {});
        outer->arm_after(1h);
        s.service->once(1h, [outer] {});
      }
      EXPECT_EQ(birds.alive(), 10);
      s.group->cancel();
      if (by_shutdown) {
        s.service->shutdown();
      } else {
        s.group->close();
        s.service->cancel_all();
      }
      EXPECT_EQ(birds.alive(), 0);
      EXPECT_EQ(birds.gone(), 10);
    });
  }
}

TEST(G10, a_group_of_ids_whose_captures_close_each_other) {
  bounded([] {
    scene s;
    s.open();
    std::vector<detent::timer_id> ids(6);
    timer_group own(*s.service);
    int ended = 0;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      auto last = support::at_end([&, i] {
        ++ended;
        s.service->close_and_wait(ids[(i + 1) % ids.size()]);
      });
      timer t(own, [last = std::move(last)] {});
      t.arm_after(1h);
      ids[i] = t.id();
      if (i % 2 == 0) continue;  // The handle goes at once for every other one: it is closed already.
    }
    own.cancel();
    own.close();
    EXPECT_EQ(ended, 6);
  });
}

TEST(G10, continuations) {
  bounded([] {
    scene s;
    s.open();
    timer t(*s.service, [] {});
    t.close_then([&, last = support::at_end([&s] { s.everything(); })] { s.everything(); });
    s.clock.settle();
    EXPECT_EQ(s.reached, 2);
  });
}

struct nosy_executor {
  scene* s = nullptr;
  bool inside = false;
  void post(detent::task t) {
    if (s != nullptr && !inside) {
      inside = true;
      s->everything();
      inside = false;
    }
    t();
  }
};

TEST(G10, the_users_executor_in_post_and_while_dropping) {
  bounded([] {
    nosy_executor nosy;
    scene s;
    service_options options;
    options.executor = nosy;
    s.open(std::move(options));
    int calls = 0;
    timer t(*s.service, [&] { ++calls; });
    nosy.s = &s;
    t.arm_after(1ms);
    s.clock.advance(1ms);
    nosy.s = nullptr;
    EXPECT_EQ(s.reached, 1);
    EXPECT_EQ(calls, 1);
  });
}

struct refusing_executor {
  void post(detent::task) {}
};

TEST(G10, the_error_handler_for_dropped_firings) {
  bounded([] {
    refusing_executor refusing;
    scene s;
    service_options options;
    options.executor = refusing;
    bool inside = false;
    options.on_error = [&](const detent::callback_error& e) {
      if (e.timer.name != "dropped" || inside) return;
      inside = true;
      s.everything();
      inside = false;
    };
    s.open(std::move(options));
    timer t(*s.service, {.name = "dropped"}, [] {});
    t.arm_after(1ms);
    s.clock.advance(1ms);
    EXPECT_EQ(s.reached, 1);
  });
}

#if DETENT_EXCEPTIONS
TEST(G10, the_error_handler_for_throws) {
  bounded([] {
    scene s;
    service_options options;
    options.on_error = [&](const detent::callback_error&) { s.everything(); };
    s.open(std::move(options));
    timer t(*s.service, [] { throw 1; });
    t.arm_after(1ms);
    s.clock.advance(1ms);
    EXPECT_EQ(s.reached, 1);
  });
}
#endif

TEST(G10, the_clock_step_hook) {
  bounded([] {
    scene s;
    service_options options;
    options.on_clock_step = [&](detent::duration by) {
      EXPECT_EQ(by, 1h);
      s.everything();
    };
    s.open(std::move(options));
    s.clock.step_system(1h);
    EXPECT_EQ(s.reached, 1);
  });
}

}  // namespace
