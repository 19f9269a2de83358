// on_stack: small classes of the core that live on the stack of the thread that makes them.
#pragma once

#include "engine/core.hpp"

namespace detent::inline v0::detail {

// A cycle with the names of its timers, as they were while all of its calls lasted.
struct core::named_cycle : cycle {
  named_cycle() noexcept { note = &add_name; }
  static void add_name(cycle& self, const call_key& call) noexcept;
  std::size_t count = 0;
  timer_name names[cycle_limit];
};

// Keeps the core while it lives.
class core::held_share {
 public:
  explicit held_share(core* owner) noexcept : owner_(owner) { owner_->share(); }
  ~held_share() { owner_->unshare(); }
  held_share(const held_share&) = delete;
  held_share& operator=(const held_share&) = delete;

 private:
  core* const owner_;
};

// While it lives, user code of a record runs: its callback, or the destruction of its callable.
class core::user_code {
 public:
#if DETENT_THREAD_SANITIZER || DETENT_TRACKS_LOCKS
  user_code(core* owner, std::uint32_t index) noexcept;
  ~user_code();
  user_code(const user_code&) = delete;
  user_code& operator=(const user_code&) = delete;

 private:
  core* const owner_;
  cold_part& cold_;
  group_record* const group_;
#else
  user_code(core*, std::uint32_t) noexcept {}
#endif
};

}  // namespace detent::inline v0::detail
