// `detent replay`: reads a recording, replays it, and prints what was found.
#pragma once

#include "command_line.hpp"

namespace detent::cli {

exit_status run_replay(const replay_options& options);

}  // namespace detent::cli
