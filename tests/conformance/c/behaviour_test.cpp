// What <detent/c.h> adds to the core: contexts and their release, hooks, an executor of the caller's, failures.
#include "support/effort.hpp"
#include "support/gate.hpp"

#include <detent/c.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace {

constexpr std::int64_t ms = 1'000'000;

detent_service_options service_options() {
  detent_service_options options{};
  options.size = sizeof options;
  return options;
}

// Threads create, arm, cancel, close, query and free; every context is released once, and never while its call runs.
TEST(Contexts, AreReleasedOnceAndNeverUnderACall) {
  struct context {
    std::atomic<int> running{0};
    std::atomic<int> releases{0};
  };
  const std::size_t rounds = support::times(20'000, 2'000);
  std::vector<context> contexts(2 * rounds);
  std::atomic<int> released_in_call{0};
  static std::atomic<int>* counted_in_call = nullptr;
  counted_in_call = &released_in_call;
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(nullptr, &service), DETENT_OK);
  const auto call = [](void* c, detent_firing* firing) {
    auto& mine = *static_cast<context*>(c);
    mine.running = 1;
    EXPECT_GE(detent_firing_stop_requested(firing), 0);
    mine.running = 0;
  };
  const auto release = [](void* c) {
    auto& mine = *static_cast<context*>(c);
    if (mine.running != 0) ++*counted_in_call;
    ++mine.releases;
  };
  const auto work = [&](std::size_t from) {
    for (std::size_t i = from; i < from + rounds; ++i) {
      if (i % 2 == 0) {
        detent_id id = 0;
        EXPECT_EQ(
            detent_once(service, static_cast<std::int64_t>(i % 7) * 1000, call, &contexts[i], release, nullptr, &id),
            DETENT_OK);
        if (i % 3 == 0) detent_id_cancel(service, id);
        continue;
      }
      detent_timer* timer = nullptr;
      EXPECT_EQ(detent_timer_new(service, nullptr, call, &contexts[i], release, &timer), DETENT_OK);
      detent_timer_arm_after(timer, static_cast<std::int64_t>(i % 5) * 1000);
      if (i % 3 == 0) detent_timer_close(timer);
      detent_timer_free(timer);
      EXPECT_EQ(contexts[i].releases, 1);  // G03
    }
  };
  std::thread other(work, rounds);
  work(0);
  other.join();
  detent_service_free(service);
  for (const context& each : contexts) EXPECT_EQ(each.releases, 1);
  EXPECT_EQ(released_in_call, 0);
}

// A service's context lives until the last handle of it is gone.
TEST(Contexts, OfAServiceOutlivesItsHandles) {
  int releases = 0;
  detent_service_options options = service_options();
  options.context = &releases;
  options.release = [](void* c) { ++*static_cast<int*>(c); };
  options.on_clock_step = [](void*, std::int64_t) {};
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  detent_timer* timer = nullptr;
  ASSERT_EQ(detent_timer_new(
                service, nullptr, [](void*, detent_firing*) {}, nullptr, nullptr, &timer),
            DETENT_OK);
  detent_service_free(service);
  EXPECT_EQ(releases, 0);
  EXPECT_EQ(detent_timer_arm_after(timer, ms), DETENT_ARM_SHUT_DOWN);
  detent_timer_free(timer);
  EXPECT_EQ(releases, 1);
}

// An older caller's structure, without the last fields, is read as far as it goes.
TEST(Options, OfAnOlderHeaderAreReadAsFarAsTheyGo) {
  int releases = 0;
  detent_service_options options = service_options();
  options.size = offsetof(detent_service_options, post);
  options.context = &releases;
  options.release = [](void* c) { ++*static_cast<int*>(c); };
  options.on_error = [](void*, const detent_error*) { FAIL() << "beyond the size"; };
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  detent_counters counters{};
  counters.size = offsetof(detent_counters, dropped);
  counters.dropped = 77;
  EXPECT_EQ(detent_service_counters(service, &counters), DETENT_OK);
  EXPECT_EQ(counters.dropped, 77U);
  detent_service_free(service);
  EXPECT_EQ(releases, 1);
}

struct told {
  std::mutex mutex;
  std::vector<detent_error> errors;
  std::vector<std::string> names;
  std::vector<std::string> texts;
  std::vector<detent_task> tasks;
  bool refuse = false;
};

