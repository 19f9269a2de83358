// lua_engine: a Lua 5.4 state with timers and modes, on one thread.
#pragma once

#include <detent/script_loop.hpp>

#include <bindings/engine/script_engine.hpp>
#include <memory>

namespace detent::lua {

/// A new state. `loop` outlives it, and is run until the end by the thread that makes, runs and destroys the engine.
/// Throws std::bad_alloc, and what `timer_service` throws.
std::unique_ptr<scripting::script_engine> make_engine(script_loop& loop, scripting::engine_options options);

}  // namespace detent::lua
