// G09 Three ways to end: verbs that never block, verbs that wait, and close_then: last call returned, callable
// destroyed, f runs, f destroyed, always in that order; f runs on the executor, never inside close_then; several run in
// order.
//
// Method: a log of what happened, on a manual clock; then real threads, shutdown and the user's loop; allocation is
// made to fail by a counting operator new.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {
thread_local bool memory_is_short = false;
}  // namespace

// The one form that the library allocates with where it must not throw.
void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return memory_is_short ? nullptr : ::operator new(size);
}

namespace {

using namespace std::chrono_literals;
using detent::manual_clock;
using detent::service_options;
using detent::then_result;
using detent::timer;
using detent::timer_group;
using detent::timer_service;

using log = std::vector<std::string>;

auto says_when_gone(log& l, std::string what) {
  return support::at_end([&l, what = std::move(what)] { l.push_back(what); });
}

TEST(G09, call_callable_continuation_in_that_order) {
  manual_clock clock;
  timer_service service(clock);
  log l;
  timer t(service, [&, last = says_when_gone(l, "callable gone")] {
    EXPECT_EQ(t.close_then([&, gone = says_when_gone(l, "f gone")] { l.push_back("f"); }), then_result::accepted);
    l.push_back("call returns");
  });
  t.arm_after(0ns);
  clock.settle();
  EXPECT_EQ(l, (log{"call returns", "callable gone", "f", "f gone"}));
}

TEST(G09, never_inside_close_then_also_when_the_timer_is_idle_or_closed) {
  manual_clock clock;
  timer_service service(clock);
  log l;
  timer t(service, [last = says_when_gone(l, "callable gone")] {});
  t.close_then([&] { l.push_back("f"); });
  EXPECT_EQ(l, (log{"callable gone"}));
  EXPECT_EQ(t.arm_after(0ns), detent::arm_result::closed);
  clock.settle();
  EXPECT_EQ(l, (log{"callable gone", "f"}));
  t.close_then([&] { l.push_back("g"); });
  EXPECT_EQ(l.size(), 2U);
  clock.settle();
  EXPECT_EQ(l.back(), "g");
}

TEST(G09, several_run_each_once_in_order) {
  for (const bool in_pool : {false, true}) {
    service_options options;
    if (in_pool) options.executor = detent::pool{3};
    else options.executor = detent::on_driver{};
    timer_service service(std::move(options));
    for (int round = 0; round < 100; ++round) {
      std::atomic<int> ran{0};
      std::vector<int> order;  // plain: each continuation happens before the next
      timer t(service, [&] {
        for (int i = 0; i < 5; ++i) {
          t.close_then([&, i] {
            order.push_back(i);
            ran.fetch_add(1, std::memory_order_release);
          });
        }
      });
      t.arm_after(0ns);
      ASSERT_TRUE(support::eventually([&] { return ran.load(std::memory_order_acquire) == 5; }));
      ASSERT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4}));
    }
  }
}

TEST(G09, f_may_free_everything_handle_and_service_included) {
  for (int round = 0; round < 50; ++round) {
    struct world {
      world() : t{service, [] {}} {}  // In the list: clang 16 cannot take a source_location in a member's initializer.
      timer_service service;
      timer t;
    };
    auto all = std::make_unique<world>();
    std::atomic<bool> over{false};
    world& w = *all;
    w.t.close_then([&] {
      all.reset();
      over.store(true);
    });
    ASSERT_TRUE(support::eventually([&] { return over.load(); }));
  }
}

TEST(G09, f_may_free_everything_before_close_then_has_returned) {
  for (int round = 0; round < 300; ++round) {
    auto service = std::make_unique<timer_service>();
    auto t = std::make_unique<timer>(*service, [] {});
    if (round % 3 == 1) t->close();
    if (round % 3 == 2) service->shutdown();  // Then it runs inside close_then.
    support::gate over;
    timer& handle = *t;
    handle.close_then([&] {
      t.reset();
      service.reset();
      over.open();
    });
    ASSERT_TRUE(over.pass());
  }
}

// What runs after a call is no part of it: it may free the group of that call, and wait for others.
TEST(G09, f_is_outside_the_call_that_it_comes_after) {
  timer_service service;
  auto own = std::make_unique<timer_group>(service);
  timer_group other(service);
  support::gate begun;
  support::gate shut_down;
  support::gate over;
  std::unique_ptr<timer> t;
  t = std::make_unique<timer>(*own, [&] {
    begun.open();
    shut_down.pass();
    t->close_then([&] {
      EXPECT_EQ(own->close_and_wait(), detent::wait_result::quiet);
      own.reset();
      EXPECT_EQ(other.close_and_wait(), detent::wait_result::quiet);
      over.open();
    });
    t.reset();
  });
  t->arm_after(0ns);
  begun.pass();
  EXPECT_FALSE(service.shutdown(detent::shutdown_policy::cancel_pending, 1ms).complete);
  shut_down.open();
  ASSERT_TRUE(over.pass());
}

