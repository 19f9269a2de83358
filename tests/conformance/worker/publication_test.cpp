// Subscriptions: a worker gets each value as an item of its queue until it withdraws or stops; then nothing more comes,
// and what is on its way is counted.
#include <detent/publication.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::call_result;
using detent::post_result;
using detent::reply_result;

void pass_queue(detent::worker& w) {
  ASSERT_EQ(w.call_and_wait([] {}), call_result::done);
}

TEST(publication, each_value_comes_once_in_order_until_withdrawn) {
  detent::timer_service service;
  detent::publication<int> numbers;
  EXPECT_EQ(numbers.publish(0), 0u);
  detent::worker a(service, {.name = "a"});
  detent::worker b(service, {.name = "b"});
  std::vector<int> heard_by_a;
  std::vector<int> heard_by_b;
  const auto into = [](std::vector<int>& to, const detent::worker& by) {
    return [&](reply_result result, const int* value) {
      EXPECT_TRUE(by.is_current());
      to.push_back(result == reply_result::answered ? *value : -1);
    };
  };
  detent::subscription of_a = numbers.subscribe(a, into(heard_by_a, a), {.name = "numbers"});
  const detent::subscription of_b = numbers.subscribe(b, into(heard_by_b, b));
  a.start();
  b.start();
  for (int i = 1; i <= 100; ++i) EXPECT_EQ(numbers.publish(i), 2u);
  pass_queue(a);
  of_a = {};
  EXPECT_EQ(numbers.size(), 1u);
  EXPECT_EQ(numbers.publish(101), 1u);
  const detent::worker_report end_of_a = a.shutdown(support::patience);
  const detent::worker_report end_of_b = b.shutdown(support::patience);
  ASSERT_EQ(heard_by_a.size(), 100u);
  ASSERT_GE(heard_by_b.size(), 1u);
  EXPECT_EQ(heard_by_b.back(), -1);  // The last word, once.
  for (std::size_t i = 0; i < 100; ++i) EXPECT_EQ(heard_by_a[i], static_cast<int>(i) + 1);
  for (std::size_t i = 0; i + 1 < heard_by_b.size(); ++i) EXPECT_EQ(heard_by_b[i], static_cast<int>(i) + 1);
  EXPECT_EQ(end_of_b.items.done + end_of_b.items.withdrawn, 101u) << end_of_b.text();
  EXPECT_EQ(numbers.size(), 0u);
  EXPECT_EQ(numbers.publish(102), 0u);
}

// A worker that is told to stop in the middle: what is queued is withdrawn and listed, what comes between that and the
// stage `callbacks` is late, the function hears `stopped` once, and the publication forgets it.
TEST(publication, a_worker_that_stops_withdraws) {
  detent::timer_service service;
  detent::publication<int> numbers;
  detent::worker w(service, {.name = "stopping"});
  std::vector<int> heard;
  support::gate busy;
  support::gate release;
  auto captured = std::make_shared<int>(0);
  std::weak_ptr<int> alive = captured;
  const detent::subscription s =
      numbers.subscribe(w,
                        [&, own = std::move(captured)](reply_result result, const int* value) {
                          heard.push_back(result == reply_result::stopped ? -1 : *value);
                          if (result == reply_result::stopped) return;
                          busy.open();
                          release.pass();
                        },
                        {.name = "numbers"});
  w.start();
  EXPECT_EQ(numbers.publish(1), 1u);
  busy.pass();
  EXPECT_EQ(numbers.publish(2), 1u);
  w.stop();
  EXPECT_EQ(numbers.publish(3), 0u);
  release.open();
  const detent::worker_report report = w.shutdown(support::patience);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(heard, (std::vector<int>{1, -1}));
  EXPECT_EQ(report.late_replies, 1u);
  EXPECT_EQ(report.items.done, 1u);
  EXPECT_EQ(report.items.withdrawn, 1u);
  EXPECT_NE(report.text().find("item numbers: withdrawn"), std::string::npos) << report.text();
  EXPECT_TRUE(alive.expired());
  EXPECT_EQ(numbers.size(), 0u);
  EXPECT_EQ(numbers.publish(4), 0u);
  // One that comes when the worker has ended hears it at once.
  int last_words = 0;
  const detent::subscription late = numbers.subscribe(w, [&](reply_result result, const int*) {
    EXPECT_EQ(result, reply_result::stopped);
    ++last_words;
  });
  EXPECT_EQ(last_words, 1);
  EXPECT_EQ(numbers.size(), 0u);
}

