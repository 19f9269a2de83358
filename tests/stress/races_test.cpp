// The races of src/lifetime/words.hpp by name. Each is run until every outcome came up; whatever the outcome, what the
// callers were told has to be what happened.
#include "stress/duel.hpp"

#include <detent/detent.hpp>

#include <atomic>
#include <chrono>
#include <memory>
#include <optional>
#include <thread>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using namespace detent;
using stress::happens;
using stress::opponent;
using stress::race;
using stress::spin_until;
using stress::start_signal;

using ns = std::chrono::nanoseconds;

service_options on(executor_choice where) {
  service_options options;
  options.executor = where;
  return options;
}

bool withdrew(cancel_result r) { return r == cancel_result::cancelled || r == cancel_result::cancelled_running; }

// The firing is the first party, the verb the second.
TEST(Race, R_CANCEL) {
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer t{service, [&] { fired.fetch_add(1); }};
  race("R-CANCEL", {"fired", "cancelled"}).run([&](std::int64_t distance) -> std::size_t {
    fired = 0;
    const auto due = steady_clock::now() + 60us;
    EXPECT_EQ(t.arm_at(due), arm_result::armed);
    spin_until(due + ns(distance));
    const bool won = withdrew(t.cancel());
    static_cast<void>(t.wait());
    EXPECT_EQ(fired + (won ? 1 : 0), 1);
    return won ? 1 : 0;
  });
}

TEST(Race, R_CLOSE) {
  timer_service service(on(on_driver{}));
  race("R-CLOSE", {"fired", "closed"}).run([&](std::int64_t distance) -> std::size_t {
    int fired = 0;  // Not atomic: the close orders it (G11).
    const auto owner = std::make_shared<int>(0);
    timer t{service, [&fired, owner] { ++fired; }};
    const auto due = steady_clock::now() + 60us;
    t.arm_at(due);
    spin_until(due + ns(distance));
    const cancel_answer answer = t.close_and_wait();
    EXPECT_EQ(answer.wait, wait_result::quiet);
    EXPECT_EQ(owner.use_count(), 1) << "the callable lives on after quiet";
    EXPECT_EQ(fired + (withdrew(answer.outcome) ? 1 : 0), 1);
    return withdrew(answer.outcome) ? 1 : 0;
  });
}

// A callback arms itself again while somebody closes.
TEST(Race, R_REARM) {
  timer_service service(on(on_driver{}));
  race("R-REARM", {"armed, then closed", "refused"}).run([&](std::int64_t distance) -> std::size_t {
    int calls = 0;
    arm_result rearmed{};
    timer t;
    std::atomic<bool> inside{false};
    start_signal go;
    t = timer{service, [&] {
                if (++calls != 1) return;
                inside = true;
                go.await();
                rearmed = t.arm_after(0s);
              }};
    t.arm_after(0s);
    happens([&] { return inside.load(); });
    const auto at = steady_clock::now() + 5us;
    go.give(at);
    spin_until(at + ns(distance));
    const cancel_answer answer = t.close_and_wait();
    EXPECT_EQ(answer.wait, wait_result::quiet);
    EXPECT_TRUE(rearmed == arm_result::armed || rearmed == arm_result::closed);
    // Armed: that firing was withdrawn, or it ran before the close.
    EXPECT_EQ(calls + (withdrew(answer.outcome) ? 1 : 0), rearmed == arm_result::armed ? 2 : 1);
    return rearmed == arm_result::armed ? 0 : 1;
  });
}

