// wait_graph: the graph of who waits for whom (G08), as the adapters take part in it whose threads make calls of their
// own. Not for programs.
#pragma once

#include <detent/version.hpp>

#include <cstdint>
#include <optional>

DETENT_BEGIN_NAMESPACE

class timer_group;
class timer_service;

namespace detail {

// A call in progress: the engine's (a callback, or the destruction of a callable), or one outside it, which has a name.
struct call_key {
  const void* of = nullptr;  // the engine's core, or whatever tells calls outside it apart
  std::uint32_t index = 0;
  const void* group = nullptr;    // innermost group of the timer, or null
  bool detached = false;          // owner thread; read by others only while it is blocked
  const char* outside = nullptr;  // the name of a call outside the engine
};

// Lives on the stack of the thread that makes the call.
struct call_node {
  call_key key;
  call_node* outer = nullptr;
};

// What a thread waits for: a call that `covers` accepts. `is_over` says, also under the graph's lock, that the wait has
// been answered although its thread has not woken yet: such a wait holds nobody up.
struct wait_target {
  bool (*covers)(const void* context, const call_key& call) noexcept;
  bool (*is_over)(const void* context) noexcept;
  const void* context;
};

struct cycle;

// Enters a wait in the graph for as long as it lives, unless it would close a cycle; outside every call it says
// nothing. Frames of detached calls block nobody who waits for their timer; `covers` decides. The graph's lock is a
// leaf unless `found` asks for names.
class DETENT_EXPORT registered_wait {
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

// The calling thread makes a call outside the engine for as long as this lives. They end in the reverse order.
class DETENT_EXPORT outside_call {
 public:
  // `name` lives as long.
  outside_call(const void* of, const char* name) noexcept;
  ~outside_call();
  outside_call(const outside_call&) = delete;
  outside_call& operator=(const outside_call&) = delete;

 private:
  call_node node_;
};

// The wait of a destructor, which cannot refuse: one that would close a cycle is told to the service's deadlock handler
// (default: print the cycle, abort). If that returns, nothing is entered, and there must be no waiting. No lock is
// held.
class DETENT_EXPORT destructor_wait {
 public:
  destructor_wait(timer_service& told, wait_target target) noexcept;
  bool is_refused() const noexcept { return entered_ && entered_->is_refused(); }

 private:
  std::optional<registered_wait> entered_;
};

// Whether the calling thread is in a callback of a member, or of a member of a child group.
DETENT_EXPORT bool is_in_callback_of(timer_group& group) noexcept;

}  // namespace detail

DETENT_END_NAMESPACE
