// What comes late: expectations, requests, farewells and operations that are registered while the worker ends, or when
// it has ended. Each is told on the right thread, or listed, and what it throws is contained.
#include <detent/worker.hpp>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <support/canary.hpp>
#include <support/gate.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::post_result;
using detent::reply_result;

bool lists(const detent::worker_report& report, const std::string& kind, const std::string& name, detent::fate what) {
  for (const detent::undone& u : report.undone_list) {
    if (u.kind == kind && u.name == name && u.fate == what) return true;
  }
  return false;
}

// A worker whose thread is in a task that it drains: the stage in which callbacks are told is over.
struct draining {
  explicit draining(detent::timer_service& service)
      : w(service, {.name = "draining", .on_error = [this](const std::string& what, std::exception_ptr) {
                      if (what == "late") errors.fetch_add(1);
                    }}) {
    w.start();
    EXPECT_EQ(w.post([this] {
      busy.open();
      stopped.pass();
    }),
              post_result::accepted);
    busy.pass();
    EXPECT_EQ(w.post([this] {
      drained.open();
      release.pass();
    }),
              post_result::accepted);
    w.stop();
    stopped.open();
    drained.pass();
  }
  std::atomic<int> errors{0};
  support::gate busy;
  support::gate stopped;
  support::gate drained;
  support::gate release;
  detent::worker w;
};

// What is posted while the queue is drained is drained too; what comes when that is over is refused. Nothing is left
// accepted and lost, whoever posts it: a callback that is told late, a capture that is discarded, or the last one.
TEST(worker_late, a_post_is_run_or_refused) {
  detent::timer_service service;
  struct at_end {
    explicit at_end(std::function<void()> f) : function(std::move(f)) {}
    at_end(const at_end&) = delete;
    at_end& operator=(const at_end&) = delete;
    ~at_end() { function(); }
    std::function<void()> function;
  };
  enum class from { the_last_capture, a_discarded_capture, a_late_callback };
  for (const from where : {from::the_last_capture, from::a_discarded_capture, from::a_late_callback}) {
    const bool has_time = where == from::the_last_capture;
    auto kept = std::make_shared<int>(0);
    const std::weak_ptr<int> alive = kept;
    std::atomic<bool> ran{false};
    std::optional<post_result> posted;
    {
      detent::stage_limits limits;
      if (!has_time) limits.queue = 20ms;
      detent::worker w(service,
                       {.name = "late", .late = detent::late_posts::accepted_while_draining, .limits = limits});
      const auto posts = [&, kept = std::move(kept)] { posted = w.post([&ran, kept] { ran.store(true); }); };
      detent::expectation expected;
      support::gate busy;
      support::gate release;
      ASSERT_EQ(w.post([&] {
        busy.open();
        release.pass();
      }),
                post_result::accepted);
      if (!has_time) {
        ASSERT_EQ(w.post([&] {
          if (where == from::a_late_callback) expected = w.expect([posts](reply_result) { posts(); });
          std::this_thread::sleep_for(2 * limits.queue);
        }),
                  post_result::accepted);
      }
      if (where != from::a_late_callback) {
        ASSERT_EQ(w.post([ends = std::make_shared<at_end>(posts)] {}), post_result::accepted);
      }
      w.start();
      busy.pass();
      w.stop();
      release.open();
      const detent::worker_report report = w.shutdown(support::patience);
      EXPECT_TRUE(report.complete);
      EXPECT_EQ(report.items.queued, 0u) << report.text();
      ASSERT_TRUE(posted.has_value());
      EXPECT_EQ(*posted, has_time ? post_result::accepted : post_result::stopping);
      EXPECT_EQ(ran.load(), has_time);
      EXPECT_EQ(report.items.accepted, report.items.done + report.items.discarded + report.items.withdrawn);
    }
    EXPECT_TRUE(alive.expired());
  }
}

// A callback that hears `stopped` and expects anew, each time: it comes to an end, and what was not called is listed.
TEST(worker_late, an_expectation_made_at_each_stop_comes_to_an_end) {
  detent::timer_service service;
  std::atomic<int> calls{0};
  detent::worker w(service, {.name = "anew"});
  std::vector<detent::expectation> all;
  std::function<void()> listen = [&] {
    all.push_back(w.expect(
        [&](reply_result) {
          calls.fetch_add(1);
          listen();
        },
        "listen"));
  };
  listen();
  w.start();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(calls.load(), 9);
  EXPECT_TRUE(lists(report, "callback", "listen", detent::fate::discarded)) << report.text();
  listen();  // It has ended: the same inside the call.
  EXPECT_EQ(calls.load(), 18);
}

