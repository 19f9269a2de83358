#include "process_cost.hpp"

#include <fstream>
#include <string>
#include <string_view>
#include <sys/resource.h>

#if defined(__GLIBC__)
#include <malloc.h>
#endif

namespace detent::cli {
namespace {

std::int64_t nanoseconds(const timeval& time) {
  return static_cast<std::int64_t>(time.tv_sec) * 1'000'000'000 + static_cast<std::int64_t>(time.tv_usec) * 1000;
}

/// A line of the kernel's own account of this process: "VmRSS:    1234 kB".
std::uint64_t status_bytes(std::string_view name) {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size())) * 1024;
  }
  return 0;
}

}  // namespace

cpu_times process_cpu_times() noexcept {
  rusage used{};
  getrusage(RUSAGE_SELF, &used);
  return {nanoseconds(used.ru_utime), nanoseconds(used.ru_stime)};
}

std::uint64_t resident_bytes() { return status_bytes("VmRSS:"); }

std::uint64_t peak_resident_bytes() { return status_bytes("VmHWM:"); }

void forget_peak() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
  std::ofstream("/proc/self/clear_refs") << "5";  // proc(5): resets the peak; harmless where it is refused.
}

}  // namespace detent::cli
