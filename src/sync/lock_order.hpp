// lock_order: what makes a deadlock between a user's lock and a wait for a callback visible before it happens.
//
// User code of a timer runs *holding* a pseudo-mutex of the timer, of its groups and of its service; a verb that may
// wait for it *acquires* that pseudo-mutex for a moment before it looks whether there is anything to wait for. So
// "holds M and waits for the callback" and "the callback takes M" are two edges of one lock-order graph, and a cycle in
// it is reported although no thread ever hung. Entering user code never waits: it adds no edge by itself. A wait inside
// a callback is an edge from that callback, unless both can only run one after the other; but cycles of callbacks alone
// are not told of: they are found, and refused, when they close (G08). The sanitizer cannot make that difference, so
// there a wait adds no edge from the callback that makes it.
//
// Under the thread sanitizer the graph is the sanitizer's; in other builds with DETENT_CHECKED it is the one in
// lock_order.cpp, which knows `tracked_mutex` only; elsewhere all of this is nothing.
//
// Threads: any. A point may be entered by several threads at once.
#pragma once

#include "base/base.hpp"

#include <detent/tracked_mutex.hpp>

#if DETENT_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace detent::inline v0::detail {

#if DETENT_THREAD_SANITIZER

inline constexpr bool lock_order_seen = true;

// A reader's lock throughout: of those the sanitizer does not mind several holders.
class order_point {
 public:
  void enter(const lock_label&) noexcept;
  void leave() noexcept;
  void forget() noexcept { __tsan_mutex_destroy(this, 0); }

 private:
  friend class order_wait;
  void hold() noexcept;
  void let_go() noexcept;
  alignas(8) unsigned char place_[8] = {};  // the sanitizer tells points apart by their aligned address
};

// One waiting verb; `may_overlap` says that what it waits for may run beside the callback that waits. Made where the
// point is known to be this tenant's, perhaps under a lock of the library; `tell` is called when that is free.
class order_wait {
 public:
  order_wait(order_point& point, const lock_label& label, const char* verb, bool may_overlap = false) noexcept;
  void tell() const noexcept {}  // The sanitizer has told already: it runs no code of the user's.
};

#elif DETENT_TRACKS_LOCKS

inline constexpr bool lock_order_seen = true;

class order_point {
 public:
  void enter(const lock_label& label) noexcept;
  void leave() noexcept { note_released(node_); }
  void forget() noexcept { forget_lock(node_); }

 private:
  friend class order_wait;
  lock_node node_;
};

class order_wait {
 public:
  order_wait(order_point& point, const lock_label& label, const char* verb, bool may_overlap = false) noexcept;
  void tell() const noexcept;

 private:
  const char* verb_;
  const bool may_overlap_;
  std::uint64_t number_ = 0;  // 0: this thread holds nothing
  const char* kind_;
  char name_[32];
  std::source_location place_;
};

#else

inline constexpr bool lock_order_seen = false;

class order_point {
 public:
  void enter(const lock_label&) noexcept {}
  void leave() noexcept {}
  void forget() noexcept {}
};

class order_wait {
 public:
  order_wait(order_point&, const lock_label&, const char*, bool = false) noexcept {}
  void tell() const noexcept {}
};

#endif

// In a fork child: the graph's lock may have been held by a thread that does not exist there.
void forget_locks_in_child() noexcept;

}  // namespace detent::inline v0::detail
