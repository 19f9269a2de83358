// c: the whole core for C and for every language that can call C. C11, and C++.
//
// Ownership
//   Handles     `detent_service`, `detent_group`, `detent_timer`, `detent_clock` are made by a `_new` and given back by
//               the `_free` of the same name, once; NULL is legal there and does nothing. They may be freed in any
//               order: a timer or group that outlives its service answers DETENT_..._SHUT_DOWN, and a clock lives as
//               long as the services on it. Using a handle after its `_free` is undefined, as with `free`.
//   Ids         A `detent_id` is a plain number that owns nothing. It is checked with its generation: an id of a timer
//               that is gone answers "closed" and never touches another timer. 0 is no timer.
//   Contexts    Whoever passes a context may pass a release function with it. From that call on the context is the
//               library's: `release(context)` is called exactly once, when nothing of the library will use the context
//               again, with no lock held. If the function fails, that is before it returns. Else it is:
//                 a timer's       inside the close if no call is in progress, else on the thread of that call right
//                                 after it; for an id-only timer when it has ended, in whatever way
//                 a continuation's  right after the continuation has run
//                 a service's     when the service and all its timers, groups and tasks are gone
//               The one exception: a `_close_then` that does not answer DETENT_THEN_ACCEPTED has taken nothing.
//   Strings     Names are copied. Strings in reports and snapshots live until the report is freed; strings given to a
//               hook live until it returns; the texts of results live for ever.
//   Structures  `size` is sizeof the structure as the caller knows it: fields a newer header adds read as 0.
//               NULL options are the defaults.
//
// Results     An int: a value of the enum named at the function, or a negative `detent_status` for misuse. No exception
//             passes through any function here.
// Threads     Any number at once, but for `_free`, which needs the handle for itself; it may be called inside a
//             callback, and while another thread is blocked in a waiting function on that handle.
// Blocking    Only `_wait`, `_wait_slice`, `_and_wait`, `_shutdown`, `_free` of a service, group or timer, and the moves
//             of a clock.
// Callbacks   Every function is legal inside a callback and none deadlocks: waits answer DETENT_WAIT_FROM_CALLBACK or
//             DETENT_WAIT_WOULD_DEADLOCK, a `_free` does not wait for the call it is made in, `_run_due` answers
//             DETENT_RUN_BUSY, the moves of a clock do nothing.
// Time        Signed nanoseconds. INT64_MAX is never, or without limit; a delay of zero or less is due at once. Limits
//             of waits are on the steady clock.
// fork        In a child the handles are those of the parent: verbs answer "shut down", waits "quiet".
// What the words promise is in docs/guarantees.md.
#pragma once

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define DETENT_C_API __attribute__((visibility("default")))
#else
#define DETENT_C_API
#endif

