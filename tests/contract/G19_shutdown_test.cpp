// needs: quiet
// G19. Bounded shutdown: two policies, a deadline, any thread, any number of times, also inside a callback; the report
// adds up and names what still runs. The destructor joins however long it takes, and is legal inside a callback.
//
// Method: calls are held inside by gates, so "still running" is a fact and not a matter of luck. Reports are compared
// with what the callers know. Where real time is involved, only that something ends, with a generous limit.
#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <source_location>
#include <string>
#include <support/canary.hpp>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <support/stage.hpp>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;
using detent::shutdown_policy;
using support::background;
using support::gate;
using support::scene;
using support::stage;

namespace {

class shutdown_on : public support::on_scene {};

TEST_P(shutdown_on, CancelPendingWithdrawsAndCounts) {
  std::vector<detent::timer> timers;
  std::atomic<int> calls{0};
  for (int i = 0; i < 10; ++i) timers.emplace_back(service, [&] { ++calls; });
  for (detent::timer& t : timers) t.arm_after(1h);
  timers[0].cancel();
  timers[1].arm_every(1h);
  service.once(1h, [&] { ++calls; });
  const detent::shutdown_report report = service.shutdown();
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cancelled, 10U);
  EXPECT_EQ(report.fired, 0U);
  EXPECT_EQ(report.dropped, 0U);
  EXPECT_EQ(report.detached_threads, 0U);
  EXPECT_TRUE(report.still_running.empty());
  EXPECT_TRUE(play.quiet_of([&] { return calls != 0; }));
}

TEST_P(shutdown_on, AfterwardsEverythingIsRefused) {
  detent::timer t(service, [] { ADD_FAILURE(); });
  t.arm_after(1h);
  detent::timer_group group(service);
  service.shutdown();
  EXPECT_EQ(t.arm_after(0ns), detent::arm_result::shut_down);
  EXPECT_EQ(t.arm_at(service.now()), detent::arm_result::shut_down);
  EXPECT_EQ(t.arm_every(1ns), detent::arm_result::shut_down);
  EXPECT_EQ(t.cancel(), detent::cancel_result::shut_down);
  EXPECT_EQ(t.close(), detent::cancel_result::shut_down);
  EXPECT_EQ(t.close_and_wait().wait, detent::wait_result::quiet);
  EXPECT_EQ(t.status(), detent::timer_state::shut_down);
  support::cage home;
  detent::timer born_closed(service, [c = support::canary(home)] { ADD_FAILURE(); });
  EXPECT_EQ(home.alive(), 0) << "a timer that can never fire keeps no captures";
  EXPECT_EQ(born_closed.arm_after(0ns), detent::arm_result::shut_down);
  EXPECT_FALSE(service.once(0ns, [] { ADD_FAILURE(); }));
  EXPECT_FALSE(service.every(1ms, [] { ADD_FAILURE(); }));
  detent::timer member(group, [] { ADD_FAILURE(); });
  EXPECT_EQ(member.arm_after(0ns), detent::arm_result::shut_down);
  EXPECT_TRUE(service.snapshot().empty());
  EXPECT_TRUE(service.active().empty());
}

TEST_P(shutdown_on, CallersGetTheSameReport) {
  std::vector<detent::timer> timers;
  for (int i = 0; i < 5; ++i) {
    timers.emplace_back(service, [] {});
    timers.back().arm_after(1h);
  }
  const detent::shutdown_report first = service.shutdown();
  const detent::shutdown_report again = service.shutdown(shutdown_policy::run_due, 1ns);
  EXPECT_EQ(first.cancelled, 5U);
  EXPECT_EQ(again.cancelled, 5U);
  EXPECT_EQ(first.fired, again.fired);
  EXPECT_TRUE(again.complete);
}

INSTANTIATE_TEST_SUITE_P(Scenes, shutdown_on, ::testing::ValuesIn(support::every_scene), support::scene_name);

// --- What is due still runs. ----------------------------------------------------------------------------------------

