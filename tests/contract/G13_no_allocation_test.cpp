// G13. No allocation after creation: arm, rearm, cancel, fire and close allocate nothing and cannot fail for memory.
//
// Method: this program replaces the global operator new, which counts on every thread while the test says so. Each of
// our executors plays every verb on many timers, with captures inside the record and on the heap.
#include <detent/detent.hpp>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

std::atomic<bool> counting{false};
std::atomic<std::size_t> allocations{0};

void* take(std::size_t size) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  void* memory = std::malloc(size == 0 ? 1 : size);
  if (memory == nullptr) std::abort();
  return memory;
}

void* take_aligned(std::size_t size, std::align_val_t alignment) {
  if (counting.load(std::memory_order_relaxed)) allocations.fetch_add(1, std::memory_order_relaxed);
  const auto grain = static_cast<std::size_t>(alignment);
  void* memory = std::aligned_alloc(grain, (size + grain - 1) / grain * grain);
  if (memory == nullptr) std::abort();
  return memory;
}

}  // namespace

void* operator new(std::size_t size) { return take(size); }
void* operator new[](std::size_t size) { return take(size); }
void* operator new(std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new[](std::size_t size, const std::nothrow_t&) noexcept { return take(size); }
void* operator new(std::size_t size, std::align_val_t a) { return take_aligned(size, a); }
void* operator new[](std::size_t size, std::align_val_t a) { return take_aligned(size, a); }
void* operator new(std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take_aligned(size, a);
}
void* operator new[](std::size_t size, std::align_val_t a, const std::nothrow_t&) noexcept {
  return take_aligned(size, a);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete[](void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::align_val_t) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }
void operator delete[](void* memory, std::size_t, std::align_val_t) noexcept { std::free(memory); }

namespace {

class counted {
 public:
  counted() {
    allocations.store(0);
    counting.store(true);
  }
  ~counted() { counting.store(false); }
  counted(const counted&) = delete;
  counted& operator=(const counted&) = delete;
  static std::size_t so_far() { return allocations.load(); }
};

// Bigger than a record keeps in place.
struct heavy {
  std::array<std::uint64_t, 8> load{};
  std::atomic<int>* calls;
  void operator()() const { calls->fetch_add(static_cast<int>(load[0]) + 1); }
};

enum class seat { driver, pool, user_any, user_one, inlined };

struct inline_executor {
  void post(detent::task t) { t(); }
};

class every_seat : public ::testing::TestWithParam<seat> {
 protected:
  every_seat() {
    detent::service_options options;
    switch (GetParam()) {
      case seat::driver: options.executor = detent::on_driver{}; break;
      case seat::pool: options.executor = detent::pool{3}; break;
      case seat::inlined: options.executor = inlined_; break;
      case seat::user_one: options.sharing = detent::sharing::one_thread; [[fallthrough]];
      case seat::user_any:
        options.drive = detent::drive::by_user;
        options.executor = detent::on_driver{};
        break;
    }
    service = std::make_unique<detent::timer_service>(std::move(options));
  }
  bool is_user() const { return GetParam() == seat::user_any || GetParam() == seat::user_one; }
  template <class Condition>
  bool until(Condition holds) {
    return support::eventually([&] {
      if (is_user()) service->run_due();
      return holds();
    });
  }
  inline_executor inlined_;
  std::unique_ptr<detent::timer_service> service;
};

TEST_P(every_seat, VerbsOnHandlesAllocateNothing) {
  constexpr std::size_t count = 200;
  std::atomic<int> calls{0};
  detent::timer_group serial(*service, {.name = "serial", .order = detent::group_order::serial});
  std::vector<detent::timer> timers;
  timers.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    const bool tolerant = i % 5 == 0;
    const detent::timer_options options{.name = "t", .tolerance = tolerant ? 100us : 0us};
    if (i % 3 == 0) timers.emplace_back(*service, options, heavy{{}, &calls});
    else if (i % 3 == 1) timers.emplace_back(*service, options, [&calls] { calls.fetch_add(1); });
    else timers.emplace_back(serial, options, [&calls](detent::firing& f) { calls.fetch_add(f.id() ? 1 : 0); });
  }

  const counted window;
  for (int round = 0; round < 3; ++round) {
    calls.store(0);
    for (detent::timer& t : timers) EXPECT_EQ(t.arm_after(1h), detent::arm_result::armed);
    for (detent::timer& t : timers) EXPECT_EQ(t.arm_after(1min), detent::arm_result::rearmed);
    for (detent::timer& t : timers) EXPECT_EQ(t.cancel(), detent::cancel_result::cancelled);
    for (detent::timer& t : timers) EXPECT_EQ(t.arm_at(service->now() + 1ms), detent::arm_result::armed);
    EXPECT_TRUE(until([&] { return calls.load() >= static_cast<int>(count); }));
    for (detent::timer& t : timers) static_cast<void>(t.cancel_and_wait());
    for (detent::timer& t : timers) EXPECT_EQ(t.status(), detent::timer_state::idle);
  }
  calls.store(0);
  std::size_t number = 0;
  for (detent::timer& t : timers) {
    const auto missed = static_cast<detent::missed_ticks>(number % 3);
    const auto pace = number % 2 == 0 ? detent::pace::fixed_rate : detent::pace::fixed_delay;
    EXPECT_EQ(t.arm_every(1ms, {.first = 0ns, .pace = pace, .missed = missed}), detent::arm_result::armed);
    ++number;
  }
  EXPECT_TRUE(until([&] { return calls.load() >= 5 * static_cast<int>(count); }));
  for (detent::timer& t : timers) static_cast<void>(t.stop());
  for (detent::timer& t : timers) {
    detent::timer moved(std::move(t));
    t = std::move(moved);
  }
  for (detent::timer& t : timers) static_cast<void>(t.cancel());
  for (detent::timer& t : timers) EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(counted::so_far(), 0U);
}

TEST_P(every_seat, VerbsOnIdsAllocateNothing) {
  constexpr std::size_t count = 100;
  std::atomic<int> calls{0};
  std::vector<detent::timer_id> ids;
  ids.reserve(2 * count);
  for (std::size_t i = 0; i < count; ++i) {
    ids.push_back(service->once(1h, heavy{{}, &calls}));
    ids.push_back(service->once(1h, [&calls] { calls.fetch_add(1); }));
  }
  const counted window;
  for (const detent::timer_id id : ids) EXPECT_EQ(service->arm_after(id, 2h), detent::arm_result::rearmed);
  for (const detent::timer_id id : ids) EXPECT_EQ(service->arm_every(id, 1ms), detent::arm_result::rearmed);
  EXPECT_TRUE(until([&] { return calls.load() >= 3 * static_cast<int>(count); }));
  for (const detent::timer_id id : ids) EXPECT_EQ(service->close_and_wait(id).wait, detent::wait_result::quiet);
  for (const detent::timer_id id : ids) EXPECT_EQ(service->cancel(id), detent::cancel_result::closed);
  EXPECT_EQ(service->cancel_all(), 0U);
  EXPECT_EQ(counted::so_far(), 0U);
}

TEST_P(every_seat, GroupsCloseWithoutAllocating) {
  std::atomic<int> calls{0};
  detent::timer_group group(*service);
  std::vector<detent::timer> timers;
  timers.reserve(100);
  for (int i = 0; i < 100; ++i) timers.emplace_back(group, heavy{{}, &calls});
  const counted window;
  for (detent::timer& t : timers) t.arm_after(1h);
  EXPECT_EQ(group.cancel(), 100U);
  for (detent::timer& t : timers) t.arm_after(1h);
  EXPECT_EQ(group.close(), 100U);
  EXPECT_EQ(group.wait(), detent::wait_result::quiet);
  timers.clear();
  EXPECT_EQ(counted::so_far(), 0U);
}

TEST_P(every_seat, CreationAllocatesOnceForABigCaptureAndNeverForASmallOne) {
  std::atomic<int> calls{0};
  // The first timer of a service may build the wheel of its clock.
  detent::timer first(*service, [] {});
  const counted window;
  {
    detent::timer small(*service, [&calls] { calls.fetch_add(1); });
    EXPECT_EQ(counted::so_far(), 0U);
    detent::timer big(*service, heavy{{}, &calls});
    EXPECT_EQ(counted::so_far(), 1U);
  }
  EXPECT_EQ(counted::so_far(), 1U);
}

std::string seat_name(const ::testing::TestParamInfo<seat>& info) {
  switch (info.param) {
    case seat::driver: return "driver";
    case seat::pool: return "pool";
    case seat::user_any: return "user_any";
    case seat::user_one: return "user_one";
    case seat::inlined: return "inlined";
  }
  return "unknown";
}

INSTANTIATE_TEST_SUITE_P(Executors, every_seat,
                         ::testing::Values(seat::driver, seat::pool, seat::user_any, seat::user_one, seat::inlined),
                         seat_name);

}  // namespace
