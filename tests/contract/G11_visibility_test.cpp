// G11 What happened before `arm` is visible in the callback; what the callback did is visible after a wait or close
// that outlived it.
//
// Method: plain, unsynchronised variables on both sides of arm and of each waiting verb, on real threads.
// ThreadSanitizer is the judge; the values are checked as well.
#include <detent/detent.hpp>

#include <chrono>
#include <memory>
#include <thread>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::service_options;
using detent::timer;
using detent::timer_group;
using detent::timer_service;

constexpr int rounds = 300;

service_options on(detent::executor_choice where) {
  service_options options;
  options.executor = where;
  return options;
}

template <class Wait>
void there_and_back(detent::executor_choice where, Wait wait) {
  timer_service service(on(where));
  int given = 0;   // plain on purpose
  int taken = -1;  // plain on purpose
  for (int i = 0; i < rounds; ++i) {
    timer t(service, [&] { taken = given; });
    given = i;
    t.arm_after(0ns);
    wait(t);
    ASSERT_EQ(taken, i);
  }
}

// One reading decides: an entry that an earlier tenant of the record left behind may turn `queued` into `pending`
// again.
void until_begun(const timer& t) {
  for (;;) {
    const detent::timer_state now = t.status();
    if (now != detent::timer_state::pending && now != detent::timer_state::queued) return;
    std::this_thread::yield();
  }
}

class G11 : public testing::TestWithParam<int> {
 protected:
  detent::executor_choice where() const {
    if (GetParam() == 0) return detent::on_driver{};
    return detent::pool{2};
  }
};

TEST_P(G11, through_wait) {
  there_and_back(where(), [](timer& t) { EXPECT_EQ(t.wait(), detent::wait_result::quiet); });
}

TEST_P(G11, through_cancel_and_wait_after_the_call_has_begun) {
  there_and_back(where(), [](timer& t) {
    until_begun(t);
    EXPECT_EQ(t.cancel_and_wait().wait, detent::wait_result::quiet);
  });
}

TEST_P(G11, through_close_and_wait_and_the_destructor) {
  there_and_back(where(), [](timer& t) {
    until_begun(t);
    EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  });
  there_and_back(where(), [](timer& t) {
    until_begun(t);
    t = timer();
  });
}

TEST_P(G11, from_one_call_to_the_next_of_a_series) {
  timer_service service(on(where()));
  int count = 0;  // plain: the calls of one timer see each other's writes (G07)
  timer t(service, [&] {
    if (++count == rounds) t.close();
  });
  t.arm_every(20us, {.missed = detent::missed_ticks::burst});
  while (t.status() != detent::timer_state::closed) std::this_thread::yield();
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(count, rounds);
}

TEST_P(G11, through_a_group_and_through_shutdown) {
  int from_group = 0;
  int from_service = 0;
  {
    timer_service service(on(where()));
    timer_group group(service);
    timer a(group, [&] { ++from_group; });
    timer b(service, [&] { ++from_service; });
    a.arm_every(50us);
    b.arm_every(50us);
    std::this_thread::yield();
    EXPECT_EQ(group.close_and_wait(), detent::wait_result::quiet);
    ++from_group;
    EXPECT_TRUE(service.shutdown().complete);
    ++from_service;
  }
  EXPECT_GE(from_group, 1);
  EXPECT_GE(from_service, 1);
}

TEST_P(G11, from_the_last_call_to_the_continuation) {
  timer_service service(on(where()));
  for (int i = 0; i < rounds; ++i) {
    auto value = std::make_unique<int>(0);  // plain
    std::atomic<bool> over{false};
    timer t(service, [&] { *value += 1; });
    t.arm_after(0ns);
    t.wait();
    t.close_then([&] {
      EXPECT_EQ(*value, 1);
      *value = 2;
      over.store(true, std::memory_order_release);
    });
    while (!over.load(std::memory_order_acquire)) std::this_thread::yield();
    EXPECT_EQ(*value, 2);
  }
}

INSTANTIATE_TEST_SUITE_P(executors, G11, testing::Values(0, 1),
                         [](const auto& param) { return param.param == 0 ? "driver" : "pool"; });

}  // namespace