TEST(G19, RunDueRunsWhatIsDueAndNothingEarly) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  std::vector<detent::timer> timers;
  for (int i = 0; i < 10; ++i) timers.emplace_back(service, [&] { ++calls; });
  for (std::size_t i = 0; i < 4; ++i) timers[i].arm_after(0ns);
  for (std::size_t i = 4; i < 10; ++i) timers[i].arm_after(8ns);
  const detent::shutdown_report report = service.shutdown(shutdown_policy::run_due);
  EXPECT_EQ(calls, 4);
  EXPECT_EQ(report.fired, 4U);
  EXPECT_EQ(report.cancelled, 6U);
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(service.counters().early, 0U);
}

// Inside a callback of a manual clock's move this thread has the driver role: what would need it is withdrawn.
TEST(G19, RunDueInsideACallbackOfAMove) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  int calls = 0;
  detent::shutdown_report report;
  detent::timer first(service, [&] { report = service.shutdown(shutdown_policy::run_due); });
  detent::timer second(service, [&] { ++calls; });
  first.arm_after(1s);
  second.arm_after(1s);
  EXPECT_EQ(clock.advance(2s), 1U);
  EXPECT_EQ(report.cancelled, 1U);
  EXPECT_EQ(calls, 0);
}

// A move inside a callback of the last look moves the time and nothing else.
TEST(G19, AMoveInsideRunDue) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  std::string order;
  detent::timer first(service, [&] {
    order += 'a';
    EXPECT_EQ(clock.advance(1s), 0U);
    EXPECT_EQ(clock.step(), 0U);
    EXPECT_EQ(clock.step_system(1s), 0U);
  });
  detent::timer second(service, [&] { order += 'b'; });
  detent::timer third(service, [] { ADD_FAILURE(); });
  first.arm_after(0ns);
  second.arm_after(0ns);
  third.arm_after(1h);
  EXPECT_TRUE(service.shutdown(shutdown_policy::run_due).complete);
  EXPECT_EQ(order, "ab");
}

// The user's loop drives the service and runs its tasks, and this is the loop's thread: the last tasks would wait for
// the very call that waits for them.
TEST(G19, RunDueOnTheThreadOfTheUsersLoop) {
  for (const bool has_driven : {false, true}) {
    support::held_executor loop;
    detent::service_options options;
    options.drive = detent::drive::by_user;
    options.executor = loop;
    detent::timer_service service(std::move(options));
    if (has_driven) service.run_due();
    detent::timer t(service, [] { ADD_FAILURE(); });
    t.arm_after(0ns);
    const detent::shutdown_report report = service.shutdown(shutdown_policy::run_due);
    EXPECT_EQ(report.cancelled, 1U);
    EXPECT_TRUE(report.complete);
    loop.run_all();
  }
}

// The user drives the service, but its executor has threads of its own: what is due is waited for.
TEST(G19, RunDueOnTheDrivingThreadWithAnExecutorElsewhere) {
  support::foreign_executor elsewhere(2);
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.executor = elsewhere;
  detent::timer_service service(std::move(options));
  service.run_due();
  std::atomic<int> calls{0};
  std::vector<detent::timer> timers;
  for (int i = 0; i < 20; ++i) {
    timers.emplace_back(service, [&] {
      support::never([] { return false; });  // Long enough for several looks.
      ++calls;
    });
    timers.back().arm_after(0ns);
  }
  EXPECT_TRUE(service.shutdown(shutdown_policy::run_due).complete);
  EXPECT_EQ(calls, 20);
}

// Inside a callback of another service that a call of this one waits for: the refusal is told, and that is all.
TEST(G19, RunDueInsideACallbackThatIsWaitedFor) {
  std::atomic<int> told{0};
  const auto options = [&] {
    detent::service_options made;
    made.on_deadlock = [&](const detent::deadlock_report&) { ++told; };
    return made;
  };
  detent::timer_service ending(options());
  detent::timer_service other(options());
  gate started;
  gate inside;
  gate back;
  detent::timer waited;
  detent::timer waits;
  std::atomic<int> calls{0};
  waits = detent::timer(ending, [&] {
    if (++calls != 1) return;
    waits.arm_after(0ns);
    started.pass();
    inside.open();
    waited.close_and_wait();
  });
  waited = detent::timer(other, [&] {
    started.open();
    inside.pass();
    support::eventually([&] { return waited.status() != detent::timer_state::running; });
    support::never([] { return false; });  // Time for the other to come to its wait.
    static_cast<void>(ending.shutdown(shutdown_policy::run_due));
    back.open();
  });
  waited.arm_after(0ns);
  waits.arm_after(0ns);
  EXPECT_TRUE(back.pass());
  EXPECT_TRUE(ending.shutdown().complete);
  EXPECT_LE(told, 4);
}