// The entry waits in the pool's queue behind another call; the arming comes as that call ends.
TEST(Race, R_QUEUED) {
  timer_service service(on(pool{1}));
  start_signal release;
  std::atomic<bool> blocking{false};
  timer blocker{service, [&] {
                  blocking = true;
                  release.await();
                }};
  std::atomic<int> fired{0};
  timer t{service, [&] { fired.fetch_add(1); }};
  race("R-QUEUED", {"fired", "withdrawn"}).run([&](std::int64_t distance) -> std::size_t {
    fired = 0, release.reset(), blocking = false;
    blocker.arm_after(0s);
    happens([&] { return blocking.load(); });
    t.arm_after(0s);
    happens([&] { return t.status() == timer_state::queued; });
    const auto at = steady_clock::now() + 5us;
    release.give(at);
    spin_until(at + ns(distance));
    const bool replaced = t.arm_after(1h) == arm_result::rearmed;
    static_cast<void>(blocker.wait());
    const bool cancelled = withdrew(t.cancel_and_wait().outcome);
    EXPECT_TRUE(cancelled) << "the new arming is gone";
    EXPECT_EQ(fired + (replaced ? 1 : 0), 1);
    return replaced ? 1 : 0;
  });
}

// A postponed timer is visited at its old deadline just as somebody arms it for earlier again. Nobody comes to the
// rescue: only that arming itself can bring the driver.
TEST(Race, R_POSTPONE) {
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer t{service, [&] { fired.fetch_add(1); }};
  race("R-POSTPONE", {"after the visit", "before it"}).run([&](std::int64_t distance) -> std::size_t {
    fired = 0;
    const auto visit = steady_clock::now() + 60us;
    const std::uint64_t wakeups = service.counters().wakeups;
    t.arm_at(visit);
    // Whoever was put off the CPU here comes too late to postpone it.
    const int expected = t.arm_after(1h) == arm_result::rearmed ? 1 : 2;
    spin_until(visit + ns(distance));
    const bool visited = service.counters().wakeups > wakeups + 1;
    t.arm_after(30us);
    EXPECT_TRUE(happens([&] { return fired == expected; })) << "an arming was lost";
    return visited ? 0 : 1;
  });
}

// An arming comes as the driver goes to sleep after a call.
TEST(Race, R_SLEEP) {
  timer_service service(on(on_driver{}));
  std::atomic<int> fired{0};
  timer first{service, [&] { fired.fetch_add(1); }};
  timer second{service, [&] { fired.fetch_add(1); }};
  race("R-SLEEP", {"after the first call", "before it"}).run([&](std::int64_t distance) -> std::size_t {
    fired = 0;
    const auto due = steady_clock::now() + 50us;
    first.arm_at(due);
    spin_until(due + ns(distance));
    const bool late = fired != 0;
    second.arm_after(0s);
    EXPECT_TRUE(happens([&] { return fired == 2; })) << "an arming was lost";
    return late ? 0 : 1;
  });
  EXPECT_EQ(service.counters().rescues, 0U);
}

// A series is cancelled inside its callback and from outside at once: one of the two is told.
TEST(Race, R_SERIES) {
  timer_service service(on(on_driver{}));
  race("R-SERIES", {"by its callback", "from outside"}).run([&](std::int64_t distance) -> std::size_t {
    std::atomic<int> calls{0};
    std::atomic<bool> inside{false};
    start_signal go;
    cancel_result by_callback{};
    timer t;
    t = timer{service, [&] {
                if (calls.fetch_add(1) != 0) return;
                inside = true;
                go.await();
                by_callback = t.cancel();
              }};
    series_options options;
    options.first = 0s;
    // Both paces: the next tick is in the word, or held.
    options.pace = (distance & 8) != 0 ? pace::fixed_delay : pace::fixed_rate;
    t.arm_every(1ms, options);
    happens([&] { return inside.load(); });
    const auto at = steady_clock::now() + 5us;
    go.give(at);
    spin_until(at + ns(distance));
    const cancel_answer outside = t.cancel_and_wait();
    EXPECT_EQ((by_callback == cancel_result::cancelled_running ? 1 : 0) + (withdrew(outside.outcome) ? 1 : 0), 1);
    EXPECT_EQ(t.status(), timer_state::idle);
    EXPECT_EQ(calls, 1);
    return withdrew(outside.outcome) ? 1 : 0;
  });
}

