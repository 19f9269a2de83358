// engine: pools, their threads and queues, cleanup groups, and the objects that post callbacks. One lock guards all of
// it; callbacks, cancel callbacks and handlers run without it.
//
// The core's timers run on its driver and only post: what is queued twice, overlaps itself, or waits for a free thread
// does so here. The engine is made at first use and lives as long as the process, as the default pool does on Windows.
#pragma once

#include "waitable.hpp"

#include <detent/detent.hpp>
#include <detent/win/windows.h>
#include <detent/winpool.hpp>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <pthread.h>

DETENT_BEGIN_NAMESPACE
namespace winpool {

struct object;
class alarm;

using guard = std::unique_lock<std::mutex>;

// A thread of a pool. The engine's attendant joins it after its end and deletes this.
struct worker {
  _TP_POOL* home = nullptr;
  pthread_t thread{};
  worker* next_ended = nullptr;
};

// Instants of windowed alarms, from which on they may be called; the value is null for a node that is not in the map.
using early_calls = std::multimap<std::int64_t, alarm*>;

struct engine {
  explicit engine(manual_clock* clock);

  std::mutex lock;
  timer_service service;
  _TP_POOL* default_pool = nullptr;  // under lock; made at first use
  worker* ended = nullptr;           // under lock: threads to be joined
  early_calls early[2];              // under lock, by clock: alarms that may be called before their last moment
  int epoll = -1;
  int bell = -1;  // an eventfd that wakes the attendant
};

// Makes the engine. Throws what the core throws, or std::system_error.
engine& the_engine();
// Whether there is a manual clock, and it.
manual_clock* chosen_clock() noexcept;

[[noreturn]] void stop_for(const char* sentence) noexcept;

// --- When something is due. -----------------------------------------------------------------------------------------

// One arming on one of two clocks; what it does is `due_locked` of its object.
class alarm {
 public:
  alarm(engine& e, object& owner);

  // Replaces what is pending. `due` as SetThreadpoolTimer takes it, and not 0.
  void arm_locked(engine& e, std::int64_t due, DWORD window_ms);
  // The next tick of a period: so long after the last due instant, or now if that has passed.
  void arm_next_locked(engine& e, DWORD period_ms, DWORD window_ms);
  // The first tick of a period whose first call was due at once.
  void arm_after_now_locked(engine& e, DWORD period_ms, DWORD window_ms);
  void cancel_locked(engine& e);
  // Closes both timers for ever, without the lock; whether a tick may be in progress.
  bool close();
  template <class F>
  bool after_last_tick(F f) {
    return steady_.close_then(std::move(f)) == then_result::accepted;
  }

  // Called by the driver.
  void tick(clock_kind kind, std::int64_t deadline_ns);
  // Calls every windowed alarm that may be called by now: the wake-up is there already.
  static void call_early_locked(engine& e);

 private:
  void arm_at_locked(engine& e, clock_kind kind, std::int64_t at_ns, std::int64_t window_ns);
  void leave_early_locked(engine& e);
  void call_locked(engine& e);

  object& owner_;
  timer steady_;
  system_timer system_;
  // All under the engine's lock. A tick of another instant than the expected one is of an arming that was replaced.
  bool armed_ = false;
  clock_kind kind_ = clock_kind::steady;
  std::int64_t expected_ns_ = 0;  // the last moment: due plus window, as the core keeps it
  std::int64_t due_ns_ = 0;
  bool in_early_ = false;
  early_calls::iterator place_;
  early_calls::node_type node_;
};

// --- Objects. -------------------------------------------------------------------------------------------------------

// What is called: one of the four signatures.
struct callback {
  PTP_SIMPLE_CALLBACK simple = nullptr;
  PTP_WORK_CALLBACK work = nullptr;
  PTP_TIMER_CALLBACK timer = nullptr;
  PTP_WAIT_CALLBACK wait = nullptr;
};

// Work, a timer, a wait, or a callback submitted without an object. Posts are numbered from 1; those up to `taken` have
// been started or dropped.
struct object {
  object(callback what, PVOID context, const TP_CALLBACK_ENVIRON* environment);
  object(const object&) = delete;
  object& operator=(const object&) = delete;
  virtual ~object();

  // What is due: a timer posts and goes on to its next tick, a wait times out.
  virtual void due_locked(engine&) {}
  // Nothing is due any more.
  virtual void unset_locked(engine&) {}
  // Whether a tick of the core may still be in progress.
  virtual bool close_alarm() { return false; }
  virtual bool delete_after_last_tick() { return false; }

  bool is_over_locked() const { return released && posted == taken && running == nullptr && holders == 0; }

  const callback what;
  void* const context;
  _TP_POOL* home = nullptr;  // counted
  PTP_CLEANUP_GROUP_CANCEL_CALLBACK cancelled = nullptr;
  PTP_SIMPLE_CALLBACK finalize = nullptr;
  void* library = nullptr;  // a reference of ours
  bool runs_long = false;
  TP_CALLBACK_PRIORITY priority = TP_CALLBACK_PRIORITY_NORMAL;

