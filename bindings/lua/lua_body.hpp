// lua_body: the host of one Lua state, as the engine and its tables share it. Only the engine's thread touches it, but
// for `post` and `is_own_thread`.
#pragma once

#include "lua_engine.hpp"

#include <deque>
#include <lua.hpp>
#include <mutex>
#include <utility>

namespace detent::lua {

struct engine::body : script_host {
  body(script_loop& of, options made);
  ~body() override;

  void post(script_task work) override { loop.post(std::move(work)); }
  bool is_own_thread() const noexcept override { return loop.is_own_thread(); }
  script_outcome call(script_reference what, const script_occasion& occasion) override;
  void release(script_reference what) noexcept override;
  void report(std::int64_t id, const std::string& error) override;

  script_outcome resume(lua_State* of, int argument_count);
  // A function with the arguments behind it, or a coroutine that yields.
  script_reference hold_call(lua_State* from, int function, int first_argument, int last_argument);
  script_reference hold_coroutine(lua_State* from);

  static void* allocate(void* self, void* block, std::size_t old_size, std::size_t new_size);
  static void count(lua_State* in, lua_Debug* at);

  // What a listener of the modes may still look for when the engine has gone.
  struct door {
    std::mutex lock;
    body* inside = nullptr;  // guarded by lock
  };
  struct mode_hook {
    bool is_enter;
    std::string name;
    script_reference what;
  };
  struct bound_timer : mode_bound {
    bound_timer(script_timers& of, std::int64_t which, script_leave how, script_return back)
        : timers(of), id(which), left(how), entered(back) {}
    void leave() noexcept override { timers.leave(id, left); }
    void come_back() noexcept override { timers.come_back(id, entered); }
    script_timers& timers;
    const std::int64_t id;
    const script_leave left;
    const script_return entered;
  };
  void begin_modes();
  void end_modes();
  void mode_changed(const std::string& now, const std::string& before);
  void bind(std::int64_t id, std::vector<std::string> names, script_leave how, script_return back);

  script_loop& loop;
  const options made;
  std::size_t used_bytes = 0;
  steady_clock::time_point call_until{};
  bool is_limited = false;  // a call is in progress, and has a limit
  bool was_interrupted = false;
  bool is_strict = false;  // the script runs: memory is limited
  lua_State* state = nullptr;
  std::shared_ptr<door> listening = std::make_shared<door>();
  std::uint64_t listener = 0;
  std::vector<mode_hook> mode_hooks;
  std::deque<std::unique_ptr<bound_timer>> bound;
  std::unique_ptr<script_timers> timers;
};

// Fills the tables `timer` and `mode`. Requires: `of.state` is open.
void open_tables(engine::body& of);

}  // namespace detent::lua