// Destroyed while its function runs: on another thread the destructor waits for it, inside it does not; either way the
// captures are gone, and nothing comes any more.
TEST(publication, is_withdrawn_while_it_is_told) {
  detent::timer_service service;
  detent::publication<int> numbers;
  detent::worker w(service, {.name = "told"});
  w.start();
  {
    support::gate inside;
    support::gate release;
    std::atomic<bool> is_over{false};
    detent::subscription s = numbers.subscribe(w, [&](reply_result, const int*) {
      inside.open();
      release.pass();
      is_over.store(true);
    });
    numbers.publish(1);
    numbers.publish(2);
    inside.pass();
    support::background withdraws([&] {
      s = {};
      EXPECT_TRUE(is_over.load());
    });
    EXPECT_TRUE(support::never([&] { return withdraws.is_done(); }));
    release.open();
  }
  pass_queue(w);
  EXPECT_EQ(w.report().items.withdrawn, 1u);
  int calls = 0;
  detent::subscription self;
  self = numbers.subscribe(w, [&, own = std::make_unique<int>(7)](reply_result, const int*) {
    ++calls;
    self = {};
    EXPECT_EQ(*own, 7);  // Until the function returns.
  });
  numbers.publish(1);
  numbers.publish(2);
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_EQ(calls, 1);
}

// The captures end with the subscription, also while somebody who publishes waits for room with it in hand.
TEST(publication, captures_end_with_the_subscription) {
  detent::timer_service service;
  detent::publication<int> numbers;
  detent::worker w(service, {.name = "full", .queue_limit = 1});
  auto captured = std::make_shared<int>(0);
  const std::weak_ptr<int> alive = captured;
  detent::subscription s = numbers.subscribe(w, [own = std::move(captured)](reply_result, const int*) { FAIL(); });
  EXPECT_EQ(numbers.publish(1), 1u);
  support::background blocked([&] { numbers.publish(2); });
  support::eventually([&] { return blocked.is_asleep(); });
  s = {};
  EXPECT_TRUE(alive.expired());
  w.start();
  blocked.join();
  EXPECT_TRUE(w.shutdown(support::patience).complete);
}

// What a function lets out is contained, and the next value comes all the same.
TEST(publication, a_function_throws) {
  detent::timer_service service;
  detent::publication<int> numbers;
  detent::worker w(service, {.name = "throws"});
  int calls = 0;
  const detent::subscription s = numbers.subscribe(w, [&](reply_result result, const int*) {
    ++calls;
    if (result == reply_result::answered) throw 1;
  });
  w.start();
  numbers.publish(1);
  numbers.publish(2);
  pass_queue(w);
  EXPECT_EQ(w.report().items.threw, 2u);
  EXPECT_TRUE(w.shutdown(support::patience).complete);
  EXPECT_EQ(calls, 3);
}

// Publishing, withdrawing and stopping meet: nothing is called after the withdrawal, each item is accounted for.
TEST(publication, everything_at_once) {
  for (std::size_t round = 0; round < support::times(200, 40); ++round) {
    detent::timer_service service;
    detent::publication<std::vector<int>> values;
    detent::worker w(service, {.name = "busy", .queue_limit = 16, .when_full = detent::when_full::refuse});
    w.start();
    std::atomic<int> last_words{0};
    support::gate go;
    {
      support::background publishes([&] {
        go.pass();
        for (int i = 0; i < 100; ++i) values.publish(std::vector<int>(3, i));
      });
      support::background subscribes([&] {
        go.pass();
        for (int i = 0; i < 20; ++i) {
          std::atomic<bool> gone{false};
          {
            const detent::subscription s =
                values.subscribe(w, [&](reply_result, const std::vector<int>*) { EXPECT_FALSE(gone.load()); });
          }
          gone.store(true);
        }
      });
      const detent::subscription s = values.subscribe(w, [&](reply_result result, const std::vector<int>* value) {
        if (result == reply_result::stopped) last_words.fetch_add(1);
        EXPECT_EQ(value == nullptr, result == reply_result::stopped);
      });
      go.open();
      if (round % 2 == 0) std::this_thread::yield();
      const detent::worker_report report = w.shutdown(support::patience);
      EXPECT_TRUE(report.complete);
      EXPECT_EQ(last_words.load(), 1);
      const detent::item_counts& items = report.items;
      EXPECT_EQ(items.accepted, items.done + items.withdrawn) << report.text();
    }
  }
}

}  // namespace
