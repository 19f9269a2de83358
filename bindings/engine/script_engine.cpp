// script_engine: the defaults of its options.
#include "script_engine.hpp"

#include "shown_value.hpp"

#include <cstdio>

namespace detent::scripting {

namespace {

// At once, since other scripts write too; a text may have zeros.
void write_line(std::FILE* where, const std::string& line) {
  const std::string whole = line + '\n';
  std::fwrite(whole.data(), 1, whole.size(), where);
}

}  // namespace

std::string refusal_of(const std::string& verb, script_creation why, const engine_options& options,
                       const script_timers& timers) {
  if (why == script_creation::too_many) {
    return verb + ": too many live timers: the limit is " + std::to_string(options.timers.live_limit);
  }
  if (why == script_creation::no_memory) return verb + ": there is no memory for another timer";
  if (timers.is_open({})) return verb + ": the scope in which it would be is closed";
  return verb + ": the timers of this script have been withdrawn, and it makes no more";
}

std::string words_of_call_limit(const engine_options& options) {
  const double limit_ms = std::chrono::duration<double, std::milli>(options.call_limit).count();
  return "the call took longer than its limit of " + shown(limit_ms) + " ms";
}

void tell_error(const engine_options& options, std::int64_t id, const std::string& error) {
  const std::string text = id == 0 ? error : "in timer " + std::to_string(id) + ": " + error;
  if (options.on_error) return options.on_error(text);
  write_line(stderr, text);
}

void tell_line(const engine_options& options, const std::string& line) {
  if (options.on_print) return options.on_print(line);
  write_line(stdout, line);
}

void tell_error_line(const engine_options& options, const std::string& line) {
  if (options.on_print_error) return options.on_print_error(line);
  write_line(stderr, line);
}

}  // namespace detent::scripting
