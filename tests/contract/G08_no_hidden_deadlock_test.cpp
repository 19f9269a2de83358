// G08 Waiting never hides a deadlock: the effect comes first, then only running calls are waited for; a wait that would
// close a cycle of calls, waiters, group waits and joins, over all services, is refused with the names in it; a
// destructor calls the deadlock handler.
//
// Method: callbacks meet at a gate, so that every call of the cycle is in progress, and then wait for each other.
// Exactly one of them is refused, the others come back, and everything is closed. A refusal too many, or a hang, fails.
#include <detent/detent.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::cancel_result;
using detent::deadlock_report;
using detent::service_options;
using detent::timer;
using detent::timer_group;
using detent::timer_service;
using detent::wait_result;

struct heard {
  std::mutex lock;
  std::vector<deadlock_report> reports;
  std::size_t count() {
    const std::lock_guard guard(lock);
    return reports.size();
  }
};

service_options with(heard& h, unsigned threads) {
  service_options options;
  options.executor = detent::pool{threads};
  options.on_deadlock = [&h](const deadlock_report& r) {
    const std::lock_guard guard(h.lock);
    h.reports.push_back(r);
  };
  return options;
}

// Lets n callbacks meet.
struct meeting {
  explicit meeting(int n) : missing(n) {}
  std::atomic<int> missing;
  void join() {
    missing.fetch_sub(1);
    support::eventually([this] { return missing.load() <= 0; });
  }
};

TEST(G08, a_cycle_of_one_answers_from_callback) {
  timer_service service;
  std::atomic<int> done{0};
  timer t(service, [&] {
    t.arm_after(1h);
    EXPECT_EQ(t.wait(), wait_result::from_callback);
    const auto cancelled = t.cancel_and_wait();
    EXPECT_EQ(cancelled.outcome, cancel_result::cancelled_running);
    EXPECT_EQ(cancelled.wait, wait_result::from_callback);
    EXPECT_EQ(t.wait(), wait_result::from_callback);
    EXPECT_EQ(t.close_and_wait().wait, wait_result::from_callback);
    done.fetch_add(1);
  });
  t.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return done.load() == 1; }));
  EXPECT_EQ(t.close_and_wait_for(support::patience).wait, wait_result::quiet);
}

TEST(G08, waiting_for_a_firing_that_has_not_started_is_refused_in_every_callback_of_the_service) {
  timer_service service;
  std::atomic<int> done{0};
  timer later(service, [] {});
  later.arm_after(1h);
  timer t(service, [&] {
    EXPECT_EQ(later.wait(), wait_result::from_callback);
    EXPECT_EQ(later.cancel_and_wait().wait, wait_result::quiet) << "no call of it is running";
    done.fetch_add(1);
  });
  t.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return done.load() == 1; }));
}

// n timers, each closing the next one while all n calls are in progress; `service_of` spreads them over services.
void ring(std::uint32_t n, const std::vector<timer_service*>& services, heard& h, bool cancel_only) {
  std::deque<timer> timers(n);
  meeting all(static_cast<int>(n));
  std::atomic<int> refused{0};
  std::atomic<int> quiet{0};
  support::cage birds;
  for (std::uint32_t i = 0; i < n; ++i) {
    timers[i] = timer(*services[i % services.size()], {.name = "ring " + std::to_string(i)},
                      [&, i, bird = support::canary(birds)] {
                        all.join();
                        timer& next = timers[(i + 1) % n];
                        const auto answer = cancel_only ? next.cancel_and_wait() : next.close_and_wait();
                        if (answer.wait == wait_result::would_deadlock) refused.fetch_add(1);
                        if (answer.wait == wait_result::quiet) quiet.fetch_add(1);
                      });
  }
  const std::size_t before = h.count();
  for (timer& t : timers) t.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return refused.load() + quiet.load() == static_cast<int>(n); }));
  EXPECT_EQ(refused, 1) << n;
  EXPECT_EQ(h.count(), before + 1);
  {
    const std::lock_guard guard(h.lock);
    const deadlock_report& r = h.reports.back();
    EXPECT_TRUE(r.refused);
    ASSERT_EQ(r.cycle.size(), n);
    for (const auto& name : r.cycle) EXPECT_EQ(name.name.substr(0, 5), "ring ");
    EXPECT_NE(r.text.find("ring"), std::string::npos);
  }
  for (timer& t : timers) {
    EXPECT_EQ(t.close_and_wait_for(support::patience).wait, wait_result::quiet);
    if (!cancel_only) {
      EXPECT_EQ(t.status(), detent::timer_state::closed);
    }
  }
  EXPECT_EQ(birds.alive(), 0);
  EXPECT_EQ(birds.gone(), static_cast<int>(n));
}

