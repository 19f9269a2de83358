// Who ends a subscription, an expectation or an operation waits for the call of its function. That wait, those of
// workers and those for timers are in one graph: the wait that would close a cycle is refused, or told by a destructor.
#include <detent/publication.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <support/heard_child.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;
using detent::reply_result;

// A service that keeps what its deadlock handler was told.
struct told_service {
  std::vector<detent::deadlock_report> told() {
    const std::lock_guard locked(lock);
    return reports;
  }
  detent::service_options options() {
    detent::service_options made;
    made.on_deadlock = [this](const detent::deadlock_report& report) {
      const std::lock_guard locked(lock);
      reports.push_back(report);
    };
    return made;
  }
  std::mutex lock;
  std::vector<detent::deadlock_report> reports;
  detent::timer_service service{options()};
};

// What a caller can end, and how its function is called on `by`.
enum class kind { subscription, expectation, operation };

struct ended {
  ended(kind which, detent::worker& by, std::function<void()> f) : which_(which), by_(by) {
    const auto once = [this, f = std::move(f), kept = captured_](auto&&...) {
      calls.fetch_add(1);
      f();
      static_cast<void>(this);
    };
    switch (which) {
      case kind::subscription: subscription_ = numbers_.subscribe(by, once, {.name = "the function"}); break;
      case kind::expectation: expectation_ = by.expect(once, "the function"); break;
      case kind::operation: operation_ = by.in_flight(once, "the function"); break;
    }
    alive = captured_;
    captured_.reset();
  }
  void call() {
    switch (which_) {
      case kind::subscription: numbers_.publish(1); break;
      case kind::expectation: expectation_.complete(); break;
      case kind::operation: by_.stop(); break;
    }
  }
  void end() {
    subscription_ = {};
    expectation_ = {};
    operation_ = {};
  }
  bool is_told_again() {
    numbers_.publish(2);
    expectation_.complete();
    return calls.load() != 1;
  }
  std::atomic<int> calls{0};
  std::weak_ptr<int> alive;

 private:
  const kind which_;
  detent::worker& by_;
  std::shared_ptr<int> captured_ = std::make_shared<int>(0);
  detent::publication<int> numbers_;
  detent::subscription subscription_;
  detent::expectation expectation_;
  detent::operation operation_;
};

class forgetting : public testing::TestWithParam<kind> {};

// R-FORGET. The function waits for the worker whose task ends it, and was there first: the destructor tells and comes
// back, what is called lasts until its call is over, and is not called again.
TEST_P(forgetting, a_destructor_that_closes_a_cycle_tells_and_returns) {
  told_service made;
  detent::worker ending(made.service, {.name = "ending"});
  detent::worker caller(made.service, {.name = "caller"});
  support::gate begun;
  support::gate returned;
  std::atomic<call_result> answer{call_result::threw};
  std::atomic<bool> was_alive{false};
  std::optional<ended> it;
  it.emplace(GetParam(), caller, [&] {
    begun.pass();
    answer.store(ending.call_and_wait([] {}));
    returned.pass();
    was_alive.store(!it->alive.expired());
  });
  ending.start();
  caller.start();
  ASSERT_EQ(ending.post([&] {
    begun.open();
    while (ending.size() == 0) std::this_thread::yield();  // The function's call is queued, and so is its wait entered.
    it->end();
    returned.open();
  }),
            post_result::accepted);
  it->call();
  EXPECT_TRUE(returned.pass());
  EXPECT_TRUE(support::eventually([&] { return it->alive.expired(); }));
  EXPECT_TRUE(ending.shutdown(support::patience).complete);
  EXPECT_FALSE(it->is_told_again());
  EXPECT_TRUE(caller.shutdown(support::patience).complete);
  EXPECT_TRUE(was_alive.load());
  EXPECT_EQ(it->calls.load(), 1);
  EXPECT_EQ(answer.load(), call_result::done);
  const std::vector<detent::deadlock_report> told = made.told();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_FALSE(told[0].refused);
  EXPECT_EQ(told[0].text, "'ending' <- 'the function'");
  ASSERT_EQ(told[0].cycle.size(), 2u);
  EXPECT_EQ(told[0].cycle[1].name, "the function");
}

// R-FORGET. The destructor was there first: the function's wait is refused, and both go on.
TEST_P(forgetting, a_function_that_closes_a_cycle_is_refused) {
  told_service made;
  detent::worker ending(made.service, {.name = "ending"});
  detent::worker caller(made.service, {.name = "caller"});
  support::gate called;
  support::gate about;
  std::atomic<bool> is_over{false};
  std::atomic<call_result> answer{call_result::threw};
  ended it(GetParam(), caller, [&] {
    called.open();
    about.pass();
    EXPECT_TRUE(support::never([&] { return is_over.load(); }));
    answer.store(ending.call_and_wait([] {}));
  });
  ending.start();
  caller.start();
  ASSERT_EQ(ending.post([&] {
    called.pass();
    about.open();
    it.end();
    EXPECT_TRUE(it.alive.expired());
    is_over.store(true);
  }),
            post_result::accepted);
  it.call();
  EXPECT_TRUE(support::eventually([&] { return is_over.load(); }));
  EXPECT_TRUE(ending.shutdown(support::patience).complete);
  EXPECT_TRUE(caller.shutdown(support::patience).complete);
  EXPECT_EQ(answer.load(), call_result::from_worker);
  EXPECT_TRUE(made.told().empty());
}

