// modes: named states of an application, and timers that tick only in some of them.
#pragma once

#include <detent/detail/callback.hpp>
#include <detent/group.hpp>
#include <detent/outcome.hpp>
#include <detent/service.hpp>
#include <detent/time.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

DETENT_BEGIN_NAMESPACE

enum class mode_change : std::uint8_t {
  changed,    // the gate is another; the hooks have run, or run on the thread that is at them already
  unchanged,  // it is the current mode
  unknown,    // no mode has this name
};

/// One mode. Hooks run with no lock held and one at a time; what they throw is given to `modes_options::on_error`.
struct mode_options {
  std::string name;
  int priority = 0;                  // `update` asks the highest first; equal ones in the order of being added
  detail::hook<bool()> condition{};  // without one, `update` never chooses it
  detail::hook<void()> on_enter{};
  detail::hook<void()> on_exit{};
  detail::hook<void(const std::string& from)> on_enter_from{};
  detail::hook<void(const std::string& to)> on_exit_to{};
};

/// Modes that belong together: its hooks run when a change crosses the group's border, and not inside it.
struct mode_group_options {
  std::string name;
  std::vector<std::string> modes;
  detail::hook<void()> on_enter{};
  detail::hook<void()> on_exit{};
};

struct modes_options {
  std::string initial = "default";  // the first mode, and where `update` goes when no condition holds
  detail::hook<void(const std::string& what)> on_error{};  // a hook threw; default: print
};

struct mode_times {
  duration total{0};          // up to now, if it is current
  std::uint64_t entered = 0;  // how often
};

/// Something that is still while its modes are not current. Both verbs are called with the lock of the modes held: they
/// never block, call nothing of `modes`, and run nothing of the user's.
class mode_bound {
 public:
  virtual ~mode_bound() = default;
  virtual void leave() noexcept = 0;
  virtual void come_back() noexcept = 0;
};

/// The modes of one application.
///
///   Verbs                     block   threads   inside hooks and callbacks      errors
///   add, set, is, current, …  never   any       legal                           the result; may throw std::bad_alloc
///   update                    never   any       legal                           as above; conditions run inside it
///   remove_listener           yes     any       legal; in the listener no wait  the result; `would_deadlock` as in G08
///   destructor                never   exclusive not inside a hook               none; bound things stay as they are
///
///   Order of the hooks of one change: the old mode's on_exit, on_exit_to; the new one's on_enter, on_enter_from; groups
///   left, groups entered, in the order of being added; listeners in the order of being added.
class modes {
 public:
  /// The service's clock measures the time in each mode. It outlives this object and every bound timer. Throws what
  /// `timer_service` throws.
  explicit modes(timer_service& service, modes_options options = {});
  modes(const modes&) = delete;
  modes& operator=(const modes&) = delete;
  ~modes();

  /// `unchanged` if the name is taken; the initial mode may be given its hooks once.
  mode_change add(mode_options mode);
  mode_change add_group(mode_group_options group);

  mode_change set(const std::string& name);
  /// Sets the mode of the highest priority whose condition holds, else the initial one.
  mode_change update();
  std::string current() const;
  std::string previous() const;  // empty before the first change
  bool is(const std::string& name) const;
  bool is_in_group(const std::string& name) const;
  mode_times times(const std::string& name) const;
  std::uint64_t transitions() const;  // changes so far

  /// Told of every change from now on. Answers a number for `remove_listener`.
  std::uint64_t add_listener(detail::hook<void(const std::string& now, const std::string& before)> told);
  /// Once it has answered `quiet`, the listener is not called any more: it waits for a call in progress on another
  /// thread. That call counts as one of a timer: when it waits itself, over timers, for whoever removes it here, one of
  /// the two is refused at once with `would_deadlock`. The listener is removed all the same, but its call still runs.
  wait_result remove_listener(std::uint64_t number);

