#include "storm_executors.hpp"

#include <chrono>
#include <stdexcept>
#include <utility>

namespace detent::cli {

habitual_executor::habitual_executor(executor_habits habits) : habits_(habits) {
  for (unsigned i = 0; i < habits.threads; ++i) threads_.emplace_back([this] { work(); });
}

// The service is gone by now. What is still queued is harmless, whether it is called or not.
habitual_executor::~habitual_executor() {
  {
    const std::lock_guard guard(lock_);
    stopping_ = true;
  }
  came_.notify_all();
  for (std::thread& t : threads_) t.join();
  bool call_it = true;
  for (task& left : queue_) {
    if (call_it) left();
    call_it = !call_it;
  }
}

void habitual_executor::post(task entry) {
  const std::uint32_t number = posts_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (habits_.refuse_every != 0 && number % habits_.refuse_every == 0) return;
#if DETENT_EXCEPTIONS
  if (habits_.throw_every != 0 && number % habits_.throw_every == 0) throw std::runtime_error("this executor is full");
#endif
  if (habits_.threads == 0) {
    entry();
    return;
  }
  {
    const std::lock_guard guard(lock_);
    queue_.push_back(std::move(entry));
  }
  came_.notify_one();
}

void habitual_executor::work() {
  // Newest first, but for one in so many: where more comes than is called, the oldest would wait for ever.
  constexpr std::uint32_t oldest_every = 8;
  std::uint32_t number = 0;
  std::unique_lock guard(lock_);
  while (!stopping_) {
    if (queue_.empty()) {
      // Bounded, because a condition variable's wake-up may get lost on this platform.
      came_.wait_for(guard, std::chrono::milliseconds(20));
      continue;
    }
    const bool takes_newest = habits_.newest_first && ++number % oldest_every != 0;
    const auto at = takes_newest ? queue_.end() - 1 : queue_.begin();
    task entry = std::move(*at);
    queue_.erase(at);
    guard.unlock();
    entry();
    guard.lock();
  }
}

}  // namespace detent::cli
