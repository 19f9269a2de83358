// entered_scope: the scope in which a function of a script is called, and what is left of it when that fails.
#pragma once

#include <detent/script.hpp>

namespace detent::scripting {

/// While it lives, what is made belongs to a scope of its own. One that is not kept, since its function failed or was
/// interrupted, leaves nothing. On the engine's thread; those that live at once end in the reverse order.
class entered_scope {
 public:
  explicit entered_scope(script_timers& timers)
      : timers_(timers), former_(timers.current_scope()), scope_(timers.open_scope()) {
    timers_.enter_scope(scope_);
  }
  entered_scope(const entered_scope&) = delete;
  entered_scope& operator=(const entered_scope&) = delete;
  ~entered_scope() {
    timers_.enter_scope(former_);
    if (!is_kept_) timers_.close_scope(scope_);
  }
  script_scope scope() const noexcept { return scope_; }
  void keep() noexcept { is_kept_ = true; }

 private:
  script_timers& timers_;
  const script_scope former_;
  const script_scope scope_;
  bool is_kept_ = false;
};

}  // namespace detent::scripting