  // All under the engine's lock.
  _TP_CLEANUP_GROUP* group = nullptr;
  bool shut = false;      // no more posts
  bool released = false;  // the user's handle is gone
  int holders = 0;        // threads that wait for it
  std::uint64_t posted = 0;
  std::uint64_t taken = 0;
  std::uint64_t signals = 0;                 // of a wait: how many of the queued posts are WAIT_OBJECT_0
  _TP_CALLBACK_INSTANCE* running = nullptr;  // calls in progress
  std::condition_variable ended;
  // One node each, which moves between here and the list it stands in: nothing is allocated after creation.
  std::list<object*> queue_node;
  std::list<object*> member_node;
  std::list<object*>::iterator queue_place;  // the node, wherever it is
  std::list<object*>::iterator member_place;
};

}  // namespace winpool
DETENT_END_NAMESPACE

struct _TP_CLEANUP_GROUP {
  std::list<detent::winpool::object*> members;  // under the engine's lock
};

struct _TP_WORK final : detent::winpool::object {
  using object::object;
};

struct _TP_TIMER final : detent::winpool::object {
  _TP_TIMER(detent::winpool::engine& e, detent::winpool::callback c, PVOID pv, const TP_CALLBACK_ENVIRON* environment)
      : object(c, pv, environment), due(e, *this) {}
  void due_locked(detent::winpool::engine& e) override;
  void unset_locked(detent::winpool::engine& e) override;
  bool close_alarm() override { return due.close(); }
  bool delete_after_last_tick() override {
    return due.after_last_tick([this] { delete this; });
  }

  detent::winpool::alarm due;
  bool is_set = false;  // these three under the engine's lock
  DWORD period_ms = 0;
  DWORD window_ms = 0;
};

struct _TP_WAIT final : detent::winpool::object {
  _TP_WAIT(detent::winpool::engine& e, detent::winpool::callback c, PVOID pv, const TP_CALLBACK_ENVIRON* environment)
      : object(c, pv, environment), timeout(e, *this), wait_node{this} {}
  void due_locked(detent::winpool::engine& e) override;
  void unset_locked(detent::winpool::engine& e) override;
  bool close_alarm() override { return timeout.close(); }
  bool delete_after_last_tick() override {
    return timeout.after_last_tick([this] { delete this; });
  }

  detent::winpool::alarm timeout;
  detent::winpool::waitable* target = nullptr;  // counted, under the engine's lock: what it is registered with
  std::list<_TP_WAIT*> wait_node;
  std::list<_TP_WAIT*>::iterator wait_place = wait_node.begin();
};

// One call in progress, on the stack of its thread. Fields are the thread's own, but for those under the engine's lock.
struct _TP_CALLBACK_INSTANCE {
  detent::winpool::object* of = nullptr;
  std::uint64_t number = 0;               // of the post
  _TP_CALLBACK_INSTANCE* next = nullptr;  // of the same object; under the lock
  bool associated = true;                 // under the lock
  bool may_run_long = false;
  // What its thread waits for inside this call, if it does; under the lock.
  detent::winpool::object* waits_for = nullptr;
  std::uint64_t waits_until = 0;
  bool waits_for_all = false;

  LPCRITICAL_SECTION section = nullptr;
  HANDLE mutex = nullptr;
  HANDLE semaphore = nullptr;
  LONG semaphore_count = 0;
  HANDLE event = nullptr;
  HMODULE library = nullptr;
};

struct _TP_POOL {
  // All under the engine's lock.
  std::array<std::list<detent::winpool::object*>, 3> queue;  // by priority; each object once, whatever it has posted
  std::uint64_t pending = 0;                                 // posts not yet started, of all objects
  DWORD most = 500;
  DWORD least = 0;
  DWORD threads = 0;
  DWORD idle = 0;  // of these, not in a callback; a thread that was just made counts
  TP_POOL_STACK_INFORMATION stack{};
  std::uint64_t shares = 1;  // the user's handle, and each object
  std::condition_variable work;
};

DETENT_BEGIN_NAMESPACE
namespace winpool {

// The call that this thread is in, or null.
_TP_CALLBACK_INSTANCE* current_call() noexcept;

bool add_thread_locked(_TP_POOL& p);
bool has_thread_to_spare_locked(_TP_POOL& p);
void drop_pool_share_locked(_TP_POOL* p);

// Answers an ERROR_ value. The object is bound to its pool, which has a thread, and to its group. From then on its
// group may close it, so that what is to be posted at once is posted in the same step.
DWORD bind(engine& e, object& o, const TP_CALLBACK_ENVIRON* environment, bool post);
bool post_locked(object& o);
void drop_posts_locked(object& o);
void leave_group_locked(object& o);
// Gives the user's handle back. The object goes now, or after its last call.
void release(object& o);
// Waits for what is queued or running now. `all` includes calls that disassociated.
void await_locked(guard& held, object& o, bool all);
void await(object& o, bool cancel);
// Lets go of an object that may be over.
void collect(guard& held, object& o);

void watch_locked(engine& e, waitable& w);
void unwatch_if_alone_locked(engine& e, waitable& w);
bool start_attendant(engine& e);
void ring(engine& e) noexcept;

}  // namespace winpool
DETENT_END_NAMESPACE
