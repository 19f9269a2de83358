// The replay itself: a recording's operations, done to the timers of a live service.
#pragma once

#include "command_line.hpp"
#include "replay_report.hpp"
#include "trace_recording.hpp"

#include <atomic>
#include <cstdint>

namespace detent::cli {

/// Takes as long as the recording at its pace; `stop` ends it before. The trace's memory is told as it is measured by
/// the caller, who has read it.
replay_report replay_live(const trace_recording& recording, const replay_options& options,
                          std::uint64_t trace_memory_bytes, const std::atomic<bool>& stop);

}  // namespace detent::cli
