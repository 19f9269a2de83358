// javascript_engine: a JavaScriptCore context with timers and modes, on one thread.
#pragma once

#include <detent/script_loop.hpp>

#include <bindings/engine/script_engine.hpp>
#include <memory>

namespace detent::javascript {

/// Whether calls can be limited: the function for it is exported by JavaScriptCore, but declared nowhere.
bool can_limit_calls();

/// A new context in a heap of its own. `loop` outlives it, and is run until the end by the thread that makes, runs and
/// destroys the engine. Requires: `can_limit_calls` where a limit is given. JavaScriptCore stops threads for its
/// collector by a signal, from the first engine on, and no thread of the process blocks it: SIGXCPU, under the thread
/// sanitizer SIGSYS, or the one whose number is in the environment as JSC_SIGNAL_FOR_GC.
std::unique_ptr<scripting::script_engine> make_engine(script_loop& loop, scripting::engine_options options);

}  // namespace detent::javascript
