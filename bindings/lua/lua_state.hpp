// lua_state: the host of one Lua state, as the engine and its tables share it. Only the engine's thread touches it, but
// for `post` and `is_own_thread`.
#pragma once

#include "lua_engine.hpp"

#include <bindings/engine/script_modes.hpp>
#include <lua.hpp>
#include <optional>

namespace detent::lua {

class lua_state final : public scripting::script_engine, public script_host {
 public:
  lua_state(script_loop& loop, scripting::engine_options made);
  ~lua_state() override;

  static lua_state& of(lua_State* any_coroutine);

  script_outcome run(const std::string& text, const std::string& name) override;
  script_outcome check(const std::string& text, const std::string& name) override;
  script_timers& timers() noexcept override { return *timers_; }
  std::size_t collected_memory_bytes() override;

  void post(script_task work) override { queue_.post(std::move(work)); }
  bool is_own_thread() const noexcept override { return queue_.is_own_thread(); }
  script_outcome call(script_reference what, const script_occasion& occasion) override;
  void release(script_reference what) noexcept override;
  void report(std::int64_t id, const std::string& error) override { scripting::tell_error(options_, id, error); }

  // A function with the arguments behind it, or a coroutine that yields: that is woken once, unless its wait has ended
  // before.
  script_reference hold_call(lua_State* from, int function, int first_argument, int last_argument);
  script_reference hold_coroutine(lua_State* from);
  // By the coroutine itself, as it goes on.
  void end_wait(lua_State* coroutine, script_reference what);

  // Fails if the call in progress was interrupted somewhere, as in another coroutine.
  void pass_on_interruption(lua_State* in);
  static bool was_interrupted(lua_State* coroutine);
  // Fails if the call in progress has taken too long. Only inside a function of C that Lua calls.
  void look_at_clock(lua_State* in);

  const scripting::engine_options& options() const noexcept { return options_; }
  scripting::script_modes* modes() noexcept { return modes_ ? &*modes_ : nullptr; }

 private:
  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);
  static void count(lua_State* in, lua_Debug* at);
  bool is_too_late();
  void interrupt(lua_State* in, int level);
  void begin_limits();
  void end_limits();
  std::string text_on_top(const char* otherwise);
  script_outcome load(lua_State* into, const std::string& text, const std::string& name);
  script_outcome resume(lua_State* coroutine, int argument_count);
  script_outcome failure_of(lua_State* coroutine, int status);

  scripting::engine_queue queue_;
  const scripting::engine_options options_;
  std::size_t used_bytes_ = 0;
  bool is_memory_limited_ = false;  // the script runs: what the engine needs itself is never refused
  bool is_time_limited_ = false;    // a call is in progress, and has a limit
  bool was_interrupted_ = false;
  steady_clock::time_point call_until_{};
  lua_State* state_ = nullptr;
  std::unique_ptr<script_timers> timers_;
  std::optional<scripting::script_modes> modes_;
};

// Fills the tables `timer` and `mode`, and `print`.
void open_tables(lua_State* state, const scripting::engine_options& options);

// Bounds the functions of Lua's own library that could run for long without a step of the script.
void cap_library(lua_State* state);

}  // namespace detent::lua