  /// From here until `unbind`, `what` is left while no mode of the list is current; if none is now, at once. The names
  /// need not be those of modes yet. `what` outlives the binding.
  void bind(mode_bound& what, std::vector<std::string> in_modes);
  /// Once it has returned, `what` is not called any more.
  void unbind(mode_bound& what);

 private:
  friend class mode_timer;
  friend class mode_scope;
  struct body;
  std::shared_ptr<body> body_;
};

enum class on_leave : std::uint8_t {
  cancel,   // what is pending is withdrawn
  suspend,  // what is left of the delay, or of the period, is kept
  skip,     // its time goes on, but ticks come to nothing
};
enum class on_return : std::uint8_t {
  resume,   // with what was left; a cancelled one is not armed again
  restart,  // with the whole delay or period, also when it was cancelled
  stay,     // until it is armed anew
};

struct mode_timer_options {
  std::vector<std::string> modes;  // in which it ticks
  on_leave left = on_leave::suspend;
  on_return entered = on_return::resume;
};

/// Timers bound to the same modes: they are left, come back, and end together, as the members of a `timer_group`. Each
/// is a `mode_timer` that is created in it. One created while it is away is away too.
///
///   Verbs              block   threads              inside a member's callback          errors
///   cancel             never   any number at once   legal                               the count
///   close_and_wait     yes     any number at once   cover all *other* members, then     the result (G08)
///                                                   answer `from_callback`
///   destructor         yes     exclusive            as close_and_wait                   deadlock handler
///   construction       never   any                  legal                               throws std::bad_alloc
///
///   It may be destroyed inside a member's callback, and before its members.
class mode_scope {
 public:
  mode_scope(timer_service& service, modes& in, mode_timer_options options);
  mode_scope(const mode_scope&) = delete;
  mode_scope& operator=(const mode_scope&) = delete;
  ~mode_scope();

  /// Withdraws what is pending of every member, also what a mode keeps. Answers how many that were; they stay open.
  std::size_t cancel();
  /// Closes every member, and refuses new ones.
  wait_result close_and_wait();

 private:
  friend class mode_timer;
  struct body;
  std::shared_ptr<body> body_;  // shared with the members
  timer_group group_;           // of the members' timers
};

/// A timer that ticks in its modes only. When `modes::set` of another mode has returned, no tick starts: the callback
/// that is in progress goes on, and there is no later one before one of its modes is current again.
///
///   Verbs                    block   threads     inside its callback   errors
///   arm_…, cancel            never   any         legal                 the result
///   destructor, close_…      yes     exclusive   legal, do not wait    as `timer`
class mode_timer {
 public:
  mode_timer(timer_service& service, modes& in, mode_timer_options options, detail::hook<void(firing&)> tick);
  /// In the modes of the scope, and no longer than that. Born closed if it is closed.
  mode_timer(mode_scope& in, detail::hook<void(firing&)> tick);
  mode_timer(const mode_timer&) = delete;
  mode_timer& operator=(const mode_timer&) = delete;
  ~mode_timer();

  /// Outside its modes, arming takes effect as if it had been armed just before they were left.
  template <class Rep, class Period>
  arm_result arm_after(std::chrono::duration<Rep, Period> delay) {
    return arm_ns(detail::ceil_ns(delay), 0);
  }
  template <class Rep, class Period>
  arm_result arm_every(std::chrono::duration<Rep, Period> period) {
    const std::int64_t period_ns = detail::ceil_ns(period);
    return period_ns <= 0 ? arm_result::refused : arm_ns(period_ns, period_ns);
  }
  cancel_result cancel();
  cancel_answer close_and_wait();
  std::uint64_t skipped() const;  // ticks that came to nothing

 private:
  friend class mode_scope;
  arm_result arm_ns(std::int64_t delay_ns, std::int64_t period_ns);
  struct body;
  std::shared_ptr<body> body_;
};

DETENT_END_NAMESPACE
