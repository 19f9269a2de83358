// A program in C11: timers, ids, series, groups, continuations, a manual clock and a loop of its own, as a C user
// writes them. Each release function is counted; a failed expectation names its line and ends the program.
#include <detent/c.h>

#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                             \
  do {                                                                \
    if (!(condition)) {                                               \
      fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      exit(1);                                                        \
    }                                                                 \
  } while (0)

static const int64_t ms = 1000000;

// Written in callbacks; read by main after a wait, or on the thread of the manual clock.
struct seen {
  atomic_int calls;
  atomic_int releases;
  int64_t deadline_ns;
  uint64_t missed;
  detent_id id;
  int fail_at;
};

static void on_due(void* context, detent_firing* firing) {
  struct seen* seen = context;
  const int call = atomic_fetch_add(&seen->calls, 1) + 1;
  seen->deadline_ns = detent_firing_deadline_ns(firing);
  seen->missed += detent_firing_missed(firing);
  seen->id = detent_firing_id(firing);
  EXPECT(detent_firing_lateness_ns(firing) >= 0);
  if (call == seen->fail_at) detent_firing_fail(firing, 42);
}

static void on_release(void* context) { atomic_fetch_add(&((struct seen*)context)->releases, 1); }
static void on_over(void* context) { atomic_fetch_add(&((struct seen*)context)->calls, 100); }

static void on_manual_clock(void) {
  detent_clock* clock = NULL;
  detent_service* service = NULL;
  EXPECT(detent_clock_new(0, &clock) == DETENT_OK);
  detent_service_options options = {.size = sizeof options, .executor = DETENT_ON_DRIVER, .clock = clock};
  EXPECT(detent_service_new(&options, &service) == DETENT_OK);

  // A handle: armed, postponed, fired, armed again, closed.
  struct seen handle = {0};
  detent_timer* timer = NULL;
  detent_timer_options named = {.size = sizeof named, .name = "keep-alive", .tolerance_ns = 5};
  EXPECT(detent_timer_new(service, &named, on_due, &handle, on_release, &timer) == DETENT_OK);
  EXPECT(detent_timer_arm_after(timer, 10 * ms) == DETENT_ARM_ARMED);
  EXPECT(detent_timer_arm_at(timer, 20 * ms) == DETENT_ARM_REARMED);
  EXPECT(detent_timer_status(timer) == DETENT_STATE_PENDING);
  EXPECT(detent_service_next_deadline_ns(service) == 20 * ms);
  size_t count = 0;
  EXPECT(detent_clock_advance(clock, 15 * ms, &count) == DETENT_OK && count == 0);
  EXPECT(detent_clock_step(clock, &count) == DETENT_OK && count == 1);
  EXPECT(handle.calls == 1 && handle.deadline_ns == 20 * ms && handle.id == detent_timer_id(timer));
  char name[5];
  size_t length = 0;
  EXPECT(detent_timer_name(timer, name, sizeof name, &length) == DETENT_OK);
  EXPECT(strcmp(name, "keep") == 0 && length == strlen("keep-alive"));
  EXPECT(detent_timer_tolerance_ns(timer) == 5);
  EXPECT(detent_timer_cancel(timer) == DETENT_CANCEL_IDLE);
  EXPECT(detent_timer_arm_every(timer, 10 * ms, NULL) == DETENT_ARM_ARMED);
  EXPECT(detent_clock_advance(clock, 100 * ms, &count) == DETENT_OK && count == 10);
  detent_snapshot* snapshot = NULL;
  EXPECT(detent_service_snapshot(service, &snapshot) == DETENT_OK && snapshot->count == 1);
  EXPECT(strcmp(snapshot->timers[0].name, "keep-alive") == 0 && snapshot->timers[0].period_ns == 10 * ms);
  EXPECT(snapshot->timers[0].calls == 11 && snapshot->timers[0].due_in_ns == 10 * ms);
  detent_snapshot_free(snapshot);
  EXPECT(handle.releases == 0);
  EXPECT(detent_timer_close(timer) == DETENT_CANCEL_CANCELLED);
  EXPECT(handle.releases == 1);
  detent_timer_free(timer);
  EXPECT(handle.releases == 1);

  // An id: its context goes when it has fired. A series that its own failure ends.
  struct seen once = {0};
  struct seen series = {.fail_at = 3};
  detent_id id = 0;
  EXPECT(detent_once(service, 3 * ms, on_due, &once, on_release, NULL, &id) == DETENT_OK && id != 0);
  detent_timer_options ends = {.size = sizeof ends, .on_failure = DETENT_END_SERIES};
  detent_series_options from_now = {.size = sizeof from_now, .first_ns = 0};
  EXPECT(detent_every(service, ms, on_due, &series, on_release, &from_now, &ends, NULL) == DETENT_OK);
  EXPECT(detent_service_active(service, NULL, 0, &count) == DETENT_OK && count == 2);
  EXPECT(detent_clock_advance(clock, 10 * ms, &count) == DETENT_OK);
  EXPECT(once.calls == 1 && once.releases == 1 && detent_id_status(service, id) == DETENT_STATE_CLOSED);
  EXPECT(series.calls == 3 && series.releases == 1);
  detent_counters counters = {.size = sizeof counters};
  EXPECT(detent_service_counters(service, &counters) == DETENT_OK);
  EXPECT(counters.failed == 1 && counters.early == 0 && counters.fired == 15);

  // A group, and a system timer in it that follows the wall clock.
  struct seen member = {0};
  detent_group* group = NULL;
  detent_group_options serial = {.size = sizeof serial, .name = "g", .order = DETENT_SERIAL};
  detent_timer_options wall = {.size = sizeof wall, .clock = DETENT_CLOCK_SYSTEM};
  EXPECT(detent_group_new(service, &serial, &group) == DETENT_OK);
  EXPECT(detent_timer_new_in(group, &wall, on_due, &member, on_release, &timer) == DETENT_OK);
  EXPECT(detent_timer_arm_after(timer, 1000 * ms) == DETENT_ARM_ARMED);
  EXPECT(detent_clock_step_system(clock, 1000 * ms, &count) == DETENT_OK && count == 1 && member.calls == 1);
  EXPECT(detent_timer_arm_after(timer, 1000 * ms) == DETENT_ARM_ARMED);
  EXPECT(detent_group_size(group, &count) == DETENT_OK && count == 1);
  EXPECT(detent_group_close(group, &count) == DETENT_OK && count == 1 && member.releases == 1);
  detent_group_free(group);
  EXPECT(detent_timer_arm_after(timer, ms) == DETENT_ARM_CLOSED);

  // A continuation runs in the clock's next move, once. The handles outlive service and clock.
  struct seen then = {0};
  EXPECT(detent_timer_close_then(timer, on_over, &then, on_release) == DETENT_THEN_ACCEPTED);
  EXPECT(then.calls == 0);
  EXPECT(detent_clock_advance(clock, 0, NULL) == DETENT_OK);
  EXPECT(then.calls == 100 && then.releases == 1);
  detent_clock_free(clock);
  struct seen pending = {0};
  EXPECT(detent_once(service, ms, on_due, &pending, on_release, NULL, NULL) == DETENT_OK);
  detent_service_free(service);
  EXPECT(pending.calls == 0 && pending.releases == 1);
  EXPECT(detent_timer_cancel(timer) == DETENT_CANCEL_SHUT_DOWN || detent_timer_cancel(timer) == DETENT_CANCEL_CLOSED);
  detent_timer_free(timer);
}

