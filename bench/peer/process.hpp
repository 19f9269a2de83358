// What this process has taken of the machine so far.
#pragma once

#include "peer/clock.hpp"

#include <cstdint>
#include <dirent.h>
#include <fstream>
#include <string>
#include <sys/resource.h>

namespace detent::bench {

inline std::int64_t cpu_ns() noexcept { return clock_ns(CLOCK_PROCESS_CPUTIME_ID); }

/// A line of one of the kernel's files about this process, in bytes: "Rss:   1234 kB".
inline std::int64_t bytes_told(const char* file, const std::string& name) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with(name)) return std::stoll(line.substr(name.size())) * 1024;
  }
  return 0;
}

/// Exact, unlike VmRSS, which lags behind.
inline std::int64_t resident_bytes() { return bytes_told("/proc/self/smaps_rollup", "Rss:"); }
inline std::int64_t peak_resident_bytes() { return bytes_told("/proc/self/status", "VmHWM:"); }

/// How often threads of this process gave their CPU up to wait; each was woken once for it.
inline std::int64_t sleeps_of_all_threads() {
  std::int64_t count = 0;
  DIR* const tasks = opendir("/proc/self/task");
  const std::string name = "voluntary_ctxt_switches:";
  while (const dirent* task = readdir(tasks)) {
    if (task->d_name[0] == '.') continue;
    std::ifstream in("/proc/self/task/" + std::string(task->d_name) + "/status");
    for (std::string line; std::getline(in, line);) {
      if (line.starts_with(name)) count += std::stoll(line.substr(name.size()));
    }
  }
  closedir(tasks);
  return count;
}

}  // namespace detent::bench
