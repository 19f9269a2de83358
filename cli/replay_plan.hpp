// Who replays which operation, and whose turn it is.
#pragma once

#include "trace_life.hpp"

#include <cstdint>
#include <vector>

namespace detent::cli {

/// One operation as its replaying thread sees it.
struct planned_step {
  std::uint32_t operation = 0;  ///< index into `rebuilt_trace::operations`
  std::uint32_t turn = 0;       ///< how many operations of the same timer come before it
};

/// The operations that are replayed, dealt out to one list per recorded CPU that has any.
///
/// Within a list they stand in recorded order. So the first operation that is not yet done, of all lists, is always the
/// next one of its list and has no operation of its timer before it: threads that each wait for a step's turn can not
/// wait for each other in a circle.
struct replay_plan {
  explicit replay_plan(const rebuilt_trace& trace);

  std::uint64_t steps() const noexcept;

  std::vector<std::vector<planned_step>> per_cpu;
  std::vector<std::uint32_t> steps_of_timer;
};

}  // namespace detent::cli
