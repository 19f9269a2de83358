// lua_caps: bounds on functions of Lua's own library that work on without a step of the script, where no hook could
// interrupt them: how much `string.rep` makes, how long a text a pattern is tried on, how far the table functions move;
// and on what could go on with what was interrupted. Behind each of its calls the clock is looked at: a loop of calls
// that each take long has few steps.
#include "lua_state.hpp"

#include <cstring>
#include <string_view>
#include <utility>

namespace detent::lua {

namespace {

constexpr lua_Integer most_bytes = 64 << 20;
constexpr lua_Integer most_moves = 10'000'000;
constexpr lua_Integer most_sorted = 1'000'000;
constexpr double most_tries = 1e9;

// Calls the function that this one stands for in its place: what it says of its arguments has the script's line.
int stand_in(lua_State* in) { return lua_tocfunction(in, lua_upvalueindex(1))(in); }
int pass_on(lua_State* in) {
  const int results = stand_in(in);
  lua_state::of(in).look_at_clock(in);
  return results;
}

int capped_rep(lua_State* in) {
  std::size_t text_bytes = 0;
  std::size_t between_bytes = 0;
  luaL_checklstring(in, 1, &text_bytes);
  luaL_optlstring(in, 3, "", &between_bytes);
  const lua_Integer count = luaL_checkinteger(in, 2);
  const auto each = static_cast<lua_Integer>(text_bytes + between_bytes + 1);
  if (count > most_bytes / each) {
    return luaL_error(in, "string.rep: %I times %I bytes are more than 64 MiB, the most under a callback limit", count,
                      static_cast<lua_Integer>(text_bytes + between_bytes));
  }
  return pass_on(in);
}

// The end of a set, whose bracket is before `at`.
std::size_t behind_set(std::string_view pattern, std::size_t at) {
  if (at < pattern.size() && pattern[at] == '^') ++at;
  for (bool is_first = true; at < pattern.size() && (is_first || pattern[at] != ']'); is_first = false) {
    at += pattern[at] == '%' ? 2U : 1U;
  }
  return at + 1;
}

// How often the parts of a pattern may be tried on a text: from every place of it, unless the pattern is anchored; each
// repetition and %b at every length, each `?` twice. Behind the last one nothing can fail. A long set counts for more.
double tries_of(std::string_view pattern, double places, bool is_anchored) {
  constexpr double bytes_of_one_try = 16;
  double tries = 0;
  double ways = is_anchored ? 1 : places;  // to come to this part
  double latest = 1;
  double latest_cost = 0;
  for (std::size_t at = is_anchored ? 1 : 0; at < pattern.size();) {
    const std::size_t begin = at;
    const char one = pattern[at++];
    if (one == '(' || one == ')') continue;
    ways *= std::exchange(latest, 1);
    tries += ways * std::exchange(latest_cost, 0);
    if (one == '%' && at < pattern.size()) {
      const char kind = pattern[at++];
      if (kind == 'b') at += 2;
      if (kind == 'b' || (kind >= '1' && kind <= '9')) ways *= places;  // nothing repeats these
      if (kind == 'b' || kind == 'f' || (kind >= '1' && kind <= '9')) {
        tries += ways;
        continue;
      }
    } else if (one == '[') {
      at = behind_set(pattern, at);
    }
    const double cost = 1 + static_cast<double>(at - begin) / bytes_of_one_try;
    const char suffix = at < pattern.size() ? pattern[at] : '\0';
    if (suffix == '*' || suffix == '+' || suffix == '-') latest = places;
    if (suffix == '?') latest = 2;
    if (latest > 1) {
      latest_cost = cost;
      ++at;
    }
    tries += ways * cost;
  }
  return tries + places * latest_cost;
}

// In `gmatch` nothing anchors.
template <bool MayAnchor>
int capped_pattern(lua_State* in) {
  std::size_t text_bytes = 0;
  std::size_t pattern_bytes = 0;
  std::size_t instead_bytes = 0;
  luaL_checklstring(in, 1, &text_bytes);
  const char* const pattern = luaL_checklstring(in, 2, &pattern_bytes);
  if (lua_type(in, 3) == LUA_TSTRING) lua_tolstring(in, 3, &instead_bytes);  // of `gsub`
  const bool is_anchored = MayAnchor && pattern_bytes != 0 && *pattern == '^';
  const auto places = static_cast<double>(text_bytes + 1);
  if (tries_of({pattern, pattern_bytes}, places, is_anchored) > most_tries ||
      places * static_cast<double>(instead_bytes) > most_tries) {
    return luaL_error(in, "a pattern like this on a text of %I bytes could take longer than a callback may",
                      static_cast<lua_Integer>(text_bytes));
  }
  return pass_on(in);
}

// Lua's own search for plain text, or for a pattern that is one, takes the product of both lengths at worst; this one
// takes their sum.
int capped_find(lua_State* in) {
  std::size_t text_bytes = 0;
  std::size_t what_bytes = 0;
  const char* const text = luaL_checklstring(in, 1, &text_bytes);
  const char* const what = luaL_checklstring(in, 2, &what_bytes);
  const bool is_plain = lua_toboolean(in, 4) != 0 ||
                        std::string_view(what, what_bytes).find_first_of("^$*+?.([%-") == std::string_view::npos;
  if (!is_plain) return capped_pattern<true>(in);
  const auto length = static_cast<lua_Integer>(text_bytes);
  lua_Integer first = luaL_optinteger(in, 3, 1);
  if (first < 0) first = first < -length ? 1 : length + first + 1;
  if (first == 0) first = 1;
  const void* const found =
      first > length + 1 ? nullptr
                         : memmem(text + first - 1, text_bytes + 1 - static_cast<std::size_t>(first), what, what_bytes);
  lua_state::of(in).look_at_clock(in);
  if (found == nullptr) {
    lua_pushnil(in);
    return 1;
  }
  const lua_Integer at = static_cast<const char*>(found) - text + 1;
  lua_pushinteger(in, at);
  lua_pushinteger(in, at + static_cast<lua_Integer>(what_bytes) - 1);
  return 2;
}

// A length that a function answers may be another one the next time.
template <lua_Integer Most>
int capped_table(lua_State* in) {
  if (lua_type(in, 1) == LUA_TTABLE && luaL_getmetafield(in, 1, "__len") != LUA_TNIL) {
    return luaL_error(in, "a table whose length is what its __len says has no bound, as a callback limit needs it");
  }
  const auto count = static_cast<lua_Integer>(lua_rawlen(in, 1));
  if (lua_type(in, 1) == LUA_TTABLE && count > Most) {
    return luaL_error(in, "a table of %I elements: %I are the most under a callback limit", count, Most);
  }
  return pass_on(in);
}

void check_range(lua_State* in, const char* verb, lua_Integer first, lua_Integer last) {
  // Unsigned: the distance of two integers may be more than one holds.
  if (last > first && static_cast<lua_Unsigned>(last) - static_cast<lua_Unsigned>(first) > most_moves) {
    luaL_error(in, "%s: from %I to %I are more than %I elements, the most under a callback limit", verb, first, last,
               most_moves);
  }
}
int capped_move(lua_State* in) {
  check_range(in, "table.move", luaL_checkinteger(in, 2), luaL_checkinteger(in, 3));
  return pass_on(in);
}
int capped_concat(lua_State* in) {
  if (lua_isnoneornil(in, 4)) return capped_table<most_moves>(in);
  check_range(in, "table.concat", luaL_optinteger(in, 3, 1), luaL_checkinteger(in, 4));
  return pass_on(in);
}

// An interruption is no value that a script could go on with: who resumes what was interrupted is interrupted too. What
// was interrupted is not closed: Lua calls no hook in it any more, so nothing would end its `__close`.
int capped_resume(lua_State* in) {
  lua_state::of(in).pass_on_interruption(in);
  const int results = stand_in(in);
  lua_state::of(in).pass_on_interruption(in);
  return results;
}
int capped_close(lua_State* in) {
  lua_State* const what = lua_tothread(in, 1);
  if (what != nullptr && lua_state::was_interrupted(what)) {
    return luaL_error(in, "coroutine.close: this coroutine was interrupted, and nothing of it runs any more");
  }
  return capped_resume(in);
}
// Calls coroutine.resume (the second upvalue) with the coroutine, and raises what that answers as an error.
int resume_wrapped(lua_State* in) {
  lua_State* const wrapped = lua_tothread(in, lua_upvalueindex(1));
  lua_pushvalue(in, lua_upvalueindex(2));
  lua_pushvalue(in, lua_upvalueindex(1));
  lua_rotate(in, 1, 2);
  lua_call(in, lua_gettop(in) - 1, LUA_MULTRET);
  if (lua_toboolean(in, 1) != 0) return lua_gettop(in) - 1;
  if (lua_status(wrapped) > LUA_YIELD) {
    lua_xmove(in, wrapped, 1);
    lua_resetthread(wrapped);
    lua_xmove(wrapped, in, 1);
    lua_state::of(in).pass_on_interruption(in);
  }
  if (lua_type(in, -1) == LUA_TSTRING) {
    luaL_where(in, 1);
    lua_insert(in, -2);
    lua_concat(in, 2);
  }
  return lua_error(in);
}
int capped_wrap(lua_State* in) {
  luaL_checktype(in, 1, LUA_TFUNCTION);
  lua_State* const wrapped = lua_newthread(in);
  lua_pushvalue(in, 1);
  lua_xmove(in, wrapped, 1);
  lua_pushvalue(in, lua_upvalueindex(1));
  lua_pushcclosure(in, resume_wrapped, 2);
  return 1;
}

struct cap {
  const char* table;
  const char* name;
  lua_CFunction instead;
};
constexpr cap caps[] = {{"string", "rep", capped_rep},
                        {"string", "find", capped_find},
                        {"string", "match", capped_pattern<true>},
                        {"string", "gmatch", capped_pattern<false>},
                        {"string", "gsub", capped_pattern<true>},
                        {"table", "insert", capped_table<most_moves>},
                        {"table", "remove", capped_table<most_moves>},
                        {"table", "sort", capped_table<most_sorted>},
                        {"table", "move", capped_move},
                        {"table", "concat", capped_concat},
                        {"coroutine", "resume", capped_resume},
                        {"coroutine", "close", capped_close}};

// In the table on top, functions of C that need nothing beside their arguments get `pass_on` in front.
void watch_functions(lua_State* state) {
  for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
    const bool has_upvalues = lua_getupvalue(state, -1, 1) != nullptr;
    if (has_upvalues) lua_pop(state, 1);
    if (has_upvalues || lua_iscfunction(state, -1) == 0) continue;
    lua_pushvalue(state, -2);
    lua_pushvalue(state, -2);
    lua_pushcclosure(state, pass_on, 1);
    lua_rawset(state, -5);
  }
}

// What may take long for a large value, or waits for the system.
void watch_library(lua_State* state) {
  for (const char* table : {LUA_STRLIBNAME, LUA_TABLIBNAME, LUA_UTF8LIBNAME, LUA_OSLIBNAME, LUA_IOLIBNAME}) {
    lua_getglobal(state, table);
    watch_functions(state);
    lua_pop(state, 1);
  }
  luaL_getmetatable(state, LUA_FILEHANDLE);
  lua_getfield(state, -1, "__index");
  watch_functions(state);
  lua_pop(state, 2);
  for (const char* name : {"collectgarbage", "load", "next", "rawequal", "select", "tonumber", "tostring"}) {
    lua_getglobal(state, name);
    lua_pushcclosure(state, pass_on, 1);
    lua_setglobal(state, name);
  }
}

}  // namespace

void cap_library(lua_State* state) {
  for (const cap& one : caps) {
    lua_getglobal(state, one.table);
    lua_getfield(state, -1, one.name);
    lua_pushcclosure(state, one.instead, 1);
    lua_setfield(state, -2, one.name);
    lua_pop(state, 1);
  }
  lua_getglobal(state, "coroutine");
  lua_getfield(state, -1, "resume");
  lua_pushcclosure(state, capped_wrap, 1);
  lua_setfield(state, -2, "wrap");
  lua_pop(state, 1);
  watch_library(state);
  // The hook that watches the clock stays, and nobody finds the functions that the ones here stand for.
  lua_getglobal(state, "debug");
  for (lua_pushnil(state); lua_next(state, -2) != 0; lua_pop(state, 1)) {
    if (std::string_view(lua_tostring(state, -2)) == "traceback") continue;
    lua_pushvalue(state, -2);
    lua_pushnil(state);
    lua_rawset(state, -5);
  }
  lua_pop(state, 1);
}

}  // namespace detent::lua
