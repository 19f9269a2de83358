// lua_caps: bounds on functions of Lua's own library that work on without a step of the script, where no hook could
// interrupt them: how much `string.rep` makes, how long a text a pattern with many repetitions is tried on, how far the
// table functions move.
#include "lua_state.hpp"

#include <cmath>
#include <cstring>

namespace detent::lua {

namespace {

constexpr lua_Integer most_bytes = 64 << 20;
constexpr lua_Integer most_moves = 10'000'000;
constexpr double most_tries = 1e9;

// Calls the function that this one stands for.
int pass_on(lua_State* in) {
  lua_pushvalue(in, lua_upvalueindex(1));
  lua_insert(in, 1);
  lua_call(in, lua_gettop(in) - 1, LUA_MULTRET);
  return lua_gettop(in);
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

// A pattern with k repetitions may be tried at length^k places.
int capped_pattern(lua_State* in) {
  std::size_t text_bytes = 0;
  std::size_t pattern_bytes = 0;
  luaL_checklstring(in, 1, &text_bytes);
  const char* pattern = luaL_checklstring(in, 2, &pattern_bytes);
  int repetitions = 0;
  for (std::size_t i = 0; i < pattern_bytes; ++i) {
    if (pattern[i] != '\0' && std::strchr("*+-", pattern[i]) != nullptr) ++repetitions;
  }
  if (std::pow(static_cast<double>(text_bytes), repetitions) > most_tries) {
    return luaL_error(in, "a pattern with %d repetitions on a text of %d bytes could take longer than a callback may",
                      repetitions, static_cast<int>(text_bytes));
  }
  return pass_on(in);
}

int capped_table(lua_State* in) {
  const lua_Integer count = lua_istable(in, 1) ? luaL_len(in, 1) : 0;
  if (count > most_moves) {
    return luaL_error(in, "a table of %I elements: %I are the most under a callback limit", count, most_moves);
  }
  return pass_on(in);
}

int capped_move(lua_State* in) {
  const lua_Integer first = luaL_checkinteger(in, 2);
  const lua_Integer last = luaL_checkinteger(in, 3);
  // Unsigned: the distance of two integers may be more than one holds.
  if (last > first && static_cast<lua_Unsigned>(last) - static_cast<lua_Unsigned>(first) > most_moves) {
    return luaL_error(in, "table.move: from %I to %I are more than %I elements, the most under a callback limit", first,
                      last, most_moves);
  }
  return pass_on(in);
}

struct cap {
  const char* table;
  const char* name;
  lua_CFunction instead;
};
constexpr cap caps[] = {{"string", "rep", capped_rep},       {"string", "find", capped_pattern},
                        {"string", "match", capped_pattern}, {"string", "gmatch", capped_pattern},
                        {"string", "gsub", capped_pattern},  {"table", "insert", capped_table},
                        {"table", "remove", capped_table},   {"table", "move", capped_move}};

}  // namespace

void cap_library(lua_State* state) {
  for (const cap& one : caps) {
    lua_getglobal(state, one.table);
    lua_getfield(state, -1, one.name);
    lua_pushcclosure(state, one.instead, 1);
    lua_setfield(state, -2, one.name);
    lua_pop(state, 1);
  }
  // The hook that watches the clock stays.
  lua_getglobal(state, "debug");
  lua_pushnil(state);
  lua_setfield(state, -2, "sethook");
  lua_pop(state, 1);
}

}  // namespace detent::lua
