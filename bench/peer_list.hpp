// Which rows there are, the program that measures each, and why one cannot be measured here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace detent::bench {

struct peer_entry {
  std::string row;       ///< its name, everywhere
  std::string program;   ///< path
  std::string left_out;  ///< why it cannot be measured; empty when it can
};

/// Reads what the build wrote (CMakeLists.txt): "name|row,row|program|reason" per line. A program that was to be built
/// and is not there left its reason beside it, in PROGRAM.reason. Throws std::runtime_error.
std::vector<peer_entry> read_peers(const std::string& file);

/// The row of the floor, which is no peer.
inline constexpr std::string_view floor_row = "floor";

}  // namespace detent::bench
