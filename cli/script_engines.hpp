// The engines of `detent run` that this build has.
#pragma once

#include "command_line.hpp"

#include <detent/script_loop.hpp>

#include <bindings/engine/script_engine.hpp>
#include <memory>
#include <string>

namespace detent::cli {

/// By the end of its name.
bool is_script(const std::string& file);

/// Why this build cannot run the script as asked; empty when it can.
std::string why_not(const std::string& file, const run_options& options);

/// Requires: `why_not` has nothing to say. On the thread that runs the loop.
std::unique_ptr<scripting::script_engine> make_engine(const std::string& file, script_loop& loop,
                                                      scripting::engine_options options);

}  // namespace detent::cli
