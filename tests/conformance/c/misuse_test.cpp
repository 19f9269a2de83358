// Misuse of <detent/c.h> as one table: each function of the header, in each situation that can be wrong, with its
// result. The header is read to see that no function was left out.
#include <detent/c.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <iterator>
#include <regex>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

constexpr std::int64_t ms = 1'000'000;

struct released {
  int count = 0;
  static void one(void* context) { ++static_cast<released*>(context)->count; }
};

void nothing(void*, detent_firing*) {}
void then_nothing(void*) {}

// A service on a manual clock, with a timer that nothing was done to, and one of everything else.
struct world {
  detent_clock* clock = nullptr;
  detent_service* service = nullptr;
  detent_group* group = nullptr;
  detent_timer* timer = nullptr;
  detent_id id = 0;     // of `timer`
  detent_id stale = 0;  // of a timer that is gone
  detent_timer* made = nullptr;
  detent_group* made_group = nullptr;
  detent_snapshot* snapshot = nullptr;
  std::size_t count = 0;
  std::int64_t now_ns = 0;
  std::uint64_t quantile_ns = 0;
  int outcome = -9;
  detent_wait_progress progress{};
  detent_counters counters{};
  detent_shutdown_report* report = nullptr;

  world() {
    counters.size = sizeof counters;
    detent_clock_new(0, &clock);
    detent_service_options options{};
    options.size = sizeof options;
    options.executor = DETENT_ON_DRIVER;
    options.clock = clock;
    detent_service_new(&options, &service);
    detent_group_new(service, nullptr, &group);
    detent_timer_new_in(group, nullptr, nothing, nullptr, nullptr, &timer);
    id = detent_timer_id(timer);
    detent_once(service, ms, nothing, nullptr, nullptr, nullptr, &stale);
    detent_clock_advance(clock, 2 * ms, nullptr);
  }
  world(const world&) = delete;
  world& operator=(const world&) = delete;
  ~world() {
    detent_snapshot_free(snapshot);
    detent_shutdown_report_free(report);
    detent_timer_free(made);
    detent_group_free(made_group);
    detent_timer_free(timer);
    detent_group_free(group);
    detent_service_free(service);
    detent_clock_free(clock);
  }
};

using act = std::function<std::int64_t(world&)>;
struct row {
  const char* function;
  std::int64_t expected;
  act call;
};

// clang-format off
#define ROW(expected, function, ...) \
    row{#function, expected, [](world& w) { \
      static_cast<void>(w); return static_cast<std::int64_t>(function(__VA_ARGS__)); }}
#define QUIET_ROW(function, ...) \
    row{#function, 0, [](world& w) { static_cast<void>(w); function(__VA_ARGS__); return std::int64_t{0}; }}

// A function whose answer is no constant.
#define TRUE_ROW(function, condition) \
    row{#function, 1, [](world& w) { return std::int64_t{condition}; }}

// What NULL for the first pointer, or no callback, or no place for the result, is answered with.
const std::vector<row> with_null = {
    ROW(DETENT_INVALID, detent_service_new, nullptr, nullptr),
    QUIET_ROW(detent_service_free, nullptr),
    ROW(DETENT_INVALID, detent_service_shutdown, nullptr, DETENT_CANCEL_PENDING, 0, nullptr),
    QUIET_ROW(detent_shutdown_report_free, nullptr),
    ROW(DETENT_INVALID, detent_service_run_due, nullptr, nullptr),
    ROW(DETENT_NEVER, detent_service_next_deadline_ns, nullptr),
    ROW(-1, detent_service_fd, nullptr),
    ROW(DETENT_INVALID, detent_service_now, nullptr, DETENT_CLOCK_STEADY, &w.now_ns),
    ROW(DETENT_INVALID, detent_service_now, w.service, DETENT_CLOCK_STEADY, nullptr),
    ROW(DETENT_INVALID, detent_service_cancel_all, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_service_counters, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_service_counters, w.service, nullptr),
    ROW(DETENT_INVALID, detent_service_lateness, nullptr, 0.5, &w.quantile_ns),
    ROW(DETENT_INVALID, detent_service_lateness, w.service, 0.5, nullptr),
    ROW(DETENT_INVALID, detent_service_snapshot, nullptr, &w.snapshot),
    ROW(DETENT_INVALID, detent_service_snapshot, w.service, nullptr),
    QUIET_ROW(detent_snapshot_free, nullptr),
    ROW(DETENT_INVALID, detent_service_active, nullptr, nullptr, 0, nullptr),
    ROW(DETENT_INVALID, detent_service_active, w.service, nullptr, 4, nullptr),
    ROW(DETENT_INVALID, detent_once, nullptr, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_once, w.service, ms, nullptr, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_once_at, nullptr, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_every, nullptr, ms, nothing, nullptr, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_id_arm_after, nullptr, w.id, ms),
    ROW(DETENT_INVALID, detent_id_arm_at, nullptr, w.id, DETENT_CLOCK_STEADY, ms),
    ROW(DETENT_INVALID, detent_id_arm_every, nullptr, w.id, ms, nullptr),
    ROW(DETENT_INVALID, detent_id_cancel, nullptr, w.id),
    ROW(DETENT_INVALID, detent_id_close, nullptr, w.id),
    ROW(DETENT_INVALID, detent_id_cancel_and_wait, nullptr, w.id, 0, nullptr),
    ROW(DETENT_INVALID, detent_id_close_and_wait, nullptr, w.id, 0, nullptr),
    ROW(DETENT_INVALID, detent_id_close_then, nullptr, w.id, then_nothing, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_id_close_then, w.service, w.id, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_id_stop, nullptr, w.id),
    ROW(DETENT_INVALID, detent_id_wait, nullptr, w.id, 0),
    ROW(DETENT_INVALID, detent_id_wait_slice, nullptr, w.id, 0, &w.progress),
    ROW(DETENT_INVALID, detent_id_wait_slice, w.service, w.id, 0, nullptr),
    ROW(DETENT_INVALID, detent_id_status, nullptr, w.id),
    ROW(DETENT_INVALID, detent_id_info, nullptr, w.id, &w.snapshot),
    ROW(DETENT_INVALID, detent_timer_new, nullptr, nullptr, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_INVALID, detent_timer_new, w.service, nullptr, nullptr, nullptr, nullptr, &w.made),
    ROW(DETENT_INVALID, detent_timer_new, w.service, nullptr, nothing, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_timer_new_in, nullptr, nullptr, nothing, nullptr, nullptr, &w.made),
    QUIET_ROW(detent_timer_free, nullptr),
    ROW(DETENT_INVALID, detent_timer_arm_after, nullptr, ms),
    ROW(DETENT_INVALID, detent_timer_arm_at, nullptr, ms),
    ROW(DETENT_INVALID, detent_timer_arm_every, nullptr, ms, nullptr),
    ROW(DETENT_INVALID, detent_timer_arm_every_at, nullptr, ms, ms, nullptr),
    ROW(DETENT_INVALID, detent_timer_cancel, nullptr),
    ROW(DETENT_INVALID, detent_timer_close, nullptr),
    ROW(DETENT_INVALID, detent_timer_cancel_and_wait, nullptr, 0, nullptr),
    ROW(DETENT_INVALID, detent_timer_close_and_wait, nullptr, 0, nullptr),
    ROW(DETENT_INVALID, detent_timer_close_then, nullptr, then_nothing, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_timer_close_then, w.timer, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_timer_stop, nullptr),
    ROW(DETENT_INVALID, detent_timer_wait, nullptr, 0),
    ROW(DETENT_INVALID, detent_timer_wait_slice, nullptr, 0, &w.progress),
    ROW(DETENT_INVALID, detent_timer_wait_slice, w.timer, 0, nullptr),
    ROW(DETENT_INVALID, detent_timer_status, nullptr),
    ROW(0, detent_timer_id, nullptr),
    ROW(DETENT_INVALID, detent_timer_name, nullptr, nullptr, 0, nullptr),
    ROW(DETENT_INVALID, detent_timer_name, w.timer, nullptr, 4, nullptr),
    ROW(0, detent_timer_tolerance_ns, nullptr),
    ROW(DETENT_INVALID, detent_group_new, nullptr, nullptr, &w.made_group),
    ROW(DETENT_INVALID, detent_group_new, w.service, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_group_new_in, nullptr, nullptr, &w.made_group),
    QUIET_ROW(detent_group_free, nullptr),
    ROW(DETENT_INVALID, detent_group_cancel, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_group_close, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_group_stop, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_group_cancel_and_wait, nullptr, 0),
    ROW(DETENT_INVALID, detent_group_close_and_wait, nullptr, 0),
    ROW(DETENT_INVALID, detent_group_wait, nullptr, 0),
    ROW(DETENT_INVALID, detent_group_wait_slice, nullptr, 0, &w.progress),
    ROW(DETENT_INVALID, detent_group_wait_slice, w.group, 0, nullptr),
    ROW(DETENT_INVALID, detent_group_size, nullptr, &w.count),
    ROW(DETENT_INVALID, detent_group_size, w.group, nullptr),
    ROW(0, detent_firing_deadline_ns, nullptr),
    ROW(0, detent_firing_lateness_ns, nullptr),
    ROW(0, detent_firing_missed, nullptr),
    ROW(0, detent_firing_id, nullptr),
    ROW(DETENT_INVALID, detent_firing_stop_requested, nullptr),
    ROW(DETENT_INVALID, detent_firing_detach, nullptr),
    ROW(DETENT_INVALID, detent_firing_close, nullptr),
    ROW(DETENT_INVALID, detent_firing_fail, nullptr, 1),
    ROW(DETENT_INVALID, detent_task_run, nullptr),
    ROW(DETENT_INVALID, detent_task_drop, nullptr),
    ROW(DETENT_INVALID, detent_clock_new, 0, nullptr),
    QUIET_ROW(detent_clock_free, nullptr),
    ROW(DETENT_INVALID, detent_clock_now, nullptr, DETENT_CLOCK_STEADY, &w.now_ns),
    ROW(DETENT_INVALID, detent_clock_advance, nullptr, ms, nullptr),
    ROW(DETENT_INVALID, detent_clock_step, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_clock_suspend, nullptr, ms, nullptr),
    ROW(DETENT_INVALID, detent_clock_step_system, nullptr, ms, nullptr),
};

// An id whose timer is gone, and the id of no timer.
const std::vector<row> with_stale_id = {
    ROW(DETENT_ARM_CLOSED, detent_id_arm_after, w.service, w.stale, ms),
    ROW(DETENT_ARM_CLOSED, detent_id_arm_at, w.service, w.stale, DETENT_CLOCK_STEADY, ms),
    ROW(DETENT_ARM_CLOSED, detent_id_arm_every, w.service, w.stale, ms, nullptr),
    ROW(DETENT_CANCEL_CLOSED, detent_id_cancel, w.service, w.stale),
    ROW(DETENT_CANCEL_CLOSED, detent_id_close, w.service, w.stale),
    ROW(DETENT_WAIT_QUIET, detent_id_cancel_and_wait, w.service, w.stale, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_QUIET, detent_id_close_and_wait, w.service, w.stale, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_THEN_ACCEPTED, detent_id_close_then, w.service, w.stale, then_nothing, nullptr, nullptr),
    ROW(DETENT_STOP_IDLE, detent_id_stop, w.service, w.stale),
    ROW(DETENT_WAIT_QUIET, detent_id_wait, w.service, w.stale, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_id_wait_slice, w.service, w.stale, DETENT_FOREVER, &w.progress),
    ROW(DETENT_STATE_CLOSED, detent_id_status, w.service, w.stale),
    ROW(DETENT_OK, detent_id_info, w.service, w.stale, &w.snapshot),
    ROW(DETENT_CANCEL_CLOSED, detent_id_cancel, w.service, 0),
    ROW(DETENT_CANCEL_CLOSED, detent_id_cancel, w.service, UINT64_MAX),
};

// After `detent_timer_close`: closing again, and every other verb.
const std::vector<row> when_closed = {
    ROW(DETENT_CANCEL_CLOSED, detent_timer_close, w.timer),
    ROW(DETENT_CANCEL_CLOSED, detent_id_close, w.service, w.id),
    ROW(DETENT_CANCEL_CLOSED, detent_timer_cancel, w.timer),
    ROW(DETENT_WAIT_QUIET, detent_timer_cancel_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_QUIET, detent_timer_close_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_THEN_ACCEPTED, detent_timer_close_then, w.timer, then_nothing, nullptr, nullptr),
    ROW(DETENT_ARM_CLOSED, detent_timer_arm_after, w.timer, ms),
    ROW(DETENT_ARM_CLOSED, detent_timer_arm_at, w.timer, ms),
    ROW(DETENT_ARM_CLOSED, detent_timer_arm_every, w.timer, ms, nullptr),
    ROW(DETENT_ARM_CLOSED, detent_timer_arm_every_at, w.timer, ms, ms, nullptr),
    ROW(DETENT_STOP_IDLE, detent_timer_stop, w.timer),
    ROW(DETENT_WAIT_QUIET, detent_timer_wait, w.timer, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_timer_wait_slice, w.timer, DETENT_FOREVER, &w.progress),
    ROW(DETENT_STATE_CLOSED, detent_timer_status, w.timer),
    TRUE_ROW(detent_timer_id, detent_timer_id(w.timer) == w.id),
    ROW(DETENT_OK, detent_timer_name, w.timer, nullptr, 0, &w.count),
    ROW(0, detent_timer_tolerance_ns, w.timer),
};

// After `detent_service_shutdown`. Groups close, count and wait as before; creation makes what is born closed.
const std::vector<row> when_shut_down = {
    ROW(DETENT_OK, detent_service_shutdown, w.service, DETENT_CANCEL_PENDING, DETENT_FOREVER, nullptr),
    ROW(DETENT_NEVER, detent_service_next_deadline_ns, w.service),
    ROW(-1, detent_service_fd, w.service),
    ROW(DETENT_OK, detent_service_now, w.service, DETENT_CLOCK_SYSTEM, &w.now_ns),
    ROW(DETENT_OK, detent_service_cancel_all, w.service, &w.count),
    ROW(DETENT_OK, detent_service_lateness, w.service, 0.5, &w.quantile_ns),
    ROW(DETENT_OK, detent_service_snapshot, w.service, &w.snapshot),
    ROW(DETENT_OK, detent_service_active, w.service, nullptr, 0, &w.count),
    ROW(DETENT_UNAVAILABLE, detent_once, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_UNAVAILABLE, detent_once_at, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_UNAVAILABLE, detent_every, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_ARM_SHUT_DOWN, detent_id_arm_after, w.service, w.id, ms),
    ROW(DETENT_CANCEL_SHUT_DOWN, detent_id_cancel, w.service, w.id),
    ROW(DETENT_CANCEL_SHUT_DOWN, detent_id_close, w.service, w.id),
    ROW(DETENT_STATE_SHUT_DOWN, detent_id_status, w.service, w.id),
    ROW(DETENT_OK, detent_timer_new, w.service, nullptr, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_OK, detent_timer_new_in, w.group, nullptr, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_ARM_SHUT_DOWN, detent_timer_arm_after, w.timer, ms),
    ROW(DETENT_ARM_SHUT_DOWN, detent_timer_arm_at, w.timer, ms),
    ROW(DETENT_ARM_SHUT_DOWN, detent_timer_arm_every, w.timer, ms, nullptr),
    ROW(DETENT_CANCEL_SHUT_DOWN, detent_timer_cancel, w.timer),
    ROW(DETENT_CANCEL_SHUT_DOWN, detent_timer_close, w.timer),
    ROW(DETENT_WAIT_QUIET, detent_timer_cancel_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_QUIET, detent_timer_close_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_THEN_ACCEPTED, detent_timer_close_then, w.timer, then_nothing, nullptr, nullptr),
    ROW(DETENT_STOP_IDLE, detent_timer_stop, w.timer),
    ROW(DETENT_WAIT_QUIET, detent_timer_wait, w.timer, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_timer_wait_slice, w.timer, DETENT_FOREVER, &w.progress),
    ROW(DETENT_STATE_SHUT_DOWN, detent_timer_status, w.timer),
    ROW(DETENT_OK, detent_group_new, w.service, nullptr, &w.made_group),
    ROW(DETENT_OK, detent_group_cancel, w.group, &w.count),
    ROW(DETENT_WAIT_QUIET, detent_group_close_and_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_group_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_group_wait_slice, w.group, DETENT_FOREVER, &w.progress),
    ROW(DETENT_OK, detent_clock_advance, w.clock, ms, &w.count),
    ROW(DETENT_RUN_BUSY, detent_service_run_due, w.service, &w.count),  // the clock drives it
    ROW(DETENT_OK, detent_service_counters, w.service, &w.counters),
    ROW(DETENT_ARM_SHUT_DOWN, detent_id_arm_at, w.service, w.id, DETENT_CLOCK_STEADY, ms),
    ROW(DETENT_ARM_SHUT_DOWN, detent_id_arm_every, w.service, w.id, ms, nullptr),
    ROW(DETENT_WAIT_QUIET, detent_id_cancel_and_wait, w.service, w.id, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_QUIET, detent_id_close_and_wait, w.service, w.id, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_THEN_ACCEPTED, detent_id_close_then, w.service, w.id, then_nothing, nullptr, nullptr),
    ROW(DETENT_STOP_IDLE, detent_id_stop, w.service, w.id),
    ROW(DETENT_WAIT_QUIET, detent_id_wait, w.service, w.id, DETENT_FOREVER),
    ROW(DETENT_WAIT_QUIET, detent_id_wait_slice, w.service, w.id, DETENT_FOREVER, &w.progress),
    ROW(DETENT_OK, detent_id_info, w.service, w.id, &w.snapshot),
    ROW(DETENT_ARM_SHUT_DOWN, detent_timer_arm_every_at, w.timer, ms, ms, nullptr),
    TRUE_ROW(detent_timer_id, detent_timer_id(w.timer) == w.id),
    ROW(DETENT_OK, detent_timer_name, w.timer, nullptr, 0, &w.count),
    ROW(0, detent_timer_tolerance_ns, w.timer),
    ROW(DETENT_OK, detent_group_new_in, w.group, nullptr, &w.made_group),
    ROW(DETENT_OK, detent_group_close, w.group, &w.count),
    ROW(DETENT_OK, detent_group_stop, w.group, &w.count),
    ROW(DETENT_WAIT_QUIET, detent_group_cancel_and_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_OK, detent_group_size, w.group, &w.count),
};

// Inside the callback of `timer`, with nothing pending.
const std::vector<row> in_callback = {
    ROW(DETENT_RUN_BUSY, detent_service_run_due, w.service, &w.count),
    ROW(DETENT_OK, detent_service_shutdown, w.service, DETENT_CANCEL_PENDING, 0, nullptr),
    ROW(DETENT_OK, detent_once, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_ARM_ARMED, detent_id_arm_after, w.service, w.id, ms),
    ROW(DETENT_CANCEL_RUNNING, detent_id_cancel, w.service, w.id),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_id_cancel_and_wait, w.service, w.id, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_id_close_and_wait, w.service, w.id, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_id_wait, w.service, w.id, DETENT_FOREVER),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_id_wait_slice, w.service, w.id, DETENT_FOREVER, &w.progress),
    ROW(DETENT_ARM_ARMED, detent_timer_arm_after, w.timer, ms),
    ROW(DETENT_CANCEL_RUNNING, detent_timer_cancel, w.timer),
    ROW(DETENT_CANCEL_RUNNING, detent_timer_close, w.timer),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_timer_cancel_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_timer_close_and_wait, w.timer, DETENT_FOREVER, &w.outcome),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_timer_wait, w.timer, DETENT_FOREVER),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_timer_wait_slice, w.timer, DETENT_FOREVER, &w.progress),
    ROW(DETENT_THEN_ACCEPTED, detent_timer_close_then, w.timer, then_nothing, nullptr, nullptr),
    ROW(DETENT_STOP_ASKED, detent_timer_stop, w.timer),
    ROW(DETENT_STATE_RUNNING, detent_timer_status, w.timer),
    QUIET_ROW(detent_timer_free, std::exchange(w.timer, nullptr)),
    QUIET_ROW(detent_group_free, std::exchange(w.group, nullptr)),
    QUIET_ROW(detent_service_free, std::exchange(w.service, nullptr)),
    QUIET_ROW(detent_clock_free, std::exchange(w.clock, nullptr)),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_group_cancel_and_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_group_close_and_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_group_wait, w.group, DETENT_FOREVER),
    ROW(DETENT_WAIT_FROM_CALLBACK, detent_group_wait_slice, w.group, DETENT_FOREVER, &w.progress),
    ROW(DETENT_OK, detent_clock_advance, w.clock, ms, &w.count),
    ROW(DETENT_OK, detent_clock_step, w.clock, &w.count),
    ROW(DETENT_OK, detent_clock_suspend, w.clock, ms, &w.count),
    ROW(DETENT_OK, detent_clock_step_system, w.clock, ms, &w.count),
    ROW(DETENT_OK, detent_clock_now, w.clock, DETENT_CLOCK_BOOTTIME, &w.now_ns),
    ROW(2 * ms, detent_service_next_deadline_ns, w.service),  // now: look again
    ROW(-1, detent_service_fd, w.service),
    ROW(DETENT_OK, detent_service_now, w.service, DETENT_CLOCK_STEADY, &w.now_ns),
    ROW(DETENT_OK, detent_service_cancel_all, w.service, &w.count),
    ROW(DETENT_OK, detent_service_counters, w.service, &w.counters),
    ROW(DETENT_OK, detent_service_lateness, w.service, 0.5, &w.quantile_ns),
    ROW(DETENT_OK, detent_service_snapshot, w.service, &w.snapshot),
    ROW(DETENT_OK, detent_service_active, w.service, nullptr, 0, &w.count),
    ROW(DETENT_OK, detent_once_at, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_OK, detent_every, w.service, ms, nothing, nullptr, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_ARM_ARMED, detent_id_arm_at, w.service, w.id, DETENT_CLOCK_STEADY, ms),
    ROW(DETENT_ARM_ARMED, detent_id_arm_every, w.service, w.id, ms, nullptr),
    ROW(DETENT_CANCEL_RUNNING, detent_id_close, w.service, w.id),
    ROW(DETENT_THEN_ACCEPTED, detent_id_close_then, w.service, w.id, then_nothing, nullptr, nullptr),
    ROW(DETENT_STOP_ASKED, detent_id_stop, w.service, w.id),
    ROW(DETENT_STATE_RUNNING, detent_id_status, w.service, w.id),
    ROW(DETENT_OK, detent_id_info, w.service, w.id, &w.snapshot),
    ROW(DETENT_OK, detent_timer_new, w.service, nullptr, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_OK, detent_timer_new_in, w.group, nullptr, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_ARM_ARMED, detent_timer_arm_at, w.timer, ms),
    ROW(DETENT_ARM_ARMED, detent_timer_arm_every, w.timer, ms, nullptr),
    ROW(DETENT_ARM_ARMED, detent_timer_arm_every_at, w.timer, ms, ms, nullptr),
    TRUE_ROW(detent_timer_id, detent_timer_id(w.timer) == w.id),
    ROW(DETENT_OK, detent_timer_name, w.timer, nullptr, 0, &w.count),
    ROW(0, detent_timer_tolerance_ns, w.timer),
    ROW(DETENT_OK, detent_group_new, w.service, nullptr, &w.made_group),
    ROW(DETENT_OK, detent_group_new_in, w.group, nullptr, &w.made_group),
    ROW(DETENT_OK, detent_group_cancel, w.group, &w.count),
    ROW(DETENT_OK, detent_group_close, w.group, &w.count),
    ROW(DETENT_OK, detent_group_stop, w.group, &w.count),
    ROW(DETENT_OK, detent_group_size, w.group, &w.count),
    TRUE_ROW(detent_snapshot_free,
             (detent_service_snapshot(w.service, &w.snapshot), detent_snapshot_free(w.snapshot), w.snapshot = nullptr,
              true)),
    TRUE_ROW(detent_shutdown_report_free,
             (detent_service_shutdown(w.service, DETENT_CANCEL_PENDING, 0, &w.report),
              detent_shutdown_report_free(w.report), w.report = nullptr, true)),
};

// Numbers that no option has, and a structure without a size.
const detent_timer_options no_size{};
const detent_timer_options no_such_clock{sizeof(detent_timer_options), nullptr, 0, 0, 3};
const detent_timer_options system_clock{sizeof(detent_timer_options), nullptr, 0, 0, DETENT_CLOCK_SYSTEM};
const detent_series_options no_such_pace{sizeof(detent_series_options), -1, 2, 0};
const detent_group_options no_such_order{sizeof(detent_group_options), nullptr, -1};
const std::vector<row> with_impossible_options = {
    ROW(DETENT_INVALID, detent_timer_new, w.service, &no_size, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_INVALID, detent_timer_new, w.service, &no_such_clock, nothing, nullptr, nullptr, &w.made),
    ROW(DETENT_INVALID, detent_once, w.service, ms, nothing, nullptr, nullptr, &system_clock, nullptr),
    ROW(DETENT_INVALID, detent_every, w.service, 0, nothing, nullptr, nullptr, nullptr, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_every, w.service, ms, nothing, nullptr, nullptr, &no_such_pace, nullptr, nullptr),
    ROW(DETENT_INVALID, detent_timer_arm_every, w.timer, ms, &no_such_pace),
    ROW(DETENT_ARM_REFUSED, detent_timer_arm_every, w.timer, 0, nullptr),
    ROW(DETENT_ARM_REFUSED, detent_id_arm_at, w.service, w.id, DETENT_CLOCK_SYSTEM, ms),
    ROW(DETENT_INVALID, detent_id_arm_at, w.service, w.id, 3, ms),
    ROW(DETENT_INVALID, detent_group_new, w.service, &no_such_order, &w.made_group),
    ROW(DETENT_INVALID, detent_service_shutdown, w.service, 2, 0, nullptr),
    ROW(DETENT_INVALID, detent_service_now, w.service, -1, &w.now_ns),
    ROW(DETENT_INVALID, detent_service_lateness, w.service, 1.5, &w.quantile_ns),
    ROW(DETENT_INVALID, detent_clock_now, w.clock, 3, &w.now_ns),
};
// clang-format on

// Each row in a world of its own, made ready by `prepare`.
void check(const std::vector<row>& table, const act& prepare) {
  for (const row& each : table) {
    world w;
    prepare(w);
    EXPECT_EQ(each.call(w), each.expected) << each.function << ", row " << (&each - table.data());
  }
}

TEST(Misuse, NullIsAnswered) {
  check(with_null, [](world&) { return 0; });
}

TEST(Misuse, AStaleIdIsClosed) {
  check(with_stale_id, [](world&) { return 0; });
}

TEST(Misuse, ClosingAndUsingAfterCloseAnswerClosed) {
  check(when_closed, [](world& w) { return detent_timer_close(w.timer); });
}

TEST(Misuse, AfterShutdownEverythingAnswersSo) {
  check(when_shut_down,
        [](world& w) { return detent_service_shutdown(w.service, DETENT_CANCEL_PENDING, DETENT_FOREVER, nullptr); });
}

TEST(Misuse, OptionsThatCannotBeAreInvalid) {
  check(with_impossible_options, [](world&) { return 0; });
}

TEST(Misuse, InsideACallbackNothingBlocks) {
  for (const row& each : in_callback) {
    world w;
    struct inside {
      world* w;
      const row* each;
      detent_timer* timer = nullptr;
      int calls = 0;
    } seen{&w, &each};
    // The timer that calls takes the place of the world's own.
    detent_timer_free(w.timer);
    detent_timer_new_in(
        w.group, nullptr,
        [](void* context, detent_firing*) {
          auto& s = *static_cast<inside*>(context);
          if (s.calls++ == 0) {
            EXPECT_EQ(s.each->call(*s.w), s.each->expected) << s.each->function << " inside a callback";
          }
        },
        &seen, nullptr, &w.timer);
    w.id = detent_timer_id(w.timer);
    detent_timer_arm_after(w.timer, 0);
    detent_clock_advance(w.clock, ms, nullptr);
    EXPECT_GE(seen.calls, 1) << each.function;
  }
}

