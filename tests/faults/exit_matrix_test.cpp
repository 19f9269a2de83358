// The exit matrix: 64 programs that end their process while timers are armed, running, queued, or of static storage.
// Each ends within two seconds, with the status it wanted.
//
// Method: {return from main, exit, quick_exit, _exit} x {armed, in a callback, queued, static service} x {driver, pool}
// x {by main, by a callback}; each is a process of its own (tests/faults/program), four at a time.
//
// needs: quiet
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <string>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

#include <gtest/gtest.h>

namespace {

using clock_type = std::chrono::steady_clock;

struct program {
  std::array<std::string, 4> words;
  pid_t pid = -1;
  clock_type::time_point begun;
  std::string name() const { return words[0] + " " + words[1] + " " + words[2] + " " + words[3]; }
};

std::vector<program> all_programs() {
  std::vector<program> all;
  for (const char* way : {"return", "exit", "quick_exit", "_exit"}) {
    for (const char* state : {"armed", "callback", "queued", "static"}) {
      for (const char* seat : {"driver", "pool"}) {
        for (const char* who : {"main", "callback"}) all.push_back({{way, state, seat, who}, -1, {}});
      }
    }
  }
  return all;
}

void start(program& p) {
  p.begun = clock_type::now();
  p.pid = ::fork();
  if (p.pid != 0) return;
  ::execl(DETENT_EXIT_PROGRAM, DETENT_EXIT_PROGRAM, p.words[0].c_str(), p.words[1].c_str(), p.words[2].c_str(),
          p.words[3].c_str(), nullptr);
  ::_exit(127);
}

// On a machine that is busy with other tests a start may take its time as well.
constexpr std::chrono::seconds limit{2};

// Whether it has ended, or was ended because it hung.
bool has_ended(const program& p) {
  int status = 0;
  if (::waitpid(p.pid, &status, WNOHANG) == p.pid) {
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 7) << p.name() << ": wait status " << status;
    return true;
  }
  if (clock_type::now() - p.begun < limit) return false;
  ADD_FAILURE() << p.name() << ": has not ended within 2 s";
  ::kill(p.pid, SIGKILL);
  ::waitpid(p.pid, &status, 0);
  return true;
}

TEST(Exit, SixtyFourProgramsEnd) {
  std::vector<program> waiting = all_programs();
  ASSERT_EQ(waiting.size(), 64U);
  std::vector<program> running;
  while (!waiting.empty() || !running.empty()) {
    while (running.size() < 4 && !waiting.empty()) {
      start(waiting.back());
      ASSERT_GT(waiting.back().pid, 0);
      running.push_back(waiting.back());
      waiting.pop_back();
    }
    std::erase_if(running, has_ended);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace
