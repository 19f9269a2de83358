// How long timers stayed armed in the recording, by the kernel function that they would have called.
#pragma once

#include "trace_life.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace detent::cli {

struct function_lifetimes {
  std::string function;
  std::uint64_t expired = 0;
  std::uint64_t rearmed = 0;
  std::uint64_t cancelled = 0;
  /// Of all three together, from the arming to its end.
  std::int64_t p05_ns = 0;
  std::int64_t p25_ns = 0;
  std::int64_t p50_ns = 0;
  std::int64_t p75_ns = 0;
  std::int64_t p95_ns = 0;

  std::uint64_t count() const noexcept { return expired + rearmed + cancelled; }
};

/// Most frequent function first; functions whose timers never ended in the recording are left out.
std::vector<function_lifetimes> recorded_lifetimes(const rebuilt_trace& trace);

}  // namespace detent::cli
