// What the process takes of the machine.
#pragma once

#include <cstdint>

namespace detent::cli {

struct cpu_times {
  std::int64_t user_ns = 0;
  std::int64_t system_ns = 0;
};

cpu_times process_cpu_times() noexcept;

/// Memory of the process that is in RAM now; 0 where the kernel does not tell.
std::uint64_t resident_bytes();

/// The most that was in RAM since `forget_peak`, or since the process began where the kernel does not let it be
/// forgotten.
std::uint64_t peak_resident_bytes();

/// Also gives back to the kernel what the allocator keeps for later, so that what is in RAM is in use.
void forget_peak();

}  // namespace detent::cli
