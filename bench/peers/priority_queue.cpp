// What people write by hand, second form: std::priority_queue, where a cancelled entry stays until its time comes.
#include "peer/program.hpp"

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <queue>
#include <thread>
#include <vector>

namespace {

using namespace detent::bench;
using clock_type = std::chrono::steady_clock;

class by_priority_queue {
 public:
  static constexpr auto name = "priority_queue";
  static constexpr bool is_thread_safe = true;
  static std::string version() { return "libstdc++ " + std::to_string(_GLIBCXX_RELEASE); }
  using hand = by_priority_queue&;

  by_priority_queue(std::uint32_t n, firings& sink) : sink_(sink) {
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const clock_type::time_point at = clock_type::now() + std::chrono::nanoseconds(delay_ns);
    bool first = false;
    {
      const std::lock_guard guard(mutex_);
      const std::shared_ptr<timer>& t = timers_[i];
      first = pending_.empty() || at < pending_.top().at;
      pending_.push({at, t, ++t->arming});
      drop_stale_when_most_are();
    }
    if (first) changed_.notify_one();
  }

  void cancel(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    ++timers_[i]->arming;
  }

  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }

  void replace(std::uint32_t i, std::int64_t delay_ns) {
    cancel(i);
    timers_[i] = make(i);
    arm(i, delay_ns);
  }

  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  struct timer {
    std::function<void()> callback;
    std::uint64_t arming = 0;  // an entry of an earlier arming is stale
  };
  struct entry {
    clock_type::time_point at;
    std::shared_ptr<timer> owner;
    std::uint64_t arming;
    bool operator<(const entry& other) const noexcept { return other.at < at; }
  };
  struct queue : std::priority_queue<entry> {
    std::vector<entry>& entries() { return c; }
  };

  std::shared_ptr<timer> make(std::uint32_t i) { return std::make_shared<timer>(timer{on_firing{&sink_, i}}); }

  /// Without this the queue grows for as long as the longest delay lasts.
  void drop_stale_when_most_are() {
    if (pending_.size() < 4 * timers_.size() + 1024) return;
    std::vector<entry>& entries = pending_.entries();
    std::erase_if(entries, [](const entry& e) { return e.arming != e.owner->arming; });
    std::make_heap(entries.begin(), entries.end());
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      if (pending_.empty()) {
        changed_.wait(lock);
        continue;
      }
      const clock_type::time_point at = pending_.top().at;
      if (at > clock_type::now()) {
        changed_.wait_until(lock, at);
        continue;
      }
      const entry due = pending_.top();
      pending_.pop();
      if (due.arming != due.owner->arming) continue;
      lock.unlock();
      due.owner->callback();
      lock.lock();
    }
  }

  firings& sink_;
  std::mutex mutex_;
  std::condition_variable changed_;
  queue pending_;
  std::vector<std::shared_ptr<timer>> timers_;
  std::thread thread_{[this] { work(); }};
};

}  // namespace

int main(int argument_count, char** arguments) { return run_program<by_priority_queue>(argument_count, arguments); }
