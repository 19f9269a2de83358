// Executors a user might bring: other orders, other threads, refusals, and tasks kept until after the service is gone.
#pragma once

#include <detent/detent.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace detent::cli {

struct executor_habits {
  unsigned threads = 1;  ///< 0: runs the task inside post
  bool newest_first = false;
  std::uint32_t refuse_every = 0;  ///< every n-th task is destroyed without being called
  std::uint32_t throw_every = 0;   ///< every n-th post throws
};

class habitual_executor {
 public:
  explicit habitual_executor(executor_habits habits);
  ~habitual_executor();
  habitual_executor(const habitual_executor&) = delete;
  habitual_executor& operator=(const habitual_executor&) = delete;

  void post(task entry);
  bool refuses() const noexcept { return habits_.refuse_every != 0 || habits_.throw_every != 0; }

 private:
  void work();

  const executor_habits habits_;
  std::atomic<std::uint32_t> posts_{0};
  std::mutex lock_;
  std::condition_variable came_;
  std::vector<task> queue_;  // guarded by lock_
  bool stopping_ = false;    // guarded by lock_
  std::vector<std::thread> threads_;
};

}  // namespace detent::cli
