// The parts that every line of a kernel trace has in common, whatever event it tells of.
#pragma once

#include "trace_event.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace detent::cli {

/// `task-pid [cpu] flags seconds.fraction: event: payload`, taken apart. Views point into the line.
struct trace_line {
  std::uint16_t cpu = 0;
  std::int64_t time_ns = 0;
  std::string_view event;
  std::string_view payload;
};

/// Nothing when the line is not of that shape.
std::optional<trace_line> split_trace_line(std::string_view line);

/// `CPU:1 [LOST 123 EVENTS]` as the kernel, `CPU:1 [123 EVENTS DROPPED]` as trace-cmd words it; the number may be
/// missing.
std::optional<lost_marker> parse_lost_marker(std::string_view line);

/// Comments, empty lines, and what trace-cmd prints before the events.
bool is_header(std::string_view line);

/// What is wrong with `head`, the part of a malformed line before the name of its event.
std::string expected_before(std::string_view head, std::string_view event);

}  // namespace detent::cli
