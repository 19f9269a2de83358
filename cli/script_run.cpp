// script_run: reads the scripts, and says what is wrong before anything runs.
#include "script_run.hpp"

#include <fcntl.h>
#include <iostream>
#include <unistd.h>

#if defined(DETENT_WITH_SCRIPTS)
#include "script_engines.hpp"
#include "script_group.hpp"
#include "script_source.hpp"
#include "signals_heard.hpp"
#endif

namespace detent::cli {

#if defined(DETENT_WITH_SCRIPTS)

namespace {

// Where a standard stream is closed, as by `>&-`, the next file opened would be one, and get what scripts print. In its
// place stands what refuses as a closed one does.
void keep_standard_numbers() {
  for (const int number : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(number, F_GETFD) >= 0) continue;
    [[maybe_unused]] const int kept = open("/dev/null", number == STDIN_FILENO ? O_WRONLY : O_RDONLY);
  }
}

exit_status refuse(const std::string& what, const std::string& why) {
  std::cerr << "detent: " << (what.empty() ? "''" : what) << ": " << why << "\n";
  return exit_status::cannot_begin;
}

}  // namespace

exit_status run_scripts(const run_options& options) {
  signals_heard::hold(options.reloads);
  keep_standard_numbers();
  const auto& words = options.files_and_arguments;
  std::vector<script_source> sources;
  std::size_t at = 0;
  for (; at < words.size() && (at == 0 || is_script(words[at])); ++at) {
    if (const std::string why = why_not(words[at], options); !why.empty()) return refuse(words[at], why);
    sources.emplace_back();
    if (const std::string why = read_script(words[at], sources.back()); !why.empty()) return refuse(words[at], why);
  }
  std::vector<std::string> arguments(words.begin() + static_cast<std::ptrdiff_t>(at), words.end());
  arguments.insert(arguments.end(), options.more_arguments.begin(), options.more_arguments.end());
  return script_group(options, std::move(arguments)).run(std::move(sources));
}

#else

exit_status run_scripts(const run_options&) {
  std::cerr << "detent: this build has no script engines: it is one for a sanitizer, or was made without adapters\n";
  return exit_status::cannot_begin;
}

#endif

}  // namespace detent::cli