// One loop, one thread: poll the descriptor until the deadline.
static void on_own_loop(void) {
  detent_service_options options = {.size = sizeof options, .drive = DETENT_BY_USER, .executor = DETENT_ON_DRIVER};
  detent_service* service = NULL;
  EXPECT(detent_service_new(&options, &service) == DETENT_OK);
  struct seen seen = {0};
  EXPECT(detent_every(service, ms, on_due, &seen, on_release, NULL, NULL, NULL) == DETENT_OK);
  struct pollfd wake = {.fd = detent_service_fd(service), .events = POLLIN};
  EXPECT(wake.fd >= 0);
  while (seen.calls < 5) {
    int64_t now_ns = 0;
    EXPECT(detent_service_now(service, DETENT_CLOCK_STEADY, &now_ns) == DETENT_OK);
    const int64_t left_ns = detent_service_next_deadline_ns(service) - now_ns;
    EXPECT(poll(&wake, 1, left_ns <= 0 ? 0 : (int)(left_ns / ms) + 1) >= 0);
    EXPECT(detent_service_run_due(service, NULL) == DETENT_RUN_RAN);
  }
  detent_shutdown_report* report = NULL;
  EXPECT(detent_service_shutdown(service, DETENT_CANCEL_PENDING, DETENT_FOREVER, &report) == DETENT_OK);
  EXPECT(report->complete == 1 && report->cancelled == 1 && report->still_running_count == 0);
  detent_shutdown_report_free(report);
  detent_service_free(service);
  EXPECT(seen.releases == 1);
}

// Real threads: cancel and wait, and a wait for the one call.
static void on_pool(void) {
  detent_service* service = NULL;
  EXPECT(detent_service_new(NULL, &service) == DETENT_OK);
  struct seen seen = {0};
  detent_timer* timer = NULL;
  EXPECT(detent_timer_new(service, NULL, on_due, &seen, on_release, &timer) == DETENT_OK);
  EXPECT(detent_timer_arm_after(timer, ms) == DETENT_ARM_ARMED);
  EXPECT(detent_timer_wait(timer, DETENT_FOREVER) == DETENT_WAIT_QUIET && seen.calls == 1);
  EXPECT(detent_timer_arm_after(timer, DETENT_NEVER) == DETENT_ARM_ARMED);
  EXPECT(detent_timer_wait(timer, ms) == DETENT_WAIT_TIMED_OUT);
  int outcome = -1;
  EXPECT(detent_timer_close_and_wait(timer, DETENT_FOREVER, &outcome) == DETENT_WAIT_QUIET);
  EXPECT(outcome == DETENT_CANCEL_CANCELLED && seen.releases == 1);
  detent_timer_free(timer);
  detent_service_free(service);
}

int main(void) {
  EXPECT(detent_version() != 0);
  on_manual_clock();
  on_own_loop();
  on_pool();
  puts("C11: all as promised");
  return 0;
}
