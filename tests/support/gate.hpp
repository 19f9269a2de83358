// gate: how tests make threads meet without hoping for it. Every wait is bounded, and fails the test when it ends by
// the bound.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <source_location>
#include <string>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <utility>

#include <gtest/gtest.h>

namespace support {

// A shared machine may stop for seconds: what has to happen gets this long before the test fails.
inline constexpr std::chrono::seconds patience{30};

// How long an absence is watched. A longer watch would find more, a shorter one never reports what is not there.
inline constexpr std::chrono::milliseconds watch{20};

template <class Condition>
bool eventually(Condition holds, std::source_location place = std::source_location::current()) {
  const auto limit = std::chrono::steady_clock::now() + patience;
  while (!holds()) {
    if (std::chrono::steady_clock::now() >= limit) {
      ADD_FAILURE_AT(place.file_name(), static_cast<int>(place.line())) << "did not come true";
      return false;
    }
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return true;
}

// Whether the condition stayed false while it was watched.
template <class Condition>
bool never(Condition holds) {
  const auto limit = std::chrono::steady_clock::now() + watch;
  while (std::chrono::steady_clock::now() < limit) {
    if (holds()) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(100));
  }
  return !holds();
}

// Closed until somebody opens it, open from then on. What the opener did is visible to who passed.
class gate {
 public:
  void open() noexcept { open_.store(true, std::memory_order_release); }
  bool is_open() const noexcept { return open_.load(std::memory_order_acquire); }
  bool pass(std::source_location place = std::source_location::current()) const {
    return eventually([this] { return is_open(); }, place);
  }

 private:
  std::atomic<bool> open_{false};
};

// A thread of the test. One that hangs cannot be joined: the program ends and says where the thread was started.
class background {
 public:
  template <class F>
  explicit background(F work, std::source_location place = std::source_location::current())
      : place_(place), thread_([this, work = std::move(work)]() mutable {
          number_.store(static_cast<long>(::syscall(SYS_gettid)));
          work();
          done_.open();
        }) {}
  background(const background&) = delete;
  background& operator=(const background&) = delete;
  ~background() { join(); }

  bool is_done() const noexcept { return done_.is_open(); }

  // Whether the kernel says that the thread sleeps. One that waits for a lock of its own for a moment does too, so this
  // makes a meeting likely and proves nothing.
  bool is_asleep() const {
    std::ifstream status("/proc/self/task/" + std::to_string(number_.load()) + "/stat");
    std::string line;
    std::getline(status, line);
    const std::size_t name_end = line.rfind(") ");
    return name_end != std::string::npos && line[name_end + 2] == 'S';
  }
  void join() {
    if (!thread_.joinable()) return;
    if (!done_.pass(place_)) {
      std::fprintf(stderr, "%s:%u: this thread hangs\n", place_.file_name(), place_.line());
      std::abort();
    }
    thread_.join();
  }

 private:
  std::source_location place_;
  gate done_;
  std::atomic<long> number_{0};  // the kernel's, once it runs
  std::thread thread_;
};

}  // namespace support
