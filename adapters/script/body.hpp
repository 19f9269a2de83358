// body: what a `script_timers` is: its live timers, the ordered set of the armed ones, its scopes, and the alarm.
#pragma once

#include <detent/detail/series_place.hpp>
#include <detent/script.hpp>
#include <detent/service.hpp>
#include <detent/timer.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

DETENT_BEGIN_NAMESPACE

// Posts the alarm's task to the engine's thread. Hears of one that was let go uncalled: the host threw, was short of
// memory, or has ended. Without that the alarm would be waited for that nobody sets again.
class host_executor {
 public:
  host_executor(script_host& host, detail::hook<void()> on_dropped) : host_(&host) {
    door_->on_dropped = std::move(on_dropped);
  }
  void post(task due) { host_->post(movable(std::move(due), door_)); }
  // From now on nobody is told.
  void shut() noexcept {
    const std::lock_guard guard(door_->lock);
    door_->on_dropped = {};
  }

 private:
  // Tasks may outlive all else here.
  struct door {
    std::mutex lock;                  // above that of the timers
    detail::hook<void()> on_dropped;  // guarded by `lock`; never throws
  };
  struct movable {
    movable(task due, std::shared_ptr<door> to) : due_(std::move(due)), door_(std::move(to)) {}
    movable(movable&&) noexcept = default;
    movable& operator=(movable&&) = delete;
    ~movable() {
      if (door_ == nullptr) return;  // called, or moved from
      due_.reset();                  // first its firing is over: what is armed afterwards stays
      const std::lock_guard guard(door_->lock);
      if (door_->on_dropped) door_->on_dropped();
    }
    void operator()() {
      door_.reset();
      (*due_)();
    }
    std::optional<task> due_;
    std::shared_ptr<door> door_;
  };
  script_host* host_;
  const std::shared_ptr<door> door_ = std::make_shared<door>();
};

// Every member is guarded by `lock_`, unless its comment says more. References are released outside of it.
//
// Nothing here throws once a timer exists, and nothing needs memory: timers change places in maps and chains together
// with the nodes they were made with. What the host throws is contained in `call`, `report` and `post`. Otherwise one
// failure half-way would end all timers, or lose a reference.
class script_timers::body : public std::enable_shared_from_this<body> {
 public:
  body(script_host& host, script_options options);
  void begin();  // once, when somebody shares it

  enum class purpose : std::uint8_t { timeout, interval, sleep };
  script_created create(purpose what_for, double delay_ms, script_reference what, std::optional<script_scope> where);
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
  script_change detach_scope(script_scope scope, script_tie tie);
  std::size_t scope_count();
  bool is_open(script_scope scope);
  script_scope current_scope();
  void enter_scope(script_scope scope);
  script_change leave(std::int64_t id, script_leave how);
  script_change come_back(std::int64_t id, script_return how);
  script_change leave(script_scope scope, script_leave how);
  script_change come_back(script_scope scope, script_return how);
  void end();  // all of it, and no pass is in progress any more, but for one below on the stack

 private:
  enum class stage : std::uint8_t { armed, running, still, over };

  // Where a timer stands in the order of starts.
  struct place {
    std::int64_t deadline_ns;
    std::uint64_t arming;
    friend auto operator<=>(const place&, const place&) = default;
  };

  struct entry;
  struct scope_record;
  using order = std::map<place, std::shared_ptr<entry>>;

  struct entry {
    std::int64_t id = 0;
    script_timer_kind kind{};
    stage now = stage::still;
    bool paused = false;               // by its script
    bool rearmed = false;              // refreshed while running
    bool skipped = false;              // while running: this tick comes to nothing
    std::optional<script_leave> away;  // its own mode was left so, with `suspend` or `skip`
    std::int64_t delay_ns = 0;
    std::int64_t remaining_ns = 0;  // while still
    place at{};                     // the latest
    std::uint32_t nesting = 0;
    script_scope scope;
    scope_record* home = nullptr;  // that of `scope`, while it is live; the links are those of the timers there
    entry* previous_there = nullptr;
    entry* next_there = nullptr;
    bool pins_scope = false;  // until its waiters have been called there
    script_keeping keeping = script_keeping::kept;
    script_reference what;  // the pass has it while running
    std::vector<script_reference> waiters;
    std::vector<script_reference> called;  // waiters of the tick in progress; the pass's alone
    order::node_type slot;                 // its node of the order, while it is not in it
    std::shared_ptr<entry> next_ended;     // owned by the list it is in
    std::uint64_t fires = 0;
    std::uint64_t missed = 0;
    std::uint64_t told_missed = 0;  // of them: those that a call has stood for
    std::int64_t lateness_ns = 0;
    std::string last_error;
  };

  // What a function of a script makes belongs to the scope of the timer it is called for, and is nested in it.
  struct maker {
    script_scope scope{};
    std::uint32_t nesting = 0;
  };

  // One of the tree of open scopes, whose root is the engine's own. One that is closed while a call is in progress in
  // it has left the tree, and is known until the end of that call, to whoever closes it again.
  //
  // A scope that its owner has detached is forgotten with the last that is in it; also when one other scope is all that
  // is in it, which then moves up. So there are at most twice as many as there are timers and owners.
  struct scope_record {
    script_scope self;
    scope_record* parent = nullptr;
    scope_record* first_inside = nullptr;
    scope_record* previous = nullptr;  // of those inside `parent`
    scope_record* next = nullptr;      // the same, and of those that are closed
    entry* first_timer = nullptr;
    bool open = true;
    bool has_call = false;                // closed around the call in progress
    std::optional<script_leave> away;     // its mode was left so
    std::optional<script_leave> absence;  // the strictest of that and of those around it
    std::optional<script_tie> detached;   // by its owner
    std::uint32_t pins = 0;               // timers that are over, and have waiters still to be called here
  };