// Two arm_every with different terms: what is left has the terms of one of them, never a mixture.
TEST(Race, R_PERIOD) {
  timer_service service(on(on_driver{}));
  timer t{service, [] {}};
  opponent other;
  race("R-PERIOD", {"this one was last", "the other was last"})
      .run(
          [&](std::int64_t distance) -> std::size_t {
            t.cancel();
            arm_result theirs{}, mine{};
            const auto start = steady_clock::now();
            const auto at = other.start([&] { theirs = t.arm_every(start + 10h, 7h); });
            spin_until(at + ns(distance));
            mine = t.arm_every(start + 20h, 9h);
            other.join();
            EXPECT_NE(theirs, mine) << "both were told the same about what was pending before";
            const auto told = service.info(t.id());
            EXPECT_TRUE(told.has_value());
            if (!told.has_value()) return 0;
            const bool this_last = told->period == 9h;
            EXPECT_EQ(told->period, this_last ? 9h : 7h);
            EXPECT_EQ(told->due_in > 15h, this_last) << "the period of one series, the deadline of the other";
            return this_last ? 0 : 1;
          },
          0);
}

// A one-shot replaces a series that is being claimed.
TEST(Race, R_KIND) {
  timer_service service(on(on_driver{}));
  std::atomic<int> ticks{0};
  timer t{service, [&] { ticks.fetch_add(1); }};
  race("R-KIND", {"after a tick", "before it"}).run([&](std::int64_t distance) -> std::size_t {
    ticks = 0;
    const auto due = steady_clock::now() + 60us;
    t.arm_every(due, 1h);
    spin_until(due + ns(distance));
    EXPECT_EQ(t.arm_after(2h), arm_result::rearmed) << "a series is always pending";
    static_cast<void>(t.wait_for(0s));
    const auto told = service.info(t.id());
    EXPECT_TRUE(told.has_value() && told->period == 0s && told->due_in > 90min) << "the series came back";
    EXPECT_EQ(t.cancel_and_wait().wait, wait_result::quiet);
    EXPECT_LE(ticks, 1);
    return ticks == 1 ? 0 : 1;
  });
}

// A verb by id meets the end of that timer and the birth of the next one in the same record.
TEST(Race, R_STRANGER) {
  timer_service service(on(on_driver{}));
  opponent other;
  std::uint64_t reused = 0;
  race("R-STRANGER", {"the old timer", "nobody"}).run([&](std::int64_t distance) -> std::size_t {
    std::optional<timer> old{std::in_place, service, [] {}};
    const timer_id id = old->id();
    old->arm_after(1h);
    timer next;
    cancel_result found{};
    const auto at = other.start([&] { found = service.cancel(id); });
    spin_until(at + ns(distance));
    old.reset();
    next = timer{service, [] {}};
    next.arm_after(1h);
    other.join();
    if (next.id().index == id.index) ++reused;
    EXPECT_TRUE(found == cancel_result::cancelled || found == cancel_result::closed);
    EXPECT_EQ(next.cancel(), cancel_result::cancelled) << "a stale id reached the next tenant";
    return found == cancel_result::cancelled ? 0 : 1;
  });
  EXPECT_GT(reused, 0U) << "the record was never reused";
}