TEST(G08, rings_of_two_to_five_in_one_service) {
  heard h;
  timer_service service(with(h, 5));
  for (std::uint32_t n = 2; n <= 5; ++n) ring(n, {&service}, h, false);
  for (std::uint32_t n = 2; n <= 5; ++n) ring(n, {&service}, h, true);
}

TEST(G08, rings_across_services) {
  heard h;
  timer_service first(with(h, 3));
  timer_service second(with(h, 3));
  timer_service third(with(h, 3));
  ring(2, {&first, &second}, h, false);
  ring(3, {&first, &second, &third}, h, false);
  ring(5, {&first, &second}, h, false);
}

// A chain that ends is no cycle: n calls wait for the next, the last one just returns.
TEST(G08, a_chain_is_never_refused) {
  heard h;
  timer_service service(with(h, 5));
  for (int round = 0; round < 100; ++round) {
    constexpr std::uint32_t n = 5;
    std::deque<timer> timers(n);
    meeting all(n);
    std::atomic<int> quiet{0};
    for (std::uint32_t i = 0; i < n; ++i) {
      timers[i] = timer(service, [&, i] {
        all.join();
        if (i + 1 == n || timers[i + 1].close_and_wait().wait == wait_result::quiet) quiet.fetch_add(1);
      });
    }
    for (timer& t : timers) t.arm_after(0ns);
    ASSERT_TRUE(support::eventually([&] { return quiet.load() == n; }));
  }
  EXPECT_EQ(h.count(), 0U);
}

// Waits that alternate between the same timers for a long time, always in one direction, are never refused: a wait that
// was answered holds nobody up, also before its thread has woken.
TEST(G08, answered_waits_hold_nobody_up) {
  heard h;
  timer_service service(with(h, 4));
  std::atomic<int> refused{0};
  std::atomic<int> rounds{0};
  timer inner(service, [] {});
  timer outer(service, [&] {
    inner.arm_after(0ns);
    if (inner.cancel_and_wait().wait == wait_result::would_deadlock) refused.fetch_add(1);
    if (rounds.fetch_add(1) < 2000) outer.arm_after(0ns);
  });
  outer.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return rounds.load() > 2000; }));
  EXPECT_EQ(refused, 0);
}

TEST(G08, two_members_that_close_their_group_at_once) {
  heard h;
  timer_service service(with(h, 3));
  timer_group group(service);
  meeting all(2);
  std::atomic<int> refused{0};
  std::atomic<int> from_callback{0};
  std::deque<timer> members;
  for (int i = 0; i < 2; ++i) {
    members.emplace_back(group, detent::timer_options{.name = "member"}, [&] {
      all.join();
      const wait_result answer = group.close_and_wait();
      if (answer == wait_result::would_deadlock) refused.fetch_add(1);
      if (answer == wait_result::from_callback) from_callback.fetch_add(1);
    });
  }
  for (timer& t : members) t.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return refused.load() + from_callback.load() == 2; }));
  EXPECT_EQ(refused, 1);
  EXPECT_EQ(group.close_and_wait_for(support::patience), wait_result::quiet);
}

