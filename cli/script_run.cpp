// script_run: reads the scripts, and says what is wrong before anything runs.
#include "script_run.hpp"

#include <iostream>

#if defined(DETENT_WITH_SCRIPTS)
#include "script_engines.hpp"
#include "script_group.hpp"
#include "script_source.hpp"
#endif

namespace detent::cli {

#if defined(DETENT_WITH_SCRIPTS)

namespace {

exit_status refuse(const std::string& what, const std::string& why) {
  std::cerr << "detent: " << (what.empty() ? "''" : what) << ": " << why << "\n";
  return exit_status::cannot_begin;
}

}  // namespace

exit_status run_scripts(const run_options& options) {
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
