#include "interruption.hpp"

#include <cstdint>
#include <time.h>

namespace detent::cli {
namespace {

// `timeout` and terminals that pass a signal on send it to the process and to its group: the same request, twice within
// microseconds. A person's second Ctrl-C comes later than this.
constexpr std::int64_t same_request_ns = 200'000'000;

// Touched by the handler and by the thread that makes an interruption, which has no handler installed then.
std::atomic<bool> was_asked{false};
std::atomic<std::int64_t> first_asked_ns{0};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");
static_assert(std::atomic<std::int64_t>::is_always_lock_free, "a signal handler may touch nothing else");

std::int64_t now_ns() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

void note_signal(int number) {
  std::int64_t first_ns = 0;
  const std::int64_t this_ns = now_ns();
  if (first_asked_ns.compare_exchange_strong(first_ns, this_ns, std::memory_order_relaxed)) {
    was_asked.store(true, std::memory_order_relaxed);
  } else if (this_ns - first_ns >= same_request_ns) {
    struct sigaction usual {};
    usual.sa_handler = SIG_DFL;
    sigemptyset(&usual.sa_mask);
    sigaction(number, &usual, nullptr);
    raise(number);
  }
}

}  // namespace

interruption::interruption() {
  was_asked = false;
  first_asked_ns = 0;
  struct sigaction noting {};
  noting.sa_handler = note_signal;
  sigemptyset(&noting.sa_mask);
  sigaction(SIGINT, &noting, &former_interrupt_);
  sigaction(SIGTERM, &noting, &former_terminate_);
}

interruption::~interruption() {
  sigaction(SIGINT, &former_interrupt_, nullptr);
  sigaction(SIGTERM, &former_terminate_, nullptr);
}

const std::atomic<bool>& interruption::asked() noexcept { return was_asked; }

}  // namespace detent::cli