// The context is taken by every function that fails as well, once, and before it returns.
TEST(Misuse, AFailureReleasesTheContext) {
  world w;
  detent_id id = 7;
  const auto once = [](const std::function<int(released*)>& call, int status) {
    released context;
    EXPECT_EQ(call(&context), status);
    EXPECT_EQ(context.count, 1);
  };
  once([&](released* c) { return detent_once(nullptr, 1, nothing, c, released::one, nullptr, &id); }, DETENT_INVALID);
  EXPECT_EQ(id, 0U);
  once([&](released* c) { return detent_every(w.service, 0, nothing, c, released::one, nullptr, nullptr, &id); },
       DETENT_INVALID);
  once([&](released* c) { return detent_timer_new(nullptr, nullptr, nothing, c, released::one, &w.made); },
       DETENT_INVALID);
  once(
      [&](released* c) {
        detent_service_options options{};
        options.size = sizeof options;
        options.executor = 9;
        options.context = c;
        options.release = released::one;
        detent_service* none = nullptr;
        return detent_service_new(&options, &none);
      },
      DETENT_INVALID);
  // A continuation that was refused stays the caller's.
  released kept;
  EXPECT_EQ(detent_timer_close_then(nullptr, then_nothing, &kept, released::one), DETENT_INVALID);
  EXPECT_EQ(kept.count, 0);
  detent_service_shutdown(w.service, DETENT_CANCEL_PENDING, DETENT_FOREVER, nullptr);
  once([&](released* c) { return detent_once(w.service, 1, nothing, c, released::one, nullptr, &id); },
       DETENT_UNAVAILABLE);
  once([&](released* c) { return detent_timer_new(w.service, nullptr, nothing, c, released::one, &w.made); },
       DETENT_OK);
}

