// One operation of a recorded trace, as the bench writes it into a file for the programs of the peers.
#pragma once

#include <cstdint>

namespace detent::bench {

struct recorded_operation {
  std::int64_t delay_ns = 0;  ///< of an arming; negative: a cancel
  std::uint32_t timer = 0;
  std::uint32_t unused = 0;
};
static_assert(sizeof(recorded_operation) == 16);

}  // namespace detent::bench
