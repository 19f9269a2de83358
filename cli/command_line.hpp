// What the user asked the program to do.
#pragma once

#include "storm.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace detent::cli {

/// Exit statuses of the program, the same for all its commands.
enum class exit_status : int {
  in_order = 0,
  violation = 1,     ///< a promise of the library was broken
  cannot_begin = 2,  ///< bad arguments, or a file that cannot be used
};

enum class replay_executor { driver, pool };

struct replay_options {
  std::string file;
  double speed = 1;  ///< 0: as fast as possible
  std::uint32_t repeat = 1;
  std::uint32_t timers_times = 1;
  replay_executor executor = replay_executor::driver;
  std::optional<std::uint32_t> hz;
  std::string json_file;  ///< empty: none
  std::string html_file;  ///< empty: none
};

struct torture_options {
  double seconds = 10;
  std::uint32_t threads = 0;  ///< 0: two for each CPU
  std::uint32_t operations = 1700;
  std::optional<std::uint64_t> seed;
  storm_executor executor = storm_executor::mixed;
};

struct run_options {
  std::vector<std::string> files_and_arguments;  ///< scripts first, then what they are given
  std::vector<std::string> more_arguments;       ///< those behind `--`, however they look
  bool has_virtual_time = false;
  bool has_web_rules = true;
  bool lists = false;
  bool reloads = false;
  bool has_timestamps = false;
  double call_limit_ms = 0;    ///< 0: none
  double memory_limit_mb = 0;  ///< 0: none
  std::size_t live_limit = 1'000'000;
};

/// The program has said all there is to say (help, version, or what is wrong with the arguments).
struct nothing_to_do {
  exit_status status = exit_status::in_order;
};

using request = std::variant<nothing_to_do, replay_options, torture_options, run_options>;

request parse_command_line(int argument_count, const char* const* arguments, const std::string& version);

}  // namespace detent::cli
