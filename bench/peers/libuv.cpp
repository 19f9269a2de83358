// libuv: by itself on one thread, and behind a mutex that the loop gives away only while it polls.
#include "peer/program.hpp"
#include "peers/guard_timer.hpp"

#include <memory>
#include <mutex>
#include <thread>
#include <uv.h>
#include <vector>

namespace {

using namespace detent::bench;

constexpr std::uint64_t ms_of(std::int64_t ns) { return static_cast<std::uint64_t>(ns / ns_per_ms); }

class in_a_loop {
 public:
  static constexpr auto name = "libuv";
  static constexpr bool is_thread_safe = false;
  static std::string version() { return uv_version_string(); }
  using hand = in_a_loop&;

  in_a_loop(std::uint32_t n, firings& sink) : sink_(sink) {
    uv_loop_init(&loop_);
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) { uv_timer_start(&timers_[i]->handle, on_time, ms_of(delay_ns), 0); }
  void cancel(std::uint32_t i) { uv_timer_stop(&timers_[i]->handle); }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    uv_close(as_handle(timers_[i]), [](uv_handle_t* closed) { delete static_cast<timer*>(closed->data); });
    timers_[i] = make(i);
    arm(i, delay_ns);
  }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    uv_timer_start(&timers_[i]->handle, on_time, ms_of(period_ns), ms_of(period_ns));
  }
  void turn() { uv_run(&loop_, UV_RUN_NOWAIT); }
  void drive_until(std::int64_t at_ns) {
    uv_timer_t end;
    uv_timer_init(&loop_, &end);
    uv_update_time(&loop_);
    const std::int64_t left_ns = at_ns - now_ns();
    uv_timer_start(
        &end, [](uv_timer_t* t) { uv_stop(t->loop); }, left_ns > 0 ? ms_of(left_ns) + 1 : 0, 0);
    uv_run(&loop_, UV_RUN_DEFAULT);
    uv_close(reinterpret_cast<uv_handle_t*>(&end), nullptr);
    uv_run(&loop_, UV_RUN_NOWAIT);
  }

 protected:
  struct timer {
    uv_timer_t handle;
    on_firing callback;
  };

  static uv_handle_t* as_handle(timer* t) { return reinterpret_cast<uv_handle_t*>(&t->handle); }
  static void on_time(uv_timer_t* t) { static_cast<timer*>(t->data)->callback(); }

  timer* make(std::uint32_t i) {
    auto* made = new timer{{}, {&sink_, i}};
    uv_timer_init(&loop_, &made->handle);
    made->handle.data = made;
    return made;
  }

  uv_loop_t loop_;
  firings& sink_;
  std::vector<timer*> timers_;
};

class behind_a_mutex : in_a_loop {
 public:
  static constexpr auto name = "libuv-mutex";
  static constexpr bool is_thread_safe = true;
  using in_a_loop::version;
  using hand = behind_a_mutex&;

  behind_a_mutex(std::uint32_t n, firings& sink) : in_a_loop(n, sink) {
    uv_async_init(&loop_, &wake_, nullptr);
    uv_prepare_init(&loop_, &before_poll_);
    uv_check_init(&loop_, &after_poll_);
    uv_timer_init(&loop_, &guard_timer_);
    before_poll_.data = after_poll_.data = guard_timer_.data = this;
    uv_prepare_start(&before_poll_, [](uv_prepare_t* h) { static_cast<behind_a_mutex*>(h->data)->mutex_.unlock(); });
    uv_check_start(&after_poll_, [](uv_check_t* h) { static_cast<behind_a_mutex*>(h->data)->mutex_.lock(); });
    thread_ = std::thread([this] {
      mutex_.lock();
      uv_run(&loop_, UV_RUN_DEFAULT);
    });
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    arm_locked(i, delay_ns);
  }
  void cancel(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    in_a_loop::cancel(i);
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    uv_close(as_handle(timers_[i]), [](uv_handle_t* closed) { delete static_cast<timer*>(closed->data); });
    timers_[i] = make(i);
    arm_locked(i, delay_ns);
    if (++closing_ % operations_per_turn == 0) uv_async_send(&wake_);  // Closed handles are freed by the loop.
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  void arm_locked(std::uint32_t i, std::int64_t delay_ns) {
    uv_update_time(&loop_);
    in_a_loop::arm(i, delay_ns);
    const std::int64_t at_ms = static_cast<std::int64_t>(uv_now(&loop_) + ms_of(delay_ns));
    if (!guard_.is_before(at_ms)) return;
    guard_.set(at_ms);
    uv_timer_start(
        &guard_timer_, [](uv_timer_t* t) { static_cast<behind_a_mutex*>(t->data)->guard_.passed(); }, ms_of(delay_ns),
        0);
    uv_async_send(&wake_);
  }

  std::mutex mutex_;
  uv_async_t wake_;
  uv_prepare_t before_poll_;
  uv_check_t after_poll_;
  uv_timer_t guard_timer_;
  guard_instant guard_;
  std::uint64_t closing_ = 0;
  std::thread thread_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  return run_program<in_a_loop, behind_a_mutex>(argument_count, arguments);
}
