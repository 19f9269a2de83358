// libev: by itself on one thread, and behind a mutex that the loop gives away while it polls, as its manual shows.
#include "peer/program.hpp"
#include "peers/guard_timer.hpp"

#include <ev.h>
#include <mutex>
#include <thread>
#include <vector>

namespace {

using namespace detent::bench;

double seconds_of(std::int64_t ns) { return static_cast<double>(ns) / 1e9; }

class in_a_loop {
 public:
  static constexpr auto name = "libev";
  static constexpr bool is_thread_safe = false;
  static std::string version() { return std::to_string(ev_version_major()) + "." + std::to_string(ev_version_minor()); }
  using hand = in_a_loop&;

  in_a_loop(std::uint32_t n, firings& sink) : loop_(ev_loop_new(EVFLAG_AUTO)), sink_(sink) {
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    ev_timer& t = timers_[i]->handle;
    ev_timer_set(&t, seconds_of(delay_ns), 0.);
    ev_timer_start(loop_, &t);
  }
  void cancel(std::uint32_t i) { ev_timer_stop(loop_, &timers_[i]->handle); }
  /// Moves it in the heap; the repeat is the delay, and the callback stops it.
  void postpone(std::uint32_t i, std::int64_t delay_ns) {
    ev_timer& t = timers_[i]->handle;
    t.repeat = seconds_of(delay_ns);
    ev_timer_again(loop_, &t);
  }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    cancel(i);
    delete timers_[i];
    timers_[i] = make(i);
    arm(i, delay_ns);
  }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    timers_[i]->is_series = true;
    postpone(i, period_ns);
  }
  void turn() { ev_run(loop_, EVRUN_NOWAIT); }
  void drive_until(std::int64_t at_ns) {
    ev_timer end;
    ev_init(&end, [](struct ev_loop* loop, ev_timer*, int) { ev_break(loop, EVBREAK_ALL); });
    ev_now_update(loop_);
    const std::int64_t left_ns = at_ns - now_ns();
    ev_timer_set(&end, left_ns > 0 ? seconds_of(left_ns) : 0., 0.);
    ev_timer_start(loop_, &end);
    ev_run(loop_, 0);
    ev_timer_stop(loop_, &end);
  }

 protected:
  struct timer {
    ev_timer handle;
    on_firing callback;
    bool is_series;
  };

  timer* make(std::uint32_t i) {
    auto* made = new timer{{}, {&sink_, i}, false};
    ev_init(&made->handle, on_time);
    made->handle.data = made;
    return made;
  }

  static void on_time(struct ev_loop* loop, ev_timer* t, int) {
    auto& self = *static_cast<timer*>(t->data);
    if (!self.is_series) ev_timer_stop(loop, t);
    self.callback();
  }

  struct ev_loop* loop_;
  firings& sink_;
  std::vector<timer*> timers_;
};

class behind_a_mutex : in_a_loop {
 public:
  static constexpr auto name = "libev-mutex";
  static constexpr bool is_thread_safe = true;
  using in_a_loop::version;
  using hand = behind_a_mutex&;

  behind_a_mutex(std::uint32_t n, firings& sink) : in_a_loop(n, sink) {
    ev_async_init(&wake_, [](struct ev_loop*, ev_async*, int) {});
    ev_async_start(loop_, &wake_);
    ev_init(&guard_timer_, [](struct ev_loop* loop, ev_timer*, int) { of(loop).guard_.passed(); });
    ev_set_userdata(loop_, this);
    ev_set_loop_release_cb(
        loop_, [](struct ev_loop* loop) noexcept { of(loop).mutex_.unlock(); },
        [](struct ev_loop* loop) noexcept { of(loop).mutex_.lock(); });
    thread_ = std::thread([this] {
      mutex_.lock();
      ev_run(loop_, 0);
    });
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    ev_now_update(loop_);
    in_a_loop::arm(i, delay_ns);
    wake_for(delay_ns);
  }
  void cancel(std::uint32_t i) {
    const std::lock_guard guard(mutex_);
    in_a_loop::cancel(i);
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    ev_now_update(loop_);
    in_a_loop::postpone(i, delay_ns);
    wake_for(delay_ns);
  }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    const std::lock_guard guard(mutex_);
    ev_now_update(loop_);
    in_a_loop::replace(i, delay_ns);
    wake_for(delay_ns);
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  static behind_a_mutex& of(struct ev_loop* loop) { return *static_cast<behind_a_mutex*>(ev_userdata(loop)); }

  void wake_for(std::int64_t delay_ns) {
    const auto at_ns = static_cast<std::int64_t>(ev_now(loop_) * 1e9) + delay_ns;
    if (!guard_.is_before(at_ns)) return;
    guard_.set(at_ns);
    ev_timer_stop(loop_, &guard_timer_);
    ev_timer_set(&guard_timer_, seconds_of(delay_ns), 0.);
    ev_timer_start(loop_, &guard_timer_);
    ev_async_send(loop_, &wake_);
  }

  std::mutex mutex_;
  ev_async wake_;
  ev_timer guard_timer_;
  guard_instant guard_;
  std::thread thread_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  return run_program<in_a_loop, behind_a_mutex>(argument_count, arguments);
}