TEST(G19, CancelPendingWithdrawsAlsoWhatIsDue) {
  detent::manual_clock clock;
  detent::timer_service service(clock);
  detent::timer t(service, [] { ADD_FAILURE(); });
  t.arm_after(0ns);
  const detent::shutdown_report report = service.shutdown();
  EXPECT_EQ(report.fired, 0U);
  EXPECT_EQ(report.cancelled, 1U);
}

class run_due_on : public support::on_scene {};

// Callbacks that arm anew while shutdown works are refused, so that it comes to an end.
TEST_P(run_due_on, RearmingInACallbackIsRefused) {
  std::atomic<int> calls{0};
  std::atomic<detent::arm_result> answer{};
  detent::timer t;
  gate ready;
  t = detent::timer(service, [&] {
    ready.pass();
    ++calls;
    answer = t.arm_after(0ns);
  });
  t.arm_after(0ns);
  detent::shutdown_report report;
  {
    const background shutter([&] { report = service.shutdown(shutdown_policy::run_due); });
    ready.open();
  }
  EXPECT_TRUE(report.complete);
  EXPECT_TRUE(report.still_running.empty());
  EXPECT_LE(report.cancelled, 1U);
  const int then = calls;
  EXPECT_TRUE(play.quiet_of([&] { return calls != then; }));
}

TEST_P(run_due_on, WhatIsQueuedBehindARunningCallRunsToo) {
  gate inside;
  gate leave;
  std::atomic<int> calls{0};
  detent::timer blocker(service, [&] {
    inside.open();
    leave.pass();
  });
  detent::timer second(service, [&] {
    inside.open();
    leave.pass();
  });
  blocker.arm_after(0ns);
  second.arm_after(0ns);
  ASSERT_TRUE(inside.pass());
  std::vector<detent::timer> timers;
  for (int i = 0; i < 20; ++i) {
    timers.emplace_back(service, [&] { ++calls; });
    timers.back().arm_after(0ns);
  }
  detent::timer far(service, [] { ADD_FAILURE(); });
  far.arm_after(1h);
  detent::shutdown_report report;
  {
    const background shutter([&] { report = service.shutdown(shutdown_policy::run_due); });
    // Refused means begun.
    support::eventually([&] { return far.status() == detent::timer_state::shut_down || !service.once(1h, [] {}); });
    leave.open();
  }
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(calls, 20);
  EXPECT_GE(report.cancelled, 1U);
}

// What was due when the shutdown began and is armed for later meanwhile is due no longer: nobody waits for it.
TEST(G19, AFiringPostponedMeanwhileDoesNotHoldUpTheShutdown) {
  detent::service_options options;
  options.executor = detent::pool{1};
  detent::timer_service service(std::move(options));
  gate inside;
  gate leave;
  detent::timer blocker(service, [&] {
    inside.open();
    leave.pass();
  });
  detent::timer postponed(service, [] { ADD_FAILURE() << "this firing was postponed by an hour"; });
  blocker.arm_after(0ns);
  ASSERT_TRUE(inside.pass());
  postponed.arm_after(0ns);
  ASSERT_TRUE(support::eventually([&] { return postponed.status() == detent::timer_state::queued; }));
  detent::shutdown_report report;
  {
    const background shutter([&] { report = service.shutdown(shutdown_policy::run_due); });
    support::eventually([&] { return !service.once(1h, [] {}); });
    support::never([] { return false; });  // Time for it to come to its wait for the queued firing.
    EXPECT_EQ(postponed.arm_after(1h), detent::arm_result::rearmed);
    leave.open();
  }
  EXPECT_TRUE(report.complete);
  EXPECT_GE(report.cancelled, 1U);
}

