// canary: a capture that tells when it is destroyed, how often, and on which thread.
#pragma once

#include <atomic>
#include <thread>
#include <utility>

namespace support {

// What became of the canaries of one cage.
struct cage {
  std::atomic<int> alive{0};
  std::atomic<int> gone{0};
  std::atomic<std::thread::id> gone_on{};
};

// Only the last place a canary was moved to counts.
class canary {
 public:
  explicit canary(cage& home) noexcept : home_(&home) { home.alive.fetch_add(1); }
  canary(canary&& other) noexcept : home_(std::exchange(other.home_, nullptr)) {}
  canary& operator=(canary&&) = delete;
  canary(const canary&) = delete;
  canary& operator=(const canary&) = delete;
  ~canary() {
    if (home_ == nullptr) return;
    home_->gone_on.store(std::this_thread::get_id());
    home_->alive.fetch_sub(1);
    home_->gone.fetch_add(1);
  }

 private:
  cage* home_;
};

// Calls `f` when it is destroyed: a capture whose destructor calls back in.
template <class F>
class at_end {
 public:
  explicit at_end(F f) noexcept : f_(std::move(f)) {}
  at_end(at_end&& other) noexcept : f_(std::move(other.f_)), armed_(std::exchange(other.armed_, false)) {}
  at_end& operator=(at_end&&) = delete;
  at_end(const at_end&) = delete;
  at_end& operator=(const at_end&) = delete;
  ~at_end() {
    if (armed_) f_();
  }

 private:
  F f_;
  bool armed_ = true;
};

}  // namespace support
