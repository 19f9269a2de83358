// natives: the methods of the object over which prelude.js builds what scripts see.
#include "javascript_context.hpp"

#include <bindings/engine/shown_value.hpp>
#include <dlfcn.h>
#include <stdexcept>

namespace detent::javascript {

namespace {

// One call of a native. What a native throws becomes an error of the script: std::invalid_argument a TypeError.
struct native_call {
  JSContextRef in;
  javascript_context& of;
  std::size_t count;
  const JSValueRef* arguments;

  JSValueRef at(std::size_t index) const { return index < count ? arguments[index] : JSValueMakeUndefined(in); }
  double number(std::size_t index) const { return JSValueToNumber(in, at(index), nullptr); }
  bool boolean(std::size_t index) const { return JSValueToBoolean(in, at(index)); }
  std::string string(std::size_t index) const { return of.string_of(at(index)); }
  // 0 for what is no whole number.
  std::int64_t id(std::size_t index) const {
    const double value = number(index);
    return value >= 1 && value < 9e15 && value == static_cast<double>(static_cast<std::int64_t>(value))
               ? static_cast<std::int64_t>(value)
               : 0;
  }

  JSValueRef nothing() const { return JSValueMakeUndefined(in); }
  JSValueRef value(bool is) const { return JSValueMakeBoolean(in, is); }
  JSValueRef value(double number) const { return JSValueMakeNumber(in, number); }
  JSValueRef value(const std::string& words) const { return JSValueMakeString(in, text(words).get()); }
  JSValueRef value(script_change change) const { return value(change == script_change::changed); }
  void set(JSObjectRef object, const char* key, JSValueRef what) const {
    JSObjectSetProperty(in, object, text(std::string(key)).get(), what, kJSPropertyAttributeNone, nullptr);
  }
};

using native = JSValueRef (*)(const native_call&);

template <native Native>
JSValueRef enter(JSContextRef in, JSObjectRef, JSObjectRef self, std::size_t count, const JSValueRef arguments[],
                 JSValueRef* exception) {
  auto& of = *static_cast<javascript_context*>(JSObjectGetPrivate(self));
  try {
    return Native({in, of, count, arguments});
  } catch (const std::invalid_argument& wrong) {
    *exception = of.type_error(wrong.what());
    return JSValueMakeUndefined(in);
  } catch (const std::exception& wrong) {
    const JSValueRef words = JSValueMakeString(in, text(std::string(wrong.what())).get());
    *exception = JSObjectMakeError(in, 1, &words, nullptr);
    return JSValueMakeUndefined(in);
  }
}

script_argument argument_of(const native_call& call, std::size_t index) {
  using kind = script_argument::kind;
  const JSValueRef value = call.at(index);
  switch (JSValueGetType(call.in, value)) {
    case kJSTypeUndefined: return {kind::missing, 0};
    case kJSTypeNumber: return {kind::number, call.number(index)};
    case kJSTypeObject:
      if (JSObjectIsFunction(call.in, JSValueToObject(call.in, value, nullptr))) return {kind::function, 0};
      return {kind::other, 0};
    default: return {kind::other, 0};
  }
}

// arrange(verb, first, second, ...): {delay, isTurned} or {refusal}; turned: the function is the second. Behind the two
// arguments may be the same two as a refusal shows them.
JSValueRef arrange(const native_call& call) {
  script_argument first = argument_of(call, 1);
  script_argument second = argument_of(call, 2);
  if (call.count > 3) first.shown = call.string(3);
  if (call.count > 4) second.shown = call.string(4);
  const script_arrangement arranged = arrange_arguments(call.of.options().timers.rules, call.string(0), first, second);
  const JSObjectRef made = JSObjectMake(call.in, nullptr, nullptr);
  if (!arranged.refusal.empty()) call.set(made, "refusal", call.value(arranged.refusal));
  call.set(made, "delay", call.value(arranged.delay_ms));
  call.set(made, "isTurned", call.value(arranged.function_index == 1));
  return made;
}

// set(verb, isInterval, delay, function): id
JSValueRef set(const native_call& call) {
  const script_reference what = call.of.hold(call.at(3));
  const script_created made = call.boolean(1) ? call.of.timers().set_interval(call.number(2), what)
                                              : call.of.timers().set_timeout(call.number(2), what);
  if (made.outcome != script_creation::created) {
    throw std::runtime_error(scripting::refusal_of(call.string(0), made.outcome, call.of.options(), call.of.timers()));
  }
  return call.value(static_cast<double>(made.id));
}

// sleep(delay, function(ticked))
JSValueRef sleep(const native_call& call) {
  const script_created made = call.of.timers().sleep(call.number(0), call.of.hold(call.at(1)));
  if (made.outcome != script_creation::created) {
    throw std::runtime_error(scripting::refusal_of("sleep", made.outcome, call.of.options(), call.of.timers()));
  }
  return call.nothing();
}

// quoted(text): as a message shows it.
JSValueRef quote(const native_call& call) { return call.value(scripting::quoted(call.string(0))); }
// Of a proxy too, which the language itself refuses to tell once it is revoked.
JSValueRef is_array(const native_call& call) { return call.value(JSValueIsArray(call.in, call.at(0))); }

// Exported, but declared in no header of the package. Without it a proxy is asked as any object is.
JSValueRef is_proxy(const native_call& call) {
  using get_target = JSObjectRef (*)(JSObjectRef);
  static const auto target_of = reinterpret_cast<get_target>(dlsym(RTLD_DEFAULT, "JSObjectGetProxyTarget"));
  const bool may_be = target_of != nullptr && JSValueIsObject(call.in, call.at(0));
  return call.value(may_be && target_of(JSValueToObject(call.in, call.at(0), nullptr)) != nullptr);
}

// What stands behind a verb and what it binds: names, onLeave, onReturn, the two words as they are, and behind them as
// a refusal shows them.
scripting::mode_binding binding_of(const native_call& call) {
  scripting::mode_binding made;
  const auto read = [&](std::size_t index, bool (scripting::mode_binding::*take)(std::string_view), const char* words) {
    if (JSValueIsUndefined(call.in, call.at(index))) return std::string();
    if (JSValueIsString(call.in, call.at(index)) && (made.*take)(call.string(index))) return std::string();
    return call.string(0) + ": " + words + ", not " + call.string(index + 2);
  };
  const JSObjectRef names = JSValueToObject(call.in, call.at(2), nullptr);
  const JSValueRef length = JSObjectGetProperty(call.in, names, text(std::string("length")).get(), nullptr);
  const auto count = static_cast<unsigned>(JSValueToNumber(call.in, length, nullptr));
  for (unsigned i = 0; i < count; ++i) {
    made.modes.push_back(call.of.string_of(JSObjectGetPropertyAtIndex(call.in, names, i, nullptr)));
  }
  std::string wrong = read(3, &scripting::mode_binding::take_leave, scripting::mode_binding::leave_words);
  if (wrong.empty()) wrong = read(4, &scripting::mode_binding::take_return, scripting::mode_binding::return_words);
  if (!wrong.empty()) throw std::invalid_argument(wrong);
  return made;
}

// bind(verb, id, names, ...): a timer whose options are wrong does not stay.
JSValueRef bind(const native_call& call) {
  try {
    call.of.modes()->bind(call.id(1), binding_of(call));
  } catch (...) {
    call.of.timers().clear(call.id(1));
    throw;
  }
  return call.nothing();
}

// A scope as the prelude has it: what stands for it once its function has returned, its number before.
script_scope scope_at(const native_call& call, std::size_t index) {
  const JSValueRef value = call.at(index);
  if (!JSValueIsObject(call.in, value)) return {static_cast<std::uint32_t>(call.number(index))};
  return static_cast<scope_owner*>(JSObjectGetPrivate(JSValueToObject(call.in, value, nullptr)))->scope;
}
double number_of(script_scope scope) { return scope.index; }

// Made once, and for the life of the process.
JSClassRef class_of_scopes() {
  static const JSClassRef made = [] {
    JSClassDefinition definition = kJSClassDefinitionEmpty;
    definition.className = "DetentScope";
    // On whichever thread the collector runs; nothing of JavaScriptCore is called.
    definition.finalize = [](JSObjectRef gone) { delete static_cast<scope_owner*>(JSObjectGetPrivate(gone)); };
    return JSClassCreate(&definition);
  }();
  return made;
}

// ownScope(scope, isBound): stands for the scope. Once no script can close it any more, the scope is detached.
JSValueRef own_scope(const native_call& call) {
  auto owner = call.of.own_scope(scope_at(call, 0), call.boolean(1) ? script_tie::modes : script_tie::nobody);
  return JSObjectMake(call.in, class_of_scopes(), owner.release());
}
// enterScope(): a new scope inside the current one, which it is until exitScope(scope, isKept).
JSValueRef enter_scope(const native_call& call) { return call.value(number_of(call.of.enter_scope())); }
JSValueRef exit_scope(const native_call& call) {
  call.of.exit_scope(scope_at(call, 0), call.boolean(1));
  return call.nothing();
}
// bindScope(verb, scope, names, ...)
JSValueRef bind_scope(const native_call& call) {
  call.of.modes()->bind(scope_at(call, 1), binding_of(call));
  return call.nothing();
}
// closeScope(scope): how many timers it ended
JSValueRef close_scope(const native_call& call) {
  return call.value(static_cast<double>(call.of.timers().close_scope(scope_at(call, 0)).ended));
}

JSValueRef clear(const native_call& call) { return call.value(call.of.timers().clear(call.id(0))); }
JSValueRef pause(const native_call& call) { return call.value(call.of.timers().pause(call.id(0))); }
JSValueRef resume(const native_call& call) { return call.value(call.of.timers().resume(call.id(0))); }
JSValueRef refresh(const native_call& call) { return call.value(call.of.timers().refresh(call.id(0))); }
JSValueRef keep(const native_call& call) {
  return call.value(call.of.timers().keep(call.id(0), call.boolean(1) ? script_keeping::kept : script_keeping::unkept));
}
JSValueRef is_kept(const native_call& call) {
  return call.value(call.of.timers().keeping(call.id(0)) == script_keeping::kept);
}
JSValueRef is_live(const native_call& call) { return call.value(call.of.timers().keeping(call.id(0)).has_value()); }
JSValueRef next_tick(const native_call& call) {
  return call.value(call.of.timers().next_tick(call.id(0), call.of.hold(call.at(1))));
}
JSValueRef cleanup(const native_call& call) { return call.value(static_cast<double>(call.of.timers().cleanup())); }
JSValueRef now(const native_call& call) { return call.value(call.of.timers().now_ms()); }

JSValueRef active(const native_call& call) {
  std::vector<JSValueRef> ids;
  for (const std::int64_t id : call.of.timers().active()) ids.push_back(call.value(static_cast<double>(id)));
  return JSObjectMakeArray(call.in, ids.size(), ids.data(), nullptr);
}

JSValueRef status(const native_call& call) {
  const auto told = call.of.timers().status(call.id(0));
  if (!told) return JSValueMakeNull(call.in);
  static constexpr const char* states[] = {"armed", "running", "paused", "suspended"};
  const JSObjectRef made = JSObjectMake(call.in, nullptr, nullptr);
  const bool is_interval = told->kind == script_timer_kind::interval;
  call.set(made, "id", call.value(static_cast<double>(told->id)));
  call.set(made, "running", call.value(true));
  call.set(made, "kind", call.value(std::string(is_interval ? "interval" : "timeout")));
  call.set(made, "state", call.value(std::string(states[static_cast<std::size_t>(told->state)])));
  call.set(made, "remaining", call.value(told->remaining_ms));
  call.set(made, "period", call.value(told->period_ms));
  call.set(made, "fires", call.value(static_cast<double>(told->fires)));
  call.set(made, "missed", call.value(static_cast<double>(told->missed)));
  call.set(made, "lateness", call.value(told->lateness_ms));
  if (!told->last_error.empty()) call.set(made, "lastError", call.value(told->last_error));
  return made;
}

JSValueRef set_mode(const native_call& call) {
  return call.value(call.of.modes()->set(call.string(0)) == mode_change::changed);
}
JSValueRef is_mode(const native_call& call) { return call.value(call.of.modes()->shared().is(call.string(0))); }
JSValueRef current_mode(const native_call& call) { return call.value(call.of.modes()->shared().current()); }
JSValueRef previous_mode(const native_call& call) { return call.value(call.of.modes()->shared().previous()); }
JSValueRef add_mode_hook(const native_call& call) {
  using kind = scripting::mode_hook_kind;
  call.of.modes()->add_hook(call.string(0) == "enter" ? kind::enter : kind::exit, call.string(1),
                            call.of.hold(call.at(2)));
  return call.nothing();
}

JSValueRef print(const native_call& call) {
  scripting::tell_line(call.of.options(), call.string(0));
  return call.nothing();
}
JSValueRef print_error(const native_call& call) {
  scripting::tell_error_line(call.of.options(), call.string(0));
  return call.nothing();
}
JSValueRef tell_error(const native_call& call) {
  scripting::tell_error(call.of.options(), 0, call.string(0));
  return call.nothing();
}

// onUnhandledRejection(function(promise, reason)). Without the function of JavaScriptCore nobody is told of these.
JSValueRef on_unhandled_rejection(const native_call& call) {
  using set_callback = void (*)(JSGlobalContextRef, JSObjectRef, JSValueRef*);
  const auto set = reinterpret_cast<set_callback>(dlsym(RTLD_DEFAULT, "JSGlobalContextSetUnhandledRejectionCallback"));
  if (set != nullptr) set(JSContextGetGlobalContext(call.in), JSValueToObject(call.in, call.at(0), nullptr), nullptr);
  return call.nothing();
}

constexpr JSStaticFunction methods[] = {
    {"arrange", enter<arrange>, kJSPropertyAttributeReadOnly},
    {"set", enter<set>, kJSPropertyAttributeReadOnly},
    {"sleep", enter<sleep>, kJSPropertyAttributeReadOnly},
    {"quoted", enter<quote>, kJSPropertyAttributeReadOnly},
    {"isArray", enter<is_array>, kJSPropertyAttributeReadOnly},
    {"isProxy", enter<is_proxy>, kJSPropertyAttributeReadOnly},
    {"bind", enter<bind>, kJSPropertyAttributeReadOnly},
    {"enterScope", enter<enter_scope>, kJSPropertyAttributeReadOnly},
    {"exitScope", enter<exit_scope>, kJSPropertyAttributeReadOnly},
    {"ownScope", enter<own_scope>, kJSPropertyAttributeReadOnly},
    {"bindScope", enter<bind_scope>, kJSPropertyAttributeReadOnly},
    {"closeScope", enter<close_scope>, kJSPropertyAttributeReadOnly},
    {"clear", enter<clear>, kJSPropertyAttributeReadOnly},
    {"pause", enter<pause>, kJSPropertyAttributeReadOnly},
    {"resume", enter<resume>, kJSPropertyAttributeReadOnly},
    {"refresh", enter<refresh>, kJSPropertyAttributeReadOnly},
    {"keep", enter<keep>, kJSPropertyAttributeReadOnly},
    {"isKept", enter<is_kept>, kJSPropertyAttributeReadOnly},
    {"isLive", enter<is_live>, kJSPropertyAttributeReadOnly},
    {"nextTick", enter<next_tick>, kJSPropertyAttributeReadOnly},
    {"cleanup", enter<cleanup>, kJSPropertyAttributeReadOnly},
    {"now", enter<now>, kJSPropertyAttributeReadOnly},
    {"active", enter<active>, kJSPropertyAttributeReadOnly},
    {"status", enter<status>, kJSPropertyAttributeReadOnly},
    {"setMode", enter<set_mode>, kJSPropertyAttributeReadOnly},
    {"isMode", enter<is_mode>, kJSPropertyAttributeReadOnly},
    {"currentMode", enter<current_mode>, kJSPropertyAttributeReadOnly},
    {"previousMode", enter<previous_mode>, kJSPropertyAttributeReadOnly},
    {"addModeHook", enter<add_mode_hook>, kJSPropertyAttributeReadOnly},
    {"print", enter<print>, kJSPropertyAttributeReadOnly},
    {"printError", enter<print_error>, kJSPropertyAttributeReadOnly},
    {"tellError", enter<tell_error>, kJSPropertyAttributeReadOnly},
    {"onUnhandledRejection", enter<on_unhandled_rejection>, kJSPropertyAttributeReadOnly},
    {nullptr, nullptr, 0}};

}  // namespace

JSObjectRef make_natives(JSContextRef in, javascript_context& of) {
  JSClassDefinition definition = kJSClassDefinitionEmpty;
  definition.className = "DetentNatives";
  definition.staticFunctions = methods;
  const JSClassRef natives = JSClassCreate(&definition);
  const JSObjectRef made = JSObjectMake(in, natives, &of);
  JSClassRelease(natives);
  return made;
}

}  // namespace detent::javascript