  // Timers that are over, whose functions are still to be released, and whose waiters are to be told. Whoever holds
  // the list has them to himself.
  class ended_list {
   public:
    ended_list() = default;
    ended_list(ended_list&& other) noexcept { swap(other); }
    ended_list& operator=(ended_list&& other) noexcept {
      ended_list(std::move(other)).swap(*this);
      return *this;
    }
    ~ended_list() { clear(); }
    void add(std::shared_ptr<entry> done) noexcept;  // nothing, if there is nothing to be done for it
    void add(ended_list&& others) noexcept;
    std::shared_ptr<entry> take() noexcept;  // the first, or null
    bool is_empty() const noexcept { return first_ == nullptr; }
    bool has_waiters() const noexcept { return has_waiters_; }

   private:
    void swap(ended_list& other) noexcept {
      std::swap(first_, other.first_);
      std::swap(last_, other.last_);
      std::swap(has_waiters_, other.has_waiters_);
    }
    void clear() noexcept {
      while (take() != nullptr) {  // one by one: a long chain would need a deep stack
      }
    }
    std::shared_ptr<entry> first_;
    entry* last_ = nullptr;
    bool has_waiters_ = false;
  };

  static std::shared_ptr<entry> make_entry(script_reference what) noexcept;
  static script_outcome call(script_host& host, script_reference what, const script_occasion& occasion) noexcept;
  static void report(script_host& host, std::int64_t id, const script_outcome& outcome) noexcept;
  static void settle(script_host& host, body* of, ended_list& work) noexcept;

  void pass() noexcept;
  std::shared_ptr<entry> take_due_locked(std::int64_t now_ns, std::uint64_t before);
  void finish(const std::shared_ptr<entry>& done, script_reference& what, const script_outcome& outcome,
              std::int64_t started_ns, ended_list& then);
  void call_waiters(const std::shared_ptr<entry>& done);
  std::int64_t next_deadline_locked(entry& of, std::int64_t started_ns) const;
  bool add_locked(const std::shared_ptr<entry>& made);
  std::uint64_t next_arming_locked();
  void arm_locked(entry& which, std::int64_t deadline_ns);
  void put_locked(entry& which, place at);
  void disarm_locked(entry& which);
  void hold_locked(entry& which);
  std::int64_t left_ns(std::int64_t deadline_ns) const;
  void go_on_locked(entry& which, std::int64_t after_ns);
  void end_locked(const std::shared_ptr<entry>& which, ended_list& then);
  void set_alarm_locked();
  void back_off_locked();
  void alarm_dropped();
  void perform(ended_list then) noexcept;
  void perform_later(ended_list then) noexcept;
  static bool is_keeping(const entry& of);
  bool post(ended_list& work) noexcept;
  void let_go(script_reference what) noexcept;
  std::shared_ptr<entry> find_locked(std::int64_t id) const;
  scope_record* scope_locked(script_scope scope);  // null for one that is not known any more
  static scope_record* next_inside(scope_record* at, const scope_record* top);
  static void link(entry& made, scope_record& home);
  void unlink_locked(entry& gone);
  static void link(scope_record& made, scope_record& parent);
  static void unlink(scope_record& gone);
  std::size_t close_locked(scope_record& top, ended_list& then);
  void forget_unneeded_locked(scope_record* of);
  void set_calling_locked(std::shared_ptr<entry> next);
  void pin_locked(entry& of, scope_record* home);
  void unpin(const entry& of);
  static std::optional<script_leave> strictest(std::optional<script_leave> one, std::optional<script_leave> other);
  static void spread_absence(scope_record& from);
  static std::optional<script_leave> absence_locked(const entry& of);
  static bool is_held_locked(const entry& of);
  void begin_locked(const std::shared_ptr<entry>& made, ended_list& then);
  void return_locked(entry& which, script_return how, script_leave left, std::int64_t now_ns);
  std::int64_t delay_ns(double delay_ms, purpose what_for, std::uint32_t nesting) const;
  static std::int64_t least_delay_ns(script_rules rules, std::uint32_t nesting);

  script_host& host_;             // set once
  const script_options options_;  // set once
  host_executor executor_;        // used by the driver
  std::mutex lock_;
  std::unordered_map<std::int64_t, std::shared_ptr<entry>> live_;
  order armed_;
  std::unordered_map<std::uint32_t, scope_record> scopes_;  // their places are for life
  scope_record& root_;                                      // in it, until the end
  scope_record* first_closed_ = nullptr;                    // of those that are closed around the call in progress
  std::uint32_t next_scope_ = 1;
  std::int64_t next_id_ = 1;
  std::uint64_t next_arming_ = 1;
  std::shared_ptr<entry> calling_;  // whose callback, or a function that waited for its tick, is on the engine's stack
  scope_record* calling_in_ = nullptr;  // its scope, or the nearest one around that is open
  maker maker_;                         // of what is made on the engine's thread
  bool in_pass_ = false;                // the end of the pass sets the alarm
  std::uint32_t leaving_ = 0;           // closers that wait for the pass: it ends behind the present call
  bool closed_ = false;                 // there will be no pass any more
  ended_list owed_;                     // what could not be posted: the next pass does it
  std::int64_t alarm_ns_ = detail::ns_max;
  std::int64_t not_before_ns_ = detail::ns_min;  // of the alarm, after the host has failed
  std::int64_t retry_ns_ = 0;                    // the latest such delay; none since the latest pass
  timer_service service_;                        // has locks of its own, taken inside `lock_`
  timer alarm_;
};

DETENT_END_NAMESPACE
