// `detent run`: runs scripts until no timer of theirs is left.
#pragma once

#include "command_line.hpp"

namespace detent::cli {

exit_status run_scripts(const run_options& options);

}  // namespace detent::cli
