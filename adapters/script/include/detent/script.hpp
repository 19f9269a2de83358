// script: timers for script engines. The engine's side is a `script_host` of about a page; `script_timers` is the rest.
//
// A script's function may be called only on its engine's thread, and lives on its engine's heap. This layer calls and
// releases it there and nowhere else, and holds it exactly as long as its timer lasts.
#pragma once

#include <detent/detail/callback.hpp>
#include <detent/outcome.hpp>
#include <detent/time.hpp>
#include <detent/version.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

DETENT_BEGIN_NAMESPACE

class manual_clock;

/// What a host keeps for this layer: a function together with the arguments it is called with. The number is the
/// host's own; 0 is nothing.
struct script_reference {
  std::uint64_t value = 0;
  explicit operator bool() const noexcept { return value != 0; }
};

/// Work for the engine's thread. Destroyed without being called, it does nothing.
using script_task = detail::hook<void()>;

/// Why a function is called.
struct script_occasion {
  enum class reason : std::uint8_t {
    tick,   // its timer is due
    ended,  // it waited for a tick of a timer that ended without one
  };
  reason why = reason::tick;
  std::int64_t id = 0;       // the timer's
  std::uint64_t missed = 0;  // ticks this one stands for besides itself
};

/// How the call of a script function ended.
struct script_outcome {
  enum class kind : std::uint8_t { returned, threw, interrupted };
  kind ended = kind::returned;
  std::string error;  // as the engine words it
};

/// What an engine has to offer. No lock of this layer is held while any of it runs. A verb that throws costs what it
/// was asked for and no more: the other timers go on.
class script_host {
 public:
  virtual ~script_host() = default;
  /// Any thread, never blocks: has `work` called on the engine's thread, in order, not inside this call. A host that
  /// ends destroys what it has not called, and calls none of it later: the references in it end with the engine. One
  /// that throws has not taken the work; it is asked again, after a millisecond at first, then ever more seldom. What
  /// it still refuses when the timers end is released, on the engine's thread, or else ends with the engine.
  virtual void post(script_task work) = 0;
  /// Any thread: whether it is the engine's.
  virtual bool is_own_thread() const noexcept = 0;
  /// Engine's thread: calls the function, and drains what the engine queued behind it (microtasks). An exception that
  /// leaves this verb counts as the script's.
  virtual script_outcome call(script_reference what, const script_occasion& occasion) = 0;
  /// Engine's thread: lets go of the function; exactly once for each reference handed to this layer.
  virtual void release(script_reference what) noexcept = 0;
  /// Engine's thread: a callback failed. Its timer goes on if it is an interval. What this throws is dropped.
  virtual void report(std::int64_t id, const std::string& error) = 0;
};

enum class script_rules : std::uint8_t {
  havel,  // a delay is |whole milliseconds|, zero is at once; an interval keeps its phase and skips what it missed
  web,    // a delay is 1 to 2^31-1 ms, others count as 1; nested deeper than 5: at least 4; an interval counts from the
          // start of its call
};

enum class script_timer_kind : std::uint8_t { timeout, interval };

enum class script_timer_state : std::uint8_t {
  armed,
  running,    // its callback is on the stack
  paused,     // by `pause`
  suspended,  // by `leave`
};

/// What is told of one live timer. Times are milliseconds, as scripts count.
struct script_timer_status {
  std::int64_t id = 0;
  script_timer_kind kind{};
  script_timer_state state{};
  double remaining_ms = 0;  // 0 while it runs; negative when overdue
  double period_ms = 0;     // 0 for a timeout
  std::uint64_t fires = 0;
  std::uint64_t missed = 0;  // ticks that another stood for, or that a mode had skipped
  double lateness_ms = 0;    // of the latest call
  std::size_t waiters = 0;   // functions that wait for its next tick
  std::string last_error;
};

enum class script_creation : std::uint8_t {
  created,
  too_many,  // the limit on live timers is reached
  closed,    // the scope, or all of it, is closed
  no_memory,
};

struct script_created {
  std::int64_t id = 0;  // above 0 when created; never used twice
  script_creation outcome = script_creation::closed;
};

enum class script_change : std::uint8_t {
  changed,
  unchanged,  // it is in that state already
  unknown,    // no live timer has this id
};

/// Whether a timer keeps its program going.
enum class script_keeping : std::uint8_t { kept, unkept };

/// What happens to a timer when its mode is left, the strictest first, and when it is entered again.
enum class script_leave : std::uint8_t { cancel, suspend, skip };
enum class script_return : std::uint8_t { resume, restart, stay };

/// Owns the timers of one part of a script: an engine (the first), a file, a mode.
struct script_scope {
  std::uint32_t index = 0;
  friend bool operator==(const script_scope&, const script_scope&) noexcept = default;
};

/// Who knows a scope that its owner has let go of.
enum class script_tie : std::uint8_t {
  nobody,
  modes,  // `leave` and `come_back` of it go on
};

struct script_closed {
  std::size_t ended = 0;                  // timers that were live
  wait_result wait = wait_result::quiet;  // for a call in progress on another thread
};

/// Where callbacks run under a manual clock.
enum class script_pass : std::uint8_t {
  inside_move,  // of the clock, which is then moved on the engine's thread
  posted,       // to the host, as in real time: several engines may share the clock
};