TEST(worker_late, an_expectation_is_told_on_the_workers_thread) {
  detent::timer_service service;
  draining d(service);
  std::atomic<int> told{0};
  std::atomic<int> elsewhere{0};
  const detent::expectation kept = d.w.expect(
      [&](reply_result result) {
        EXPECT_EQ(result, reply_result::stopped);
        if (!d.w.is_current()) elsewhere.fetch_add(1);
        told.fetch_add(1);
        throw 1;
      },
      "late");
  EXPECT_TRUE(support::never([&] { return told.load() != 0; }));  // The worker's thread is in a task.
  {
    const detent::expectation gone = d.w.expect([&](reply_result) { told.fetch_add(100); });
  }
  EXPECT_TRUE(lists(d.w.report(), "callback", "late", detent::fate::pending));
  d.release.open();
  const detent::worker_report report = d.w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(told.load(), 1);
  EXPECT_EQ(elsewhere.load(), 0);
  EXPECT_EQ(d.errors.load(), 1);
  EXPECT_TRUE(lists(report, "callback", "late", detent::fate::threw)) << report.text();
}

// Where there is no thread any more it is told at once, here; what it lets out goes to `on_error` as ever.
TEST(worker_late, an_expectation_of_an_ended_worker_is_told_at_once) {
  detent::timer_service service;
  draining d(service);
  d.release.open();
  EXPECT_TRUE(d.w.shutdown(support::patience).complete);
  int told = 0;
  EXPECT_NO_THROW({
    const detent::expectation e = d.w.expect(
        [&](reply_result result) {
          EXPECT_EQ(result, reply_result::stopped);
          ++told;
          throw 1;
        },
        "late");
  });
  EXPECT_EQ(told, 1);
  EXPECT_EQ(d.errors.load(), 1);
}

// A refusal is the answer only if the reply is never called.
TEST(worker_late, a_refused_request_is_answered_once) {
  detent::timer_service service;
  detent::worker other(service, {.name = "other"});
  other.stop();
  draining d(service);
  std::atomic<int> told{0};
  const auto ask = [&] {
    return d.w.ask(
        other, [] { return 1; }, [&](reply_result, const int*) { told.fetch_add(1); });
  };
  EXPECT_EQ(ask(), post_result::stopping);
  d.release.open();
  EXPECT_TRUE(d.w.shutdown(support::patience).complete);
  EXPECT_EQ(told.load(), 0);
  EXPECT_EQ(ask(), post_result::accepted);
  EXPECT_EQ(told.load(), 1);
}

// A farewell that comes when farewells are over is not said: it is listed.
TEST(worker_late, a_farewell_is_listed) {
  detent::timer_service service;
  support::cage cage;
  draining d(service);
  int said = 0;
  d.w.on_farewell([&] { ++said; }, "early");
  d.release.open();
  EXPECT_TRUE(d.w.shutdown(support::patience).complete);
  EXPECT_EQ(said, 1);
  d.w.on_farewell([&said, c = support::canary(cage)] { ++said; }, "late");
  EXPECT_EQ(cage.alive(), 0);
  EXPECT_TRUE(lists(d.w.report(), "farewell", "late", detent::fate::discarded)) << d.w.report().text();
  EXPECT_EQ(said, 1);
}

// An operation that is begun when the stage is over is cancelled at once, and what its cancel function lets out is
// contained as in the stage; it is in flight like any other until it ends.
TEST(worker_late, an_operation_is_cancelled_at_once) {
  detent::timer_service service;
  draining d(service);
  d.release.open();
  EXPECT_TRUE(d.w.shutdown(support::patience).complete);
  int cancels = 0;
  EXPECT_NO_THROW({
    const detent::operation o = d.w.in_flight(
        [&] {
          ++cancels;
          throw 1;
        },
        "late");
    EXPECT_TRUE(lists(d.w.report(), "operation", "late", detent::fate::unfinished)) << d.w.report().text();
  });
  EXPECT_FALSE(lists(d.w.report(), "operation", "late", detent::fate::unfinished));
  EXPECT_EQ(cancels, 1);
  EXPECT_EQ(d.errors.load(), 1);
}

}  // namespace