TEST(G09, waits_do_not_wait_for_f) {
  timer_service service;
  support::gate go;
  std::atomic<bool> over{false};
  timer t(service, [] {});
  t.close_then([&] {
    go.pass();
    over.store(true);
  });
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  t = timer();
  EXPECT_FALSE(over.load());
  go.open();
  EXPECT_TRUE(support::eventually([&] { return over.load(); }));
}

TEST(G09, in_a_service_driven_by_the_user_f_runs_in_the_next_run_due) {
  service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  timer_service service(std::move(options));
  int ran = 0;
  timer t(service, [] {});
  t.close_then([&] { ++ran; });
  EXPECT_EQ(ran, 0);
  const auto due = service.next_deadline();
  EXPECT_LE(due, detent::steady_clock::now());
  service.run_due();
  EXPECT_EQ(ran, 1);
}

TEST(G09, what_has_not_started_when_shutdown_ends_is_run_by_the_thread_that_shuts_down) {
  manual_clock clock;
  timer_service service(clock);
  std::vector<int> ran;
  timer t(service, [] {});
  t.close_then([&] { ran.push_back(1); });
  t.close_then([&] { ran.push_back(2); });
  EXPECT_TRUE(service.shutdown().complete);
  EXPECT_EQ(ran, (std::vector<int>{1, 2}));
  timer after(service, [] {});
  EXPECT_EQ(after.close_then([&] { ran.push_back(3); }), then_result::accepted);
  EXPECT_EQ(ran.back(), 3) << "after shutdown the caller runs it";
}

TEST(G09, by_id_it_reaches_the_timer_or_runs_at_once_when_it_is_gone) {
  manual_clock clock;
  timer_service service(clock);
  log l;
  const auto id = service.once(1h, [last = says_when_gone(l, "callable gone")] {});
  service.close_then(id, [&] { l.push_back("f"); });
  clock.settle();
  EXPECT_EQ(l, (log{"callable gone", "f"}));
  service.close_then(id, [&] { l.push_back("g"); });
  clock.settle();
  EXPECT_EQ(l.back(), "g");
}

struct forgetful_executor {
  bool forgets = false;
  void post(detent::task t) {
    if (!forgets) t();
  }
};

TEST(G09, what_the_executor_dropped_is_run_by_shutdown) {
  forgetful_executor forgetful;
  manual_clock clock;
  service_options options;
  options.clock = &clock;
  options.executor = forgetful;
  options.on_error = [](const detent::callback_error&) {};
  timer_service service(std::move(options));
  log l;
  timer t(service, [] {});
  forgetful.forgets = true;
  t.close_then([&, gone = says_when_gone(l, "f gone")] { l.push_back("f"); });
  clock.advance(1h);
  EXPECT_EQ(l, log{});
  service.shutdown();
  EXPECT_EQ(l, (log{"f", "f gone"}));
}

TEST(G09, an_empty_handle_runs_it_at_once) {
  bool ran = false;
  timer().close_then([&] { ran = true; });
  EXPECT_TRUE(ran);
}

TEST(G09, without_memory_nothing_is_changed) {
  manual_clock clock;
  timer_service service(clock);
  int fired = 0;
  bool ran = false;
  timer t(service, [&] { ++fired; });
  t.arm_after(1ms);
  const auto* keep = new std::string(100, 'x');
  std::unique_ptr<const std::string> large(keep);
  auto f = [&ran, large = std::move(large), more = std::array<char, 64>{}] { ran = more.front() == 0; };
  memory_is_short = true;
  const then_result answer = t.close_then(std::move(f));
  memory_is_short = false;
  EXPECT_EQ(answer, then_result::no_memory);
  clock.advance(1ms);
  EXPECT_EQ(fired, 1) << "the timer stays open";
  EXPECT_FALSE(ran);
  EXPECT_EQ(t.close_then(std::move(f)), then_result::accepted) << "f is untouched";
  clock.settle();
  EXPECT_TRUE(ran);
}

TEST(G09, the_first_two_ways_answer_what_they_found) {
  manual_clock clock;
  timer_service service(clock);
  timer t(service, [] {});
  EXPECT_EQ(t.cancel(), detent::cancel_result::idle);
  t.arm_after(1s);
  EXPECT_EQ(t.cancel(), detent::cancel_result::cancelled);
  t.arm_after(1s);
  const auto answer = t.cancel_and_wait_for(1s);
  EXPECT_EQ(answer.outcome, detent::cancel_result::cancelled);
  EXPECT_EQ(answer.wait, detent::wait_result::quiet);
  t.arm_after(1s);
  EXPECT_EQ(t.close(), detent::cancel_result::cancelled);
  EXPECT_EQ(t.close(), detent::cancel_result::closed);
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
}

}  // namespace
