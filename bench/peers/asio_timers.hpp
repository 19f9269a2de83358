// Asio's steady_timer, behind a strand and behind a mutex. Its timers may each be used by one thread at a time; the two
// are what its documentation and its users do about it. Standalone and Boost's differ in namespaces alone.
#pragma once

#include "peer/program.hpp"

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>  // Boost.Asio of this age forgets it.
#include <vector>

namespace detent::bench {

/// `Asio` names the types and the version.
template <class Asio>
class asio_timers {
 public:
  static std::string version() { return Asio::version(); }

  asio_timers(std::uint32_t n, firings& sink) : sink_(sink) {
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make());
    thread_ = std::thread([this] { context_.run(); });
  }

 protected:
  using timer = typename Asio::timer;

  std::unique_ptr<timer> make() { return std::make_unique<timer>(context_); }

  void start(std::uint32_t i, std::int64_t delay_ns) {
    timers_[i]->expires_after(std::chrono::nanoseconds(delay_ns));
    wait(i);
  }
  void wait(std::uint32_t i) {
    timers_[i]->async_wait([callback = on_firing{&sink_, i}](const typename Asio::error& error) {
      if (!error) callback();
    });
  }
  void wait_again_and_again(std::uint32_t i, std::int64_t period_ns) {
    timers_[i]->async_wait([this, i, period_ns](const typename Asio::error& error) {
      if (error) return;
      timers_[i]->expires_at(timers_[i]->expiry() + std::chrono::nanoseconds(period_ns));
      wait_again_and_again(i, period_ns);
      sink_.fired(i);
    });
  }

  typename Asio::context context_{1};
  typename Asio::work work_{Asio::work_of(context_)};
  firings& sink_;
  std::vector<std::unique_ptr<timer>> timers_;
  std::thread thread_;
};

template <class Asio>
class asio_mutex : asio_timers<Asio> {
 public:
  static constexpr auto name = Asio::mutex_name;
  static constexpr bool is_thread_safe = true;
  using asio_timers<Asio>::version;
  using asio_timers<Asio>::asio_timers;
  using hand = asio_mutex&;

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    this->start(i, delay_ns);
  }
  void cancel(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    this->timers_[i]->cancel();
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    this->timers_[i] = this->make();
    this->start(i, delay_ns);
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  std::mutex mutex_;
};

/// Each verb is posted to the strand. What was posted is waited for at the end of a turn, or the queue would grow and
/// only the posting be measured.
template <class Asio>
class asio_strand : asio_timers<Asio> {
 public:
  static constexpr auto name = Asio::strand_name;
  static constexpr bool is_thread_safe = true;
  using asio_timers<Asio>::version;
  using asio_timers<Asio>::asio_timers;
  using hand = asio_strand&;

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    Asio::post(strand_, [this, i, delay_ns] { this->start(i, delay_ns); });
  }
  void cancel(std::uint32_t i) {
    Asio::post(strand_, [this, i] { this->timers_[i]->cancel(); });
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    Asio::post(strand_, [this, i, delay_ns] {
      this->timers_[i] = this->make();
      this->start(i, delay_ns);
    });
  }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    Asio::post(strand_, [this, i, period_ns] {
      this->timers_[i]->expires_after(std::chrono::nanoseconds(period_ns));
      this->wait_again_and_again(i, period_ns);
    });
  }
  void turn() {
    std::atomic<bool> reached{false};
    Asio::post(strand_, [&reached] {
      reached.store(true, std::memory_order_release);
      reached.notify_one();
    });
    reached.wait(false, std::memory_order_acquire);
  }
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  typename Asio::strand strand_{Asio::strand_of(this->context_)};
};

}  // namespace detent::bench