// A record is reused while its old entry is still in the pool's queue.
TEST(Race, R_REUSE) {
  timer_service service(on(pool{1}));
  start_signal release;
  std::atomic<bool> blocking{false};
  timer blocker{service, [&] {
                  blocking = true;
                  release.await();
                }};
  std::uint64_t reused = 0;
  race("R-REUSE", {"fired before its end", "never fired"}).run([&](std::int64_t distance) -> std::size_t {
    release.reset(), blocking = false;
    blocker.arm_after(0s);
    happens([&] { return blocking.load(); });
    std::atomic<int> old_fired{0}, new_fired{0};
    std::optional<timer> old{std::in_place, service, [&] { old_fired.fetch_add(1); }};
    old->arm_after(0s);
    happens([&] { return old->status() == timer_state::queued; });
    const std::uint32_t index = old->id().index;
    const auto at = steady_clock::now() + 5us;
    release.give(at);
    spin_until(at + ns(distance));
    old.reset();
    const int fired_by_then = old_fired;
    timer next{service, [&] { new_fired.fetch_add(1); }};
    if (next.id().index == index) ++reused;
    next.arm_after(1h);
    static_cast<void>(blocker.wait());
    EXPECT_EQ(new_fired, 0) << "the old entry ran the new tenant before its time";
    next.arm_after(0s);
    EXPECT_TRUE(happens([&] { return new_fired == 1; })) << "the new tenant was lost";
    EXPECT_EQ(old_fired, fired_by_then) << "a timer fired after its destructor";
    return fired_by_then != 0 ? 0 : 1;
  });
  EXPECT_GT(reused, 0U) << "the record was never reused";
}

// Two close at once; the callable takes a while to be destroyed. Both are told only when it is gone.
TEST(Race, R_ENDERS) {
  timer_service service(on(on_driver{}));
  opponent other;
  struct slow_to_die {
    std::atomic<bool>* gone;
    explicit slow_to_die(std::atomic<bool>* g) : gone(g) {}
    slow_to_die(slow_to_die&& from) noexcept : gone(std::exchange(from.gone, nullptr)) {}
    ~slow_to_die() {
      if (gone == nullptr) return;
      spin_until(steady_clock::now() + 5us);
      *gone = true;
    }
    void operator()() const {}
  };
  race("R-ENDERS", {"the other closed", "this one closed"}).run([&](std::int64_t distance) -> std::size_t {
    std::atomic<bool> gone{false};
    timer t{service, slow_to_die(&gone)};
    cancel_answer theirs{}, mine{};
    bool gone_for_them = false;
    const auto at = other.start([&] {
      theirs = t.close_and_wait();
      gone_for_them = gone;
    });
    spin_until(at + ns(distance));
    mine = t.close_and_wait();
    const bool gone_for_me = gone;
    other.join();
    EXPECT_TRUE(mine.wait == wait_result::quiet && theirs.wait == wait_result::quiet);
    EXPECT_TRUE(gone_for_me && gone_for_them) << "quiet was answered before the callable was destroyed";
    const bool i_closed = mine.outcome == cancel_result::idle;
    EXPECT_NE(i_closed, theirs.outcome == cancel_result::idle) << "one of the two closes it";
    return i_closed ? 1 : 0;
  });
}

// An executor refuses a firing as somebody cancels it.
TEST(Race, R_DROP) {
  struct refusing {
    void post(task) {}
  } executor;
  std::atomic<int> dropped{0};
  service_options options = on(executor);
  options.on_error = [&](const callback_error& e) {
    if (e.kind == callback_error::what::dropped) dropped.fetch_add(1);
  };
  timer_service service(std::move(options));
  timer t{service, [] { ADD_FAILURE() << "a refused firing ran"; }};
  race("R-DROP", {"dropped", "cancelled"}).run([&](std::int64_t distance) -> std::size_t {
    const int before = dropped;
    const auto due = steady_clock::now() + 60us;
    EXPECT_EQ(t.arm_at(due), arm_result::armed) << "a timer stays usable after a drop";
    spin_until(due + ns(distance));
    const bool cancelled = withdrew(t.cancel());
    if (!cancelled) {
      EXPECT_TRUE(happens([&] { return dropped == before + 1; })) << "the firing ended in no way at all";
    }
    EXPECT_EQ(dropped - before + (cancelled ? 1 : 0), 1);
    return cancelled ? 1 : 0;
  });
}

}  // namespace
