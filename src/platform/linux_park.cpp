// A futex wait with a bit set takes an absolute CLOCK_MONOTONIC instant, so a sleep interrupted by a signal does not
// creep. Private futexes: the word is never shared between processes.
#include "platform/platform.hpp"

#include <cerrno>
#include <linux/futex.h>
#include <sched.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace detent::inline v0::detail::platform {

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 && std::atomic<std::uint32_t>::is_always_lock_free);

bool park(const std::atomic<std::uint32_t>& word, std::uint32_t expected, std::int64_t until_ns) noexcept {
  timespec until{};
  timespec* limit = nullptr;
  if (until_ns != forever_ns) {
    if (until_ns < 0) until_ns = 0;
    until.tv_sec = static_cast<time_t>(until_ns / 1'000'000'000);
    until.tv_nsec = static_cast<long>(until_ns % 1'000'000'000);
    limit = &until;
  }
  const long answer = syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected, limit, nullptr,
                              FUTEX_BITSET_MATCH_ANY);
  return answer != 0 && errno == ETIMEDOUT;
}

void unpark(const std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

void yield() noexcept { sched_yield(); }

}  // namespace detent::inline v0::detail::platform