INSTANTIATE_TEST_SUITE_P(Scenes, run_due_on, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

// --- Deadlines, and what still runs. --------------------------------------------------------------------------------

class blocked_on : public support::on_scene {
 protected:
  gate inside;
  gate leave;
  std::source_location place;
  detent::timer blocker;
  void block() {
    blocker = detent::timer(service, {.name = "the one that hangs"}, [this] {
      inside.open();
      leave.pass();
    });
    place = blocker.place();
    blocker.arm_after(0ns);
    ASSERT_TRUE(inside.pass());
  }
};

TEST_P(blocked_on, TheDeadlineIsKeptAndTheReportNamesTheCall) {
  block();
  detent::timer pending(service, [] {});
  pending.arm_after(1h);
  const auto begin = std::chrono::steady_clock::now();
  const detent::shutdown_report report = service.shutdown(shutdown_policy::cancel_pending, 30ms);
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 30ms);
  EXPECT_FALSE(report.complete);
  EXPECT_EQ(report.cancelled, 1U);
  ASSERT_EQ(report.still_running.size(), 1U);
  EXPECT_EQ(report.still_running[0].name, "the one that hangs");
  EXPECT_EQ(report.still_running[0].id, blocker.id());
  EXPECT_EQ(report.still_running[0].place.line(), place.line());
  EXPECT_STREQ(report.still_running[0].place.file_name(), place.file_name());
  leave.open();
  const detent::shutdown_report again = service.shutdown();
  EXPECT_TRUE(again.complete);
  EXPECT_TRUE(again.still_running.empty());
  EXPECT_EQ(again.cancelled, 1U);
}

TEST_P(blocked_on, ADeadlineInThePastOnlyAsksAndReports) {
  block();
  for (const detent::duration limit : {0ns, -1ns, detent::duration::min()}) {
    EXPECT_FALSE(service.shutdown(shutdown_policy::cancel_pending, limit).complete);
  }
  leave.open();
  EXPECT_TRUE(service.shutdown().complete);
}

TEST_P(blocked_on, ALaterCallShortensAnEarlierOne) {
  block();
  detent::shutdown_report first;
  gate over;
  background patient([&] {
    first = service.shutdown();
    over.open();
  });
  ASSERT_TRUE(support::eventually([&] {
    return blocker.status() == detent::timer_state::shut_down || blocker.arm_after(1h) == detent::arm_result::shut_down;
  }));
  EXPECT_FALSE(over.is_open()) << "the first caller has no deadline of its own";
  EXPECT_FALSE(service.shutdown(shutdown_policy::cancel_pending, 1ms).complete);
  EXPECT_TRUE(over.pass()) << "the second caller's deadline is the first one's too";
  EXPECT_FALSE(first.complete);
  ASSERT_EQ(first.still_running.size(), 1U);
  leave.open();
  patient.join();
}

TEST_P(blocked_on, ALaterCallDoesNotLengthen) {
  block();
  EXPECT_FALSE(service.shutdown(shutdown_policy::cancel_pending, 1ms).complete);
  gate over;
  background patient([&] {
    EXPECT_TRUE(service.shutdown(shutdown_policy::cancel_pending, 1h).complete);
    over.open();
  });
  leave.open();
  EXPECT_TRUE(over.pass());
}

TEST_P(blocked_on, ManyCallersAtOnceGetOneReport) {
  block();
  std::vector<detent::timer> timers;
  for (int i = 0; i < 7; ++i) {
    timers.emplace_back(service, [] {});
    timers.back().arm_after(1h);
  }
  std::vector<detent::shutdown_report> reports(8);
  {
    std::vector<std::unique_ptr<background>> callers;
    for (detent::shutdown_report& r : reports) {
      callers.push_back(std::make_unique<background>([this, &r] { r = service.shutdown(); }));
    }
    support::eventually([&] { return timers[0].status() == detent::timer_state::shut_down; });
    leave.open();
  }
  for (const detent::shutdown_report& r : reports) {
    EXPECT_TRUE(r.complete);
    EXPECT_EQ(r.cancelled, 7U);
    EXPECT_EQ(r.fired, reports[0].fired);
    EXPECT_TRUE(r.still_running.empty());
  }
}

