// `detent torture`: the storm as a command.
#pragma once

#include "command_line.hpp"

namespace detent::cli {

/// Answers the exit status: 0 when no promise was broken.
int run_torture(const torture_options& options);

}  // namespace detent::cli
