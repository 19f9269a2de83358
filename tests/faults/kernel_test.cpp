// The kernel refuses a call, is slow, interrupts, stops the process, or has been up for 146 years; the wall clock is
// set.
//
// Method: a program that lives a service's life on every seat (tests/faults/program/service_program.cpp) runs under
// strace, which makes the k-th call of one name fail, for every k until there is no k-th call. It has to work in the
// end: what failed was refused with an error, and could be asked for again. A futex call is never made to fail: a wake
// that the kernel did not make is lost for anybody; it is delayed instead, and waits are interrupted by real signals.
//
// needs: exceptions
// needs: quiet
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <poll.h>
#include <pthread.h>
#include <sstream>
#include <string>
#include <support/child.hpp>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace detent;
using namespace std::chrono_literals;

// --- strace ---------------------------------------------------------------------------------------------------------

// The exit status of a shell line, 124 when it hung.
int run(const std::string& line) {
  const int status = std::system(("timeout -k 1 30 " + line).c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

std::string contents(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

int count_of(const std::string& text, const std::string& what) {
  int count = 0;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

struct injection {
  const char* call;
  const char* error;
  int at_most;  // calls of this name that are tried
};

class Kernel : public testing::TestWithParam<injection> {
 protected:
  void SetUp() override {
    if (std::system("command -v strace >/dev/null 2>&1") != 0) GTEST_SKIP() << "strace is not installed";
    if (std::system("strace -qq -o /dev/null true >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "strace may not trace here (ptrace is not allowed)";
    }
    if (support::under_asan || support::under_tsan) GTEST_SKIP() << "a sanitizer makes calls of its own";
  }
};

TEST_P(Kernel, EachCallFailsOnce) {
  const injection inject = GetParam();
  const std::string log = testing::TempDir() + "detent-strace-" + inject.call + "-" + std::to_string(::getpid());
  const std::string strace = std::string("strace -f -qq -o ") + log + " -e trace=" + inject.call;
  // The calls by which a program starts are the loader's.
  ASSERT_EQ(run(strace + " " + DETENT_SERVICE_PROGRAM + " nothing"), 0);
  const int first = 1 + count_of(contents(log), std::string(inject.call) + "(");
  int sites = 0;
  for (int k = first; k < first + inject.at_most; ++k) {
    const std::string when =
        " -e inject=" + std::string(inject.call) + ":error=" + inject.error + ":when=" + std::to_string(k);
    const int status = run(strace + when + " " + DETENT_SERVICE_PROGRAM);
    const bool injected = contents(log).find("(INJECTED)") != std::string::npos;
    EXPECT_EQ(status, 0) << inject.call << " number " << k << " answered " << inject.error;
    if (!injected || status != 0) break;
    ++sites;
  }
  EXPECT_GT(sites, 0) << "the program never made this call";
  if (sites == inject.at_most) std::printf("%s: only the first %d calls were tried\n", inject.call, sites);
  RecordProperty("sites", sites);
  ::unlink(log.c_str());
}

// strace counts for each thread by itself, so the k-th call of every thread fails.
INSTANTIATE_TEST_SUITE_P(Faults, Kernel,
                         testing::Values(injection{"timerfd_create", "EMFILE", 20},
                                         injection{"timerfd_settime", "EINTR", 10}, injection{"eventfd2", "EMFILE", 20},
                                         injection{"epoll_create1", "EMFILE", 20}, injection{"epoll_ctl", "ENOSPC", 20},
                                         injection{"epoll_wait", "EINTR", 8}, injection{"clone3", "EAGAIN", 20},
                                         injection{"mmap", "ENOMEM", 40}, injection{"prctl", "EINVAL", 4}),
                         [](const testing::TestParamInfo<injection>& about) { return about.param.call; });

class Slow : public Kernel {};

TEST_P(Slow, EveryFutexCallIsDelayed) {
  EXPECT_EQ(
      run(std::string("strace -f -qq -o /dev/null -e trace=futex -e inject=futex:delay_enter=2000:delay_exit=2000 ") +
          DETENT_SERVICE_PROGRAM),
      0);
}

INSTANTIATE_TEST_SUITE_P(Faults, Slow, testing::Values(injection{"futex", "", 0}));

// --- Uptime ---------------------------------------------------------------------------------------------------------

TEST(Uptime, AHundredAndFortySixYears) {
  const std::string inside = "unshare --time --monotonic 4607280000 --boottime 4607280000 ";
  if (std::system((inside + "true >/dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "a time namespace is not allowed here";
  }
  EXPECT_EQ(run(inside + DETENT_SERVICE_PROGRAM), 0);
}

// --- The wall clock -------------------------------------------------------------------------------------------------

// Steps of ten years, both ways, while timers run. What is faked are the readings, in a program of its own.
TEST(WallClock, StepsOfTenYearsBothWays) {
  if (support::under_asan || support::under_tsan) GTEST_SKIP() << "a sanitizer wants to be the first library";
  const std::string library = "/usr/lib/$(uname -m)-linux-gnu/faketime/libfaketimeMT.so.1";
  if (std::system(("test -e " + library).c_str()) != 0) GTEST_SKIP() << "libfaketime is not installed";
  const std::string file = testing::TempDir() + "detent-wall-clock-" + std::to_string(::getpid());
  std::ofstream(file) << "+0\n";
  const std::string faked = "env LD_PRELOAD=" + library + " FAKETIME_TIMESTAMP_FILE=" + file +
                            " FAKETIME_NO_CACHE=1 FAKETIME_DONT_FAKE_MONOTONIC=1 ";
  const int status = run(faked + DETENT_WALL_CLOCK_PROGRAM + " " + file);
  ::unlink(file.c_str());
  if (status == 3) GTEST_SKIP() << "libfaketime steps no clock here";
  EXPECT_EQ(status, 0);
}

// --- Signals --------------------------------------------------------------------------------------------------------

std::atomic<std::uint64_t> interruptions{0};
void interrupt(int) { interruptions.fetch_add(1, std::memory_order_relaxed); }

// Signals without SA_RESTART hit every thread at every moment: those of the service, which let them in for this test,
// and one that drives a service by a poll loop and waits for callbacks.
TEST(Signals, AStormOfInterruptionsLosesNothing) {
  struct sigaction action {};
  action.sa_handler = &interrupt;
  ASSERT_EQ(::sigaction(SIGUSR1, &action, nullptr), 0);
  const pthread_t user = ::pthread_self();
  std::mutex lock;
  std::vector<pthread_t> targets{user};
  service_options options;
  options.executor = pool{2};
  options.call_limit = 1s;
  options.on_thread_start = [&](const std::string&) {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGUSR1);
    ::pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
    const std::lock_guard guard(lock);
    targets.push_back(::pthread_self());
  };
  {
    timer_service service(std::move(options));
    service_options driven;
    driven.drive = drive::by_user;
    driven.executor = on_driver{};
    timer_service own(std::move(driven));
    std::atomic<int> fired{0};
    support::eventually([&] {
      const std::lock_guard guard(lock);
      return targets.size() >= 4;  // the driver and both of the pool
    });
    support::gate enough;
    support::background storm([&] {
      while (!enough.is_open()) {
        {
          const std::lock_guard guard(lock);
          for (const pthread_t target : targets) ::pthread_kill(target, SIGUSR1);
        }
        std::this_thread::sleep_for(50us);
      }
    });
    const int rounds = support::under_tsan ? 50 : 300;
    for (int i = 0; i < rounds; ++i) {
      timer a{service, [&] { fired.fetch_add(1); }};
      system_timer b{service, [&] { fired.fetch_add(1); }};
      timer c{own, [&] { fired.fetch_add(1); }};
      a.arm_after(200us);
      b.arm_after(300us);
      c.arm_after(100us);
      const int before = fired;
      support::eventually([&] {
        pollfd ready{own.fd(), POLLIN, 0};
        ::poll(&ready, 1, 1);
        own.run_due();
        return fired >= 3 * (i + 1);
      });
      EXPECT_LE(before, fired);
      EXPECT_EQ(a.wait(), wait_result::quiet);
      EXPECT_EQ(b.close_and_wait().wait, wait_result::quiet);
    }
    enough.open();
    storm.join();
    EXPECT_EQ(fired, 3 * rounds);
    EXPECT_EQ(service.counters().early + own.counters().early, 0U);
    EXPECT_GT(interruptions, 100U);
  }
  ::signal(SIGUSR1, SIG_IGN);
}

// A stopped process misses ticks; it loses no firing, and nothing is early when it goes on.
TEST(Signals, StopAndContinueLosesNothing) {
  const pid_t child = ::fork();
  if (child == 0) {
    service_options options;
    options.executor = pool{2};
    timer_service service(std::move(options));
    std::atomic<int> fired{0};
    std::atomic<std::uint64_t> ticks{0};
    std::vector<timer> timers;
    for (int i = 0; i < 200; ++i) {
      timers.emplace_back(service, [&] { fired.fetch_add(1); });
      timers.back().arm_after(std::chrono::milliseconds(3 * i));
    }
    timer series{service, [&](firing& f) { ticks.fetch_add(1 + f.missed()); }};
    const auto begun = steady_clock::now();
    series.arm_every(1ms);
    const auto until = begun + 20s;
    while (fired < 200 && steady_clock::now() < until) std::this_thread::sleep_for(1ms);
    series.close_and_wait();
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begun).count();
    const bool good = fired == 200 && service.counters().early == 0 && ticks <= static_cast<std::uint64_t>(took) + 1 &&
                      ticks + 300 >= static_cast<std::uint64_t>(took);
    ::_exit(good ? 0 : 1);
  }
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(50ms);
    ::kill(child, SIGSTOP);
    std::this_thread::sleep_for(100ms);
    ::kill(child, SIGCONT);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "wait status " << status;
}

// --- Many forks -----------------------------------------------------------------------------------------------------

// What a child of a fork may do is G24's; here it is done often, while timers fire. DETENT_LONG=1: 10^5 times.
TEST(Forks, ManyWhileTimersFire) {
  const int forks = std::getenv("DETENT_LONG") != nullptr ? 100'000 : 300;
  service_options options;
  options.executor = pool{2};
  timer_service service(std::move(options));
  std::atomic<int> fired{0};
  std::vector<timer> timers;
  for (int i = 0; i < 20; ++i) {
    timers.emplace_back(service, [&] { fired.fetch_add(1); });
    timers.back().arm_every(200us);
  }
  for (int i = 0; i < forks; ++i) {
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      const bool good = timers[0].arm_after(0s) == arm_result::shut_down && timers[1].wait() == wait_result::quiet &&
                        service.shutdown().complete;
      timers.clear();
      ::_exit(good ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "fork " << i << ": wait status " << status;
  }
  const int before = fired;
  support::eventually([&] { return fired > before; });
}

}  // namespace