TEST_P(blocked_on, RunDueGivesUpAtTheDeadline) {
  // Every thread that could run callbacks hangs.
  block();
  gate other_inside;
  detent::timer other(service, [&] {
    other_inside.open();
    leave.pass();
  });
  other.arm_after(0ns);
  const bool two_threads = GetParam() == scene::pool || GetParam() == scene::foreign;
  ASSERT_TRUE(!two_threads || other_inside.pass());
  std::atomic<int> calls{0};
  detent::timer behind(service, [&] { ++calls; });
  behind.arm_after(0ns);
  const detent::shutdown_report report = service.shutdown(shutdown_policy::run_due, 30ms);
  EXPECT_FALSE(report.complete);
  EXPECT_GE(report.cancelled, 1U);
  leave.open();
  EXPECT_TRUE(service.shutdown().complete);
  EXPECT_EQ(calls, 0) << "what was withdrawn at the deadline does not run after it";
}

TEST_P(blocked_on, TheDestructorJoinsAndNamesTheCulprit) {
  block();
  ::testing::internal::CaptureStderr();
  gate gone;
  background destroyer([&] {
    play.holder().reset();
    gone.open();
  });
  std::this_thread::sleep_for(2500ms);  // It names what it waits for every 2 s.
  EXPECT_FALSE(gone.is_open()) << "the destructor joins, however long it takes";
  leave.open();
  EXPECT_TRUE(gone.pass());
  destroyer.join();
  const std::string said = ::testing::internal::GetCapturedStderr();
  EXPECT_NE(said.find("the one that hangs"), std::string::npos) << said;
  EXPECT_EQ(blocker.arm_after(0ns), detent::arm_result::shut_down);
}

INSTANTIATE_TEST_SUITE_P(Scenes, blocked_on, ::testing::ValuesIn(support::threaded_scenes), support::scene_name);

// --- Inside callbacks. ----------------------------------------------------------------------------------------------

class inside_on : public support::on_scene {};

TEST_P(inside_on, ShutdownInsideACallbackDoesNotWaitForIt) {
  gate over;
  detent::shutdown_report report;
  detent::timer other(service, [] { ADD_FAILURE(); });
  other.arm_after(1h);
  detent::timer t(service, {.name = "closes the shop"}, [&] {
    report = service.shutdown();
    over.open();
  });
  t.arm_after(0ns);
  EXPECT_TRUE(play.until([&] { return over.is_open(); }));
  EXPECT_EQ(report.cancelled, 1U);
  ASSERT_EQ(report.still_running.size(), 1U) << "the very call that asked";
  EXPECT_EQ(report.still_running[0].name, "closes the shop");
  EXPECT_FALSE(report.complete);
  EXPECT_TRUE(service.shutdown().complete);
}

TEST_P(inside_on, DestroyingTheServiceInsideItsOwnCallback) {
  support::cage home;
  gate armed;
  gate over;
  detent::timer t;
  detent::timer other(service, [c = support::canary(home)] { ADD_FAILURE(); });
  other.arm_after(1h);
  t = detent::timer(service, [&, c = support::canary(home)] {
    armed.pass();  // Whoever arms is out of his verb: destroying needs exclusive access, as with shared_ptr.
    play.holder().reset();
    EXPECT_EQ(t.arm_after(0ns), detent::arm_result::shut_down);
    EXPECT_EQ(other.status(), detent::timer_state::shut_down);
    over.open();
  });
  t.arm_after(0ns);
  armed.open();
  EXPECT_TRUE(play.until([&] { return over.is_open(); }));
  EXPECT_EQ(play.holder(), nullptr);
  EXPECT_TRUE(support::eventually([&] { return home.gone() == 2; })) << "captures go right after the call";
  EXPECT_EQ(t.close(), detent::cancel_result::shut_down);
}

TEST_P(inside_on, DestroyingServiceAndTimerInsideTheCallback) {
  support::cage home;
  gate armed;
  gate over;
  auto t = std::make_unique<detent::timer>();
  *t = detent::timer(service, [&, c = support::canary(home)] {
    armed.pass();
    t.reset();
    play.holder().reset();
    over.open();
  });
  t->arm_after(0ns);
  armed.open();
  EXPECT_TRUE(play.until([&] { return over.is_open(); }));
  EXPECT_TRUE(support::eventually([&] { return home.gone() == 1; }));
}