TEST(G08, two_callbacks_that_shut_down_each_others_service) {
  heard h;
  timer_service first(with(h, 2));
  timer_service second(with(h, 2));
  meeting all(2);
  std::atomic<int> incomplete{0};
  std::atomic<int> done{0};
  const auto shut = [&](timer_service& other) {
    all.join();
    if (!other.shutdown().complete) incomplete.fetch_add(1);
    done.fetch_add(1);
  };
  timer a(first, {.name = "a"}, [&] { shut(second); });
  timer b(second, {.name = "b"}, [&] { shut(first); });
  a.arm_after(0ns);
  b.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return done.load() == 2; }));
  EXPECT_GE(incomplete, 1) << "one of them cannot wait for the other";
  EXPECT_TRUE(first.shutdown().complete);
  EXPECT_TRUE(second.shutdown().complete);
}

// A destroys B while B destroys A: the destructor that closes the cycle calls the handler; when that returns, so does
// the destructor, without waiting.
TEST(G08, destructors_call_the_handler_and_come_back_if_it_does) {
  heard h;
  timer_service service(with(h, 2));
  for (int round = 0; round < 20; ++round) {
    support::cage birds;
    meeting all(2);
    std::atomic<int> over{0};
    auto a = std::make_unique<timer>();
    auto b = std::make_unique<timer>();
    *a = timer(service, {.name = "a"}, [&, bird = support::canary(birds)] {
      all.join();
      b.reset();
      over.fetch_add(1);
    });
    *b = timer(service, {.name = "b"}, [&, bird = support::canary(birds)] {
      all.join();
      a.reset();
      over.fetch_add(1);
    });
    a->arm_after(0ns);
    b->arm_after(0ns);
    ASSERT_TRUE(support::eventually([&] { return over.load() == 2 && birds.gone() == 2; }));
    ASSERT_EQ(h.count(), static_cast<std::size_t>(round) + 1);
    const std::lock_guard guard(h.lock);
    EXPECT_FALSE(h.reports.back().refused);
    EXPECT_EQ(h.reports.back().cycle.size(), 2U);
  }
  EXPECT_TRUE(support::eventually([&] { return service.counters().alive == 0; }));
}

TEST(G08_death_test, without_a_handler_a_destructor_prints_the_cycle_and_aborts) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH(
      {
        timer_service service;
        meeting all(2);
        auto a = std::make_unique<timer>();
        auto b = std::make_unique<timer>();
        *a = timer(service, {.name = "left"}, [&] {
          all.join();
          b.reset();
        });
        *b = timer(service, {.name = "right"}, [&] {
          all.join();
          a.reset();
        });
        a->arm_after(0ns);
        b->arm_after(0ns);
        std::this_thread::sleep_for(support::patience);
      },
      "would wait for ever.*(left|right)");
}

TEST(G08, the_effect_is_taken_although_the_wait_is_refused) {
  heard h;
  timer_service service(with(h, 2));
  meeting all(2);
  std::atomic<int> done{0};
  timer a;
  timer b;
  a = timer(service, [&] {
    all.join();
    b.arm_after(1h);
    b.cancel_and_wait();
    b.close_and_wait();
    EXPECT_EQ(b.arm_after(1ns), detent::arm_result::closed);
    done.fetch_add(1);
  });
  b = timer(service, [&] {
    all.join();
    a.close_and_wait();
    EXPECT_EQ(a.arm_after(1ns), detent::arm_result::closed);
    done.fetch_add(1);
  });
  a.arm_after(0ns);
  b.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return done.load() == 2; }));
}

TEST(G08, on_the_driving_thread_a_wait_for_what_only_run_due_could_do_is_refused) {
  service_options options;
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  timer_service service(std::move(options));
  service.run_due();
  timer t(service, [] {});
  t.arm_after(1h);
  EXPECT_EQ(t.wait(), wait_result::would_deadlock);
  EXPECT_EQ(t.cancel_and_wait().outcome, cancel_result::cancelled);
}

