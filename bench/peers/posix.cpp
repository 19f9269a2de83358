// POSIX timers: one of the kernel's for each timer, and a signal to one thread, which waits for them and calls.
#include "peer/program.hpp"

#include <atomic>
#include <csignal>
#include <gnu/libc-version.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {

using namespace detent::bench;

timespec time_of(std::int64_t ns) {
  if (ns < 1) ns = 1;  // Nought would disarm it.
  return {static_cast<time_t>(ns / ns_per_s), static_cast<long>(ns % ns_per_s)};
}

class kernel_timers {
 public:
  static constexpr auto name = "posix";
  static constexpr bool is_thread_safe = true;
  static std::string version() { return std::string("glibc ") + gnu_get_libc_version(); }
  using hand = kernel_timers&;

  kernel_timers(std::uint32_t n, firings& sink) : sink_(sink) {
    sigset_t ours = signals();
    pthread_sigmask(SIG_BLOCK, &ours, nullptr);
    std::atomic<pid_t> id{0};
    thread_ = std::thread([this, &id] {
      id = static_cast<pid_t>(syscall(SYS_gettid));
      id.notify_one();
      work();
    });
    id.wait(0);
    thread_id_ = id;
    timers_.reserve(n);
    callbacks_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) {
      callbacks_.push_back({&sink_, i});
      timers_.push_back(make(i));
    }
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const itimerspec delay{{}, time_of(delay_ns)};
    timer_settime(timers_[i], 0, &delay, nullptr);
  }
  void cancel(std::uint32_t i) {
    const itimerspec none{};
    timer_settime(timers_[i], 0, &none, nullptr);
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    timer_delete(timers_[i]);
    timers_[i] = make(i);
    arm(i, delay_ns);
  }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    const itimerspec series{time_of(period_ns), time_of(period_ns)};
    timer_settime(timers_[i], 0, &series, nullptr);
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  static sigset_t signals() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGRTMIN);
    return set;
  }

  timer_t make(std::uint32_t i) {
    sigevent event{};
    event.sigev_notify = SIGEV_THREAD_ID;
    event.sigev_signo = SIGRTMIN;
    event.sigev_value.sival_ptr = &callbacks_[i];
    event._sigev_un._tid = thread_id_;
    timer_t made{};
    if (timer_create(CLOCK_MONOTONIC, &event, &made) != 0)
      cannot("the system allows a process only " + std::to_string(i) + " of them (ulimit -i)");
    return made;
  }

  void work() {
    prctl(PR_SET_TIMERSLACK, 1UL);
    const sigset_t ours = signals();
    siginfo_t info;
    for (;;) {
      if (sigwaitinfo(&ours, &info) > 0) (*static_cast<on_firing*>(info.si_value.sival_ptr))();
    }
  }

  firings& sink_;
  std::vector<timer_t> timers_;
  std::vector<on_firing> callbacks_;
  pid_t thread_id_ = 0;
  std::thread thread_;
};

}  // namespace

int main(int argument_count, char** arguments) { return run_program<kernel_timers>(argument_count, arguments); }
