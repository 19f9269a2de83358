// script_modes: joins the modes of an application with one engine: hooks that are script functions, and timers that are
// bound to modes.
#pragma once

#include <detent/modes.hpp>
#include <detent/script.hpp>

#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace detent::scripting {

enum class mode_hook_kind : std::uint8_t { exit, enter };

/// What the options of a timer, or of a scope, say of modes: {modes: [...], onLeave: "...", onReturn: "..."}. One that
/// is cancelled and restarted is away in between as a suspended one.
struct mode_binding {
  std::vector<std::string> modes;
  script_leave left = script_leave::suspend;
  script_return entered = script_return::resume;

  static constexpr const char* leave_words = R"(onLeave is "cancel", "suspend" or "skip")";
  static constexpr const char* return_words = R"(onReturn is "resume", "restart" or "nothing")";
  static constexpr const char* option_words = "the options are modes, onLeave and onReturn";
  /// Whether it is the name of one.
  static bool is_option(std::string_view name);
  /// Both read a script's word. False: it is none of those, and nothing has changed.
  bool take_leave(std::string_view word);
  bool take_return(std::string_view word);
};

/// Used on the engine's thread only. Destroyed before the timers and the host it was made of.
class script_modes {
 public:
  script_modes(modes& shared, script_host& host, script_timers& timers);
  script_modes(const script_modes&) = delete;
  script_modes& operator=(const script_modes&) = delete;
  ~script_modes();

  /// Makes the mode if there is none of this name yet.
  mode_change set(const std::string& name);
  const modes& shared() const noexcept { return shared_; }
  /// Takes the reference over: called behind each change, on the engine's thread, until the end.
  void add_hook(mode_hook_kind kind, const std::string& name, script_reference what);
  /// From now on the timer, or the scope with all in it, follows its modes, until it is over.
  template <class Which>
  void bind(Which which, mode_binding how);

 private:
  // What a listener of the modes may still look for when the engine has gone.
  struct door {
    std::mutex lock;
    script_modes* inside = nullptr;  // guarded by lock
  };
  struct hook {
    mode_hook_kind kind;
    std::string name;
    script_reference what;
  };
  struct binding : mode_bound {
    virtual bool is_over() const = 0;
  };
  // Of a timer, by its id, or of a scope.
  template <class Which>
  struct binding_of;

  void changed(const std::string& now, const std::string& before);
  void forget_those_over();

  modes& shared_;
  script_host& host_;
  script_timers& timers_;
  std::shared_ptr<door> door_ = std::make_shared<door>();
  std::uint64_t listener_ = 0;
  std::vector<hook> hooks_;
  std::deque<std::unique_ptr<binding>> bound_;
  std::size_t sweep_at_ = 64;
};

}  // namespace detent::scripting
