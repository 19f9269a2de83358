// needs: quiet
// G14. Bounded memory: closing a timer, and ending an id-only timer, gives back its record and its captures at once, or
// when its call returns. Ten million arm-and-cancel with far deadlines leave memory flat.
//
// Method: resident pages of this process before and after many operations (the first 10^5 warm everything up), the
// service's own count of live records, and canaries among the captures. The adversary arms ever earlier, so that each
// arming has to reach the driver and the wheel.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <support/canary.hpp>
#include <support/effort.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using support::cage;
using support::canary;

namespace {

std::size_t resident_bytes() {
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  if (file == nullptr) return 0;
  unsigned long size = 0;
  unsigned long resident = 0;
  const int read = std::fscanf(file, "%lu %lu", &size, &resident);
  std::fclose(file);
  return read == 2 ? resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) : 0;
}

// A leak of one byte per operation would be ten times this. The sanitizers' own bookkeeping grows and is not ours.
constexpr std::size_t slack = support::sanitized ? std::size_t{64} << 20 : std::size_t{1} << 20;
const std::size_t warm_up = support::times(100'000, 10'000);

const std::size_t many = support::times(10'000'000, 100'000);

template <class Operation>
void expect_flat(std::size_t count, Operation operation) {
  for (std::size_t i = 0; i < warm_up; ++i) operation(i);
  const std::size_t before = resident_bytes();
  for (std::size_t i = 0; i < count; ++i) operation(warm_up + i);
  const std::size_t after = resident_bytes();
  EXPECT_LE(after, before + slack) << count << " operations took " << (after - before) << " bytes";
}

detent::service_options driver_options() {
  detent::service_options options;
  options.executor = detent::on_driver{};
  return options;
}

TEST(G14, TenMillionArmAndCancelOfOneTimer) {
  detent::timer_service service(driver_options());
  detent::timer t(service, [] {});
  expect_flat(many, [&](std::size_t i) {
    t.arm_after(1h + std::chrono::nanoseconds(i));
    t.cancel();
  });
  EXPECT_EQ(service.counters().alive, 1U);
}

TEST(G14, ArmAndCancelOverAThousandTimersWhosePlacesDiffer) {
  detent::timer_service service(driver_options());
  std::vector<detent::timer> timers;
  for (int i = 0; i < 1000; ++i) timers.emplace_back(service, [] {});
  expect_flat(many / 10, [&](std::size_t i) {
    detent::timer& t = timers[i * 7919 % timers.size()];
    t.arm_after(1h + std::chrono::milliseconds(i % 100'000));
    t.cancel();
  });
  EXPECT_EQ(service.counters().alive, 1000U);
}

TEST(G14, CreateArmCloseReusesRecords) {
  detent::timer_service service(driver_options());
  cage home;
  expect_flat(many / 10, [&](std::size_t) {
    detent::timer t(service, [c = canary(home)] {});
    t.arm_after(1h);
    t.close();
    EXPECT_EQ(home.alive(), 0) << "close destroys the captures of a timer that no call runs";
  });
  EXPECT_EQ(service.counters().alive, 0U);
}

TEST(G14, IdsEndedByCloseGiveBackRecordAndCaptures) {
  detent::timer_service service(driver_options());
  cage home;
  expect_flat(many / 10, [&](std::size_t) {
    const detent::timer_id id = service.once(1h, [c = canary(home)] {});
    service.close(id);
    EXPECT_EQ(home.alive(), 0);
  });
  EXPECT_EQ(service.counters().alive, 0U);
}

TEST(G14, IdsEndedByFiringGiveBackRecordAndCaptures) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  cage home;
  expect_flat(many / 20, [&](std::size_t) {
    service.once(1ms, [c = canary(home)] {});
    clock.advance(1ms);
    EXPECT_EQ(home.alive(), 0);
  });
  EXPECT_EQ(service.counters().alive, 0U);
}

// Each arming is earlier than all before, so none can be left where the wheel has it.
TEST(G14, AnAdversaryThatArmsEverEarlier) {
  detent::timer_service service(driver_options());
  std::vector<detent::timer> timers;
  for (int i = 0; i < 64; ++i) timers.emplace_back(service, [] {});
  const auto far = service.now() + 24h;
  expect_flat(many / 20, [&](std::size_t i) { timers[i % timers.size()].arm_at(far - std::chrono::microseconds(i)); });
  EXPECT_EQ(service.counters().alive, 64U);
}

TEST(G14, AnAdversaryThatArmsEverLater) {
  detent::timer_service service(driver_options());
  detent::timer t(service, [] {});
  const auto far = service.now() + 1h;
  expect_flat(many, [&](std::size_t i) { t.arm_at(far + std::chrono::microseconds(i)); });
}

// A task says "look at record i": however often a timer is armed and cancelled, one is outstanding.
TEST(G14, AnExecutorsQueueIsNoLongerThanTheTimers) {
  detent::manual_clock clock;
  support::held_executor held;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  detent::timer_service service(std::move(options));
  std::vector<detent::timer> timers;
  for (int i = 0; i < 10; ++i) timers.emplace_back(service, [] {});
  for (int round = 0; round < 1000; ++round) {
    for (detent::timer& t : timers) t.arm_after(0ns);
    clock.advance(1ms);
    for (detent::timer& t : timers) t.cancel();
    ASSERT_LE(held.size(), timers.size());
  }
  // Nor do new tenants of the records add to it.
  for (int round = 0; round < 1000; ++round) {
    timers.clear();
    for (int i = 0; i < 10; ++i) timers.emplace_back(service, [] {});
    for (detent::timer& t : timers) t.arm_after(0ns);
    clock.advance(1ms);
    ASSERT_LE(held.size(), timers.size());
  }
  held.run_all();
}

TEST(G14, ACancelledHandleKeepsItsCallable) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  cage home;
  int calls = 0;
  detent::timer t(service, [&calls, c = canary(home)] { ++calls; });
  t.arm_after(1s);
  EXPECT_EQ(t.cancel(), detent::cancel_result::cancelled);
  EXPECT_EQ(home.alive(), 1);
  t.arm_after(1s);
  clock.advance(1s);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(t.close(), detent::cancel_result::idle);
  EXPECT_EQ(home.alive(), 0);
  EXPECT_EQ(home.gone_on(), std::this_thread::get_id());
}

TEST(G14, CapturesOfARunningCallGoRightAfterItOnItsThread) {
  detent::timer_service service(driver_options());
  cage home;
  support::gate inside;
  support::gate closed;
  std::atomic<std::thread::id> runner{};
  detent::timer t(service, [&, c = canary(home)] {
    runner.store(std::this_thread::get_id());
    inside.open();
    closed.pass();
    EXPECT_EQ(home.alive(), 1) << "the callable lives until its call has returned";
  });
  t.arm_after(0ns);
  ASSERT_TRUE(inside.pass());
  EXPECT_EQ(t.close(), detent::cancel_result::running);
  EXPECT_EQ(home.alive(), 1);
  closed.open();
  EXPECT_TRUE(support::eventually([&] { return home.gone() == 1; }));
  EXPECT_EQ(home.gone_on(), runner.load());
  t = {};
  EXPECT_EQ(service.counters().alive, 0U);
}

// "inside close(), so call close as you would call a destructor": the capture may use the service.
TEST(G14, ACapturesDestructorMayUseTheLibrary) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  detent::timer other(service, [] {});
  other.arm_after(1h);
  detent::cancel_result found{};
  detent::timer t(service, [e = support::at_end([&] {
                              found = other.cancel();
                              detent::timer made(service, [] {});
                              made.arm_after(1s);
                            })] {});
  t.close();
  EXPECT_EQ(found, detent::cancel_result::cancelled);
  EXPECT_EQ(service.counters().alive, 2U) << "t's own record is its handle's until that goes";
  t = {};
  EXPECT_EQ(service.counters().alive, 1U);
}

}  // namespace
