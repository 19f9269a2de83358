// canary: a capture that tells when it is destroyed, how often, and on which thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <utility>

namespace support {

// What became of the canaries of one cage. Both counts are one word: whoever has seen that none is alive has seen them
// all gone, and no canary touches the cage after that.
class cage {
 public:
  [[nodiscard]] int alive() const noexcept { return static_cast<int>(counts_.load() & 0xffff'ffffU); }
  [[nodiscard]] int gone() const noexcept { return static_cast<int>(counts_.load() >> 32U); }
  // How many were gone; from now on they are counted from 0.
  int forget_gone() noexcept { return static_cast<int>(counts_.fetch_and(0xffff'ffffU) >> 32U); }
  [[nodiscard]] std::thread::id gone_on() const noexcept { return gone_on_.load(); }

 private:
  friend class canary;
  std::atomic<std::uint64_t> counts_{0};  // alive in the low half, gone in the high one
  std::atomic<std::thread::id> gone_on_{};
};

// Only the last place a canary was moved to counts.
class canary {
 public:
  explicit canary(cage& home) noexcept : home_(&home) { home.counts_.fetch_add(1); }
  canary(canary&& other) noexcept : home_(std::exchange(other.home_, nullptr)) {}
  canary& operator=(canary&&) = delete;
  canary(const canary&) = delete;
  canary& operator=(const canary&) = delete;
  ~canary() {
    if (home_ == nullptr) return;
    home_->gone_on_.store(std::this_thread::get_id());
    home_->counts_.fetch_add((std::uint64_t{1} << 32U) - 1);  // one less alive, one more gone
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
