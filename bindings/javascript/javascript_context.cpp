// javascript_context: the host: calling, holding and releasing, and the two limits.
//
// The heap, the compiler and the collector have threads of their own; scripts run on the engine's thread only.
// Microtasks are run by JavaScriptCore whenever its outermost call returns, so behind each callback.
#include "javascript_context.hpp"

#include <adapters/script/fault.hpp>
#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <dlfcn.h>
#include <mutex>
#include <new>
#include <stdexcept>
#include <string_view>

namespace detent::javascript {

namespace {

// Exported, but declared in no header of the package: each may be missing.
using should_end = bool (*)(JSContextRef, void*);
using set_time_limit = void (*)(JSContextGroupRef, double seconds, should_end, void* context);
using get_memory_statistics = JSObjectRef (*)(JSContextRef);
using collect_now = void (*)(JSContextRef);
using configure_signal = bool (*)(int);
using set_option = int (*)(const char* name, int value);
using make_backtrace = JSStringRef (*)(JSContextRef, unsigned most_frames);

template <class Function>
Function undeclared(const char* name) {
  return reinterpret_cast<Function>(dlsym(RTLD_DEFAULT, name));
}

struct code_point {
  char32_t value = 0xFFFD;
  std::size_t bytes = 1;
};

// The first one of a text that is not empty.
code_point first_of(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {lead, 1};
  const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return {};
  char32_t value = lead & (0x7FU >> bytes);
  for (std::size_t i = 1; i < bytes; ++i) {
    const auto next = static_cast<unsigned char>(text[i]);
    if ((next & 0xC0) != 0x80) return {};
    value = value << 6 | (next & 0x3F);
  }
  const bool is_too_long = (bytes == 3 && value < 0x800) || (bytes == 4 && value < 0x10000);
  const bool is_surrogate = value >= 0xD800 && value < 0xE000;
  return is_too_long || is_surrogate || value > 0x10FFFF ? code_point{} : code_point{value, bytes};
}

void append(std::string& text, char32_t value) {
  const auto tail = [&](unsigned shift) { text += static_cast<char>(0x80 | ((value >> shift) & 0x3F)); };
  if (value < 0x80) {
    text += static_cast<char>(value);
  } else if (value < 0x800) {
    text += static_cast<char>(0xC0 | (value >> 6));
    tail(0);
  } else if (value < 0x10000) {
    text += static_cast<char>(0xE0 | (value >> 12));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0 | (value >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

// The prelude, with the fault in it that is planted in this run.
std::string prelude_of_this_run() {
  std::string program = prelude;
  const auto replace = [&program](std::string_view sound, std::string_view faulty) {
    const auto at = program.find(sound);
    if (at == std::string::npos) throw std::logic_error("a fault has lost its place in the prelude");
    program.replace(at, sound.size(), faulty);
  };
  constexpr std::string_view call = "apply(callback, receiver, given)";
  if (planted("arguments are dropped")) replace(call, "apply(callback, receiver, [])");
  if (planted("a wrong this")) replace(call, "apply(callback, timer, given)");
  if (planted("each kind has ids of its own")) {
    replace("clearInterval(id) {",
            "clearInterval(id) { const of = native.status(idOf(id)); if (of && of.kind !== 'interval') return false;");
    replace("clearTimeout(id) {",
            "clearTimeout(id) { const of = native.status(idOf(id)); if (of && of.kind !== 'timeout') return false;");
  }
  return program;
}

// FILE:LINE: words, and the stack, as errors of the script have them, of lines `#0 function() at FILE:LINE`. Those of
// the prelude and of JavaScriptCore's own functions are left out.
std::string with_place(const std::string& words, std::string_view backtrace) {
  std::string place;
  std::string stack;
  while (!backtrace.empty()) {
    const std::string_view line = backtrace.substr(0, backtrace.find('\n'));
    backtrace.remove_prefix(std::min(backtrace.size(), line.size() + 1));
    const auto name = line.find(' ');
    const auto behind_name = line.rfind(" at ");
    if (name == std::string_view::npos || behind_name == std::string_view::npos || behind_name <= name) continue;
    const std::string where(line.substr(behind_name + 4));
    if (where.empty() || where.starts_with(':') || where.starts_with('[')) continue;
    if (place.empty()) place = where + ": ";
    std::string_view function = line.substr(name + 1, behind_name - name - 1);
    if (function.ends_with("()")) function.remove_suffix(2);
    stack.append("\n  ").append(function).append("@").append(where);
  }
  return place + words + (stack.empty() ? "" : "\nstack:" + stack);
}

#if defined(__SANITIZE_THREAD__)
#define DETENT_UNDER_TSAN 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define DETENT_UNDER_TSAN 1
#endif
#endif

// The collector's signal. The thread sanitizer keeps most signals back until the next system call, and the collector
// would wait for a loop to end; it hands over at once those that only the thread's own code can cause, as SIGSYS.
#if defined(DETENT_UNDER_TSAN)
constexpr int collector_signal = SIGSYS;
#else
constexpr int collector_signal = SIGXCPU;
#endif

// Before anything else of JavaScriptCore. Compiled code asks for interruptions itself: sent as signals, as they are
// otherwise, some never arrive, and a call goes on for ever. JavaScriptCore reads its variable itself.
void prepare_process() {
  static std::once_flag once;
  std::call_once(once, [] {
    if (const auto set = undeclared<set_option>("jsc_options_set_boolean")) set("usePollingTraps", 1);
    const auto configure = undeclared<configure_signal>("JSConfigureSignalForGC");
    if (configure != nullptr && std::getenv("JSC_SIGNAL_FOR_GC") == nullptr) configure(collector_signal);
  });
}

}  // namespace

bool can_limit_calls() { return undeclared<set_time_limit>("JSContextGroupSetExecutionTimeLimit") != nullptr; }

std::unique_ptr<scripting::script_engine> make_engine(script_loop& loop, scripting::engine_options options) {
  return std::make_unique<javascript_context>(loop, std::move(options));
}

// JavaScriptCore's own conversion ends at a zero, and makes nothing at all of what has a wrong byte.
text::text(const std::string& of) {
  std::u16string wide;
  wide.reserve(of.size());
  for (std::string_view rest = of; !rest.empty();) {
    const code_point first = first_of(rest);
    rest.remove_prefix(first.bytes);
    if (first.value > 0xFFFF) {
      wide += static_cast<char16_t>(0xD7C0 + (first.value >> 10));
      wide += static_cast<char16_t>(0xDC00 + (first.value & 0x3FF));
    } else {
      wide += static_cast<char16_t>(first.value);
    }
  }
  value_ = JSStringCreateWithCharacters(reinterpret_cast<const JSChar*>(wide.data()), wide.size());
}

// Half of a pair without the other becomes the replacement character; JavaScriptCore's own conversion ends at one.
std::string text::utf8() const {
  const JSChar* const wide = JSStringGetCharactersPtr(value_);
  const std::size_t count = JSStringGetLength(value_);
  std::string made;
  made.reserve(count);
  for (std::size_t i = 0; i < count; ++i) {
    char32_t value = wide[i];
    const bool is_half = value >= 0xD800 && value < 0xE000;
    if (is_half && value < 0xDC00 && i + 1 < count && wide[i + 1] >= 0xDC00 && wide[i + 1] < 0xE000) {
      value = 0x10000 + ((value - 0xD800) << 10) + (wide[++i] - 0xDC00);
    } else if (is_half) {
      value = 0xFFFD;
    }
    append(made, value);
  }
  return made;
}

javascript_context::javascript_context(script_loop& loop, scripting::engine_options made)
    : queue_(loop), options_(std::move(made)) {
  prepare_process();
  timers_ = std::make_unique<script_timers>(*this, options_.timers);
  door_->timers = timers_.get();  // nobody else has it yet
  group_ = JSContextGroupCreate();
  if (options_.call_limit > duration(0)) {
    const auto limit = undeclared<set_time_limit>("JSContextGroupSetExecutionTimeLimit");
    const auto interrupt = [](JSContextRef at, void* self) {
      return static_cast<javascript_context*>(self)->interrupt(at);
    };
    limit(group_, std::chrono::duration<double>(options_.call_limit).count(), interrupt, this);
  }
  context_ = JSGlobalContextCreateInGroup(group_, nullptr);
  if (options_.shared_modes != nullptr) modes_.emplace(*options_.shared_modes, *this, *timers_);
  describe_ = run_prelude();
}

// References that are still held end with the heap.
javascript_context::~javascript_context() {
  modes_.reset();
  {
    const std::lock_guard guard(door_->lock);
    door_->timers = nullptr;
  }
  timers_.reset();
  JSGlobalContextRelease(context_);
  JSContextGroupRelease(group_);
}

JSObjectRef javascript_context::run_prelude() {
  JSValueRef error = nullptr;
  const text type_error{std::string("TypeError")};
  type_error_ = JSObjectGetProperty(context_, JSContextGetGlobalObject(context_), type_error.get(), nullptr);
  JSValueProtect(context_, type_error_);  // a script may replace it
  const text source{prelude_of_this_run()};
  const text name{std::string("[detent]")};  // `ownName` there
  const JSValueRef function = JSEvaluateScript(context_, source.get(), nullptr, name.get(), 1, &error);
  std::vector<JSValueRef> arguments;
  for (const std::string& argument : options_.arguments) {
    arguments.push_back(JSValueMakeString(context_, text(argument).get()));
  }
  JSValueRef describe = nullptr;
  if (error == nullptr) {
    const JSValueRef given[] = {make_natives(context_, *this),
                                JSContextGetGlobalObject(context_),
                                JSObjectMakeArray(context_, arguments.size(), arguments.data(), nullptr),
                                JSValueMakeBoolean(context_, modes_.has_value()),
                                JSValueMakeBoolean(context_, options_.timers.rules == script_rules::web),
                                JSValueMakeBoolean(context_, options_.call_limit > duration(0))};
    describe = JSObjectCallAsFunction(context_, JSValueToObject(context_, function, nullptr), nullptr, std::size(given),
                                      given, &error);
  }
  if (error != nullptr) throw std::runtime_error("the prelude of the JavaScript engine: " + string_of(error));
  JSValueProtect(context_, describe);
  return JSValueToObject(context_, describe, nullptr);
}

std::string javascript_context::string_of(JSValueRef value) {
  const text made(JSValueToStringCopy(context_, value, nullptr));
  return made.get() == nullptr ? "a value without a text" : made.utf8();
}

script_reference javascript_context::hold(JSValueRef function) {
  JSValueProtect(context_, function);
  return {reinterpret_cast<std::uintptr_t>(function)};
}

void javascript_context::release(script_reference what) noexcept {
  JSValueUnprotect(context_, reinterpret_cast<JSValueRef>(what.value));  // NOLINT: `hold` made it of one
}

// One call of the script, from outside, with what JavaScriptCore runs behind it.
template <class Call>
script_outcome javascript_context::run_limited(const Call& call) {
  JSValueRef error = nullptr;
  const std::size_t outer = entered_.size();
  call(&error);
  return outcome_of(error, outer);
}

script_outcome javascript_context::call(script_reference what, const script_occasion& occasion) {
  const auto function = reinterpret_cast<JSValueRef>(what.value);  // NOLINT: `hold` made it of one
  const JSValueRef ticked = JSValueMakeBoolean(context_, occasion.why == script_occasion::reason::tick);
  return run_limited([&](JSValueRef* error) {
    JSObjectCallAsFunction(context_, JSValueToObject(context_, function, nullptr), nullptr, 1, &ticked, error);
  });
}

script_outcome javascript_context::run(const std::string& source, const std::string& name) {
  return run_limited(
      [&](JSValueRef* error) { JSEvaluateScript(context_, text(source).get(), nullptr, text(name).get(), 1, error); });
}

// Those inside it that are there still have been left where the stack had no room for the call of this.
void javascript_context::exit_scope(script_scope scope, bool is_kept) {
  while (entered_.back().scope() != scope) entered_.pop_back();
  if (is_kept) entered_.back().keep();
  entered_.pop_back();
}

script_outcome javascript_context::check(const std::string& source, const std::string& name) {
  JSValueRef error = nullptr;
  JSCheckScriptSyntax(context_, text(source).get(), text(name).get(), 1, &error);
  if (error == nullptr) return {};
  const std::size_t outer = entered_.size();
  script_outcome outcome{script_outcome::kind::threw, description_of(error)};
  end_interruption();  // of a script's own words for it
  while (entered_.size() > outer) entered_.pop_back();
  return outcome;
}

JSValueRef javascript_context::type_error(const std::string& words) {
  const JSValueRef given = JSValueMakeString(context_, text(words).get());
  JSValueRef wrong = nullptr;
  const JSObjectRef kind = JSValueToObject(context_, type_error_, nullptr);
  const JSObjectRef made = JSObjectCallAsConstructor(context_, kind, 1, &given, &wrong);
  return made != nullptr ? made : wrong;
}

std::unique_ptr<scope_owner> javascript_context::own_scope(script_scope scope, script_tie tie) {
  auto made = std::make_unique<scope_owner>(door_);
  made->scope = scope;
  made->tie = tie;
  return made;
}

// Called by JavaScriptCore on the engine's thread, where the script may be stopped.
bool javascript_context::interrupt(JSContextRef at) noexcept {
  if (std::exchange(was_interrupted_, true)) return true;  // the first is told
  try {
    constexpr unsigned most_frames = 20;
    const auto make = undeclared<make_backtrace>("JSContextCreateBacktrace");
    const text made(make == nullptr ? nullptr : make(at, most_frames));
    interrupted_at_ = made.get() == nullptr ? "" : made.utf8();
  } catch (const std::bad_alloc&) {
    interrupted_at_.clear();
  }
  return true;
}

// Of a call from outside that has ended, and began with so many scopes entered.
script_outcome javascript_context::outcome_of(JSValueRef exception, std::size_t outer) {
  script_outcome outcome;
  if (exception != nullptr && !was_interrupted_) {
    outcome = {script_outcome::kind::threw, description_of(exception)};  // which may be interrupted too
  }
  if (was_interrupted_) {
    outcome = {script_outcome::kind::interrupted,
               with_place(scripting::words_of_call_limit(options_), interrupted_at_)};
    end_interruption();
  }
  while (entered_.size() > outer) entered_.pop_back();  // where it was interrupted no `finally` of the prelude has run
  check_memory(outcome);
  return outcome;
}

// What is interrupted behind a call, in a microtask, JavaScriptCore takes out on the next call from outside: that ends
// before it has begun, and tells nobody. So there is one that nobody misses. Microtasks that are left may run in it.
void javascript_context::end_interruption() {
  constexpr int most_rounds = 100;
  for (int i = 0; i < most_rounds && std::exchange(was_interrupted_, false); ++i) {
    JSEvaluateScript(context_, text(std::string()).get(), nullptr, nullptr, 1, nullptr);
  }
  was_interrupted_ = false;
  interrupted_at_.clear();
}

std::string javascript_context::description_of(JSValueRef error) {
  JSValueRef ignored = nullptr;
  const JSValueRef told = JSObjectCallAsFunction(context_, describe_, nullptr, 1, &error, &ignored);
  return told != nullptr ? string_of(told) : "an error that cannot be shown";  // interrupted, or short of stack
}

// A heap over its limit after a collection: the script has lost its timers, since whatever they do would add to it.
void javascript_context::check_memory(script_outcome& outcome) {
  const std::size_t limit = options_.memory_limit_bytes;
  if (limit == 0 || heap_bytes() <= limit || collected_memory_bytes() <= limit) return;
  timers_->close();
  outcome = {script_outcome::kind::interrupted, "not enough memory: the heap has " + std::to_string(heap_bytes()) +
                                                    " bytes, its limit is " + std::to_string(limit) +
                                                    "; the timers of the script are withdrawn"};
}

std::size_t javascript_context::heap_bytes() {
  const auto statistics = undeclared<get_memory_statistics>("JSGetMemoryUsageStatistics");
  if (statistics == nullptr) return 0;
  double sum = 0;
  const JSObjectRef told = statistics(context_);
  for (const char* part : {"heapSize", "extraMemorySize"}) {
    const JSValueRef value = JSObjectGetProperty(context_, told, text(std::string(part)).get(), nullptr);
    if (value != nullptr && JSValueIsNumber(context_, value)) sum += JSValueToNumber(context_, value, nullptr);
  }
  return static_cast<std::size_t>(sum);
}

std::size_t javascript_context::collected_memory_bytes() {
  if (const auto collect = undeclared<collect_now>("JSSynchronousGarbageCollectForDebugging")) {
    collect(context_);
  } else {
    JSGarbageCollect(context_);
  }
  return heap_bytes();
}

}  // namespace detent::javascript

#if defined(DETENT_UNDER_TSAN)
// The thread sanitizer asks as the program begins. It does not see the locks of JavaScriptCore, and takes them for
// races: it is to look at our code only; what our threads do to our memory is seen as everywhere.
extern "C" const char* __tsan_default_options();  // NOLINT: the sanitizer's name for it
extern "C" const char* __tsan_default_options() { return "ignore_noninstrumented_modules=1"; }
#endif
