// A recorded trace file, read from beginning to end.
#pragma once

#include "trace_life.hpp"
#include "trace_text.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace detent::cli {

/// What the lines of the file were.
struct line_counts {
  std::uint64_t lines = 0;
  std::uint64_t events = 0;  ///< of the six kinds we read
  std::uint64_t headers = 0;
  std::uint64_t foreign = 0;  ///< other events, and lines that are none
  std::uint64_t malformed = 0;
};

struct malformed_note {
  std::uint64_t line = 0;
  std::string expected;
};

struct trace_recording {
  static constexpr std::size_t most_notes = 5;

  std::string file;
  rebuilt_trace trace;
  line_counts lines;
  std::vector<malformed_note> malformed;  ///< the first `most_notes` of them
  text_end end = text_end::whole;
  std::string damage;

  /// What the user should know about the file, a sentence each, naming file and line; empty for a clean one.
  std::vector<std::string> remarks() const;
};

/// There is nothing in the file that could be replayed. The message says what was there and how to record a trace.
class unusable_trace : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Throws `unusable_trace`, `unknown_jiffies_rate`, or `std::system_error` when the file cannot be read.
trace_recording read_recording(const std::filesystem::path& file, std::optional<std::uint32_t> hz);

}  // namespace detent::cli
