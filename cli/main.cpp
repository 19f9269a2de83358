// The `detent` program: one function per command, and the exit status.
#include "command_line.hpp"
#include "replay.hpp"
#include "script_run.hpp"
#include "torture.hpp"

#include <detent/version.hpp>

#include <exception>
#include <iostream>
#include <string>
#include <variant>

namespace {

using namespace detent::cli;

std::string version() {
  return std::to_string(DETENT_VERSION_MAJOR) + "." + std::to_string(DETENT_VERSION_MINOR) + "." +
         std::to_string(DETENT_VERSION_PATCH);
}

struct command_runner {
  exit_status operator()(const nothing_to_do& done) const { return done.status; }

  exit_status operator()(const replay_options& options) const { return run_replay(options); }

  exit_status operator()(const run_options& options) const { return run_scripts(options); }

  exit_status operator()(const torture_options& options) const {
    return static_cast<exit_status>(run_torture(options));
  }
};

}  // namespace

int main(int argument_count, char** arguments) {
  try {
    return static_cast<int>(
        std::visit(command_runner{}, parse_command_line(argument_count, arguments, "detent " + version())));
  } catch (const std::exception& reason) {
    std::cerr << "detent: " << reason.what() << "\n";
    return static_cast<int>(exit_status::cannot_begin);
  }
}
