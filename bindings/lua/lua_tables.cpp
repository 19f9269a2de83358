// lua_tables: the tables `timer` and `mode` as scripts see them.
#include "lua_state.hpp"

#include <adapters/script/fault.hpp>
#include <bindings/engine/entered_scope.hpp>
#include <bindings/engine/shown_value.hpp>
#include <cmath>
#include <new>
#include <optional>

namespace detent::lua {

namespace {

using scripting::mode_binding;
using scripting::mode_hook_kind;

// Requires: a string is there. It may have zeros.
std::string_view text_at(lua_State* in, int index) {
  std::size_t bytes = 0;
  const char* const text = lua_tolstring(in, index, &bytes);
  return {text, bytes};
}

// With the place of the script, also when a function of Lua's own library, as `pcall`, stands between.
int fail(lua_State* in, const std::string& why) {
  luaL_where(in, 1);
  if (lua_rawlen(in, -1) == 0) luaL_where(in, 2);
  lua_pushlstring(in, why.data(), why.size());
  lua_concat(in, 2);
  return lua_error(in);
}

// A value in a message. Runs no metamethod.
std::string shown_at(lua_State* in, int index) {
  switch (lua_type(in, index)) {
    case LUA_TNONE: return "nothing";
    case LUA_TNIL: return "nil";
    case LUA_TBOOLEAN: return lua_toboolean(in, index) != 0 ? "true" : "false";
    case LUA_TNUMBER:
      return lua_isinteger(in, index) != 0 ? std::to_string(lua_tointeger(in, index))
                                           : scripting::shown(lua_tonumber(in, index));
    case LUA_TSTRING: return scripting::quoted(text_at(in, index));
    case LUA_TTHREAD: return "a coroutine";
    default: return std::string("a ") + luaL_typename(in, index);
  }
}

script_argument argument_at(lua_State* in, int index, script_rules rules) {
  using kind = script_argument::kind;
  switch (lua_type(in, index)) {
    case LUA_TNONE:
    case LUA_TNIL: return {kind::missing, 0};
    case LUA_TFUNCTION: return {kind::function, 0};
    case LUA_TNUMBER: return {kind::number, lua_tonumber(in, index)};
    case LUA_TSTRING:
      if (rules == script_rules::web && lua_isnumber(in, index) != 0) return {kind::other, lua_tonumber(in, index)};
      return {kind::other, 0};
    default: return {kind::other, 0};
  }
}

// The id of a timer: a number, or what `interval` and `timeout` answer. None for any other value.
std::optional<std::int64_t> id_of(lua_State* in, int index) {
  const bool is_table = lua_type(in, index) == LUA_TTABLE;
  if (!is_table && lua_type(in, index) != LUA_TNUMBER) return std::nullopt;
  if (is_table) {
    lua_pushliteral(in, "id");
    lua_rawget(in, index);
  } else {
    lua_pushvalue(in, index);
  }
  int is_whole = 0;
  const std::int64_t id = lua_type(in, -1) == LUA_TNUMBER ? lua_tointegerx(in, -1, &is_whole) : 0;
  lua_pop(in, 1);
  return is_whole != 0 ? std::optional(id) : std::nullopt;
}

// For verbs that take anything: 0 is no timer.
std::int64_t id_at(lua_State* in, int index) { return id_of(in, index).value_or(0); }

// For verbs that refuse what could not be a timer.
std::int64_t timer_at(lua_State* in, const char* verb) {
  const auto id = id_of(in, 1);
  if (!id) fail(in, std::string(verb) + "(timer): an id or a timer is needed, not " + shown_at(in, 1));
  return *id;
}

// An option of a binding, read by `take`; none is as good as the right one.
void read_word(lua_State* in, int table, const char* key, mode_binding& made,
               bool (mode_binding::*take)(std::string_view), const std::string& refusal) {
  lua_pushstring(in, key);
  const int type = lua_rawget(in, table);
  if (type != LUA_TNIL && (type != LUA_TSTRING || !(made.*take)(text_at(in, -1)))) {
    fail(in, refusal + ", not " + shown_at(in, -1));
  }
  lua_pop(in, 1);
}

// Whoever misspells an option has to hear of it. Requires: the table has `modes`.
void check_options(lua_State* in, int table, const std::string& verb) {
  for (lua_pushnil(in); lua_next(in, table) != 0; lua_pop(in, 1)) {
    if (lua_type(in, -2) == LUA_TSTRING && mode_binding::is_option(text_at(in, -2))) continue;
    fail(in, verb + ": " + mode_binding::option_words + ", not " + shown_at(in, -2));
  }
}

// What is bound to modes has a table of options behind the function and the delay. A table with none of them is an
// argument. No metamethod of it is asked.
std::optional<mode_binding> binding_at(lua_State* in, int index, const std::string& verb) {
  if (lua_type(in, index) != LUA_TTABLE) return std::nullopt;
  lua_pushliteral(in, "modes");
  const int type = lua_rawget(in, index);
  if (type == LUA_TNIL) {
    for (const char* word : {"onLeave", "onReturn"}) {
      lua_pushstring(in, word);
      if (lua_rawget(in, index) != LUA_TNIL) fail(in, verb + ": " + word + " needs modes beside it");
      lua_pop(in, 1);
    }
    lua_pop(in, 1);
    return std::nullopt;
  }
  const std::string needed = "; a list of names is needed, as in {\"work\"}";
  if (type != LUA_TTABLE) fail(in, verb + ": modes is " + shown_at(in, -1) + needed);
  mode_binding made;
  const auto count = static_cast<lua_Integer>(lua_rawlen(in, -1));
  if (count == 0) fail(in, verb + ": modes is an empty list" + needed);
  for (lua_Integer i = 1; i <= count; ++i) {
    if (lua_rawgeti(in, -1, i) != LUA_TSTRING) {
      fail(in, verb + ": modes[" + std::to_string(i) + "] is " + shown_at(in, -1) + needed);
    }
    made.modes.emplace_back(text_at(in, -1));
    lua_pop(in, 1);
  }
  lua_pop(in, 1);
  check_options(in, index, verb);
  read_word(in, index, "onLeave", made, &mode_binding::take_leave, verb + ": " + mode_binding::leave_words);
  read_word(in, index, "onReturn", made, &mode_binding::take_return, verb + ": " + mode_binding::return_words);
  return made;
}

// The first two arguments, arranged. What is wrong with them is worded only when something is.
script_arrangement arrange(lua_State* in, script_rules rules, const std::string& verb) {
  script_argument first = argument_at(in, 1, rules);
  script_argument second = argument_at(in, 2, rules);
  script_arrangement arranged = arrange_arguments(rules, verb, first, second);
  if (arranged.refusal.empty()) return arranged;
  first.shown = shown_at(in, 1);
  second.shown = shown_at(in, 2);
  fail(in, arrange_arguments(rules, verb, first, second).refusal);
  return arranged;
}

// Creates a timer from the arguments, and answers its id.
std::int64_t create(lua_State* in, const std::string& verb, script_timer_kind kind) {
  lua_state& of = lua_state::of(in);
  const script_options& options = of.options().timers;
  const int count = lua_gettop(in);
  const script_arrangement arranged = arrange(in, options.rules, verb);
  auto binding = of.modes() == nullptr ? std::nullopt : binding_at(in, 3, verb);
  const script_reference what = of.hold_call(in, static_cast<int>(arranged.function_index) + 1, binding ? 4 : 3, count);
  const script_created made = kind == script_timer_kind::interval ? of.timers().set_interval(arranged.delay_ms, what)
                                                                  : of.timers().set_timeout(arranged.delay_ms, what);
  if (made.outcome != script_creation::created) {
    fail(in, scripting::refusal_of(verb, made.outcome, of.options(), of.timers()));
  }
  if (binding) of.modes()->bind(made.id, std::move(*binding));
  return made.id;
}

// By which a script can close a scope: a userdata.
struct scope_owner {
  script_scope scope;
  script_tie tie;
};

int forget_scope(lua_State* in) {
  const auto* const owner = static_cast<scope_owner*>(luaL_testudata(in, 1, "detent.scope"));
  if (owner != nullptr) lua_state::of(in).timers().detach_scope(owner->scope, owner->tie);
  return 0;
}

// Calls a function in a scope, which it answers.
int make_scope(lua_State* in) {
  lua_state& of = lua_state::of(in);
  const int options = lua_type(in, 2);
  if (lua_type(in, 1) != LUA_TFUNCTION || (options != LUA_TTABLE && options != LUA_TNIL && options != LUA_TNONE)) {
    return fail(in, "scope(function, options): a function is needed, and a table with modes or nothing, not " +
                        shown_at(in, 1) + " and " + shown_at(in, 2));
  }
  auto binding = of.modes() == nullptr ? std::nullopt : binding_at(in, 2, "scope");
  if (options == LUA_TTABLE && !binding) fail(in, "scope: its options need modes, as in {modes = {\"work\"}}");
  scripting::entered_scope here(of.timers());
  new (lua_newuserdatauv(in, sizeof(scope_owner), 0))
      scope_owner{here.scope(), binding ? script_tie::modes : script_tie::nobody};
  luaL_setmetatable(in, "detent.scope");
  if (binding) of.modes()->bind(here.scope(), std::move(*binding));
  lua_pushvalue(in, 1);
  lua_call(in, 0, 0);  // an error passes by here as an exception
  here.keep();
  return 1;
}

int close_scope(lua_State* in) {
  const auto* const owner = static_cast<scope_owner*>(luaL_testudata(in, 1, "detent.scope"));
  if (owner == nullptr) {
    return fail(in, "a scope is needed before the name, with a colon: s:close(); here is " + shown_at(in, 1));
  }
  const auto closed = lua_state::of(in).timers().close_scope(owner->scope);
  lua_pushinteger(in, static_cast<lua_Integer>(closed.ended));
  return 1;
}

template <script_timer_kind Kind>
int set(lua_State* in) {
  lua_pushinteger(in, create(in, Kind == script_timer_kind::interval ? "setInterval" : "setTimeout", Kind));
  return 1;
}

// The later form: answers an object with pause, resume, stop, cancel, wait, status.
template <script_timer_kind Kind>
int make(lua_State* in) {
  const auto id = create(in, Kind == script_timer_kind::interval ? "interval" : "timeout", Kind);
  lua_createtable(in, 0, 1);
  lua_pushinteger(in, id);
  lua_setfield(in, -2, "id");
  luaL_setmetatable(in, "detent.timer");
  return 1;
}

int answer(lua_State* in, script_change change) {
  lua_pushboolean(in, change == script_change::changed ? 1 : 0);
  return 1;
}

int clear(lua_State* in) { return answer(in, lua_state::of(in).timers().clear(id_at(in, 1))); }
// Both end a timer of either kind: all ids are of one row.
template <script_timer_kind Kind>
int clear_named(lua_State* in) {
  if (planted("each kind has ids of its own")) {
    const auto told = lua_state::of(in).timers().status(id_at(in, 1));
    if (told && told->kind != Kind) return answer(in, script_change::unknown);
  }
  return clear(in);
}
int pause(lua_State* in) { return answer(in, lua_state::of(in).timers().pause(timer_at(in, "pause"))); }
int resume(lua_State* in) { return answer(in, lua_state::of(in).timers().resume(timer_at(in, "resume"))); }
int refresh(lua_State* in) { return answer(in, lua_state::of(in).timers().refresh(timer_at(in, "refresh"))); }
int keep(lua_State* in) {
  return answer(in, lua_state::of(in).timers().keep(timer_at(in, "ref"), script_keeping::kept));
}
int unkeep(lua_State* in) {
  return answer(in, lua_state::of(in).timers().keep(timer_at(in, "unref"), script_keeping::unkept));
}
int is_kept(lua_State* in) {
  lua_pushboolean(in, lua_state::of(in).timers().keeping(timer_at(in, "hasRef")) == script_keeping::kept ? 1 : 0);
  return 1;
}

int status(lua_State* in) {
  const auto told = lua_state::of(in).timers().status(id_at(in, 1));
  if (!told) {
    lua_pushnil(in);
    return 1;
  }
  static constexpr const char* states[] = {"armed", "running", "paused", "suspended"};
  lua_createtable(in, 0, 10);
  const auto number = [in](const char* key, double value) {
    lua_pushnumber(in, value);
    lua_setfield(in, -2, key);
  };
  lua_pushinteger(in, told->id);
  lua_setfield(in, -2, "id");
  lua_pushboolean(in, 1);
  lua_setfield(in, -2, "running");
  lua_pushstring(in, told->kind == script_timer_kind::interval ? "interval" : "timeout");
  lua_setfield(in, -2, "kind");
  lua_pushstring(in, states[static_cast<std::size_t>(told->state)]);
  lua_setfield(in, -2, "state");
  number("remaining", told->remaining_ms);
  number("period", told->period_ms);
  number("fires", static_cast<double>(told->fires));
  number("missed", static_cast<double>(told->missed));
  number("lateness", told->lateness_ms);
  if (!told->last_error.empty()) {
    lua_pushlstring(in, told->last_error.data(), told->last_error.size());
    lua_setfield(in, -2, "lastError");
  }
  return 1;
}

int active(lua_State* in) {
  lua_Integer at = 0;
  lua_newtable(in);
  for (const std::int64_t id : lua_state::of(in).timers().active()) {
    lua_pushinteger(in, id);
    lua_rawseti(in, -2, ++at);
  }
  return 1;
}

int cleanup(lua_State* in) {
  lua_pushinteger(in, static_cast<lua_Integer>(lua_state::of(in).timers().cleanup()));
  return 1;
}

int now(lua_State* in) {
  lua_pushnumber(in, lua_state::of(in).timers().now_ms());
  return 1;
}

std::string cannot_wait(const std::string& verb) {
  return verb +
         ": it cannot wait inside a function that is called by Lua's own library, by timer.scope or the collector";
}

// Whoever resumes a coroutine that waits, as the script itself, ends its wait: the wake to come is nobody's then.
// Answers what it is resumed with: of a wake, whether it slept so long, or whether the timer ticked.
int after_wait(lua_State* in, int, lua_KContext reference) {
  lua_state::of(in).end_wait(in, {static_cast<std::uint64_t>(reference)});
  return lua_gettop(in);
}
int yield_until_woken(lua_State* in, script_reference what) {
  lua_settop(in, 0);
  return lua_yieldk(in, 0, static_cast<lua_KContext>(what.value), after_wait);
}

int sleep_for(lua_State* in) {
  lua_state& of = lua_state::of(in);
  if (lua_type(in, 1) != LUA_TNUMBER || std::isnan(lua_tonumber(in, 1))) {
    return fail(in, "sleep(milliseconds): a number is needed, not " + shown_at(in, 1));
  }
  if (lua_isyieldable(in) == 0) return fail(in, cannot_wait("sleep"));
  const script_reference what = of.hold_coroutine(in);
  const script_created made = of.timers().sleep(lua_tonumber(in, 1), what);
  if (made.outcome != script_creation::created) {
    return fail(in, scripting::refusal_of("sleep", made.outcome, of.options(), of.timers()));
  }
  return yield_until_woken(in, what);
}

int wait_for(lua_State* in) {
  lua_state& of = lua_state::of(in);
  const std::int64_t id = timer_at(in, "wait");
  if (lua_isyieldable(in) == 0) return fail(in, cannot_wait("wait"));
  const script_reference what = of.hold_coroutine(in);
  of.timers().next_tick(id, what);
  return yield_until_woken(in, what);
}

// Lua's own writes to standard output, past the program's time stamps.
int print(lua_State* in) {
  std::string line;
  const int count = lua_gettop(in);
  for (int i = 1; i <= count; ++i) {
    std::size_t bytes = 0;
    const char* text = luaL_tolstring(in, i, &bytes);
    if (i > 1) line += '\t';
    line.append(text, bytes);
    lua_pop(in, 1);
  }
  scripting::tell_line(lua_state::of(in).options(), line);
  return 0;
}

// A finalizer may run when the engine ends, behind the modes.
scripting::script_modes& modes_at(lua_State* in) {
  scripting::script_modes* const of = lua_state::of(in).modes();
  if (of == nullptr) fail(in, "mode: the script has ended");
  return *of;
}
const modes& shared_modes(lua_State* in) { return modes_at(in).shared(); }

std::string mode_name_at(lua_State* in, const std::string& verb) {
  if (lua_type(in, 1) != LUA_TSTRING) fail(in, verb + "(name): a string is needed, not " + shown_at(in, 1));
  return std::string(text_at(in, 1));
}

int mode_set(lua_State* in) {
  const std::string name = mode_name_at(in, "mode.set");
  lua_pushboolean(in, modes_at(in).set(name) == mode_change::changed ? 1 : 0);
  return 1;
}
int mode_is(lua_State* in) {
  const std::string name = mode_name_at(in, "mode.is");
  lua_pushboolean(in, shared_modes(in).is(name) ? 1 : 0);
  return 1;
}
int mode_current(lua_State* in) {
  const std::string name = shared_modes(in).current();
  lua_pushlstring(in, name.data(), name.size());
  return 1;
}
int mode_previous(lua_State* in) {
  const std::string name = shared_modes(in).previous();
  lua_pushlstring(in, name.data(), name.size());
  return 1;
}
template <mode_hook_kind Kind>
int mode_on(lua_State* in) {
  if (lua_type(in, 1) != LUA_TSTRING || lua_type(in, 2) != LUA_TFUNCTION) {
    const std::string verb = Kind == mode_hook_kind::enter ? "mode.onEnter" : "mode.onExit";
    return fail(in, verb + "(name, function): a string and a function are needed, not " + shown_at(in, 1) + " and " +
                        shown_at(in, 2));
  }
  scripting::script_modes& of = modes_at(in);
  of.add_hook(Kind, std::string(text_at(in, 1)), lua_state::of(in).hold_call(in, 2, 3, 2));
  return 0;
}

constexpr luaL_Reg timer_verbs[] = {{"setTimeout", set<script_timer_kind::timeout>},
                                    {"setInterval", set<script_timer_kind::interval>},
                                    {"timeout", make<script_timer_kind::timeout>},
                                    {"interval", make<script_timer_kind::interval>},
                                    {"clearTimeout", clear_named<script_timer_kind::timeout>},
                                    {"clearInterval", clear_named<script_timer_kind::interval>},
                                    {"stopTimer", clear},
                                    {"clear", clear},
                                    {"getTimerStatus", status},
                                    {"getActiveTimers", active},
                                    {"cleanupAllTimers", cleanup},
                                    {"scope", make_scope},
                                    {"pause", pause},
                                    {"resume", resume},
                                    {"status", status},
                                    {"refresh", refresh},
                                    {"ref", keep},
                                    {"unref", unkeep},
                                    {"hasRef", is_kept},
                                    {"now", now},
                                    {"sleep", sleep_for},
                                    {"wait", wait_for},
                                    {nullptr, nullptr}};

// A verb of what `interval` and `timeout` answer.
template <lua_CFunction Verb>
int on_object(lua_State* in) {
  if (lua_type(in, 1) != LUA_TTABLE || id_at(in, 1) == 0) {
    return fail(in, "a timer is needed before the name, with a colon: t:stop(); here is " + shown_at(in, 1));
  }
  return Verb(in);
}

constexpr luaL_Reg object_verbs[] = {{"pause", on_object<pause>},
                                     {"resume", on_object<resume>},
                                     {"stop", on_object<clear>},
                                     {"cancel", on_object<clear>},
                                     {"refresh", on_object<refresh>},
                                     {"ref", on_object<keep>},
                                     {"unref", on_object<unkeep>},
                                     {"hasRef", on_object<is_kept>},
                                     {"status", on_object<status>},
                                     {"wait", on_object<wait_for>},
                                     {nullptr, nullptr}};

constexpr luaL_Reg scope_verbs[] = {{"close", close_scope}, {nullptr, nullptr}};

constexpr luaL_Reg mode_verbs[] = {{"set", mode_set},
                                   {"is", mode_is},
                                   {"get", mode_current},
                                   {"previous", mode_previous},
                                   {"onEnter", mode_on<mode_hook_kind::enter>},
                                   {"onExit", mode_on<mode_hook_kind::exit>},
                                   {nullptr, nullptr}};

}  // namespace

void open_tables(lua_State* state, const scripting::engine_options& options) {
  luaL_newmetatable(state, "detent.timer");
  luaL_newlib(state, object_verbs);
  lua_setfield(state, -2, "__index");
  luaL_newmetatable(state, "detent.scope");
  luaL_newlib(state, scope_verbs);
  lua_setfield(state, -2, "__index");
  lua_pushcfunction(state, forget_scope);
  lua_setfield(state, -2, "__gc");
  lua_pop(state, 2);
  luaL_newlib(state, timer_verbs);
  lua_setglobal(state, "timer");
  if (options.shared_modes != nullptr) {
    luaL_newlib(state, mode_verbs);
    lua_setglobal(state, "mode");
  }
  lua_pushcfunction(state, print);
  lua_setglobal(state, "print");
  lua_newtable(state);
  lua_Integer at = 0;
  for (const std::string& argument : options.arguments) {
    lua_pushlstring(state, argument.data(), argument.size());
    lua_rawseti(state, -2, ++at);
  }
  lua_setglobal(state, "arg");
}

}  // namespace detent::lua
