// Goal: the operating system's answers are what the engine relies on: clocks count up, a park ends, threads run and
// join, the poll set becomes readable when told and when an alarm goes off.
#include "platform/platform.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

// The next alarm is set, and answers as if the wall clock had been set before.
bool answer_cancelled = false;

}  // namespace

// In place of the C library's.
extern "C" int timerfd_settime(int fd, int flags, const itimerspec* when, itimerspec* before) noexcept {
  const long answer = ::syscall(SYS_timerfd_settime, fd, flags, when, before);
  if (answer != 0 || !answer_cancelled) return static_cast<int>(answer);
  answer_cancelled = false;
  errno = ECANCELED;
  return -1;
}

namespace {

namespace platform = detent::detail::platform;
using platform::clock_id;

TEST(clock, monotonic_clocks_never_go_back) {
  for (const clock_id clock : {clock_id::steady, clock_id::boottime}) {
    std::int64_t before = platform::read_clock_ns(clock);
    for (int i = 0; i < 10'000; ++i) {
      const std::int64_t now = platform::read_clock_ns(clock);
      ASSERT_GE(now, before);
      before = now;
    }
  }
  EXPECT_GE(platform::read_clock_ns(clock_id::boottime), platform::read_clock_ns(clock_id::steady) - 1'000'000'000);
}

TEST(park, returns_when_the_word_differs_or_the_instant_has_passed) {
  const std::atomic<std::uint32_t> word{1};
  EXPECT_FALSE(platform::park(word, 2, platform::forever_ns));
  EXPECT_TRUE(platform::park(word, 1, 0));
  EXPECT_TRUE(platform::park(word, 1, -5));
  const std::int64_t until_ns = platform::read_clock_ns(clock_id::steady) + 2'000'000;
  while (!platform::park(word, 1, until_ns)) {
  }
  EXPECT_GE(platform::read_clock_ns(clock_id::steady), until_ns);
}

struct seen {
  char name[16] = {};
  std::uint64_t id = 0;
};

TEST(thread, runs_its_body_under_its_name_and_is_joined) {
  seen s;
  platform::thread t;
  const char* operation = nullptr;
  platform::thread_traits traits;
  traits.name = "unit-thread";
  traits.exact_sleeps = true;
  ASSERT_EQ(t.start(
                traits,
                [](void* context) {
                  auto* told = static_cast<seen*>(context);
                  platform::name_this_thread(told->name);
                  told->id = platform::this_thread();
                },
                &s, &operation),
            0)
      << operation;
  EXPECT_FALSE(t.is_self());
  t.join();
  EXPECT_FALSE(t.is_running());
  EXPECT_STREQ(s.name, "unit-thread");
  EXPECT_NE(s.id, platform::this_thread());
}

TEST(thread, an_impossible_priority_is_an_error_with_its_operation) {
  platform::thread t;
  platform::thread_traits traits;
  traits.policy = platform::scheduling::fifo;
  traits.level = 10'000;
  const char* operation = nullptr;
  EXPECT_NE(t.start(
                traits, [](void*) {}, nullptr, &operation),
            0);
  EXPECT_STREQ(operation, "set a thread's priority");
  EXPECT_FALSE(t.is_running());
}

TEST(poll_set, a_notify_and_an_alarm_end_the_sleep) {
  platform::poll_set poll;
  ASSERT_EQ(poll.open(), 0);
  poll.notify();
  poll.sleep(-1);  // allow(sleep): it ends by the event.
  EXPECT_FALSE(poll.drain());
  for (const clock_id clock : {clock_id::steady, clock_id::boottime, clock_id::system}) {
    const std::int64_t at_ns = platform::read_clock_ns(clock) + 3'000'000;
    poll.set_alarm(clock, at_ns);
    poll.sleep(-1);  // allow(sleep): it ends by the event.
    EXPECT_GE(platform::read_clock_ns(clock), at_ns);
    EXPECT_FALSE(poll.drain());
  }
  poll.sleep(1'000'000);  // allow(sleep): it ends by the event.
}

// The kernel answers ECANCELED to whoever sets the alarm after the wall clock was set, and tells of that step no more.
TEST(poll_set, a_step_that_an_alarm_finds_is_told_by_the_next_drain) {
  platform::poll_set poll;
  ASSERT_EQ(poll.open(), 0);
  const std::int64_t far_ns = platform::read_clock_ns(clock_id::system) + 3'600'000'000'000;
  poll.set_alarm(clock_id::system, far_ns);
  EXPECT_FALSE(poll.drain());
  answer_cancelled = true;
  poll.set_alarm(clock_id::system, far_ns + 1);
  EXPECT_FALSE(answer_cancelled) << "the test's own timerfd_settime was not called";
  poll.sleep(-1);  // allow(sleep): it ends by the notification.
  EXPECT_TRUE(poll.drain());
  EXPECT_FALSE(poll.drain());
}

TEST(pages, come_zeroed_and_go) {
  constexpr std::size_t bytes = std::size_t{4} << 20;
  auto* pages = static_cast<unsigned char*>(platform::allocate_pages(bytes));
  ASSERT_NE(pages, nullptr);
  EXPECT_EQ(pages[0], 0);
  EXPECT_EQ(pages[bytes - 1], 0);
  std::memset(pages, 1, bytes);
  platform::free_pages(pages, bytes);
  EXPECT_EQ(platform::allocate_pages(std::size_t{1} << 62), nullptr);
}

}  // namespace
