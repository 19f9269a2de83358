// calls: which calls are in progress on this thread, who waits for which call, and which wait would never end.
//
// A wait made outside every callback delays nobody we know of. A wait made inside one delays that call, and with it
// everyone who waits for it: so only those waits are entered in the graph, and a cycle is looked for at the moment the
// wait would close it (G08). The graph spans all services of the process.
//
// Threads: frames belong to their thread; the graph is guarded by one lock of the process. What a blocked thread's
// frames say does not change while it is blocked, so the walk reads them under that lock.
#pragma once

#include "base/base.hpp"
#include "sync/sync.hpp"

#include <detent/detail/wait_graph.hpp>

#include <cstddef>
#include <cstdint>

namespace detent::inline v0::detail {

// The calls of this thread, innermost first.
call_node*& innermost_call() noexcept;
inline const call_node* current_calls() noexcept { return innermost_call(); }

inline constexpr std::size_t cycle_limit = 16;

// What a walk found. Once the graph's lock is free a wait with a limit may end, and the calls in the cycle with it: who
// wants to know more of them than their keys asks in `note`, which is called for each under that lock.
struct cycle {
  std::size_t length = 0;  // calls in the cycle; the first `cycle_limit` of them are in `calls`
  call_key calls[cycle_limit]{};
  void (*note)(cycle& self, const call_key& call) noexcept = nullptr;
};

// Whether this thread makes a call that `target` covers.
bool covers_own_call(wait_target target) noexcept;

// In a fork child the other waiters no longer exist.
void forget_waits_in_child() noexcept;

}  // namespace detent::inline v0::detail