// Nobody else may call into the service, so also before the first look the wait could never end.
TEST(G08, with_one_thread_every_wait_for_what_has_not_started_is_refused) {
  detent::manual_clock clock;
  for (const bool manual : {false, true}) {
    service_options options;
    options.drive = detent::drive::by_user;
    options.sharing = detent::sharing::one_thread;
    options.executor = detent::on_driver{};
    if (manual) options.clock = &clock;
    timer_service service(std::move(options));
    timer t(service, [] {});
    t.arm_after(1h);
    EXPECT_EQ(t.wait_for(support::patience), wait_result::would_deadlock);
    EXPECT_EQ(t.wait(), wait_result::would_deadlock);
    EXPECT_EQ(service.wait(t.id()), wait_result::would_deadlock);
    EXPECT_EQ(t.close_and_wait().outcome, cancel_result::cancelled);
  }
}

// --- Cycles of unlike parts ------------------------------------------------------------------------------------------

// Two calls that meet and then do what they are given; answers how many of their waits were refused.
template <class First, class Second>
int meet_and(timer& a, timer& b, const detent::detail::home& at_a, const detent::detail::home& at_b, First first,
             Second second) {
  meeting both(2);
  std::atomic<int> refused{0};
  std::atomic<int> over{0};
  a = timer(at_a, {.name = "a"}, [&] {
    both.join();
    refused.fetch_add(first() == wait_result::would_deadlock ? 1 : 0);
    over.fetch_add(1);
  });
  b = timer(at_b, {.name = "b"}, [&] {
    both.join();
    refused.fetch_add(second() == wait_result::would_deadlock ? 1 : 0);
    over.fetch_add(1);
  });
  a.arm_after(0ns);
  b.arm_after(0ns);
  support::eventually([&] { return over.load() == 2; });
  a.close_and_wait();
  b.close_and_wait();
  return refused.load();
}

TEST(G08, a_timer_and_a_group_that_close_each_other) {
  heard h;
  timer_service service(with(h, 2));
  timer_group group(service);
  timer a;
  timer b;
  EXPECT_EQ(meet_and(
                a, b, group, service, [&] { return b.close_and_wait().wait; }, [&] { return group.close_and_wait(); }),
            1);
  EXPECT_EQ(h.count(), 1U);
}

TEST(G08, members_that_destroy_each_other_s_group) {
  heard h;
  timer_service service(with(h, 2));
  auto left = std::make_unique<timer_group>(service);
  auto right = std::make_unique<timer_group>(service);
  timer a;
  timer b;
  EXPECT_EQ(meet_and(
                a, b, *left, *right,
                [&] {
                  right.reset();
                  return wait_result::quiet;
                },
                [&] {
                  left.reset();
                  return wait_result::quiet;
                }),
            0);
  ASSERT_EQ(h.count(), 1U);
  EXPECT_FALSE(h.reports.back().refused) << "a destructor cannot refuse";
}

TEST(G08, a_limit_does_not_keep_a_cycle_waiting) {
  heard h;
  timer_service service(with(h, 2));
  timer a;
  timer b;
  EXPECT_EQ(meet_and(
                a, b, service, service, [&] { return b.close_and_wait_for(1h).wait; },
                [&] { return a.cancel_and_wait_for(1h).wait; }),
            1);
}

TEST(G08, close_then_closes_no_cycle) {
  heard h;
  timer_service service(with(h, 2));
  timer a;
  timer b;
  std::atomic<int> then{0};
  EXPECT_EQ(meet_and(
                a, b, service, service,
                [&] {
                  b.close_then([&] { then.fetch_add(1); });
                  return wait_result::quiet;
                },
                [&] {
                  a.close_then([&] { then.fetch_add(1); });
                  return wait_result::quiet;
                }),
            0);
  support::eventually([&] { return then.load() == 2; });
  EXPECT_EQ(h.count(), 0U);
}

TEST(G08, a_detached_call_is_in_no_cycle_of_its_timer) {
  heard h;
  timer_service service(with(h, 2));
  meeting both(2);
  std::atomic<int> quiet{0};
  timer a;
  timer b;
  a = timer(service, [&](detent::firing& f) {
    f.detach();
    both.join();
    if (b.close_and_wait().wait == wait_result::quiet) quiet.fetch_add(1);
  });
  b = timer(service, [&] {
    both.join();
    if (a.close_and_wait().wait == wait_result::quiet) quiet.fetch_add(1);
  });
  a.arm_after(0ns);
  b.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return quiet.load() == 2; }));
  EXPECT_EQ(h.count(), 0U);
  service.shutdown();  // a counts for its service to the end.
}