// A timer's callback ends it while the function waits for that timer to be quiet.
TEST_P(forgetting, a_cycle_through_a_timer_is_found) {
  told_service made;
  detent::worker caller(made.service, {.name = "caller"});
  support::gate called;
  support::gate fired;
  std::atomic<detent::wait_result> answer{detent::wait_result::quiet};
  std::atomic<bool> is_over{false};
  std::optional<detent::timer> ending;
  ended it(GetParam(), caller, [&] {
    called.open();
    fired.pass();
    answer.store(ending->close_and_wait().wait);
  });
  ending.emplace(made.service, [&] {
    fired.open();
    called.pass();
    it.end();
    is_over.store(true);
  });
  caller.start();
  ending->arm_after(0ns);
  it.call();
  EXPECT_TRUE(support::eventually([&] { return is_over.load(); }));
  EXPECT_TRUE(caller.shutdown(support::patience).complete);
  // Whoever came last.
  const std::vector<detent::deadlock_report> told = made.told();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].refused, answer.load() == detent::wait_result::would_deadlock);
  EXPECT_EQ(told[0].cycle.size(), 2u) << told[0].text;
  EXPECT_TRUE(support::eventually([&] { return it.alive.expired(); }));
}

INSTANTIATE_TEST_SUITE_P(of, forgetting, testing::Values(kind::subscription, kind::expectation, kind::operation),
                         [](const auto& which) {
                           return which.param == kind::subscription  ? "a_subscription"
                                  : which.param == kind::expectation ? "an_expectation"
                                                                     : "an_operation";
                         });

// A task waits for a timer whose callback waits for the worker: the one that comes last is told, and both end.
TEST(waits_of_workers_and_timers, a_cycle_is_refused) {
  for (int round = 0; round < 10; ++round) {
    told_service made;
    detent::worker w(made.service, {.name = "disk"});
    support::gate fired;
    support::gate runs;
    std::atomic<call_result> of_callback{call_result::threw};
    std::atomic<detent::wait_result> of_task{detent::wait_result::timed_out};
    detent::timer t(made.service, {.name = "flush"}, [&] {
      fired.open();
      runs.pass();
      of_callback.store(w.call_and_wait([] {}));
    });
    w.start();
    t.arm_after(0ns);
    fired.pass();
    ASSERT_EQ(w.post([&] {
      runs.open();
      if (round % 2 == 0) {
        while (w.size() < 2) std::this_thread::yield();  // The callback's call and the last one.
      }
      of_task.store(t.close_and_wait().wait);
    }),
              post_result::accepted);
    ASSERT_EQ(w.call_and_wait_for(support::patience, [] {}), call_result::done);
    ASSERT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
    const bool task_told = of_task.load() == detent::wait_result::would_deadlock;
    EXPECT_NE(task_told, of_callback.load() == call_result::from_worker);
    if (round % 2 == 0) {
      EXPECT_TRUE(task_told);
      ASSERT_EQ(made.told().size(), 1u);
      EXPECT_NE(made.told()[0].text.find("'disk'"), std::string::npos) << made.told()[0].text;
      EXPECT_NE(made.told()[0].text.find("'flush' ("), std::string::npos) << made.told()[0].text;
    }
  }
}

// The same cycle where nobody can be refused: the program ends, and says why.
TEST(waits_of_workers_and_timers, a_destructor_without_a_handler_ends_the_program) {
  if (!support::child_may_have_threads) GTEST_SKIP() << "a fork child cannot have threads here";
  const support::heard heard = support::in_heard_child([] {
    detent::timer_service service;
    detent::worker ending(service, {.name = "ending"});
    detent::worker caller(service, {.name = "caller"});
    support::gate begun;
    detent::expectation reply = caller.expect(
        [&](reply_result) {
          begun.pass();
          ending.call_and_wait([] {});
        },
        "reply");
    ending.start();
    caller.start();
    reply.complete();
    ending.call_and_wait([&] {
      begun.open();
      while (ending.size() == 0) std::this_thread::yield();
      reply = {};
    });
    return 0;
  });
  EXPECT_EQ(heard.end, (support::child_end{support::child_end::how::signalled, SIGABRT}));
  EXPECT_NE(heard.text.find("a destructor would wait for ever: 'ending' <- 'reply'"), std::string::npos) << heard.text;
}

}  // namespace
