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

#include <cstddef>
#include <cstdint>

namespace detent::inline v0::detail {

// One call in progress: a callback, or the destruction of a callable. Lives on the stack of the thread that makes it.
struct call_key {
  const void* core = nullptr;
  std::uint32_t index = 0;
  const void* group = nullptr;  // innermost group of the timer, or null
  bool detached = false;        // owner thread; read by others only while it is blocked
};

struct call_node {
  call_key key;
  call_node* outer = nullptr;
};

// The calls of this thread, innermost first.
call_node*& innermost_call() noexcept;
inline const call_node* current_calls() noexcept { return innermost_call(); }

// What a thread waits for: a call that `covers` accepts. `is_over` says, also under the graph's lock, that the wait has
// been answered although its thread has not woken yet: such a wait holds nobody up.
struct wait_target {
  bool (*covers)(const void* context, const call_key& call) noexcept;
  bool (*is_over)(const void* context) noexcept;
  const void* context;
};

inline constexpr std::size_t cycle_limit = 16;

// What a walk found. Once the graph's lock is free a wait with a limit may end, and the calls in the cycle with it: who
// wants to know more of them than their keys asks in `note`, which is called for each under that lock.
struct cycle {
  std::size_t length = 0;  // calls in the cycle; the first `cycle_limit` of them are in `calls`
  call_key calls[cycle_limit]{};
  void (*note)(cycle& self, const call_key& call) noexcept = nullptr;
};

// Enters a wait in the graph for as long as it lives, unless it would close a cycle. Frames of detached calls block
// nobody who waits for their timer; `covers` decides.
class registered_wait {
 public:
  registered_wait(wait_target target, cycle* found) noexcept;
  ~registered_wait();
  registered_wait(const registered_wait&) = delete;
  registered_wait& operator=(const registered_wait&) = delete;
  bool is_refused() const noexcept { return refused_; }

 private:
  friend struct wait_graph;
  wait_target target_;
  call_node* calls_;                 // of the waiting thread
  registered_wait* next_ = nullptr;  // guarded by the graph's lock
  bool visited_ = false;             // guarded by the graph's lock
  bool entered_ = false;
  bool refused_ = false;
};

// Whether this thread makes a call that `target` covers.
bool covers_own_call(wait_target target) noexcept;

// In a fork child the other waiters no longer exist.
void forget_waits_in_child() noexcept;

}  // namespace detent::inline v0::detail
