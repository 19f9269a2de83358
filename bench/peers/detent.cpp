// Detent itself, in its three forms: each arming reads the clock; the caller's now; one thread only.
#include "peer/program.hpp"
#include "workloads/channel.hpp"
#include "workloads/post.hpp"

#include <detent/detent.hpp>
#include <detent/worker.hpp>

#include <chrono>
#include <memory>
#include <poll.h>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace detent::bench;
using std::chrono::nanoseconds;

std::string detent_version() {
  return std::to_string(DETENT_VERSION_MAJOR) + "." + std::to_string(DETENT_VERSION_MINOR) + "." +
         std::to_string(DETENT_VERSION_PATCH);
}

detent::service_options own_thread(detent::executor_choice executor) {
  detent::service_options options;
  options.executor = executor;
  return options;
}

detent::service_options driven_by_us() {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.sharing = detent::sharing::one_thread;
  options.executor = detent::on_driver{};
  return options;
}

/// A service and its timers.
struct timers {
  timers(detent::service_options options, std::uint32_t n, firings& s) : service(std::move(options)), sink(s) {
    all.reserve(n);
    for (std::uint32_t i = 0; i < n; ++i) all.emplace_back(service, on_firing{&sink, i});
  }

  void cancel(std::uint32_t i) noexcept { all[i].cancel(); }
  void cancel_and_wait(std::uint32_t i) noexcept { all[i].cancel_and_wait(); }
  void arm_every(std::uint32_t i, std::int64_t period_ns) noexcept { all[i].arm_every(nanoseconds(period_ns)); }
  void make_anew(std::uint32_t i) {
    all[i] = {};  // Or the new one would be made while the old one is still there.
    all[i] = detent::timer(service, on_firing{&sink, i});
  }

  detent::timer_service service;
  firings& sink;
  std::vector<detent::timer> all;
};

/// Every arming reads the clock.
struct exact : timers {
  static constexpr bool is_thread_safe = true;
  static std::string version() { return detent_version(); }
  using hand = exact&;
  using timers::timers;

  void arm(std::uint32_t i, std::int64_t delay_ns) noexcept { all[i].arm_after(nanoseconds(delay_ns)); }
  void postpone(std::uint32_t i, std::int64_t delay_ns) noexcept { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    make_anew(i);
    arm(i, delay_ns);
  }
  void turn() noexcept {}
  void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }
};

struct exact_on_driver : exact {
  static constexpr auto name = "detent";
  using hand = exact_on_driver&;
  exact_on_driver(std::uint32_t n, firings& s) : exact(own_thread(detent::on_driver{}), n, s) {}
};

/// At most a twentieth of one CPU for being in time.
struct exact_with_budget : exact {
  static constexpr auto name = "detent-spin";
  using hand = exact_with_budget&;
  exact_with_budget(std::uint32_t n, firings& s) : exact(options(), n, s) {}
  static detent::service_options options() {
    detent::service_options chosen = own_thread(detent::on_driver{});
    chosen.spin_percent = 5;
    return chosen;
  }
};

struct exact_on_pool : exact {
  static constexpr auto name = "detent-pool";
  using hand = exact_on_pool&;
  exact_on_pool(std::uint32_t n, firings& s) : exact(own_thread(detent::pool{2}), n, s) {}
};

/// The thread that arms knows what time it is.
struct callers_now : timers {
  static constexpr auto name = "detent-now";
  static constexpr bool is_thread_safe = true;
  static std::string version() { return detent_version(); }
  callers_now(std::uint32_t n, firings& s) : timers(own_thread(detent::on_driver{}), n, s) {}

  struct hand {
    callers_now& owner;
    detent::steady_clock::time_point now = detent::steady_clock::now();

    void arm(std::uint32_t i, std::int64_t delay_ns) noexcept { owner.all[i].arm_after(nanoseconds(delay_ns), now); }
    void cancel(std::uint32_t i) noexcept { owner.cancel(i); }
    void cancel_and_wait(std::uint32_t i) noexcept { owner.cancel_and_wait(i); }
    void arm_every(std::uint32_t i, std::int64_t period_ns) noexcept { owner.arm_every(i, period_ns); }
    void postpone(std::uint32_t i, std::int64_t delay_ns) noexcept { arm(i, delay_ns); }
    void replace(std::uint32_t i, std::int64_t delay_ns) {
      owner.make_anew(i);
      arm(i, delay_ns);
    }
    void turn() noexcept { now = detent::steady_clock::now(); }
    void drive_until(std::int64_t at_ns) noexcept { sleep_instead_of_driving(at_ns); }
  };
};

/// In the user's loop, with its now.
struct in_a_loop : timers {
  static constexpr auto name = "detent-loop";
  static constexpr bool is_thread_safe = false;
  static std::string version() { return detent_version(); }
  using hand = in_a_loop&;
  in_a_loop(std::uint32_t n, firings& s) : timers(driven_by_us(), n, s) {}

  void arm(std::uint32_t i, std::int64_t delay_ns) noexcept { all[i].arm_after(nanoseconds(delay_ns), now); }
  void postpone(std::uint32_t i, std::int64_t delay_ns) noexcept { arm(i, delay_ns); }
  void replace(std::uint32_t i, std::int64_t delay_ns) {
    make_anew(i);
    arm(i, delay_ns);
  }
  void turn() noexcept {
    now = detent::steady_clock::now();
    service.run_due();
  }
  void drive_until(std::int64_t at_ns) noexcept {
    bool over = false;
    detent::timer end(service, [&over] { over = true; });
    end.arm_at(detent::steady_clock::time_point(nanoseconds(at_ns)));
    while (!over) {
      pollfd due{service.fd(), POLLIN, 0};
      poll(&due, 1, -1);
      turn();
    }
  }

  detent::steady_clock::time_point now = detent::steady_clock::now();
};

/// The workload that only this library and Go have.
int run_channels(const round& r) {
  if (r.peer != exact_on_driver::name) cannot("channels are measured in the row detent");
  std::printf("version %s\nsharing any_thread\n", detent_version().c_str());
  channels(r);
  std::fflush(stdout);
  std::_Exit(0);
}

/// A worker, with all it accounts for.
struct worker_queue {
  static constexpr std::string_view row = exact_on_driver::name;
  worker_queue() : worker(service, {.name = "posted-to", .queue_limit = 0}) { worker.start(); }
  template <class F>
  void post(F&& f) {
    static_cast<void>(worker.post(std::forward<F>(f)));
  }
  detent::timer_service service{own_thread(detent::on_driver{})};
  detent::worker worker;
};

}  // namespace

int main(int argument_count, char** arguments) {
  if (is_post(argument_count, arguments)) run_post<worker_queue>(argument_count, arguments, detent_version());
  if (argument_count > 2 && arguments[2] == std::string_view("channel")) {
    return run_channels(parse_round(argument_count, arguments));
  }
  return run_program<exact_on_driver, exact_on_pool, exact_with_budget, callers_now, in_a_loop>(argument_count,
                                                                                                arguments);
}
