// One line of a kernel timer trace, as ftrace's `trace` file and `trace-cmd report` print it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

namespace detent::cli {

/// The kernel has two timer facilities with a naming of their own: the jiffies wheel (`timer_*`) and `hrtimer_*`.
enum class timer_family : std::uint8_t { wheel, hrtimer };

enum class trace_verb : std::uint8_t { start, cancel, expire_entry };

/// One of the six events. Views point into the parsed line.
struct trace_event {
  timer_family family = timer_family::wheel;
  trace_verb verb = trace_verb::start;
  bool was_armed = false;  ///< hrtimer start on newer kernels: the start replaced a pending expiry
  std::uint16_t cpu = 0;
  std::int64_t time_ns = 0;  ///< on the trace's own clock
  std::uint64_t address = 0;
  std::string_view function;  ///< empty for a cancel, which does not name one
  /// start: the instant asked for. Wheel: jiffies. Hrtimer: ns on the timer's own clock, always absolute (the kernel
  /// adds "now" before it traces, also for mode=REL); the soft limit where the line has one, for that is what the
  /// caller asked for and the hard limit only adds the caller's slack.
  std::int64_t expires = 0;
  std::int64_t timeout_jiffies = 0;  ///< wheel start: `expires` minus the jiffies counter at this event
  std::int64_t now = 0;              ///< expire_entry: jiffies (wheel) or ns on the timer's own clock (hrtimer)
};

/// A comment, or one of the lines that trace-cmd prints before the events.
struct header_line {};

/// The recorder fell behind on one CPU; kernels that cannot tell how much leave `events` empty.
struct lost_marker {
  std::uint16_t cpu = 0;
  std::optional<std::uint64_t> events;
};

/// Another event, or no trace line at all.
struct foreign_line {};

/// A line that names one of the six events and yet cannot be read as it.
struct malformed_line {
  std::string expected;  ///< "expected 'expires=' with a number, found 'soon'"
};

using parsed_line = std::variant<foreign_line, header_line, lost_marker, malformed_line, trace_event>;

/// Never throws on any input but for lack of memory.
parsed_line parse_trace_line(std::string_view line);

}  // namespace detent::cli
