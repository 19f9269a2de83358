// child: runs a function in a process of its own, with a time limit, and tells how the process ended.
//
// The function runs in a fork. Call it before this process has threads, or use only what a fork child may use.
#pragma once

#include <chrono>
#include <csignal>
#include <cstdio>
#include <ostream>
#include <support/gate.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace support {

struct child_end {
  enum class how { exited, signalled, timed_out, not_started };
  how what;
  int number;  // status or signal
  friend bool operator==(const child_end&, const child_end&) = default;
  friend std::ostream& operator<<(std::ostream& to, const child_end& e) {
    switch (e.what) {
      case how::exited: return to << "exited with " << e.number;
      case how::signalled: return to << "was ended by signal " << e.number;
      case how::timed_out: return to << "hung and was killed";
      case how::not_started: return to << "could not be started";
    }
    return to;
  }
};

inline child_end exited(int status) { return {child_end::how::exited, status}; }

// A child whose function returns ends by _exit with what it answered.
template <class F>
child_end in_child(F body) {
  std::fflush(nullptr);
  const pid_t pid = ::fork();
  if (pid < 0) return {child_end::how::not_started, 0};
  if (pid == 0) ::_exit(body());
  const auto limit = std::chrono::steady_clock::now() + patience;
  for (;;) {
    int status = 0;
    if (::waitpid(pid, &status, WNOHANG) == pid) {
      if (WIFEXITED(status)) return {child_end::how::exited, WEXITSTATUS(status)};
      return {child_end::how::signalled, WTERMSIG(status)};
    }
    if (std::chrono::steady_clock::now() >= limit) {
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      return {child_end::how::timed_out, 0};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace support