// The destruction of captures counts as a call: two of them may wait for each other just so.
TEST(G08, captures_that_close_each_other_s_timer_while_they_are_destroyed) {
  heard h;
  timer_service service(with(h, 1));
  meeting both(2);
  std::atomic<int> refused{0};
  timer a;
  timer b;
  a = timer(service, [end = support::at_end([&] {
                        both.join();
                        if (b.close_and_wait().wait == wait_result::would_deadlock) refused.fetch_add(1);
                      })] {});
  b = timer(service, [end = support::at_end([&] {
                        both.join();
                        if (a.close_and_wait().wait == wait_result::would_deadlock) refused.fetch_add(1);
                      })] {});
  {
    support::background first([&] { a.close(); });
    support::background second([&] { b.close(); });
  }
  EXPECT_EQ(refused, 1);
}

// A call inside a call: the inner one's waits hold up the outer one as well.
TEST(G08, a_call_made_inside_a_call_of_another_service) {
  heard h;
  timer_service service(with(h, 2));
  service_options options = with(h, 1);
  options.drive = detent::drive::by_user;
  options.executor = detent::on_driver{};
  timer_service loop(std::move(options));
  meeting both(2);
  std::atomic<int> refused{0};
  std::atomic<int> over{0};
  timer outer;
  timer other;
  timer inner(loop, [&] {
    EXPECT_EQ(outer.close_and_wait().wait, wait_result::from_callback);
    both.join();
    if (other.close_and_wait().wait == wait_result::would_deadlock) refused.fetch_add(1);
  });
  inner.arm_after(0ns);
  outer = timer(service, [&] {
    loop.run_due();
    over.fetch_add(1);
  });
  other = timer(service, [&] {
    both.join();
    if (outer.close_and_wait().wait == wait_result::would_deadlock) refused.fetch_add(1);
    over.fetch_add(1);
  });
  outer.arm_after(0ns);
  other.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return over.load() == 2; }));
  EXPECT_EQ(refused, 1);
}

TEST(G08, services_that_destroy_each_other_in_their_callbacks) {
  heard h;
  auto first = std::make_unique<timer_service>(with(h, 1));
  auto second = std::make_unique<timer_service>(with(h, 1));
  meeting both(2);
  std::atomic<int> over{0};
  timer a(*first, {.name = "a"}, [&] {
    both.join();
    second.reset();
    over.fetch_add(1);
  });
  timer b(*second, {.name = "b"}, [&] {
    both.join();
    first.reset();
    over.fetch_add(1);
  });
  a.arm_after(0ns);
  b.arm_after(0ns);
  EXPECT_TRUE(support::eventually([&] { return over.load() == 2; }));
  const std::lock_guard guard(h.lock);
  EXPECT_TRUE(std::any_of(h.reports.begin(), h.reports.end(), [](const deadlock_report& r) { return !r.refused; }));
}

TEST(G08, a_call_over_its_limit_is_named_once) {
  service_options options;
  options.executor = detent::on_driver{};
  options.call_limit = 5ms;
  std::atomic<int> told{0};
  std::string name;
  options.on_slow_call = [&](const detent::slow_call& slow) {
    name = slow.timer.name;
    EXPECT_GE(slow.running_for, 5ms);
    told.fetch_add(1);
  };
  timer_service service(std::move(options));
  support::gate go;
  timer t(service, {.name = "slow one"}, [&] { go.pass(); });
  timer quick(service, {.name = "quick one"}, [] {});
  t.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return told.load() == 1; }));
  EXPECT_EQ(name, "slow one");
  EXPECT_TRUE(support::never([&] { return told.load() != 1; }));
  go.open();
  quick.arm_after(0ns);
  quick.wait();
}

}  // namespace
