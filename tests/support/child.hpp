// child: runs a function in a process of its own, with a time limit, and tells how the process ended.
//
// The function runs in a fork. Call it before this process has threads, or use only what a fork child may use. Of a
// child that hangs the state of each thread is printed before it is killed: a hang that nobody can repeat says where.
#pragma once

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <dirent.h>
#include <fstream>
#include <ostream>
#include <string>
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

// What the kernel tells of each thread of a process: name and state, where it sleeps, and in which system call with
// which arguments. A line that this machine does not allow to be read is left out.
inline void print_threads_of(pid_t pid) {
  const std::string tasks = "/proc/" + std::to_string(pid) + "/task";
  DIR* listed = ::opendir(tasks.c_str());
  if (listed == nullptr) return;
  while (const dirent* task = ::readdir(listed)) {
    if (task->d_name[0] == '.') continue;
    std::fprintf(stderr, "thread %s of the child:", task->d_name);
    for (const char* what : {"stat", "wchan", "syscall"}) {
      std::ifstream file(tasks + "/" + task->d_name + "/" + what);
      std::string line;
      if (std::getline(file, line)) std::fprintf(stderr, " %s: %.80s;", what, line.c_str());
    }
    std::fprintf(stderr, "\n");
  }
  ::closedir(listed);
}

// A machine that is short of processes for a moment is asked again.
inline pid_t fork_patiently() {
  const auto limit = std::chrono::steady_clock::now() + patience;
  for (;;) {
    const pid_t pid = ::fork();
    if (pid >= 0 || errno != EAGAIN || std::chrono::steady_clock::now() >= limit) return pid;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

// A child whose function returns ends by _exit with what it answered.
template <class F>
child_end in_child(F body) {
  std::fflush(nullptr);
  const pid_t pid = fork_patiently();
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
      print_threads_of(pid);
      ::kill(pid, SIGKILL);
      ::waitpid(pid, &status, 0);
      return {child_end::how::timed_out, 0};
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace support
