// script_engines: which engine is for which file.
#include "script_engines.hpp"

#include <stdexcept>
#include <utility>

#if defined(DETENT_WITH_LUA)
#include <bindings/lua/lua_engine.hpp>
#endif
#if defined(DETENT_WITH_JAVASCRIPT)
#include <bindings/javascript/javascript_engine.hpp>
#endif

namespace detent::cli {

namespace {

bool is_lua(const std::string& file) { return file.ends_with(".lua"); }
bool is_javascript(const std::string& file) { return file.ends_with(".js"); }

}  // namespace

bool is_script(const std::string& file) { return is_lua(file) || is_javascript(file); }

std::string why_not(const std::string& file, [[maybe_unused]] const run_options& options) {
#if !defined(DETENT_WITH_LUA)
  if (is_lua(file)) return "this build has no Lua engine (liblua5.4-dev was missing)";
#endif
#if defined(DETENT_WITH_JAVASCRIPT)
  if (is_javascript(file) && options.call_limit_ms > 0 && !javascript::can_limit_calls()) {
    return "--callback-limit: this JavaScriptCore has no execution time limit";
  }
#else
  if (is_javascript(file)) return "this build has no JavaScript engine (libjavascriptcoregtk-4.1-dev was missing)";
#endif
  return is_script(file) ? "" : "it is no script: its name ends neither in .lua nor in .js";
}

std::unique_ptr<scripting::script_engine> make_engine(const std::string& file, [[maybe_unused]] script_loop& loop,
                                                      [[maybe_unused]] scripting::engine_options options) {
#if defined(DETENT_WITH_LUA)
  if (is_lua(file)) return lua::make_engine(loop, std::move(options));
#endif
#if defined(DETENT_WITH_JAVASCRIPT)
  if (is_javascript(file)) return javascript::make_engine(loop, std::move(options));
#endif
  throw std::logic_error(file + ": no engine");
}

}  // namespace detent::cli
