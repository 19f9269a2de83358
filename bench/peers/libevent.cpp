// libevent: by itself on one thread; with the locks of its own that it is told to use; and with its queue for timeouts
// that are all of one length.
#include "peer/program.hpp"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <event2/thread.h>
#include <sys/time.h>
#include <thread>
#include <vector>

namespace {

using namespace detent::bench;

constexpr std::int64_t ns_per_us = 1000;

timeval time_of(std::int64_t ns) {
  if (ns < 0) ns = 0;
  return {static_cast<time_t>(ns / ns_per_s), static_cast<suseconds_t>(ns % ns_per_s / ns_per_us)};
}

class libevent_timers {
 public:
  static std::string version() { return event_get_version(); }

  libevent_timers(std::uint32_t n, firings& sink) : base_(event_base_new()), sink_(sink) {
    timers_.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) timers_.push_back(make(i, 0));
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    const timeval delay = time_of(delay_ns);
    event_add(&timers_[i]->handle, &delay);
  }
  void cancel(std::uint32_t i) { event_del(&timers_[i]->handle); }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }  // It moves what is pending.
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    make_anew(i, 0);
    arm(i, delay_ns);
  }
  void arm_every(std::uint32_t i, std::int64_t period_ns) {
    make_anew(i, EV_PERSIST);
    arm(i, period_ns);
  }

 protected:
  struct timer {
    event handle;
    on_firing callback;
  };

  timer* make(std::uint32_t i, short kind) {
    auto* made = new timer{{}, {&sink_, i}};
    event_assign(
        &made->handle, base_, -1, kind, [](evutil_socket_t, short, void* t) { static_cast<timer*>(t)->callback(); },
        made);
    return made;
  }
  void make_anew(std::uint32_t i, short kind) {
    event_del(&timers_[i]->handle);
    delete timers_[i];
    timers_[i] = make(i, kind);
  }

  event_base* base_;
  firings& sink_;
  std::vector<timer*> timers_;
};

class in_a_loop : public libevent_timers {
 public:
  static constexpr auto name = "libevent";
  static constexpr bool is_thread_safe = false;
  using hand = in_a_loop&;
  using libevent_timers::libevent_timers;

  void turn() { event_base_loop(base_, EVLOOP_NONBLOCK); }
  void drive_until(std::int64_t at_ns) {
    const timeval left = time_of(at_ns - now_ns());
    event_base_loopexit(base_, &left);
    event_base_dispatch(base_);
  }
};

/// One timeout for all: they wait in a queue, and only the first of it is in the heap.
class of_one_length : public in_a_loop {
 public:
  static constexpr auto name = "libevent-common";
  using hand = of_one_length&;
  of_one_length(std::uint32_t n, firings& sink) : in_a_loop(n, sink) {
    const timeval length = time_of(postpone_delay_ns);
    length_ = event_base_init_common_timeout(base_, &length);
  }

  void arm(std::uint32_t i, std::int64_t delay_ns) {
    if (delay_ns != postpone_delay_ns) cannot("its common timeouts are all of one length");
    event_add(&timers_[i]->handle, length_);
  }
  void postpone(std::uint32_t i, std::int64_t delay_ns) { arm(i, delay_ns); }
  void replace(std::uint32_t, std::int64_t) { cannot("its common timeouts are all of one length"); }
  void arm_every(std::uint32_t, std::int64_t) = delete;

 private:
  const timeval* length_ = nullptr;
};

/// Constructed before the base is: libevent asks for that.
struct with_locks {
  with_locks() { evthread_use_pthreads(); }
};

class locked : with_locks, public libevent_timers {
 public:
  static constexpr auto name = "libevent-mutex";
  static constexpr bool is_thread_safe = true;
  using hand = locked&;
  locked(std::uint32_t n, firings& sink) : libevent_timers(n, sink) {
    thread_ = std::thread([this] { event_base_loop(base_, EVLOOP_NO_EXIT_ON_EMPTY); });
  }

  void cancel_and_wait(std::uint32_t i) { cancel(i); }  // On another thread than the loop's it waits.
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }

 private:
  std::thread thread_;
};

}  // namespace

int main(int argument_count, char** arguments) {
  return run_program<in_a_loop, of_one_length, locked>(argument_count, arguments);
}