TEST_P(inside_on, ACallThatIsAskedToStopEndsShutdownEarly) {
  gate inside;
  detent::timer t(service, [&](detent::firing& f) {
    inside.open();
    support::eventually([&] { return f.token().stop_requested(); });
  });
  t.arm_after(0ns);
  background turner([&] { play.until([&] { return inside.is_open(); }); });
  ASSERT_TRUE(inside.pass());
  const detent::shutdown_report report = service.shutdown();
  EXPECT_TRUE(report.complete);
  turner.join();
}

INSTANTIATE_TEST_SUITE_P(Scenes, inside_on,
                         ::testing::Values(scene::driver, scene::pool, scene::manual, scene::manual_pool,
                                           scene::user_any, scene::inlined, scene::foreign),
                         support::scene_name);

// --- Executors that keep or refuse tasks. ---------------------------------------------------------------------------

struct held_service {
  held_service() {
    detent::service_options options;
    options.clock = &clock;
    options.executor = held;
    options.on_error = [this](const detent::callback_error& e) {
      if (e.kind == detent::callback_error::what::dropped) ++told;
    };
    service = std::make_unique<detent::timer_service>(std::move(options));
  }
  detent::manual_clock clock;
  support::held_executor held;
  std::atomic<int> told{0};
  std::unique_ptr<detent::timer_service> service;
};

TEST(G19, WhatIsQueuedIsWithdrawnAndItsTaskDoesNothing) {
  held_service h;
  std::vector<detent::timer> timers;
  for (int i = 0; i < 4; ++i) {
    timers.emplace_back(*h.service, [] { ADD_FAILURE(); });
    timers.back().arm_after(0ns);
  }
  h.clock.settle();
  ASSERT_EQ(h.held.size(), 4U);
  const detent::shutdown_report report = h.service->shutdown();
  EXPECT_TRUE(report.complete);
  EXPECT_EQ(report.cancelled, 4U);
  h.held.run_first();
  h.service.reset();
  h.held.run_first();
  timers.clear();
  h.held.run_all();
  EXPECT_EQ(h.held.size(), 0U);
}

// A task may outlive the service, and its serial group's turn goes on with it; the executor need not.
TEST(G19, NothingIsPostedAfterTheServiceHasGone) {
  for (const bool called : {true, false}) {
    held_service h;
    auto group =
        std::make_unique<detent::timer_group>(*h.service, detent::group_options{.order = detent::group_order::serial});
    std::vector<detent::timer> members;
    for (int i = 0; i < 3; ++i) {
      members.emplace_back(*group, [] { ADD_FAILURE(); });
      members.back().arm_after(0ns);
    }
    h.clock.settle();
    ASSERT_EQ(h.held.size(), 1U);
    h.service.reset();
    EXPECT_EQ(called ? static_cast<std::size_t>(h.held.run_first()) : h.held.drop_all(), 1U);
    EXPECT_EQ(h.held.size(), 0U);
  }
}

TEST(G19, RunDueWithAnExecutorThatNeverRunsEndsAtTheDeadline) {
  held_service h;
  detent::timer t(*h.service, [] { ADD_FAILURE(); });
  t.arm_after(0ns);
  h.clock.settle();
  const detent::shutdown_report report = h.service->shutdown(shutdown_policy::run_due, 20ms);
  EXPECT_EQ(report.fired, 0U);
  EXPECT_EQ(report.cancelled, 1U);
  h.held.run_all();
}

TEST(G19, WhatTheExecutorDropsDuringShutdownIsReported) {
  detent::manual_clock clock;
  support::dropping_executor dropping(1);
  detent::service_options options;
  options.clock = &clock;
  options.executor = dropping;
  options.on_error = [](const detent::callback_error&) {};
  detent::timer_service service(std::move(options));
  std::vector<detent::timer> timers;
  for (int i = 0; i < 3; ++i) {
    timers.emplace_back(service, [] { ADD_FAILURE(); });
    timers.back().arm_after(0ns);
  }
  const detent::shutdown_report report = service.shutdown(shutdown_policy::run_due);
  EXPECT_EQ(report.dropped, 3U);
  EXPECT_EQ(report.fired + report.cancelled, 0U);
}

