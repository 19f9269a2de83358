// One epoll descriptor over an eventfd and a timerfd for each clock. The wall clock's timerfd is cancelled by the
// kernel when somebody sets that clock: that is how a step is noticed without looking again and again.
#include "platform/platform.hpp"

#include <cerrno>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include <utility>

namespace detent::inline v0::detail::platform {

namespace {

constexpr clockid_t alarm_clock[clock_count] = {CLOCK_MONOTONIC, CLOCK_BOOTTIME, CLOCK_REALTIME};

// No alarm that anybody sets: the next `set_alarm` reaches the kernel.
constexpr std::int64_t not_in_kernel_ns = forever_ns - 1;

constexpr std::size_t number(clock_id clock) noexcept { return static_cast<std::size_t>(clock); }

bool add(int poll, int fd) noexcept {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  return epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event) == 0;
}

void close_one(int& fd) noexcept {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

}  // namespace

int poll_set::open() noexcept {
  if (is_open()) return 0;
  poll_ = epoll_create1(EPOLL_CLOEXEC);
  event_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  bool good = poll_ >= 0 && event_ >= 0 && add(poll_, event_);
  for (std::size_t i = 0; i < clock_count && good; ++i) {
    alarm_[i] = timerfd_create(alarm_clock[i], TFD_CLOEXEC | TFD_NONBLOCK);
    good = alarm_[i] >= 0 && add(poll_, alarm_[i]);
  }
  if (good) return 0;
  const int error = errno;
  close();
  return error;
}

void poll_set::close() noexcept {
  for (int& fd : alarm_) close_one(fd);
  close_one(event_);
  close_one(poll_);
}

void poll_set::notify() noexcept {
  const std::uint64_t one = 1;
  // A full counter is readable already, which is all that is wanted.
  static_cast<void>(!write(event_, &one, sizeof one));
}

void poll_set::set_alarm(clock_id clock, std::int64_t at_ns) noexcept {
  const std::size_t i = number(clock);
  if (alarm_ns_[i] == at_ns) return;
  alarm_ns_[i] = at_ns;
  itimerspec when{};
  int flags = TFD_TIMER_ABSTIME;
  if (at_ns != forever_ns) {
    // All zeros would disarm; an instant at or before the epoch is due at once all the same.
    const std::int64_t at = at_ns < 1 ? 1 : at_ns;
    when.it_value.tv_sec = static_cast<time_t>(at / 1'000'000'000);
    when.it_value.tv_nsec = static_cast<long>(at % 1'000'000'000);
    if (clock == clock_id::system) flags |= TFD_TIMER_CANCEL_ON_SET;
  }
  if (timerfd_settime(alarm_[i], flags, &when, nullptr) == 0) return;
  // The wall clock was set since the last call. The alarm is armed all the same, but the kernel has told of the step
  // with this answer, and no read will.
  if (errno == ECANCELED) {
    stepped_ = true;
    notify();
    return;
  }
  // Without its alarm the driver must not go to sleep: it looks again and asks again.
  alarm_ns_[i] = not_in_kernel_ns;
  notify();
}

bool poll_set::sleep(std::int64_t limit_ns) noexcept {
  epoll_event event{};
  int limit_ms = -1;
  if (limit_ns >= 0) limit_ms = static_cast<int>((limit_ns + 999'999) / 1'000'000);
  return epoll_wait(poll_, &event, 1, limit_ms) != 0;  // A signal ends it too.
}

bool poll_set::drain() noexcept {
  std::uint64_t count = 0;
  static_cast<void>(!read(event_, &count, sizeof count));
  bool stepped = std::exchange(stepped_, false);
  for (std::size_t i = 0; i < clock_count; ++i) {
    if (alarm_ns_[i] == forever_ns) continue;
    const ssize_t got = read(alarm_[i], &count, sizeof count);
    if (got < 0 && errno == EAGAIN) continue;
    if (got < 0 && errno == ECANCELED) stepped = true;
    alarm_ns_[i] = not_in_kernel_ns;  // It has gone off.
  }
  return stepped;
}

}  // namespace detent::inline v0::detail::platform
