// body: what a `script_timers` is: its live timers, the ordered set of the armed ones, its scopes, and the alarm.
#pragma once

#include <detent/script.hpp>
#include <detent/service.hpp>
#include <detent/timer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

// Posts the alarm's task to the engine's thread.
class host_executor {
 public:
  explicit host_executor(script_host& host) : host_(&host) {}
  void post(task due) { host_->post(movable(std::move(due))); }

 private:
  struct movable {
    explicit movable(task due) : due_(std::move(due)) {}
    void operator()() { due_(); }
    task due_;
  };
  script_host* host_;
};

// Every member is guarded by `lock_`, unless its comment says more. References are released outside of it.
class script_timers::body : public std::enable_shared_from_this<body> {
 public:
  body(script_host& host, script_options options);
  void begin();  // once, when somebody shares it

  script_created create(script_timer_kind kind, double delay_ms, script_reference what,
                        std::optional<script_scope> where);
  script_change clear(std::int64_t id);
  script_change pause(std::int64_t id);
  script_change resume(std::int64_t id);
  script_change refresh(std::int64_t id);
  script_change keep(std::int64_t id, script_keeping keeping);
  std::optional<script_keeping> keeping(std::int64_t id);
  script_change next_tick(std::int64_t id, script_reference what);
  std::optional<script_timer_status> status(std::int64_t id);
  std::vector<std::int64_t> active();
  std::size_t cleanup();
  std::int64_t now_ns() const { return service_.now().time_since_epoch().count(); }
  std::size_t kept_count();
  bool keeps_program();
  script_scope open_scope(std::optional<script_scope> parent);
  script_closed close_scope(script_scope scope);
  script_change leave(std::int64_t id, script_leave how);
  script_change come_back(std::int64_t id, script_return how);
  void end();  // all of it, and no pass is in progress any more, but for one below on the stack

 private:
  enum class stage : std::uint8_t { armed, running, still, over };

  // Where a timer stands in the order of starts.
  struct place {
    std::int64_t deadline_ns;
    std::uint64_t arming;
    friend auto operator<=>(const place&, const place&) = default;
  };

  struct entry {
    std::int64_t id = 0;
    script_timer_kind kind{};
    stage now = stage::still;
    bool paused = false;    // by its script
    bool away = false;      // its mode was left, with `suspend` or `skip`
    bool skipping = false;  // away: ticks pass without a call
    bool rearmed = false;   // refreshed while running
    std::int64_t delay_ns = 0;
    std::int64_t remaining_ns = 0;  // while still
    place at{};                     // while armed, and of the call while running
    std::uint32_t nesting = 0;
    script_scope scope;
    script_keeping keeping = script_keeping::kept;
    script_reference what;
    std::vector<script_reference> waiters;
    std::vector<script_reference> called;  // waiters of the tick in progress
    std::uint64_t fires = 0;
    std::uint64_t missed = 0;
    std::int64_t lateness_ns = 0;
    std::string last_error;
  };

  struct scope_record {
    std::uint32_t parent = 0;
    bool open = true;
  };

  // What is to be done once the lock is released.
  struct afterwards {
    std::vector<script_reference> released;
    std::vector<std::pair<std::int64_t, script_reference>> ended;  // waiters that are told so
    bool is_empty() const { return released.empty() && ended.empty(); }
  };

  void pass();
  std::shared_ptr<entry> take_due_locked(std::int64_t now_ns, std::uint64_t before);
  static script_outcome call(script_host& host, script_reference what, const script_occasion& occasion);
  void finish(const std::shared_ptr<entry>& done, const script_outcome& outcome, std::int64_t started_ns,
              afterwards& then);
  void call_waiters(const std::shared_ptr<entry>& done);
  std::int64_t next_deadline_locked(entry& of, std::int64_t started_ns) const;
  void arm_locked(entry& which, std::int64_t deadline_ns);
  void hold_locked(entry& which);
  void go_on_locked(entry& which, std::int64_t after_ns);
  void end_locked(const std::shared_ptr<entry>& which, afterwards& then);
  void set_alarm_locked();
  void perform(afterwards& then);
  void perform_later(afterwards& then);
  static bool is_keeping(const entry& of);
  std::shared_ptr<entry> find_locked(std::int64_t id) const;
  bool is_inside_locked(script_scope inner, script_scope outer) const;
  std::int64_t delay_ns(double delay_ms, script_timer_kind kind, std::uint32_t nesting) const;
  std::int64_t least_delay_ns(std::uint32_t nesting) const;
  bool is_in_own_call_locked() const;

  script_host& host_;             // set once
  const script_options options_;  // set once
  host_executor executor_;        // used by the driver
  std::mutex lock_;
  std::unordered_map<std::int64_t, std::shared_ptr<entry>> live_;
  std::map<place, std::shared_ptr<entry>> armed_;
  std::map<std::uint32_t, scope_record> scopes_;
  std::uint32_t next_scope_ = 1;
  std::int64_t next_id_ = 1;
  std::uint64_t next_arming_ = 1;
  std::shared_ptr<entry> running_;  // whose callback is on the engine's stack
  bool in_pass_ = false;            // the end of the pass sets the alarm
  std::uint32_t leaving_ = 0;       // closers that wait for the pass: it ends behind the present call
  std::int64_t alarm_ns_ = detail::ns_max;
  timer_service service_;  // has locks of its own, taken inside `lock_`
  timer alarm_;
};

DETENT_END_NAMESPACE
