// lua_engine: the host: calling, holding and releasing, and the two limits.
#include "lua_body.hpp"

#include <cstdio>
#include <cstdlib>
#include <new>
#include <stdexcept>

namespace detent::lua {

namespace {

constexpr int steps_between_looks = 10'000;

engine::body* body_of(lua_State* in) { return *static_cast<engine::body**>(lua_getextraspace(in)); }

}  // namespace

engine::body::body(script_loop& of, options given) : loop(of), made(std::move(given)) {
  state = lua_newstate(allocate, this);
  if (state == nullptr) throw std::bad_alloc();
  *static_cast<body**>(lua_getextraspace(state)) = this;
  luaL_openlibs(state);
  if (made.call_limit > duration(0)) lua_sethook(state, count, LUA_MASKCOUNT, steps_between_looks);
  timers = std::make_unique<script_timers>(*this, made.timers);
  open_tables(*this);
  if (made.shared_modes != nullptr) begin_modes();
}

engine::body::~body() {
  end_modes();
  timers.reset();
  lua_close(state);
}

// The state's whole memory is counted here, so that the limit is exact. Shrinking never fails.
void* engine::body::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& of = *static_cast<body*>(self);
  const std::size_t before = block == nullptr ? 0 : old_size;
  if (new_size == 0) {
    std::free(block);  // NOLINT: Lua's memory is C's
    of.used_bytes -= before;
    return nullptr;
  }
  const std::size_t limit = of.made.memory_limit_bytes;
  if (limit != 0 && of.is_strict && new_size > before && of.used_bytes - before + new_size > limit) return nullptr;
  void* moved = std::realloc(block, new_size);  // NOLINT: as above
  if (moved != nullptr) of.used_bytes += new_size - before;
  return moved;
}

// Once a call is over its limit, every further step of it fails, so that no `pcall` of the script can go on.
void engine::body::count(lua_State* in, lua_Debug*) {
  body& of = *body_of(in);
  if (!of.is_limited || steady_clock::now() < of.call_until) return;
  of.was_interrupted = true;
  lua_sethook(in, count, LUA_MASKCOUNT, 1);
  luaL_error(in, "the call took longer than its limit");
}

script_reference engine::body::hold_call(lua_State* from, int function, int first_argument, int last_argument) {
  const int count = last_argument < first_argument ? 0 : last_argument - first_argument + 1;
  lua_createtable(from, count + 1, 0);
  lua_pushvalue(from, function);
  lua_rawseti(from, -2, 1);
  for (int i = 0; i < count; ++i) {
    lua_pushvalue(from, first_argument + i);
    lua_rawseti(from, -2, i + 2);
  }
  lua_pushinteger(from, count);
  lua_rawseti(from, -2, 0);  // arguments may be nil
  return {static_cast<std::uint64_t>(luaL_ref(from, LUA_REGISTRYINDEX))};
}

script_reference engine::body::hold_coroutine(lua_State* from) {
  lua_pushthread(from);
  return {static_cast<std::uint64_t>(luaL_ref(from, LUA_REGISTRYINDEX))};
}

void engine::body::release(script_reference what) noexcept {
  luaL_unref(state, LUA_REGISTRYINDEX, static_cast<int>(what.value));
}

// Makes what a call needs on the stack of a coroutine. Runs protected: every step may be short of memory.
int prepare_call(lua_State* in) {
  lua_State* fresh = lua_newthread(in);
  lua_pushvalue(in, 1);
  lua_rawgeti(in, -1, 0);
  const int arguments = static_cast<int>(lua_tointeger(in, -1));
  lua_pop(in, 1);
  if (lua_checkstack(fresh, arguments + 1) == 0) luaL_error(in, "too many arguments");
  for (int i = 0; i <= arguments; ++i) {
    lua_rawgeti(in, -1, i + 1);
    lua_xmove(in, fresh, 1);
  }
  lua_pop(in, 1);
  return 1;
}

script_outcome engine::body::call(script_reference what, const script_occasion& occasion) {
  const int top = lua_gettop(state);
  lua_pushcfunction(state, prepare_call);
  lua_rawgeti(state, LUA_REGISTRYINDEX, static_cast<lua_Integer>(what.value));
  script_outcome outcome;
  if (lua_State* sleeper = lua_tothread(state, -1)) {
    // The coroutine stays on this stack while it runs: releasing its reference must not end it.
    lua_pushboolean(sleeper, occasion.why == script_occasion::reason::tick ? 1 : 0);
    outcome = resume(sleeper, 1);
  } else if (lua_pcall(state, 1, 1, 0) != LUA_OK) {
    outcome = {script_outcome::kind::threw, lua_tostring(state, -1)};
  } else {
    lua_State* fresh = lua_tothread(state, -1);
    outcome = resume(fresh, lua_gettop(fresh) - 1);
  }
  lua_settop(state, top);
  return outcome;
}

script_outcome engine::body::resume(lua_State* of, int argument_count) {
  const bool is_outermost = !std::exchange(is_limited, made.call_limit > duration(0));
  if (is_outermost) call_until = steady_clock::now() + made.call_limit;
  was_interrupted = false;
  int results = 0;
  const bool was_strict = std::exchange(is_strict, true);
  const int status = lua_resume(of, state, argument_count, &results);
  is_strict = was_strict;
  script_outcome outcome;
  if (status == LUA_YIELD) {
    lua_pop(of, results);
  } else if (status != LUA_OK) {
    outcome.ended = was_interrupted ? script_outcome::kind::interrupted : script_outcome::kind::threw;
    const char* text = lua_tostring(of, -1);
    outcome.error = text != nullptr ? text : luaL_typename(of, -1);
    if (status != LUA_ERRMEM) {
      luaL_traceback(state, of, nullptr, 0);
      outcome.error += std::string("\n") + lua_tostring(state, -1);
      lua_pop(state, 1);
    }
    lua_resetthread(of);
  }
  if (is_outermost) is_limited = false;
  if (was_interrupted) lua_sethook(of, count, LUA_MASKCOUNT, steps_between_looks);
  return outcome;
}

void engine::body::report(std::int64_t id, const std::string& error) {
  const std::string text = id == 0 ? error : "in timer " + std::to_string(id) + ": " + error;
  if (made.on_error) return made.on_error(text);
  std::fprintf(stderr, "%s\n", text.c_str());
}

engine::engine(script_loop& loop, options made) : body_(std::make_unique<body>(loop, std::move(made))) {}
engine::~engine() = default;

script_outcome engine::run(const std::string& text, const std::string& name) {
  lua_State* state = body_->state;
  const int top = lua_gettop(state);
  lua_State* fresh = lua_newthread(state);
  script_outcome outcome;
  if (luaL_loadbufferx(fresh, text.data(), text.size(), ("@" + name).c_str(), "t") != LUA_OK) {
    outcome = {script_outcome::kind::threw, lua_tostring(fresh, -1)};
  } else {
    outcome = body_->resume(fresh, 0);
  }
  lua_settop(state, top);
  return outcome;
}

script_timers& engine::timers() noexcept { return *body_->timers; }

std::size_t engine::collected_memory_bytes() {
  lua_gc(body_->state, LUA_GCCOLLECT);
  lua_gc(body_->state, LUA_GCCOLLECT);
  return body_->used_bytes;
}

}  // namespace detent::lua
