// What the owner of a timer did to it, and what the kernel did by itself.
#pragma once

#include "trace_event.hpp"

#include <cstdint>

namespace detent::cli {

enum class operation_kind : std::uint8_t {
  arm,
  rearm,
  cancel,
  expiry,  ///< what the kernel's timer did by itself; told, never replayed
};

struct operation {
  std::int64_t time_ns = 0;   ///< since the first event; never goes back from one operation to the next
  std::int64_t delay_ns = 0;  ///< arm, rearm: the deadline, counted from `time_ns`; never negative
  std::uint32_t timer = 0;    ///< index into `rebuilt_trace::timers`
  std::uint16_t cpu = 0;
  operation_kind kind = operation_kind::arm;
};

inline bool is_arming(const operation& one) noexcept {
  return one.kind == operation_kind::arm || one.kind == operation_kind::rearm;
}

struct traced_timer {
  std::uint32_t function = 0;  ///< index into `rebuilt_trace::functions`
  timer_family family = timer_family::wheel;
};

}  // namespace detent::cli
