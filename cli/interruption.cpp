#include "interruption.hpp"

namespace detent::cli {
namespace {

std::atomic<bool> was_asked{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler may touch nothing else");

void note_signal(int) { was_asked.store(true, std::memory_order_relaxed); }

}  // namespace

interruption::interruption() {
  was_asked = false;
  struct sigaction once {};
  once.sa_handler = note_signal;
  // SA_RESETHAND is an unsigned bit of an int.
  once.sa_flags = static_cast<int>(SA_RESETHAND);
  sigemptyset(&once.sa_mask);
  sigaction(SIGINT, &once, &former_interrupt_);
  sigaction(SIGTERM, &once, &former_terminate_);
}

interruption::~interruption() {
  sigaction(SIGINT, &former_interrupt_, nullptr);
  sigaction(SIGTERM, &former_terminate_, nullptr);
}

const std::atomic<bool>& interruption::asked() noexcept { return was_asked; }

}  // namespace detent::cli
