// lua_tables: the tables `timer` and `mode` as scripts see them.
//
// A verb answers how many results it has pushed, or `failed` with the error's text pushed: Lua leaves a C function by a
// jump, which must not pass by an object with a destructor.
#include "lua_body.hpp"

#include <optional>

namespace detent::lua {

namespace {

constexpr int failed = -1;
using table_verb = int (*)(lua_State* in, engine::body& of);

engine::body& body_of(lua_State* in) { return **static_cast<engine::body**>(lua_getextraspace(in)); }

template <table_verb Verb>
int entry(lua_State* in) {
  const int count = Verb(in, body_of(in));
  return count < 0 ? lua_error(in) : count;
}

int fail(lua_State* in, const std::string& why) {
  luaL_where(in, 1);
  lua_pushlstring(in, why.data(), why.size());
  lua_concat(in, 2);
  return failed;
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

// The id of a timer: a number, or what `interval` and `timeout` answer. 0 is no timer.
std::int64_t id_at(lua_State* in, int index) {
  if (lua_isinteger(in, index) != 0) return lua_tointeger(in, index);
  if (lua_type(in, index) != LUA_TTABLE) return 0;
  lua_pushliteral(in, "id");
  lua_rawget(in, index);
  const std::int64_t id = lua_isinteger(in, -1) != 0 ? lua_tointeger(in, -1) : 0;
  lua_pop(in, 1);
  return id;
}

std::optional<std::string> text_of(lua_State* in, int table, const char* key) {
  lua_getfield(in, table, key);
  std::optional<std::string> text;
  if (lua_type(in, -1) == LUA_TSTRING) text = lua_tostring(in, -1);
  lua_pop(in, 1);
  return text;
}

struct mode_binding {
  std::vector<std::string> modes;
  script_leave left = script_leave::suspend;
  script_return entered = script_return::resume;
};

// {modes = {...}, onLeave = "cancel|suspend|skip", onReturn = "resume|restart|nothing"}
std::optional<mode_binding> binding_at(lua_State* in, int index) {
  if (lua_type(in, index) != LUA_TTABLE) return std::nullopt;
  lua_getfield(in, index, "modes");
  if (lua_type(in, -1) != LUA_TTABLE) {
    lua_pop(in, 1);
    return std::nullopt;
  }
  mode_binding made;
  const lua_Integer count = luaL_len(in, -1);
  for (lua_Integer i = 1; i <= count; ++i) {
    lua_rawgeti(in, -1, i);
    if (lua_type(in, -1) == LUA_TSTRING) made.modes.emplace_back(lua_tostring(in, -1));
    lua_pop(in, 1);
  }
  lua_pop(in, 1);
  const std::string leave = text_of(in, index, "onLeave").value_or("suspend");
  const std::string back = text_of(in, index, "onReturn").value_or("resume");
  made.left = leave == "cancel" ? script_leave::cancel : leave == "skip" ? script_leave::skip : script_leave::suspend;
  made.entered = back == "restart"   ? script_return::restart
                 : back == "nothing" ? script_return::stay
                                     : script_return::resume;
  return made;
}

// Creates a timer from the arguments; its id, or 0 with the error pushed.
std::int64_t create(lua_State* in, engine::body& of, const char* verb, script_timer_kind kind) {
  const script_rules rules = of.made.timers.rules;
  const int count = lua_gettop(in);
  const script_arrangement arranged =
      arrange_arguments(rules, verb, argument_at(in, 1, rules), argument_at(in, 2, rules));
  if (!arranged.refusal.empty()) {
    fail(in, arranged.refusal);
    return 0;
  }
  const auto binding = of.made.shared_modes == nullptr ? std::nullopt : binding_at(in, 3);
  const script_reference what = of.hold_call(in, static_cast<int>(arranged.function_index) + 1, binding ? 4 : 3, count);
  const script_created made = kind == script_timer_kind::interval ? of.timers->set_interval(arranged.delay_ms, what)
                                                                  : of.timers->set_timeout(arranged.delay_ms, what);
  switch (made.outcome) {
    case script_creation::created:
      if (binding) of.bind(made.id, binding->modes, binding->left, binding->entered);
      return made.id;
    case script_creation::too_many:
      fail(in, std::string(verb) + ": too many live timers: the limit is " + std::to_string(of.made.timers.live_limit));
      return 0;
    default: fail(in, std::string(verb) + ": its scope is closed"); return 0;
  }
}

template <script_timer_kind Kind>
int set(lua_State* in, engine::body& of) {
  const auto id = create(in, of, Kind == script_timer_kind::interval ? "setInterval" : "setTimeout", Kind);
  if (id == 0) return failed;
  lua_pushinteger(in, id);
  return 1;
}

// The later form: answers an object with pause, resume, stop, cancel, wait, status.
template <script_timer_kind Kind>
int make(lua_State* in, engine::body& of) {
  const auto id = create(in, of, Kind == script_timer_kind::interval ? "interval" : "timeout", Kind);
  if (id == 0) return failed;
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

int clear(lua_State* in, engine::body& of) { return answer(in, of.timers->clear(id_at(in, 1))); }
int pause(lua_State* in, engine::body& of) { return answer(in, of.timers->pause(id_at(in, 1))); }
int resume(lua_State* in, engine::body& of) { return answer(in, of.timers->resume(id_at(in, 1))); }
int refresh(lua_State* in, engine::body& of) { return answer(in, of.timers->refresh(id_at(in, 1))); }
int keep(lua_State* in, engine::body& of) { return answer(in, of.timers->keep(id_at(in, 1), script_keeping::kept)); }
int unkeep(lua_State* in, engine::body& of) {
  return answer(in, of.timers->keep(id_at(in, 1), script_keeping::unkept));
}
int is_kept(lua_State* in, engine::body& of) {
  lua_pushboolean(in, of.timers->keeping(id_at(in, 1)) == script_keeping::kept ? 1 : 0);
  return 1;
}

int status(lua_State* in, engine::body& of) {
  const auto told = of.timers->status(id_at(in, 1));
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

int active(lua_State* in, engine::body& of) {
  lua_Integer at = 0;
  lua_newtable(in);
  for (const std::int64_t id : of.timers->active()) {
    lua_pushinteger(in, id);
    lua_rawseti(in, -2, ++at);
  }
  return 1;
}

int cleanup(lua_State* in, engine::body& of) {
  lua_pushinteger(in, static_cast<lua_Integer>(of.timers->cleanup()));
  return 1;
}

int now(lua_State* in, engine::body& of) {
  lua_pushnumber(in, of.timers->now_ms());
  return 1;
}

// Both yield, and must do so after everything with a destructor has gone.
int sleep_for(lua_State* in) {
  engine::body& of = body_of(in);
  if (lua_type(in, 1) != LUA_TNUMBER) return luaL_error(in, "sleep(milliseconds): a number is needed");
  if (lua_isyieldable(in) == 0) return luaL_error(in, "sleep: not inside this call");
  const script_created made = of.timers->set_timeout(lua_tonumber(in, 1), of.hold_coroutine(in));
  if (made.outcome != script_creation::created) return luaL_error(in, "sleep: no more timers can be made");
  return lua_yield(in, 0);
}
int after_wait(lua_State* in, int, lua_KContext) {
  lua_settop(in, -1);
  return 1;  // whether it ticked
}
int wait_for(lua_State* in) {
  engine::body& of = body_of(in);
  if (lua_isyieldable(in) == 0) return luaL_error(in, "wait: not inside this call");
  of.timers->next_tick(id_at(in, 1), of.hold_coroutine(in));
  return lua_yieldk(in, 0, 0, after_wait);
}

int mode_set(lua_State* in, engine::body& of) {
  if (lua_type(in, 1) != LUA_TSTRING) return fail(in, "mode.set(name): a string is needed");
  const std::string name = lua_tostring(in, 1);
  mode_options mode;
  mode.name = name;
  of.made.shared_modes->add(std::move(mode));  // one that is known stays as it is
  lua_pushboolean(in, of.made.shared_modes->set(name) == mode_change::changed ? 1 : 0);
  return 1;
}
int mode_is(lua_State* in, engine::body& of) {
  lua_pushboolean(in, lua_type(in, 1) == LUA_TSTRING && of.made.shared_modes->is(lua_tostring(in, 1)) ? 1 : 0);
  return 1;
}
int mode_current(lua_State* in, engine::body& of) {
  lua_pushstring(in, of.made.shared_modes->current().c_str());
  return 1;
}
int mode_previous(lua_State* in, engine::body& of) {
  lua_pushstring(in, of.made.shared_modes->previous().c_str());
  return 1;
}
template <bool IsEnter>
int mode_on(lua_State* in, engine::body& of) {
  if (lua_type(in, 1) != LUA_TSTRING || lua_type(in, 2) != LUA_TFUNCTION) {
    return fail(in, std::string(IsEnter ? "mode.onEnter" : "mode.onExit") + "(name, function)");
  }
  of.mode_hooks.push_back({IsEnter, lua_tostring(in, 1), of.hold_call(in, 2, 3, 2)});
  return 0;
}

constexpr luaL_Reg timer_verbs[] = {{"setTimeout", entry<set<script_timer_kind::timeout>>},
                                    {"setInterval", entry<set<script_timer_kind::interval>>},
                                    {"timeout", entry<make<script_timer_kind::timeout>>},
                                    {"interval", entry<make<script_timer_kind::interval>>},
                                    {"clearTimeout", entry<clear>},
                                    {"clearInterval", entry<clear>},
                                    {"stopTimer", entry<clear>},
                                    {"clear", entry<clear>},
                                    {"getTimerStatus", entry<status>},
                                    {"getActiveTimers", entry<active>},
                                    {"cleanupAllTimers", entry<cleanup>},
                                    {"refresh", entry<refresh>},
                                    {"ref", entry<keep>},
                                    {"unref", entry<unkeep>},
                                    {"hasRef", entry<is_kept>},
                                    {"now", entry<now>},
                                    {"sleep", sleep_for},
                                    {"wait", wait_for},
                                    {nullptr, nullptr}};

constexpr luaL_Reg object_verbs[] = {{"pause", entry<pause>},  {"resume", entry<resume>},   {"stop", entry<clear>},
                                     {"cancel", entry<clear>}, {"refresh", entry<refresh>}, {"ref", entry<keep>},
                                     {"unref", entry<unkeep>}, {"hasRef", entry<is_kept>},  {"status", entry<status>},
                                     {"wait", wait_for},       {nullptr, nullptr}};

constexpr luaL_Reg mode_verbs[] = {{"set", entry<mode_set>},
                                   {"is", entry<mode_is>},
                                   {"get", entry<mode_current>},
                                   {"previous", entry<mode_previous>},
                                   {"onEnter", entry<mode_on<true>>},
                                   {"onExit", entry<mode_on<false>>},
                                   {nullptr, nullptr}};

}  // namespace

void open_tables(engine::body& of) {
  lua_State* state = of.state;
  luaL_newmetatable(state, "detent.timer");
  luaL_newlib(state, object_verbs);
  lua_setfield(state, -2, "__index");
  lua_pop(state, 1);
  luaL_newlib(state, timer_verbs);
  lua_setglobal(state, "timer");
  if (of.made.shared_modes != nullptr) {
    luaL_newlib(state, mode_verbs);
    lua_setglobal(state, "mode");
  }
  lua_newtable(state);
  lua_Integer at = 0;
  for (const std::string& argument : of.made.arguments) {
    lua_pushlstring(state, argument.data(), argument.size());
    lua_rawseti(state, -2, ++at);
  }
  lua_setglobal(state, "arg");
}

// --- Modes.
// -----------------------------------------------------------------------------------------------------------

void engine::body::begin_modes() {
  listening->inside = this;
  listener = made.shared_modes->add_listener([door = listening](const std::string& now, const std::string& before) {
    // Posted under the door's lock: the engine shuts the door before its loop may go.
    const std::lock_guard guard(door->lock);
    if (door->inside == nullptr) return;
    door->inside->loop.post([door, now, before] {
      body* of = nullptr;
      {
        const std::lock_guard inner(door->lock);
        of = door->inside;  // only this thread takes it away
      }
      if (of != nullptr) of->mode_changed(now, before);
    });
  });
}

void engine::body::end_modes() {
  {
    const std::lock_guard guard(listening->lock);
    listening->inside = nullptr;
  }
  if (made.shared_modes == nullptr) return;
  made.shared_modes->remove_listener(listener);
  for (const auto& one : bound) made.shared_modes->unbind(*one);
  bound.clear();
}

void engine::body::mode_changed(const std::string& now, const std::string& before) {
  for (const bool is_enter : {false, true}) {
    // By index: a hook may add another.
    for (std::size_t i = 0; i < mode_hooks.size(); ++i) {
      const mode_hook hook = mode_hooks[i];
      if (hook.is_enter != is_enter || hook.name != (is_enter ? now : before)) continue;
      const script_outcome outcome = call(hook.what, {});
      if (outcome.ended != script_outcome::kind::returned) report(0, outcome.error);
    }
  }
}

void engine::body::bind(std::int64_t id, std::vector<std::string> names, script_leave how, script_return back) {
  // Those that are over go now and then, so that their number stays in proportion to the live ones.
  if (bound.size() > 64 && bound.size() > 2 * timers->active().size()) {
    std::erase_if(bound, [this](const auto& one) {
      if (timers->status(one->id)) return false;
      made.shared_modes->unbind(*one);
      return true;
    });
  }
  bound.push_back(std::make_unique<bound_timer>(*timers, id, how, back));
  made.shared_modes->bind(*bound.back(), std::move(names));
}

}  // namespace detent::lua
