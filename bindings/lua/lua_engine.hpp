// lua_engine: a Lua 5.4 state with timers and modes, on one thread.
#pragma once

#include <detent/modes.hpp>
#include <detent/script.hpp>
#include <detent/script_loop.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

namespace detent::lua {

struct options {
  script_options timers{};
  duration call_limit{0};              // above 0: a call that takes longer ends with an error
  std::size_t memory_limit_bytes = 0;  // above 0: of the whole state, exactly
  modes* shared_modes = nullptr;       // without them there is no `mode` table; they outlive the engine
  std::vector<std::string> arguments{};
  detail::hook<void(const std::string& error)> on_error{};  // default: print; called on the engine's thread
};

/// One Lua state and its timers.
///
///   Verbs              block                 threads
///   construction, run  run the script        the loop's
///   destructor         never                 the loop's; not inside a call of the script
///   timers             never                 any
class engine {
 public:
  engine(script_loop& loop, options made);
  engine(const engine&) = delete;
  engine& operator=(const engine&) = delete;
  ~engine();

  /// Runs the text until it ends or first sleeps. `name` is how errors call it.
  script_outcome run(const std::string& text, const std::string& name);
  script_timers& timers() noexcept;
  /// Of the Lua state, after a full collection.
  std::size_t collected_memory_bytes();

  struct body;  // of the sources beside this header

 private:
  std::unique_ptr<body> body_;
};

}  // namespace detent::lua
