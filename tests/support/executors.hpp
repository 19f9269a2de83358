// executors: users' executors as they come, the well-behaved and the others. Each outlives the service it is given to.
#pragma once

#include <detent/executor.hpp>

#include <atomic>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace support {

// Runs each task inside post.
struct inline_executor {
  std::atomic<int> posts{0};
  void post(detent::task t) {
    posts.fetch_add(1);
    t();
  }
};

// Holds its tasks until told; then runs them in either order, on the thread that tells, or destroys them uncalled.
class held_executor {
 public:
  void post(detent::task t) {
    const std::lock_guard guard(lock_);
    tasks_.push_back(std::move(t));
  }

  std::size_t size() const {
    const std::lock_guard guard(lock_);
    return tasks_.size();
  }

  bool run_first() {
    std::optional<detent::task> next = take(true);
    if (next.has_value()) (*next)();
    return next.has_value();
  }
  bool run_last() {
    std::optional<detent::task> next = take(false);
    if (next.has_value()) (*next)();
    return next.has_value();
  }
  std::size_t run_all() {
    std::size_t count = 0;
    while (run_first()) ++count;
    return count;
  }
  std::size_t run_reversed() {
    std::size_t count = 0;
    while (run_last()) ++count;
    return count;
  }
  std::size_t drop_all() {
    std::size_t count = 0;
    while (take(true).has_value()) ++count;
    return count;
  }

 private:
  std::optional<detent::task> take(bool first) {
    const std::lock_guard guard(lock_);
    std::optional<detent::task> taken;
    if (tasks_.empty()) return taken;
    if (first) {
      taken.emplace(std::move(tasks_.front()));
      tasks_.pop_front();
    } else {
      taken.emplace(std::move(tasks_.back()));
      tasks_.pop_back();
    }
    return taken;
  }

  mutable std::mutex lock_;
  std::deque<detent::task> tasks_;
};

// Refuses every k-th task by letting it go out of scope, and runs the others inside post.
class dropping_executor {
 public:
  explicit dropping_executor(int every) : every_(every) {}
  void post(detent::task t) {
    if (++posts_ % every_ == 0) {
      ++dropped_;
      return;
    }
    t();
  }
  int dropped() const { return dropped_; }

 private:
  int every_;
  std::atomic<int> posts_{0};
  std::atomic<int> dropped_{0};
};

#if DETENT_EXCEPTIONS
// Throws at every k-th task, and runs the others inside post.
class throwing_executor {
 public:
  explicit throwing_executor(int every) : every_(every) {}
  void post(detent::task t) {
    if (++posts_ % every_ == 0) {
      ++thrown_;
      throw std::runtime_error("this executor is full");
    }
    t();
  }
  int thrown() const { return thrown_; }

 private:
  int every_;
  std::atomic<int> posts_{0};
  std::atomic<int> thrown_{0};
};
#endif

// Runs its tasks on threads of its own, whose number it was told.
class foreign_executor {
 public:
  explicit foreign_executor(unsigned threads = 1) {
    for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
  }
  ~foreign_executor() {
    stopping_.store(true);
    for (std::thread& t : threads_) t.join();
  }
  foreign_executor(const foreign_executor&) = delete;
  foreign_executor& operator=(const foreign_executor&) = delete;
  void post(detent::task t) { queue_.post(std::move(t)); }

 private:
  void work() {
    while (!stopping_.load()) {
      if (!queue_.run_first()) std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
  }
  held_executor queue_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> threads_;
};

}  // namespace support
