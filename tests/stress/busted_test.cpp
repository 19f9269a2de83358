// Each planted bug has to be caught: this program runs itself with DETENT_BUSTED=n and expects the hunters below to
// fail, abort or hang; without a bug they have to pass. A proof that finds nothing would say nothing.
//
//  1 self_wait       the storm: a close from a callback waits for that callback
//  2 check_first     the storm: quiet is answered while a call is in progress
//  3 queued_obeyed   the storm: a withdrawn firing runs
//  4 lost_wake       nobody comes to the rescue: an arming is not seen by a driver about to sleep
//  5 stale_hint      the manual clock hands out a postponed timer at its old deadline
//  6 destroy_locked  the storm: a capture's destructor uses its timer
//  7 cross_wait      two callbacks close each other
//  8 id_unchecked    the storm: the id of a timer that is gone reaches the next tenant
#include "storm.hpp"

#include <detent/detent.hpp>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using namespace detent;

// --- Hunters, run in the child only ---------------------------------------------------------------------------------

// One arming at a time, and then only looking: what arrives while the driver goes to sleep has to be seen.
TEST(DISABLED_Hunter, NobodyComesToTheRescue) {
  service_options options;
  options.executor = on_driver{};
  timer_service service(std::move(options));
  std::atomic<int> fired{0};
  timer first{service, [&] { fired.fetch_add(1); }};
  timer second{service, [&] { fired.fetch_add(1); }};
  const auto until = steady_clock::now() + 4s;
  for (int i = 0; steady_clock::now() < until; ++i) {
    fired = 0;
    // The second arming comes at every distance from the first one's firing, after which the driver goes to sleep.
    first.arm_after(20us);
    const auto start = steady_clock::now() + std::chrono::nanoseconds(200 * (i % 600));
    while (steady_clock::now() < start) {
    }
    second.arm_after(0s);
    const auto patience = steady_clock::now() + 2s;
    while (fired < 2 && steady_clock::now() < patience) std::this_thread::yield();
    ASSERT_EQ(fired, 2) << "a timer that is due was not seen";
    ASSERT_EQ(service.counters().rescues, 0U);
  }
}

TEST(DISABLED_Hunter, APostponedTimerIsNotHandedOut) {
  manual_clock clock;
  timer_service service(clock);
  int fired = 0;
  timer postponed{service, [&] { ++fired; }};
  postponed.arm_after(1s);
  EXPECT_EQ(clock.advance(500ms), 0U);
  postponed.arm_after(10s);
  EXPECT_EQ(clock.advance(1s), 0U);
  EXPECT_EQ(fired, 0);
  EXPECT_EQ(clock.advance(10s), 1U);
  EXPECT_EQ(fired, 1);
}

TEST(DISABLED_Hunter, Storm) {
  cli::storm_options options;
  options.limit = 8s;
  options.seed = 3;
  options.round_limit = 15s;
  const cli::storm_report report = cli::run_storm(options);
  for (const std::string& sentence : report.violations) ADD_FAILURE() << sentence;
}

// --- The hunt -------------------------------------------------------------------------------------------------------

enum class catch_of : std::uint8_t { nothing, failure, hang };

// Runs the hunters in a child of its own; a child that does not come back within the limit hangs.
catch_of hunt(int planted, std::chrono::seconds limit) {
  const std::string value = std::to_string(planted);
  const pid_t child = fork();
  if (child == 0) {
    setenv("DETENT_BUSTED", value.c_str(), 1);
    execl("/proc/self/exe", "busted", "--gtest_filter=DISABLED_Hunter.*", "--gtest_also_run_disabled_tests",
          "--gtest_fail_fast", "--gtest_brief=1", static_cast<char*>(nullptr));
    _exit(127);
  }
  const auto until = steady_clock::now() + limit;
  int status = 0;
  while (waitpid(child, &status, WNOHANG) == 0) {
    if (steady_clock::now() > until) {
      kill(child, SIGKILL);
      waitpid(child, &status, 0);
      return catch_of::hang;
    }
    std::this_thread::sleep_for(20ms);
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return catch_of::nothing;
  EXPECT_FALSE(WIFEXITED(status) && WEXITSTATUS(status) == 127) << "the hunters could not be started";
  return catch_of::failure;
}

TEST(Busted, NothingIsCaughtWhereNothingIsPlanted) { EXPECT_EQ(hunt(0, 120s), catch_of::nothing); }

class Busted : public testing::TestWithParam<int> {};

TEST_P(Busted, IsCaught) { EXPECT_NE(hunt(GetParam(), 60s), catch_of::nothing) << "planted bug " << GetParam(); }

INSTANTIATE_TEST_SUITE_P(Each, Busted, testing::Range(1, 9));

}  // namespace
