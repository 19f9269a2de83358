// script_modes: a change of mode, made by any thread, reaches the hooks of a script as work for the engine's thread.
#include "script_modes.hpp"

#include "shown_value.hpp"

#include <algorithm>
#include <utility>

namespace detent::scripting {

bool mode_binding::is_option(std::string_view name) {
  return name == "modes" || name == "onLeave" || name == "onReturn";
}

bool mode_binding::take_leave(std::string_view word) {
  if (word == "cancel") {
    left = script_leave::cancel;
  } else if (word == "suspend") {
    left = script_leave::suspend;
  } else if (word == "skip") {
    left = script_leave::skip;
  } else {
    return false;
  }
  return true;
}

bool mode_binding::take_return(std::string_view word) {
  if (word == "resume") {
    entered = script_return::resume;
  } else if (word == "restart") {
    entered = script_return::restart;
  } else if (word == "nothing") {
    entered = script_return::stay;
  } else {
    return false;
  }
  return true;
}

script_modes::script_modes(modes& shared, script_host& host, script_timers& timers)
    : shared_(shared), host_(host), timers_(timers) {
  door_->inside = this;
  listener_ = shared_.add_listener([door = door_](const std::string& now, const std::string& before) {
    // Posted under the door's lock: the engine shuts the door before its loop may go.
    const std::lock_guard guard(door->lock);
    if (door->inside == nullptr) return;
    door->inside->host_.post([door, now, before] {
      script_modes* of = nullptr;
      {
        const std::lock_guard inner(door->lock);
        of = door->inside;  // only this thread takes it away
      }
      if (of != nullptr) of->changed(now, before);
    });
  });
}

script_modes::~script_modes() {
  {
    const std::lock_guard guard(door_->lock);
    door_->inside = nullptr;
  }
  shared_.remove_listener(listener_);
  for (const auto& one : bound_) shared_.unbind(*one);
  for (const hook& one : hooks_) host_.release(one.what);
}

mode_change script_modes::set(const std::string& name) {
  mode_options mode;
  mode.name = name;
  shared_.add(std::move(mode));  // one that is known stays as it is
  return shared_.set(name);
}

void script_modes::add_hook(mode_hook_kind kind, const std::string& name, script_reference what) {
  hooks_.push_back({kind, name, what});
}

void script_modes::changed(const std::string& now, const std::string& before) {
  for (const mode_hook_kind kind : {mode_hook_kind::exit, mode_hook_kind::enter}) {
    // By index: a hook may add another.
    for (std::size_t i = 0; i < hooks_.size(); ++i) {
      if (hooks_[i].kind != kind || hooks_[i].name != (kind == mode_hook_kind::enter ? now : before)) continue;
      const script_outcome outcome = host_.call(hooks_[i].what, {});
      if (outcome.ended == script_outcome::kind::returned) continue;
      const char* verb = kind == mode_hook_kind::enter ? "in mode.onEnter(" : "in mode.onExit(";
      host_.report(0, verb + quoted(hooks_[i].name) + "): " + outcome.error);
    }
  }
}

namespace {

bool is_over(const script_timers& timers, std::int64_t id) { return !timers.keeping(id); }
bool is_over(const script_timers& timers, script_scope scope) { return !timers.is_open(scope); }

}  // namespace

template <class Which>
struct script_modes::binding_of : binding {
  binding_of(script_timers& of, Which bound, const mode_binding& how)
      : timers(of), which(bound), left(how.left), entered(how.entered) {}
  void leave() noexcept override { timers.leave(which, left); }
  void come_back() noexcept override { timers.come_back(which, entered); }
  bool is_over() const override { return scripting::is_over(timers, which); }
  script_timers& timers;
  const Which which;
  const script_leave left;
  const script_return entered;
};

template <class Which>
void script_modes::bind(Which which, mode_binding how) {
  // One that begins anew on return has to be there still.
  if (how.left == script_leave::cancel && how.entered == script_return::restart) how.left = script_leave::suspend;
  forget_those_over();
  bound_.push_back(std::make_unique<binding_of<Which>>(timers_, which, how));
  shared_.bind(*bound_.back(), std::move(how.modes));
}

template void script_modes::bind(std::int64_t id, mode_binding how);
template void script_modes::bind(script_scope scope, mode_binding how);

// Whenever their number has doubled, so that it stays in proportion to the live ones.
void script_modes::forget_those_over() {
  if (bound_.size() < sweep_at_) return;
  std::erase_if(bound_, [this](const auto& one) {
    if (!one->is_over()) return false;
    shared_.unbind(*one);
    return true;
  });
  sweep_at_ = std::max<std::size_t>(64, 2 * bound_.size());
}

}  // namespace detent::scripting
