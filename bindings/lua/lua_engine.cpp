// lua_engine: the host: calling, holding and releasing, and the two limits.
//
// The library is the one compiled as C++: an error leaves a function as an exception, and passes by destructors.
#include "lua_state.hpp"

#include <adapters/script/fault.hpp>
#include <algorithm>
#include <cstdlib>
#include <new>
#include <string_view>

namespace detent::lua {

namespace {

// A step of the script may be one on a large value, as `..` or the comparison of two texts.
constexpr int steps_between_looks = 100;

// Without the mark of byte order and a first line for the shell, as Lua's own program reads files. The line's end
// stays: lines are counted.
std::string_view program_of(std::string_view text) {
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  if (text.starts_with('#')) text.remove_prefix(std::min(text.find('\n'), text.size()));
  return text;
}

// The words of an error. What is no text may have its own way to become one; another error in there is the last word.
int word_error(lua_State* in) {
  if (lua_isstring(in, 1) == 0 && luaL_getmetafield(in, 1, "__tostring") == LUA_TNIL) {
    lua_pushfstring(in, "an error that is no text, but a %s", luaL_typename(in, 1));
    return 1;
  }
  luaL_tolstring(in, 1, nullptr);
  return 1;
}

}  // namespace

std::unique_ptr<scripting::script_engine> make_engine(script_loop& loop, scripting::engine_options options) {
  return std::make_unique<lua_state>(loop, std::move(options));
}

lua_state& lua_state::of(lua_State* any_coroutine) {
  return **static_cast<lua_state**>(lua_getextraspace(any_coroutine));
}

lua_state::lua_state(script_loop& loop, scripting::engine_options made) : queue_(loop), options_(std::move(made)) {
  timers_ = std::make_unique<script_timers>(*this, options_.timers);
  state_ = lua_newstate(allocate, this);
  if (state_ == nullptr) throw std::bad_alloc();
  *static_cast<lua_state**>(lua_getextraspace(state_)) = this;
  luaL_openlibs(state_);
  if (options_.call_limit > duration(0)) {
    lua_sethook(state_, count, LUA_MASKCOUNT, steps_between_looks);
    cap_library(state_);
  }
  open_tables(state_, options_);
  if (options_.shared_modes != nullptr) modes_.emplace(*options_.shared_modes, *this, *timers_);
}

// References that are still held end with the state. Its end runs the script's finalizers: they find the timers closed,
// and no modes.
lua_state::~lua_state() {
  modes_.reset();
  timers_->close();
  lua_close(state_);
  state_ = nullptr;
}

// The state's whole memory is counted here, so that the limit is exact. Shrinking never fails.
void* lua_state::allocate(void* self, void* block, std::size_t old_size, std::size_t new_size) {
  auto& of = *static_cast<lua_state*>(self);
  const std::size_t before = block == nullptr ? 0 : old_size;
  if (new_size == 0) {
    std::free(block);  // NOLINT: Lua's memory is C's
    of.used_bytes_ -= before;
    return nullptr;
  }
  const std::size_t limit = of.options_.memory_limit_bytes;
  const bool is_growing = new_size > before;
  if (limit != 0 && of.is_memory_limited_ && is_growing && of.used_bytes_ - before + new_size > limit) return nullptr;
  void* moved = std::realloc(block, new_size);  // NOLINT: as above
  if (moved != nullptr) of.used_bytes_ += new_size - before;
  return moved;
}

bool lua_state::is_too_late() {
  if (!is_time_limited_ || steady_clock::now() < call_until_) return false;
  was_interrupted_ = true;
  return true;
}

void lua_state::look_at_clock(lua_State* in) {
  if (is_too_late()) interrupt(in, 1);
}

void lua_state::count(lua_State* in, lua_Debug*) {
  lua_state& self = of(in);
  if (self.is_too_late()) self.interrupt(in, 0);  // a hook has no level of its own
  // It was interrupted in an earlier call, and lives.
  if (was_interrupted(in)) lua_sethook(in, count, LUA_MASKCOUNT, steps_between_looks);
}

// Once a call is over its limit, every further step of it fails, so that no `pcall` of the script can go on.
void lua_state::interrupt(lua_State* in, int level) {
  lua_sethook(in, count, LUA_MASKCOUNT, 1);
  luaL_where(in, level);
  lua_pushstring(in, scripting::words_of_call_limit(options_).c_str());
  lua_concat(in, 2);
  lua_error(in);
}

bool lua_state::was_interrupted(lua_State* coroutine) { return lua_gethookcount(coroutine) == 1; }

void lua_state::pass_on_interruption(lua_State* in) {
  if (was_interrupted_) interrupt(in, 1);
}

script_reference lua_state::hold_call(lua_State* from, int function, int first_argument, int last_argument) {
  int count = last_argument < first_argument ? 0 : last_argument - first_argument + 1;
  if (planted("arguments are dropped")) count = 0;
  lua_createtable(from, count + 1, 1);
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

script_reference lua_state::hold_coroutine(lua_State* from) {
  lua_pushthread(from);
  return {static_cast<std::uint64_t>(luaL_ref(from, LUA_REGISTRYINDEX))};
}

// What is held instead wakes nobody. The reference may have been released, and its number may be another's by now: but
// no other wait of this coroutine's can have it.
void lua_state::end_wait(lua_State* coroutine, script_reference what) {
  lua_rawgeti(coroutine, LUA_REGISTRYINDEX, static_cast<lua_Integer>(what.value));
  if (lua_tothread(coroutine, -1) == coroutine) {
    lua_pushboolean(coroutine, 0);
    lua_rawseti(coroutine, LUA_REGISTRYINDEX, static_cast<lua_Integer>(what.value));
  }
  lua_pop(coroutine, 1);
}

void lua_state::release(script_reference what) noexcept {
  if (state_ != nullptr) luaL_unref(state_, LUA_REGISTRYINDEX, static_cast<int>(what.value));
}

// Makes what a call needs on the stack of a coroutine. Runs protected: every step may be short of memory.
static int prepare_call(lua_State* in) {
  lua_State* fresh = lua_newthread(in);
  lua_pushvalue(in, 1);
  lua_rawgeti(in, -1, 0);
  const int arguments = static_cast<int>(lua_tointeger(in, -1));
  lua_pop(in, 1);
  if (lua_checkstack(fresh, arguments + 1) == 0) {
    luaL_error(in, "a callback with %d arguments: Lua has no room for them", arguments);
  }
  for (int i = 0; i <= arguments; ++i) {
    lua_rawgeti(in, -1, i + 1);
    lua_xmove(in, fresh, 1);
  }
  lua_pop(in, 1);
  return 1;
}

script_outcome lua_state::call(script_reference what, const script_occasion& occasion) {
  const int top = lua_gettop(state_);
  lua_pushcfunction(state_, prepare_call);
  lua_rawgeti(state_, LUA_REGISTRYINDEX, static_cast<lua_Integer>(what.value));
  script_outcome outcome;
  lua_State* const sleeper = lua_tothread(state_, -1);
  const bool is_nobodys = sleeper != nullptr ? lua_status(sleeper) != LUA_YIELD : lua_isboolean(state_, -1);
  if (is_nobodys) {  // the wait has ended before, or the coroutine was closed in it
    lua_settop(state_, top);
    return outcome;
  }
  if (sleeper != nullptr) {
    // The coroutine stays on this stack while it runs: releasing its reference must not end it.
    lua_pushboolean(sleeper, occasion.why == script_occasion::reason::tick ? 1 : 0);
    outcome = resume(sleeper, 1);
  } else if (lua_pcall(state_, 1, 1, 0) != LUA_OK) {
    outcome = {script_outcome::kind::threw, text_on_top("a call that cannot be prepared")};
  } else {
    lua_State* fresh = lua_tothread(state_, -1);
    outcome = resume(fresh, lua_gettop(fresh) - 1);
  }
  lua_settop(state_, top);
  return outcome;
}

// From here on the script runs, under both limits.
void lua_state::begin_limits() {
  call_until_ = steady_clock::now() + options_.call_limit;
  is_time_limited_ = options_.call_limit > duration(0);
  is_memory_limited_ = true;
  was_interrupted_ = false;
}
void lua_state::end_limits() {
  is_memory_limited_ = false;
  is_time_limited_ = false;
}

script_outcome lua_state::resume(lua_State* coroutine, int argument_count) {
  int results = 0;
  begin_limits();
  const int status = lua_resume(coroutine, state_, argument_count, &results);
  end_limits();
  script_outcome outcome;
  if (status == LUA_YIELD) {
    lua_pop(coroutine, results);
  } else if (status != LUA_OK) {
    outcome = failure_of(coroutine, status);
  }
  return outcome;
}

// Of the main stack. It may have zeros.
std::string lua_state::text_on_top(const char* otherwise) {
  std::size_t bytes = 0;
  const char* const text = lua_tolstring(state_, -1, &bytes);
  return text != nullptr ? std::string(text, bytes) : otherwise;
}

// Words the error, and ends the coroutine's `__close` variables. Both may run functions of the script, which have the
// limits of a call of their own.
script_outcome lua_state::failure_of(lua_State* coroutine, int status) {
  const bool was_ended = was_interrupted_;
  script_outcome outcome;
  outcome.ended = was_ended ? script_outcome::kind::interrupted : script_outcome::kind::threw;
  lua_pushcfunction(state_, word_error);
  lua_pushvalue(coroutine, -1);
  lua_xmove(coroutine, state_, 1);
  begin_limits();
  lua_pcall(state_, 1, 1, 0);
  end_limits();
  outcome.error = text_on_top("an error whose text is an error");
  lua_pop(state_, 1);
  if (status == LUA_ERRMEM && options_.memory_limit_bytes != 0) {
    outcome.error += ": the limit is " + std::to_string(options_.memory_limit_bytes) + " bytes";
  }
  luaL_traceback(state_, coroutine, nullptr, 0);
  outcome.error += std::string("\n") + lua_tostring(state_, -1);
  lua_pop(state_, 1);
  // What was interrupted is left as it is: Lua calls no hook in it any more, so nothing would end its `__close`.
  if (was_ended) return outcome;
  begin_limits();
  lua_resetthread(coroutine);
  end_limits();
  return outcome;
}

// Its function is on the stack then.
script_outcome lua_state::load(lua_State* into, const std::string& text, const std::string& name) {
  const std::string_view program = program_of(text);
  if (luaL_loadbufferx(into, program.data(), program.size(), ("@" + name).c_str(), "t") == LUA_OK) return {};
  lua_xmove(into, state_, 1);
  return {script_outcome::kind::threw, text_on_top("it cannot be read")};
}

script_outcome lua_state::run(const std::string& text, const std::string& name) {
  const int top = lua_gettop(state_);
  lua_State* fresh = lua_newthread(state_);
  script_outcome outcome = load(fresh, text, name);
  if (outcome.ended == script_outcome::kind::returned) outcome = resume(fresh, 0);
  lua_settop(state_, top);
  return outcome;
}

script_outcome lua_state::check(const std::string& text, const std::string& name) {
  const int top = lua_gettop(state_);
  const script_outcome outcome = load(lua_newthread(state_), text, name);
  lua_settop(state_, top);
  return outcome;
}

std::size_t lua_state::collected_memory_bytes() {
  lua_gc(state_, LUA_GCCOLLECT);
  lua_gc(state_, LUA_GCCOLLECT);
  return used_bytes_;
}

}  // namespace detent::lua