#if defined(__cplusplus)
#define DETENT_C_NOEXCEPT noexcept
extern "C" {
#else
#define DETENT_C_NOEXCEPT
#endif

#define DETENT_NEVER INT64_MAX
#define DETENT_FOREVER INT64_MAX

// --- Results. The values are those of the enums in <detent/outcome.hpp> and <detent/policy.hpp>. ---------------------

typedef enum detent_status {
  DETENT_OK = 0,
  DETENT_INVALID = -1,      // a required pointer is NULL, or an option has no such value
  DETENT_NO_MEMORY = -2,    // nothing was changed
  DETENT_OS_REFUSED = -3,   // a thread or a descriptor could not be had
  DETENT_UNAVAILABLE = -4,  // the service is shut down, the group closed, or this is a fork child
} detent_status;

typedef enum detent_arm_result {
  DETENT_ARM_ARMED = 0,
  DETENT_ARM_REARMED = 1,
  DETENT_ARM_CLOSED = 2,
  DETENT_ARM_SHUT_DOWN = 3,
  DETENT_ARM_REFUSED = 4,  // a period that is not positive, or an instant of another clock
} detent_arm_result;

typedef enum detent_cancel_result {
  DETENT_CANCEL_CANCELLED = 0,
  DETENT_CANCEL_CANCELLED_RUNNING = 1,
  DETENT_CANCEL_RUNNING = 2,
  DETENT_CANCEL_IDLE = 3,
  DETENT_CANCEL_CLOSED = 4,
  DETENT_CANCEL_SHUT_DOWN = 5,
} detent_cancel_result;

typedef enum detent_wait_result {
  DETENT_WAIT_QUIET = 0,
  DETENT_WAIT_FROM_CALLBACK = 1,
  DETENT_WAIT_WOULD_DEADLOCK = 2,
  DETENT_WAIT_TIMED_OUT = 3,
} detent_wait_result;

typedef enum detent_stop_result { DETENT_STOP_ASKED = 0, DETENT_STOP_IDLE = 1 } detent_stop_result;
typedef enum detent_then_result { DETENT_THEN_ACCEPTED = 0, DETENT_THEN_NO_MEMORY = 1 } detent_then_result;
typedef enum detent_run_result { DETENT_RUN_RAN = 0, DETENT_RUN_BUSY = 1 } detent_run_result;

typedef enum detent_timer_state {
  DETENT_STATE_IDLE = 0,
  DETENT_STATE_PENDING = 1,
  DETENT_STATE_QUEUED = 2,
  DETENT_STATE_RUNNING = 3,
  DETENT_STATE_CLOSED = 4,
  DETENT_STATE_SHUT_DOWN = 5,
} detent_timer_state;

typedef enum detent_clock_kind {
  DETENT_CLOCK_STEADY = 0,
  DETENT_CLOCK_BOOTTIME = 1,
  DETENT_CLOCK_SYSTEM = 2,
} detent_clock_kind;

typedef enum detent_missed_ticks {
  DETENT_MISSED_SKIP = 0,
  DETENT_MISSED_BURST = 1,
  DETENT_MISSED_DELAY = 2,
} detent_missed_ticks;

typedef enum detent_pace { DETENT_FIXED_RATE = 0, DETENT_FIXED_DELAY = 1 } detent_pace;
typedef enum detent_on_failure { DETENT_RESUME = 0, DETENT_END_SERIES = 1 } detent_on_failure;
typedef enum detent_shutdown_policy { DETENT_CANCEL_PENDING = 0, DETENT_RUN_DUE = 1 } detent_shutdown_policy;
typedef enum detent_sharing { DETENT_ANY_THREAD = 0, DETENT_ONE_THREAD = 1 } detent_sharing;
typedef enum detent_drive { DETENT_OWN_THREAD = 0, DETENT_BY_USER = 1 } detent_drive;
typedef enum detent_group_order { DETENT_CONCURRENT = 0, DETENT_SERIAL = 1 } detent_group_order;
typedef enum detent_error_kind { DETENT_ERROR_FAILED = 0, DETENT_ERROR_DROPPED = 1 } detent_error_kind;

typedef enum detent_executor {
  DETENT_ON_POOL = 0,
  DETENT_ON_DRIVER = 1,
  DETENT_ON_POST = 2,  // the caller's own: `post`
} detent_executor;

typedef enum detent_scheduling {
  DETENT_SCHEDULE_ORDINARY = 0,
  DETENT_SCHEDULE_FIFO = 1,
  DETENT_SCHEDULE_ROUND_ROBIN = 2,
} detent_scheduling;

// The word for a value of the enum, "unknown" for any other number; never NULL.
DETENT_C_API const char* detent_status_text(int status) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_arm_text(int result) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_cancel_text(int result) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_wait_text(int result) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_stop_text(int result) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_then_text(int result) DETENT_C_NOEXCEPT;
DETENT_C_API const char* detent_state_text(int state) DETENT_C_NOEXCEPT;

// major << 16 | minor << 8 | patch, of the library in use.
DETENT_C_API uint32_t detent_version(void) DETENT_C_NOEXCEPT;

// --- Handles, ids, functions of the caller. --------------------------------------------------------------------------

typedef struct detent_service detent_service;
typedef struct detent_group detent_group;
typedef struct detent_timer detent_timer;
typedef struct detent_clock detent_clock;    // moves only when told; for tests
typedef struct detent_firing detent_firing;  // valid while its call lasts
typedef uint64_t detent_id;

typedef void (*detent_callback)(void* context, detent_firing* firing);
typedef void (*detent_continuation)(void* context);
typedef void (*detent_release)(void* context);

// "Look at record i". Copy it as bytes, and run or drop it once, at any time, also after the service is gone.
typedef struct detent_task {
  void* first;
  uint64_t second;
} detent_task;

// Names one timer in reports; `name` is never NULL.
typedef struct detent_named {
  detent_id id;
  const char* name;
} detent_named;

// What `on_error` is told: the callback failed (`detent_firing_fail`, or a C++ exception), or its firing was dropped.
typedef struct detent_error {
  int32_t kind;      // detent_error_kind
  int32_t code;      // as given to `detent_firing_fail`, else 0
  const char* text;  // what a C++ exception says, else ""
  detent_named timer;
} detent_error;

// A wait that would never end. `refused` 0: a `_free`, which cannot refuse; if the hook returns, it does not wait.
typedef struct detent_deadlock {
  int32_t refused;
  size_t count;
  const detent_named* cycle;
  const char* text;
} detent_deadlock;

// --- Options. -------------------------------------------------------------------------------------------------------

// All zero but `size` is the default. Hooks and `post` get `context`, may be called on any thread of the service, at
// once, and with no lock held; NULL is the default of the core (print, or abort).
typedef struct detent_service_options {
  size_t size;
  const char* name;       // threads are called name-driver, name-0, ...; NULL: "detent"
  int32_t drive;          // detent_drive
  int32_t sharing;        // detent_sharing
  int32_t executor;       // detent_executor
  uint32_t threads;       // of the pool; 0: 2
  int32_t scheduling;     // detent_scheduling
  int32_t priority;       // the OS's real-time priority
  detent_clock* clock;    // replaces every clock, and the driver
  int64_t call_limit_ns;  // above 0: calls that take longer are told to `on_slow_call`
  void* context;
  detent_release release;
  // 0 takes the task over; anything else refuses it, and its firing ends as dropped.
  int (*post)(void* context, detent_task task);
  void (*on_thread_start)(void* context, const char* thread_name);
  void (*on_error)(void* context, const detent_error* error);
  void (*on_deadlock)(void* context, const detent_deadlock* deadlock);
  void (*on_clock_step)(void* context, int64_t by_ns);
  void (*on_slow_call)(void* context, const detent_named* timer, int64_t running_ns);
} detent_service_options;

typedef struct detent_timer_options {
  size_t size;
  const char* name;
  int64_t tolerance_ns;  // a wake-up may be put off by at most this; never early
  int32_t on_failure;    // detent_on_failure
  int32_t clock;         // detent_clock_kind; `detent_once`, `_once_at` and `_every` want DETENT_CLOCK_STEADY
} detent_timer_options;

typedef struct detent_series_options {
  size_t size;
  int64_t first_ns;  // delay of the first tick; negative: one period
  int32_t pace;      // detent_pace
  int32_t missed;    // detent_missed_ticks
} detent_series_options;

typedef struct detent_group_options {
  size_t size;
  const char* name;
  int32_t order;  // detent_group_order
} detent_group_options;

// --- Service. -------------------------------------------------------------------------------------------------------

DETENT_C_API int detent_service_new(const detent_service_options* options, detent_service** service) DETENT_C_NOEXCEPT;
// Waits for every thread of the service, however long it takes, unless called on one of them.
DETENT_C_API void detent_service_free(detent_service* service) DETENT_C_NOEXCEPT;

typedef struct detent_shutdown_report {
  int32_t complete;  // 1: no call is still running
  uint64_t fired;
  uint64_t cancelled;
  uint64_t dropped;
  uint64_t detached_threads;
  size_t still_running_count;  // how many are named below: as many as memory allowed
  const detent_named* still_running;
} detent_shutdown_report;

// Any number of times, from any thread (G19). `report` may be NULL; what it gets is freed with the function below.
DETENT_C_API int detent_service_shutdown(detent_service* service, int policy, int64_t limit_ns,
                                         detent_shutdown_report** report) DETENT_C_NOEXCEPT;
DETENT_C_API void detent_shutdown_report_free(detent_shutdown_report* report) DETENT_C_NOEXCEPT;

// Driven by the caller's loop. Answers a detent_run_result; `count` (may be NULL) gets the firings handed out.
DETENT_C_API int detent_service_run_due(detent_service* service, size_t* count) DETENT_C_NOEXCEPT;
// When `run_due` is due next, on the steady clock; DETENT_NEVER when nothing is pending, and for NULL. Inside a
// callback, and beside a look on another thread, it is now: ask again.
DETENT_C_API int64_t detent_service_next_deadline_ns(detent_service* service) DETENT_C_NOEXCEPT;
// Readable when `run_due` is due: poll it, do not read or close it. -1 where there is none.
DETENT_C_API int detent_service_fd(detent_service* service) DETENT_C_NOEXCEPT;

DETENT_C_API int detent_service_now(detent_service* service, int clock, int64_t* now_ns) DETENT_C_NOEXCEPT;
// Withdraws every pending firing; the timers with a handle stay open. `count` may be NULL.
DETENT_C_API int detent_service_cancel_all(detent_service* service, size_t* count) DETENT_C_NOEXCEPT;

typedef struct detent_counters {
  size_t size;  // set it before the call
  uint64_t fired;
  uint64_t dropped;
  uint64_t missed;
  uint64_t failed;  // calls that ended in `detent_firing_fail` or an exception
  uint64_t early;   // any value but 0 is a defect of Detent
  uint64_t wakeups;
  uint64_t alive;
  uint64_t clock_steps;
  uint64_t lateness_max_ns;
} detent_counters;

DETENT_C_API int detent_service_counters(detent_service* service, detent_counters* counters) DETENT_C_NOEXCEPT;
// An upper bound, within an eighth, of the quantile (0 to 1) of lateness so far.
DETENT_C_API int detent_service_lateness(detent_service* service, double quantile, uint64_t* ns) DETENT_C_NOEXCEPT;

typedef struct detent_timer_info {
  detent_id id;
  const char* name;
  const char* group;
  int32_t state;      // detent_timer_state
  int32_t clock;      // detent_clock_kind
  int32_t due_known;  // 0: nothing pending, or pending for ever
  int64_t due_in_ns;  // negative: overdue
  int64_t period_ns;  // 0: not a series
  uint64_t calls;
} detent_timer_info;

typedef struct detent_snapshot {
  size_t count;
  const detent_timer_info* timers;
} detent_snapshot;

DETENT_C_API int detent_service_snapshot(detent_service* service, detent_snapshot** snapshot) DETENT_C_NOEXCEPT;
DETENT_C_API void detent_snapshot_free(detent_snapshot* snapshot) DETENT_C_NOEXCEPT;
// Writes at most `capacity` ids of timers with a pending firing; `count` gets how many there are.
DETENT_C_API int detent_service_active(detent_service* service, detent_id* ids, size_t capacity,
                                       size_t* count) DETENT_C_NOEXCEPT;

// --- Timers that only their id names: they end when nothing is pending any more. ------------------------------------

DETENT_C_API int detent_once(detent_service* service, int64_t delay_ns, detent_callback callback, void* context,
                             detent_release release, const detent_timer_options* options,
                             detent_id* id) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_once_at(detent_service* service, int64_t steady_ns, detent_callback callback, void* context,
                                detent_release release, const detent_timer_options* options,
                                detent_id* id) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_every(detent_service* service, int64_t period_ns, detent_callback callback, void* context,
                              detent_release release, const detent_series_options* series,
                              const detent_timer_options* options, detent_id* id) DETENT_C_NOEXCEPT;

// A wait in slices, for a thread that has to look up from its wait: a `_wait_slice` that answered DETENT_WAIT_TIMED_OUT
// goes on when it is called again with its progress, as if it had waited all the time, so that what ended in between
// ends it. All zeros begin a wait; it is for one wait, by one thread, on one timer or group.
typedef struct detent_wait_progress {
  uint64_t opaque[4];
} detent_wait_progress;

// Verbs on the id of any timer of that service.
DETENT_C_API int detent_id_arm_after(detent_service* service, detent_id id, int64_t delay_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_arm_at(detent_service* service, detent_id id, int clock, int64_t at_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_arm_every(detent_service* service, detent_id id, int64_t period_ns,
                                     const detent_series_options* series) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_cancel(detent_service* service, detent_id id) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_close(detent_service* service, detent_id id) DETENT_C_NOEXCEPT;
// Answer a detent_wait_result; `outcome` (may be NULL) gets the detent_cancel_result.
DETENT_C_API int detent_id_cancel_and_wait(detent_service* service, detent_id id, int64_t limit_ns,
                                           int* outcome) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_close_and_wait(detent_service* service, detent_id id, int64_t limit_ns,
                                          int* outcome) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_close_then(detent_service* service, detent_id id, detent_continuation then, void* context,
                                      detent_release release) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_stop(detent_service* service, detent_id id) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_wait(detent_service* service, detent_id id, int64_t limit_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_wait_slice(detent_service* service, detent_id id, int64_t limit_ns,
                                      detent_wait_progress* progress) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_id_status(detent_service* service, detent_id id) DETENT_C_NOEXCEPT;
// A snapshot of one timer, or of none when it is gone.
DETENT_C_API int detent_id_info(detent_service* service, detent_id id, detent_snapshot** snapshot) DETENT_C_NOEXCEPT;

// --- Timers with a handle: made quiet, armed and cancelled any number of times, gone when freed. ---------------------

// In a service that is shut down, or a group that is closed, the timer is born closed: DETENT_OK, its verbs refuse.
DETENT_C_API int detent_timer_new(detent_service* service, const detent_timer_options* options,
                                  detent_callback callback, void* context, detent_release release,
                                  detent_timer** timer) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_new_in(detent_group* group, const detent_timer_options* options, detent_callback callback,
                                     void* context, detent_release release, detent_timer** timer) DETENT_C_NOEXCEPT;
// Closes and waits. When it has returned outside the timer's callback, the context has been released.
DETENT_C_API void detent_timer_free(detent_timer* timer) DETENT_C_NOEXCEPT;

DETENT_C_API int detent_timer_arm_after(detent_timer* timer, int64_t delay_ns) DETENT_C_NOEXCEPT;
// An instant on the clock of the timer, since that clock's epoch.
DETENT_C_API int detent_timer_arm_at(detent_timer* timer, int64_t at_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_arm_every(detent_timer* timer, int64_t period_ns,
                                        const detent_series_options* series) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_arm_every_at(detent_timer* timer, int64_t first_at_ns, int64_t period_ns,
                                           const detent_series_options* series) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_cancel(detent_timer* timer) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_close(detent_timer* timer) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_cancel_and_wait(detent_timer* timer, int64_t limit_ns, int* outcome) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_close_and_wait(detent_timer* timer, int64_t limit_ns, int* outcome) DETENT_C_NOEXCEPT;
// Closes without waiting; `then` runs once, on the executor, after the last call and the release of the callback's
// context, and may free everything.
DETENT_C_API int detent_timer_close_then(detent_timer* timer, detent_continuation then, void* context,
                                         detent_release release) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_stop(detent_timer* timer) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_wait(detent_timer* timer, int64_t limit_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_wait_slice(detent_timer* timer, int64_t limit_ns,
                                         detent_wait_progress* progress) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_timer_status(detent_timer* timer) DETENT_C_NOEXCEPT;
DETENT_C_API detent_id detent_timer_id(detent_timer* timer) DETENT_C_NOEXCEPT;
// Writes the name, cut to fit and ended by a zero; `length` (may be NULL) gets its whole length.
DETENT_C_API int detent_timer_name(detent_timer* timer, char* buffer, size_t capacity,
                                   size_t* length) DETENT_C_NOEXCEPT;
DETENT_C_API int64_t detent_timer_tolerance_ns(detent_timer* timer) DETENT_C_NOEXCEPT;

// --- Groups. --------------------------------------------------------------------------------------------------------

DETENT_C_API int detent_group_new(detent_service* service, const detent_group_options* options,
                                  detent_group** group) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_new_in(detent_group* parent, const detent_group_options* options,
                                     detent_group** group) DETENT_C_NOEXCEPT;
DETENT_C_API void detent_group_free(detent_group* group) DETENT_C_NOEXCEPT;
// Answer DETENT_OK; `count` (may be NULL) gets how many firings were withdrawn, or calls asked.
DETENT_C_API int detent_group_cancel(detent_group* group, size_t* count) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_close(detent_group* group, size_t* count) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_stop(detent_group* group, size_t* count) DETENT_C_NOEXCEPT;
// Answer a detent_wait_result.
DETENT_C_API int detent_group_cancel_and_wait(detent_group* group, int64_t limit_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_close_and_wait(detent_group* group, int64_t limit_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_wait(detent_group* group, int64_t limit_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_wait_slice(detent_group* group, int64_t limit_ns,
                                         detent_wait_progress* progress) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_group_size(detent_group* group, size_t* size) DETENT_C_NOEXCEPT;

// --- Inside a callback. ---------------------------------------------------------------------------------------------

DETENT_C_API int64_t detent_firing_deadline_ns(const detent_firing* firing) DETENT_C_NOEXCEPT;  // on the timer's clock
DETENT_C_API int64_t detent_firing_lateness_ns(const detent_firing* firing) DETENT_C_NOEXCEPT;
DETENT_C_API uint64_t detent_firing_missed(const detent_firing* firing) DETENT_C_NOEXCEPT;
DETENT_C_API detent_id detent_firing_id(const detent_firing* firing) DETENT_C_NOEXCEPT;
// 1 once the call was asked to end early. Legal on any thread while the call lasts.
DETENT_C_API int detent_firing_stop_requested(const detent_firing* firing) DETENT_C_NOEXCEPT;
// The rest of the call no longer counts for waits on its timer.
DETENT_C_API int detent_firing_detach(detent_firing* firing) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_firing_close(detent_firing* firing) DETENT_C_NOEXCEPT;
// The call will count as failed: `on_error` gets `code` (not 0), and the timer's `on_failure` decides about its series.
DETENT_C_API int detent_firing_fail(detent_firing* firing, int code) DETENT_C_NOEXCEPT;

// --- Inside an executor. --------------------------------------------------------------------------------------------

// Both empty the task; an empty one does nothing.
DETENT_C_API int detent_task_run(detent_task* task) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_task_drop(detent_task* task) DETENT_C_NOEXCEPT;

// --- A clock that moves only when told. -----------------------------------------------------------------------------

// Starts `start_ns` after the epochs. The moves are one at a time; `count` (may be NULL) gets the calls made.
DETENT_C_API int detent_clock_new(int64_t start_ns, detent_clock** clock) DETENT_C_NOEXCEPT;
DETENT_C_API void detent_clock_free(detent_clock* clock) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_clock_now(detent_clock* clock, int kind, int64_t* now_ns) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_clock_advance(detent_clock* clock, int64_t by_ns, size_t* count) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_clock_step(detent_clock* clock, size_t* count) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_clock_suspend(detent_clock* clock, int64_t by_ns, size_t* count) DETENT_C_NOEXCEPT;
DETENT_C_API int detent_clock_step_system(detent_clock* clock, int64_t by_ns, size_t* count) DETENT_C_NOEXCEPT;

#if defined(__cplusplus)
}
#endif
