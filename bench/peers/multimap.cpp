// What people write by hand, first form: std::multimap from deadline to timer, a mutex, a condition variable, a thread.
#include "peer/program.hpp"
#include "workloads/post.hpp"

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace {

using namespace detent::bench;
using clock_type = std::chrono::steady_clock;

class by_multimap {
 public:
  static constexpr auto name = "multimap";
  static constexpr bool is_thread_safe = true;
  static std::string version() { return "libstdc++ " + std::to_string(_GLIBCXX_RELEASE); }
  using hand = by_multimap&;

  by_multimap(std::uint32_t n, firings& sink) : sink_(sink) {
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const clock_type::time_point at = clock_type::now() + std::chrono::nanoseconds(delay_ns);
    bool first = false;
    {
      const std::lock_guard guard(mutex_);
      timer& t = *timers_[i];
      t.place = pending_.emplace(at, &t);
      t.is_pending = true;
      first = t.place == pending_.begin();
    }
    if (first) changed_.notify_one();
  }

  void cancel(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    withdraw(*timers_[i]);
  }

  void postpone(std::uint32_t i, std::int64_t delay_ns) {
    const clock_type::time_point at = clock_type::now() + std::chrono::nanoseconds(delay_ns);
    const std::lock_guard guard(mutex_);
    timer& t = *timers_[i];
    withdraw(t);
    t.place = pending_.emplace(at, &t);
    t.is_pending = true;
  }

  void replace(std::uint32_t i, std::int64_t delay_ns) {
    cancel(i);
    timers_[i] = make(i);
    arm(i, delay_ns);
  }

  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  struct timer;
  using queue = std::multimap<clock_type::time_point, timer*>;
  struct timer {
    std::function<void()> callback;
    queue::iterator place{};
    bool is_pending = false;
  };

  std::unique_ptr<timer> make(std::uint32_t i) {
    auto made = std::make_unique<timer>();
    made->callback = on_firing{&sink_, i};
    return made;
  }

  void withdraw(timer& t) {
    if (!t.is_pending) return;
    pending_.erase(t.place);
    t.is_pending = false;
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (pending_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const auto first = pending_.begin();
      const clock_type::time_point at = first->first;
      if (at > clock_type::now()) {
        changed_.wait_until(lock, at);
        continue;
      }
      timer& t = *first->second;
      withdraw(t);
      const std::function<void()> callback = t.callback;  // The timer may be gone as soon as the lock is.
      lock.unlock();
      callback();
      lock.lock();
    }
  }

  firings& sink_;
  std::mutex mutex_;
  std::condition_variable changed_;
  queue pending_;
  std::vector<std::unique_ptr<timer>> timers_;
  std::thread thread_{[this] { work(); }};
};

/// The queue that people write by hand: a mutex, a deque, a condition variable.
class deque_queue {
 public:
  static constexpr std::string_view row = by_multimap::name;
  deque_queue() : thread_([this] { work_off(); }) {}
  template <class F>
  void post(F&& f) {
    {
      const std::lock_guard guard(mutex_);
      queue_.emplace_back(std::forward<F>(f));
    }
    filled_.notify_one();
  }

 private:
  void work_off() {
    for (std::unique_lock guard(mutex_);;) {
      filled_.wait(guard, [this] { return !queue_.empty(); });
      const std::function<void()> task = std::move(queue_.front());
      queue_.pop_front();
      guard.unlock();
      task();
      guard.lock();
    }
  }

  std::mutex mutex_;
  std::condition_variable filled_;
  std::deque<std::function<void()>> queue_;
  std::thread thread_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (is_post(argument_count, arguments)) {
    run_post<deque_queue>(argument_count, arguments, by_multimap::version());
  }
  return run_program<by_multimap>(argument_count, arguments);
}