TEST(Hooks, AFailureAndAnExceptionReachTheErrorHook) {
  told seen;
  detent_clock* clock = nullptr;
  ASSERT_EQ(detent_clock_new(0, &clock), DETENT_OK);
  detent_service_options options = service_options();
  options.clock = clock;
  options.executor = DETENT_ON_DRIVER;
  options.context = &seen;
  options.on_error = [](void* c, const detent_error* error) {
    auto& all = *static_cast<told*>(c);
    all.errors.push_back(*error);
    all.names.emplace_back(error->timer.name);
    all.texts.emplace_back(error->text);
  };
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  const detent_timer_options named{sizeof(detent_timer_options), "one", 0, 0, 0};
  detent_once(
      service, ms, [](void*, detent_firing* firing) { detent_firing_fail(firing, -7); }, nullptr, nullptr, &named,
      nullptr);
  detent_once(
      service, 2 * ms, [](void*, detent_firing*) { throw std::runtime_error("of C++"); }, nullptr, nullptr, nullptr,
      nullptr);
  detent_clock_advance(clock, 5 * ms, nullptr);
  ASSERT_EQ(seen.errors.size(), 2U);
  EXPECT_EQ(seen.errors[0].kind, DETENT_ERROR_FAILED);
  EXPECT_EQ(seen.errors[0].code, -7);
  EXPECT_EQ(seen.names[0], "one");
  EXPECT_EQ(seen.errors[1].code, 0);
  EXPECT_EQ(seen.texts[1], "of C++");
  detent_service_free(service);
  detent_clock_free(clock);
}

// Tasks are bytes that the caller keeps: run later, dropped, refused, or run after the service is gone.
TEST(Executors, TasksAreRunDroppedRefusedAndRunTooLate) {
  told seen;
  detent_clock* clock = nullptr;
  ASSERT_EQ(detent_clock_new(0, &clock), DETENT_OK);
  detent_service_options options = service_options();
  options.clock = clock;
  options.executor = DETENT_ON_POST;
  options.context = &seen;
  options.post = [](void* c, detent_task task) {
    auto& all = *static_cast<told*>(c);
    if (all.refuse) return 1;
    all.tasks.push_back(task);
    return 0;
  };
  options.on_error = [](void* c, const detent_error* error) { static_cast<told*>(c)->errors.push_back(*error); };
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  int calls = 0;
  const auto arm = [&] {
    EXPECT_EQ(
        detent_once(
            service, ms, [](void* c, detent_firing*) { ++*static_cast<int*>(c); }, &calls, nullptr, nullptr, nullptr),
        DETENT_OK);
    detent_clock_advance(clock, 2 * ms, nullptr);
  };
  arm();
  ASSERT_EQ(seen.tasks.size(), 1U);
  EXPECT_EQ(detent_task_run(&seen.tasks[0]), DETENT_OK);
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(detent_task_run(&seen.tasks[0]), DETENT_OK);  // empty by now
  EXPECT_EQ(calls, 1);
  arm();
  ASSERT_EQ(seen.tasks.size(), 2U);
  EXPECT_EQ(detent_task_drop(&seen.tasks[1]), DETENT_OK);
  seen.refuse = true;
  arm();
  EXPECT_EQ(seen.errors.size(), 2U);
  for (const detent_error& error : seen.errors) EXPECT_EQ(error.kind, DETENT_ERROR_DROPPED);
  seen.refuse = false;
  arm();
  ASSERT_EQ(seen.tasks.size(), 3U);
  detent_service_free(service);
  EXPECT_EQ(detent_task_run(&seen.tasks[2]), DETENT_OK);
  EXPECT_EQ(calls, 1);
  detent_clock_free(clock);
}

// Two timers of one pool, each freed inside the other's callback: the cycle is told, and nobody waits for ever.
TEST(Hooks, ADeadlockOfTwoFreesIsTold) {
  struct duel {
    detent_timer* timers[2] = {nullptr, nullptr};
    std::atomic<int> arrived{0};
    std::atomic<int> left{0};
    std::atomic<int> cycles{0};
    static void meet(void* c, detent_firing* firing) {
      auto& mine = *static_cast<duel*>(c);
      ++mine.arrived;
      while (mine.arrived < 2) std::this_thread::yield();
      const bool first = detent_firing_id(firing) == detent_timer_id(mine.timers[0]);
      int outcome = -1;
      const int waited = detent_timer_close_and_wait(mine.timers[first ? 1 : 0], DETENT_FOREVER, &outcome);
      if (waited == DETENT_WAIT_WOULD_DEADLOCK) ++mine.cycles;
      ++mine.left;
    }
  } d;
  std::atomic<int> told_cycles{0};
  detent_service_options options = service_options();
  options.context = &told_cycles;
  options.on_deadlock = [](void* c, const detent_deadlock* deadlock) {
    if (deadlock->refused == 1 && deadlock->count >= 2) ++*static_cast<std::atomic<int>*>(c);
  };
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  for (auto& timer : d.timers) {
    ASSERT_EQ(detent_timer_new(service, nullptr, duel::meet, &d, nullptr, &timer), DETENT_OK);
  }
  for (auto* timer : d.timers) detent_timer_arm_after(timer, 0);
  while (d.left < 2) std::this_thread::yield();
  EXPECT_EQ(d.cycles, 1);
  for (auto* timer : d.timers) detent_timer_free(timer);
  detent_service_free(service);
  EXPECT_LE(told_cycles, 1);
}

// A wait in slices is one wait: what ends between two slices ends it.