// --- Races. ---------------------------------------------------------------------------------------------------------

// Arming that races with shutdown is resolved by it or refused: the callers' sums add up.
TEST(G19, ArmingsThatRaceWithShutdownAreAccountedFor) {
  for (int round = 0; round < 20; ++round) {
    detent::service_options options;
    options.executor = detent::pool{2};
    detent::timer_service service(std::move(options));
    std::atomic<std::uint64_t> armed{0};
    std::atomic<std::uint64_t> ended{0};
    std::atomic<std::uint64_t> fired{0};
    std::atomic<int> ready{0};  // a timer made beside the shutdown may be reported: its callable is being destroyed
    gate go;
    std::uint64_t withdrawn = 0;
    std::vector<detent::timer> timers[3];  // they outlive the shutdown: what a destructor withdraws it would not count
    {
      std::vector<std::unique_ptr<background>> armers;
      for (int n = 0; n < 3; ++n) {
        armers.push_back(std::make_unique<background>([&, n] {
          std::vector<detent::timer>& mine = timers[n];
          for (int i = 0; i < 50; ++i) mine.emplace_back(service, [&] { ++fired; });
          ++ready;
          go.pass();
          for (std::size_t i = 0;; ++i) {
            detent::timer& t = mine[i % mine.size()];
            const detent::arm_result r =
                (i + static_cast<std::size_t>(n)) % 3 == 0 ? t.arm_after(0ns) : t.arm_after(1h);
            if (r == detent::arm_result::shut_down) break;
            ++armed;
            if (r == detent::arm_result::rearmed) ++ended;
            if (i % 7 == 0) {
              const detent::cancel_result c = t.cancel();
              if (c == detent::cancel_result::cancelled || c == detent::cancel_result::cancelled_running) ++ended;
            }
          }
        }));
      }
      support::eventually([&] { return ready == 3; });
      go.open();
      support::eventually([&] { return armed > 200; });
      const detent::shutdown_report report = service.shutdown();
      EXPECT_TRUE(report.complete);
      withdrawn = report.cancelled;
    }
    EXPECT_EQ(armed, ended + fired + withdrawn);
  }
}

// A firing that was armed anew beside its own call is withdrawn like any other, and counted once.
TEST(G19, WhatIsPendingBesideItsOwnCallIsCounted) {
  detent::timer_service service;
  support::gate armed;
  support::gate go_on;
  detent::timer t(service, [&](detent::firing& f) {
    t.arm_after(1h);
    armed.open();
    EXPECT_TRUE(support::eventually([&] { return f.token().stop_requested() || go_on.is_open(); }));
  });
  detent::timer far(service, [] {});
  far.arm_after(1h);
  t.arm_after(0ns);
  ASSERT_TRUE(armed.pass());
  const detent::shutdown_report report = service.shutdown();
  go_on.open();
  EXPECT_EQ(report.cancelled, 2U);
  EXPECT_EQ(report.fired, 0U);
  EXPECT_TRUE(report.complete);
}

// Q1, Q2: threads that have hardly begun end at their next look.
TEST(G19, DestructionRightAfterCreation) {
  for (int round = 0; round < 50; ++round) {
    detent::service_options options;
    if (round % 2 == 0) options.executor = detent::on_driver{};
    detent::timer_service service(std::move(options));
    service.once(0ns, [] {});
  }
}

// Continuations that have not started when shutdown ends are run by the thread that shuts down.
TEST(G19, ContinuationsRunBeforeShutdownReturns) {
  held_service h;
  std::atomic<int> ends{0};
  detent::timer t(*h.service, [] {});
  EXPECT_EQ(t.close_then([&] { ++ends; }), detent::then_result::accepted);
  EXPECT_EQ(ends, 0);
  h.service->shutdown();
  EXPECT_EQ(ends, 1);
  h.held.run_all();
  EXPECT_EQ(ends, 1);
}

}  // namespace
