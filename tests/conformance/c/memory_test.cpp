// Short memory behind <detent/c.h>: DETENT_NO_MEMORY means that nothing was changed, and nothing ends the program.
#include "support/gate.hpp"

#include <detent/c.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <new>
#include <string>

#include <gtest/gtest.h>

namespace {

thread_local int left_before_failure = -1;  // the request that fails on this thread; below 0 none does
thread_local bool has_failed = false;

bool fails_now() {
  if (left_before_failure < 0 || left_before_failure-- != 0) return false;
  has_failed = true;
  return true;
}

}  // namespace

__attribute__((noinline)) void* operator new(std::size_t size) {
  void* memory = fails_now() ? nullptr : std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
__attribute__((noinline)) void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
  return fails_now() ? nullptr : std::malloc(size);
}
__attribute__((noinline)) void* operator new[](std::size_t size) { return operator new(size); }
__attribute__((noinline)) void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept {
  return operator new(size, tag);
}
__attribute__((noinline)) void operator delete(void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
__attribute__((noinline)) void operator delete[](void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

constexpr std::int64_t ms = 1'000'000;
const char* const long_name = "a name that is longer than what a string holds in itself";

template <class F>
int with_failure(int k, F body) {
  has_failed = false;
  left_before_failure = k;
  const int status = body();
  left_before_failure = -1;
  return status;
}

struct held_call {
  support::gate runs;
  support::gate may_end;
  static void run(void* context, detent_firing*) {
    auto& self = *static_cast<held_call*>(context);
    self.runs.open();
    self.may_end.pass();
  }
};

// The shutdown is refused and the service as before, or it is done and says so.
TEST(Memory, AShutdownIsDoneAndToldOrNotBegun) {
  bool failed = true;
  int refused = 0;
  for (int k = 0; failed; ++k) {
    SCOPED_TRACE("request " + std::to_string(k));
    ASSERT_LT(k, 500);
    held_call held;
    detent_service* service = nullptr;
    ASSERT_EQ(detent_service_new(nullptr, &service), DETENT_OK);
    const detent_timer_options named{sizeof(detent_timer_options), long_name, 0, 0, 0};
    detent_timer* timer = nullptr;
    ASSERT_EQ(detent_timer_new(service, &named, held_call::run, &held, nullptr, &timer), DETENT_OK);
    detent_timer_arm_after(timer, 0);
    held.runs.pass();
    detent_shutdown_report* report = nullptr;
    const int status =
        with_failure(k, [&] { return detent_service_shutdown(service, DETENT_CANCEL_PENDING, ms, &report); });
    failed = has_failed;
    if (status == DETENT_NO_MEMORY) {
      ++refused;
      EXPECT_EQ(report, nullptr);
      EXPECT_NE(detent_timer_arm_after(timer, 3600'000 * ms), DETENT_ARM_SHUT_DOWN);
    } else {
      EXPECT_EQ(status, DETENT_OK);
      EXPECT_EQ(detent_timer_arm_after(timer, 0), DETENT_ARM_SHUT_DOWN);
      EXPECT_NE(report, nullptr);
      if (report != nullptr) {
        EXPECT_EQ(report->complete, 0);
        EXPECT_LE(report->still_running_count, 1U);
        if (!failed) {
          EXPECT_EQ(report->still_running_count, 1U);
        }
      }
    }
    detent_shutdown_report_free(report);
    held.may_end.open();
    detent_timer_free(timer);
    detent_service_free(service);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GE(refused, 1);
}

TEST(Memory, ANameThatFindsNoneIsRefused) {
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(nullptr, &service), DETENT_OK);
  const detent_timer_options named{sizeof(detent_timer_options), long_name, 0, 0, 0};
  detent_timer* timer = nullptr;
  ASSERT_EQ(detent_timer_new(service, &named, held_call::run, nullptr, nullptr, &timer), DETENT_OK);
  char name[100] = {};
  std::size_t length = 0;
  EXPECT_EQ(with_failure(0, [&] { return detent_timer_name(timer, name, sizeof name, &length); }), DETENT_NO_MEMORY);
  EXPECT_EQ(length, 0U);
  EXPECT_EQ(detent_timer_name(timer, name, sizeof name, &length), DETENT_OK);
  EXPECT_STREQ(name, long_name);
  detent_timer_free(timer);
  detent_service_free(service);
}

}  // namespace