TEST(Waits, InSlicesSeeTheEndOfAFiringBetweenThem) {
  detent_clock* clock = nullptr;
  ASSERT_EQ(detent_clock_new(0, &clock), DETENT_OK);
  detent_service_options options = service_options();
  options.clock = clock;
  options.executor = DETENT_ON_DRIVER;
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  detent_timer* timer = nullptr;
  ASSERT_EQ(detent_timer_new(
                service, nullptr, [](void*, detent_firing*) {}, nullptr, nullptr, &timer),
            DETENT_OK);
  const detent_id id = detent_timer_id(timer);
  // By its handle and by its id; a series that is armed anew goes on being waited for.
  detent_timer_arm_every(timer, 10 * ms, nullptr);
  detent_wait_progress by_handle{};
  detent_wait_progress by_id{};
  EXPECT_EQ(detent_timer_wait_slice(timer, 0, &by_handle), DETENT_WAIT_TIMED_OUT);
  EXPECT_EQ(detent_id_wait_slice(service, id, 0, &by_id), DETENT_WAIT_TIMED_OUT);
  detent_timer_arm_every(timer, 20 * ms, nullptr);
  detent_clock_advance(clock, 19 * ms, nullptr);
  EXPECT_EQ(detent_timer_wait_slice(timer, 0, &by_handle), DETENT_WAIT_TIMED_OUT);
  detent_clock_advance(clock, ms, nullptr);
  EXPECT_EQ(detent_timer_wait(timer, 0), DETENT_WAIT_TIMED_OUT);  // A wait that begins now is for the next tick.
  EXPECT_EQ(detent_timer_wait_slice(timer, 0, &by_handle), DETENT_WAIT_QUIET);
  EXPECT_EQ(detent_id_wait_slice(service, id, 0, &by_id), DETENT_WAIT_QUIET);
  detent_wait_progress cancelled{};
  EXPECT_EQ(detent_timer_wait_slice(timer, 0, &cancelled), DETENT_WAIT_TIMED_OUT);
  detent_timer_cancel(timer);
  detent_timer_arm_every(timer, 10 * ms, nullptr);
  EXPECT_EQ(detent_timer_wait_slice(timer, 0, &cancelled), DETENT_WAIT_QUIET);
  detent_wait_progress freed{};
  EXPECT_EQ(detent_id_wait_slice(service, id, 0, &freed), DETENT_WAIT_TIMED_OUT);
  detent_timer_free(timer);
  EXPECT_EQ(detent_id_wait_slice(service, id, 0, &freed), DETENT_WAIT_QUIET);
  detent_service_free(service);
  detent_clock_free(clock);
}

// Each of two members is in a call whenever the group is waited for: only the calls that the wait has found count.
TEST(Waits, OfAGroupInSlicesAreNotKeptByLaterCalls) {
  struct member {
    support::gate begins[2];
    support::gate may_end[2];
    std::size_t calls = 0;
    static void run(void* context, detent_firing*) {
      auto& self = *static_cast<member*>(context);
      const std::size_t i = self.calls++;
      if (i >= 2) return;
      self.begins[i].open();
      self.may_end[i].pass();
    }
  };
  detent_service_options options = service_options();
  options.threads = 2;
  detent_service* service = nullptr;
  ASSERT_EQ(detent_service_new(&options, &service), DETENT_OK);
  detent_group* group = nullptr;
  ASSERT_EQ(detent_group_new(service, nullptr, &group), DETENT_OK);
  member one;
  member other;
  std::vector<detent_timer*> timers(2);
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(detent_timer_new_in(group, nullptr, member::run, i == 0 ? &one : &other, nullptr, &timers[i]), DETENT_OK);
    detent_timer_arm_every(timers[i], ms / 10, nullptr);
  }
  one.begins[0].pass();
  other.begins[0].pass();
  detent_wait_progress progress{};
  EXPECT_EQ(detent_group_wait_slice(group, 0, &progress), DETENT_WAIT_TIMED_OUT);
  for (member* each : {&one, &other}) {
    each->may_end[0].open();
    each->begins[1].pass();
  }
  detent_wait_progress fresh{};
  EXPECT_EQ(detent_group_wait_slice(group, 0, &fresh), DETENT_WAIT_TIMED_OUT);
  // The member found first is through; the other's present call is the first of it that this wait has found.
  EXPECT_EQ(detent_group_wait_slice(group, 0, &progress), DETENT_WAIT_TIMED_OUT);
  (detent_timer_id(timers[0]) < detent_timer_id(timers[1]) ? other : one).may_end[1].open();
  EXPECT_EQ(detent_group_wait_slice(group, DETENT_FOREVER, &progress), DETENT_WAIT_QUIET);
  EXPECT_EQ(detent_group_wait_slice(group, 0, &fresh), DETENT_WAIT_TIMED_OUT);
  for (member* each : {&one, &other}) each->may_end[1].open();
  for (detent_timer* timer : timers) detent_timer_free(timer);
  detent_group_free(group);
  detent_service_free(service);
}

}  // namespace
