// What the user asked the bench to do.
#pragma once

#include "schedule.hpp"

#include <string>
#include <vector>

namespace detent::bench {

enum class exit_status : int { in_order = 0, failed = 1, cannot_begin = 2 };

struct bench_request {
  enum class kind { run, list, nothing };
  kind what = kind::run;
  exit_status status = exit_status::in_order;  ///< of `nothing`: help was given, or the arguments were refused
  run_options run;
  std::string json_file;  ///< empty: none
  std::string html_file;
  std::string svg_file;
  bool markdown = false;
};

bench_request parse_command_line(int argument_count, const char* const* arguments,
                                 const std::vector<peer_entry>& peers);

}  // namespace detent::bench
