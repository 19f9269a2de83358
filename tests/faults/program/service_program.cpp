// A service's whole life on every seat: made, used, shut down. Run where the kernel refuses, is slow, or has been up
// for 146 years (kernel_test.cpp). What is refused is tried again, twice at most; status 0 says that everything worked
// in the end, 1 that something did not, and stderr says what.
//
// With the argument `nothing` it only starts and ends.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <new>
#include <poll.h>
#include <system_error>
#include <thread>

namespace {

using namespace detent;
using namespace std::chrono_literals;

#define REQUIRE(condition)                                                 \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      return false;                                                        \
    }                                                                      \
  } while (false)

template <class Drive>
bool comes_true(const std::atomic<int>& count, int wanted, Drive drive) {
  const auto until = steady_clock::now() + 20s;
  while (count < wanted && steady_clock::now() < until) drive();
  return count >= wanted;
}

template <class Drive>
bool use(timer_service& service, Drive drive) {
  std::atomic<int> fired{0};
  const auto count = [&] { fired.fetch_add(1); };
  timer one{service, count};
  boottime_timer two{service, count};
  system_timer three{service, count};
  timer series{service, count};
  REQUIRE(one.arm_after(1ms) == arm_result::armed);
  REQUIRE(two.arm_after(2ms) == arm_result::armed);
  REQUIRE(three.arm_after(3ms) == arm_result::armed);
  REQUIRE(comes_true(fired, 3, drive));
  REQUIRE(series.arm_every(1ms) == arm_result::armed);
  REQUIRE(comes_true(fired, 6, drive));
  REQUIRE(service.once(1ms, count));
  series.close_and_wait();
  const int before = fired;
  REQUIRE(comes_true(fired, before + 1, drive) || before >= 7);
  REQUIRE(service.counters().early == 0);
  REQUIRE(service.shutdown().complete);
  return true;
}

bool live(drive how, executor_choice executor, duration limit) {
  service_options options;
  options.drive = how;
  options.executor = std::move(executor);
  options.call_limit = limit;
  timer_service service(std::move(options));
  if (how == drive::own_thread) {
    return use(service, [] { std::this_thread::sleep_for(100us); });
  }
  return use(service, [&] {
    pollfd ready{service.fd(), POLLIN, 0};
    ::poll(&ready, 1, ready.fd < 0 ? 1 : 50);
    service.run_due();
  });
}

template <class Life>
bool live_in_the_end(Life life) {
  for (int left = 3; left > 0; --left) {
    try {
      return life();
    } catch (const std::bad_alloc&) {
    } catch (const std::system_error& e) {
      std::fprintf(stderr, "refused: %s\n", e.what());
    }
  }
  std::fprintf(stderr, "refused three times, although one request failed\n");
  return false;
}

}  // namespace

int main(int count, char** words) {
  if (count > 1 && std::strcmp(words[1], "nothing") == 0) return 0;
  const bool good = live_in_the_end([] { return live(drive::own_thread, on_driver{}, 0ns); }) &&
                    live_in_the_end([] { return live(drive::own_thread, pool{2}, 10s); }) &&
                    live_in_the_end([] { return live(drive::by_user, on_driver{}, 0ns); });
  return good ? 0 : 1;
}