struct script_options {
  script_rules rules = script_rules::web;
  std::string name = "script";
  std::size_t live_limit = 1'000'000;  // timers
  manual_clock* clock = nullptr;
  script_pass under_clock = script_pass::inside_move;
};

/// The timers of one engine. All verbs on any thread.
///
///   Verbs                       block   inside a callback          errors
///   set_…, sleep, clear, …      never   legal                      the result
///   leave, come_back            never   legal                      the result; call nothing of the host but `post`
///   next_tick, open_scope,      never   legal                      may throw std::bad_alloc; nothing has changed then
///   status, active
///   close, close_scope          yes     legal; do not wait         the result; `would_deadlock` as in G08
///   destructor                  yes     legal; does not wait       as close; the host outlives it
///   construction                never   legal                      throws what timer_service throws
///
///   Callbacks run one at a time in order of deadline, equal deadlines in order of arming. A timer armed by a callback
///   starts in a later pass than what was due already. When `clear` has returned, no call of that timer starts.
class script_timers {
 public:
  script_timers(script_host& host, script_options options);
  script_timers(const script_timers&) = delete;
  script_timers& operator=(const script_timers&) = delete;
  ~script_timers();

  /// The reference is taken over, and released also when the timer is refused. Without a scope the timer belongs to
  /// that of the callback it is created in, else to the engine's.
  script_created set_timeout(double delay_ms, script_reference what, std::optional<script_scope> scope = {});
  script_created set_interval(double period_ms, script_reference what, std::optional<script_scope> scope = {});

  /// A timer without a function: calls `what` once, when the time is over, or, with another reason, when it was ended
  /// before. The delay is whole milliseconds with no bound above; a negative one counts as 0 under the web's rules, and
  /// by its size under Havel's.
  script_created sleep(double delay_ms, script_reference what);

  /// Ends a timer of either kind. `unknown` for one that is over. Does not wait for its call.
  script_change clear(std::int64_t id);
  /// Stops the time of a timer, and lets it go on with what was left.
  script_change pause(std::int64_t id);
  script_change resume(std::int64_t id);
  /// Starts the delay anew. (Source: Node's `timeout.refresh`.)
  script_change refresh(std::int64_t id);
  script_change keep(std::int64_t id, script_keeping keeping);
  std::optional<script_keeping> keeping(std::int64_t id) const;
  /// Calls `what` once: behind the next tick of the timer, or, with another reason, when it ended without one. The
  /// reference is taken over, and released also when this throws.
  script_change next_tick(std::int64_t id, script_reference what);

  std::optional<script_timer_status> status(std::int64_t id) const;
  std::vector<std::int64_t> active() const;  // in the order of creation
  /// Ends every timer, and answers how many; new ones may be made.
  std::size_t cleanup();
  /// Milliseconds on the clock of the timers.
  double now_ms() const;
  /// Live timers that keep the program going: kept, and armed or running.
  std::size_t kept_count() const;
  /// Whether there is one; costs less than counting them.
  bool keeps_program() const;

  script_scope open_scope(std::optional<script_scope> parent = {});
  bool is_open(script_scope scope) const;
  /// Engine's thread: the scope of what is made there and names none. A callback begins with that of its timer. Who
  /// enters another, to evaluate a file or to call a function in it, enters the former one behind that.
  script_scope current_scope() const;
  void enter_scope(script_scope scope);
  /// Ends the timers of the scope and of those inside it, refuses new ones, and waits for a call of theirs.
  script_closed close_scope(script_scope scope);
  /// The same for all scopes.
  script_closed close();
  /// For an owner who will not name the scope again: it is forgotten behind the last timer in it. One that is neither
  /// closed nor detached stays.
  script_change detach_scope(script_scope scope, script_tie tie);
  /// Scopes that are known, without the engine's own.
  std::size_t scope_count() const;

  /// For modes. A call in progress is not interrupted; the tick after it does not start. A tick is in progress from
  /// when the engine's thread has taken it: when this returns on another thread, its function may be about to be
  /// entered.
  script_change leave(std::int64_t id, script_leave how);
  script_change come_back(std::int64_t id, script_return how);
  /// The same for the timers of a scope and of those inside it. One that is made there meanwhile is as one that was
  /// made just before. A timer goes on when neither its own mode nor that of a scope around it is away any more.
  script_change leave(script_scope scope, script_leave how);
  script_change come_back(script_scope scope, script_return how);

 private:
  class body;
  std::shared_ptr<body> body_;
};

/// A value of a script as far as arguments are checked.
struct script_argument {
  enum class kind : std::uint8_t { missing, number, function, other };
  kind what = kind::missing;
  double number = 0;    // web: what the engine makes of the value, NaN if nothing
  std::string shown{};  // as a refusal is to show the value; when empty, its kind is told
};

/// Which argument is which, or why neither: with the signature, and with what was given instead.
struct script_arrangement {
  std::size_t function_index = 0;
  double delay_ms = 0;
  std::string refusal;  // empty: arranged
};

/// Reads the first two arguments of `verb` (setTimeout, setInterval, interval, timeout, …): the web has (function,
/// delay), where a missing delay counts as 0; Havel's documents have both orders, and both are taken.
script_arrangement arrange_arguments(script_rules rules, const std::string& verb, const script_argument& first,
                                     const script_argument& second);

DETENT_END_NAMESPACE