TEST(Misuse, TextsOfUnknownNumbers) {
  for (const int number : {-100, 6, 100}) {
    EXPECT_STREQ(detent_status_text(number), "unknown");
    EXPECT_STREQ(detent_arm_text(number), "unknown");
    EXPECT_STREQ(detent_cancel_text(number), "unknown");
    EXPECT_STREQ(detent_wait_text(number), "unknown");
    EXPECT_STREQ(detent_stop_text(number), "unknown");
    EXPECT_STREQ(detent_then_text(number), "unknown");
    EXPECT_STREQ(detent_state_text(number), "unknown");
  }
  EXPECT_STREQ(detent_cancel_text(DETENT_CANCEL_CANCELLED_RUNNING), "cancelled_running");
  EXPECT_STREQ(detent_status_text(DETENT_UNAVAILABLE), "unavailable");
}

bool is_in(const std::vector<row>& table, const std::string& function) {
  return std::any_of(table.begin(), table.end(), [&](const row& each) { return each.function == function; });
}

// Fails when a function is added to the header and not to the tables of the situations in which it can be.
TEST(Misuse, EveryFunctionOfTheHeaderIsInTheTables) {
  std::ifstream file("adapters/c/include/detent/c.h");
  const std::string header{std::istreambuf_iterator<char>(file), {}};
  ASSERT_FALSE(header.empty()) << "run this test in the folder of the project";
  const std::regex declared(R"(DETENT_C_API [^;(]*?(detent_\w+)\(\s*(?:const )?(\w+\*?))");
  std::size_t count = 0;
  for (std::sregex_iterator it(header.begin(), header.end(), declared), end; it != end; ++it, ++count) {
    const std::string function = (*it)[1];
    const std::string of = (*it)[2];  // the type of its first parameter
    const bool frees = function.ends_with("_free");
    if (of == "void" || function.ends_with("_text")) continue;  // Nothing can be wrong, but for numbers: see above.
    EXPECT_TRUE(is_in(with_null, function)) << function;
    EXPECT_TRUE(is_in(with_stale_id, function) || !function.starts_with("detent_id_")) << function;
    EXPECT_TRUE(is_in(when_closed, function) || of != "detent_timer*" || frees) << function;
    const bool has_service = of == "detent_service*" || of == "detent_timer*" || of == "detent_group*";
    EXPECT_TRUE(is_in(when_shut_down, function) || !has_service || frees) << function;
    EXPECT_TRUE(is_in(in_callback, function) || !(has_service || of == "detent_clock*" || frees)) << function;
  }
  EXPECT_GT(count, 80U);
}

}  // namespace
