// G21. Order: on one serial executor, firings found due in the same look start in deadline order; equal deadlines start
// in the order in which one thread armed them. In a one-thread service and under a manual clock the order is total and
// repeatable.
//
// Method: tables of what is armed in which order and what order must come out, postponed and re-armed timers included;
// a random program that is played twice and must leave the same trace.
//
// Planted bug that this catches: stale_hint (5).
#include <detent/detent.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <support/executors.hpp>
#include <support/gate.hpp>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

using namespace std::chrono_literals;

namespace {

struct ordered {
  ordered() : service(clock) {}
  explicit ordered(detent::sharing how)
      : service([&] {
          detent::service_options options;
          options.clock = &clock;
          options.executor = detent::on_driver{};
          options.sharing = how;
          return options;
        }()) {}
  detent::manual_clock clock;
  detent::timer_service service;
  std::string seen;
  std::vector<detent::timer> timers;
  detent::timer& add(char name) {
    timers.emplace_back(service, [this, name] { seen += name; });
    return timers.back();
  }
};

class order_of : public ::testing::TestWithParam<detent::sharing> {
 protected:
  ordered o{GetParam()};
};

TEST_P(order_of, DifferentDeadlinesInOneLook) {
  // All are due when the clock jumps over them: boottime timers over a suspend.
  std::vector<detent::boottime_timer> timers;
  std::string seen;
  const int delays[] = {7, 3, 9, 1, 5, 2, 8, 4, 6, 1000, 64, 65, 63};
  for (const int d : delays) {
    timers.emplace_back(o.service, [&seen, d] { seen += std::to_string(d) + " "; });
    timers.back().arm_after(std::chrono::milliseconds(d));
  }
  EXPECT_EQ(o.clock.suspend(1h), std::size(delays));
  EXPECT_EQ(seen, "1 2 3 4 5 6 7 8 9 63 64 65 1000 ");
}

TEST_P(order_of, EqualDeadlinesInTheOrderOfArming) {
  const auto at = o.clock.now() + 1s;
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) o.add(name);
  for (const std::size_t i : {3U, 1U, 4U, 0U, 2U}) o.timers[i].arm_at(at);
  o.clock.advance(1s);
  EXPECT_EQ(o.seen, "dbeac");
}

TEST_P(order_of, APostponedTimerIsOrderedByItsLastArming) {
  const auto at = o.clock.now() + 1s;
  for (const char name : {'a', 'b', 'c', 'd'}) o.add(name);
  o.timers[0].arm_after(1ms);  // armed first, near, and postponed last: the token in the wheel is the early one
  o.timers[1].arm_at(at);
  o.timers[2].arm_after(500ms);
  o.timers[3].arm_at(at);
  o.timers[2].arm_at(at);
  o.timers[0].arm_at(at);
  o.clock.advance(1s);
  EXPECT_EQ(o.seen, "bdca");
}

// The record of a postponed timer is looked at where it stood before. That must not bring it forward, also when the
// same look finds it due at its new deadline. Found by the reference model.
TEST_P(order_of, APostponedTimerDoesNotOvertakeInALateLook) {
  std::string seen;
  detent::boottime_timer first{o.service, [&] { seen += 'p'; }};
  detent::boottime_timer second{o.service, [&] { seen += 'o'; }};
  first.arm_after(1s);
  o.clock.advance(0s);  // Filed: its token stands at 1 s.
  second.arm_after(20s);
  first.arm_after(30s);
  o.clock.suspend(40s);
  EXPECT_EQ(seen, "op");
  first.arm_after(1s);
  o.clock.advance(0s);
  second.arm_after(30s);
  first.arm_after(30s);  // Equal deadlines: in the order of arming.
  o.clock.suspend(40s);
  EXPECT_EQ(seen, "opop");
}

TEST_P(order_of, PostponedTimersAmongEqualDeadlinesWhoseTokensStandEverywhere) {
  // Each timer is first armed at another distance, so that its token stands on another level, then moved to one
  // instant.
  const auto at = o.clock.now() + 1h;
  std::string expected;
  for (char name = 'a'; name <= 'z'; ++name) o.add(name);
  for (std::size_t i = 0; i < 26; ++i) o.timers[i].arm_after(std::chrono::nanoseconds(std::int64_t{8} << i));
  for (std::size_t i = 0; i < 26; ++i) {
    const std::size_t which = i * 7 % 26;
    o.timers[which].arm_at(at);
    expected += static_cast<char>('a' + which);
  }
  o.clock.advance(1h);
  EXPECT_EQ(o.seen, expected);
}

// The token in the wheel still stands at the former deadline: coming up there, it is no firing and goes to no executor.
TEST_P(order_of, AFormerDeadlineIsNoFiring) {
  o.add('a').arm_after(1s);
  o.clock.advance(1ms);
  o.timers[0].arm_after(2s);
  EXPECT_EQ(o.clock.advance(1500ms), 0U);
  EXPECT_EQ(o.clock.advance(1s), 1U);
  detent::manual_clock clock;
  support::held_executor held;
  detent::service_options options;
  options.clock = &clock;
  options.executor = held;
  options.sharing = GetParam();
  detent::timer_service service(std::move(options));
  detent::timer t(service, [] {});
  t.arm_after(1s);
  clock.advance(1ms);
  t.arm_after(2s);
  clock.advance(1500ms);
  EXPECT_EQ(held.size(), 0U);
}

TEST_P(order_of, PulledForwardTimersAreOrderedByTheirNewDeadline) {
  for (const char name : {'a', 'b', 'c'}) o.add(name);
  o.timers[0].arm_after(3s);
  o.timers[1].arm_after(2s);
  o.timers[2].arm_after(1s);
  o.timers[0].arm_after(500ms);
  o.clock.advance(3s);
  EXPECT_EQ(o.seen, "acb");
}

TEST_P(order_of, CancelledAndArmedAgainGoesToTheEnd) {
  const auto at = o.clock.now() + 1s;
  for (const char name : {'a', 'b', 'c'}) o.add(name).arm_at(at);
  o.timers[0].cancel();
  o.timers[0].arm_at(at);
  o.clock.advance(1s);
  EXPECT_EQ(o.seen, "bca");
}

// A zero-delay re-arm in a callback runs in the next look, after everything already due.
TEST_P(order_of, ZeroDelayInACallbackRunsAfterWhatIsDue) {
  std::string& seen = o.seen;
  detent::timer again;
  int left = 3;
  again = detent::timer(o.service, [&] {
    seen += 'r';
    if (--left > 0) again.arm_after(0ns);
  });
  const auto at = o.clock.now() + 1s;
  o.add('a').arm_at(at);
  again.arm_at(at);
  o.add('b').arm_at(at);
  o.add('c').arm_at(at);
  o.clock.advance(1s);
  EXPECT_EQ(seen, "arbcrr");
}

TEST_P(order_of, TimersArmedByCallbacksInsideAnAdvanceFireAtTheirDeadline) {
  std::vector<std::int64_t> at_ms;
  const auto start = o.clock.now();
  detent::timer second(o.service, [&] { at_ms.push_back((o.clock.now() - start) / 1ms); });
  detent::timer first(o.service, [&] {
    at_ms.push_back((o.clock.now() - start) / 1ms);
    second.arm_after(3ms);
  });
  detent::timer third(o.service, [&] { at_ms.push_back((o.clock.now() - start) / 1ms); });
  first.arm_after(5ms);
  third.arm_after(9ms);
  EXPECT_EQ(o.clock.advance(100ms), 3U);
  EXPECT_EQ(at_ms, (std::vector<std::int64_t>{5, 8, 9}));
}

TEST_P(order_of, SeriesAndOneShotsOfOneInstant) {
  detent::timer& ticking = o.add('t');
  ticking.arm_every(10ms);
  o.add('a');
  o.add('b');
  o.timers[1].arm_after(20ms);
  o.timers[2].arm_after(30ms);
  o.clock.advance(30ms);
  EXPECT_EQ(o.seen.size(), 5U);
  EXPECT_EQ(o.seen.substr(0, 1), "t");
  EXPECT_EQ(std::count(o.seen.begin(), o.seen.end(), 't'), 3);
}

TEST_P(order_of, LateFilingsOfDifferentDeadlines) {
  // Instants in the past, armed in any order, are one look's firings.
  const auto now = o.clock.now();
  for (const char name : {'a', 'b', 'c', 'd', 'e'}) o.add(name);
  o.timers[0].arm_at(now - 1s);
  o.timers[1].arm_at(now - 3s);
  o.timers[2].arm_at(now);
  o.timers[3].arm_at(now - 1h);
  o.timers[4].arm_at(now - 2s);
  EXPECT_EQ(o.clock.settle(), 5U);
  EXPECT_EQ(o.seen, "dbeac");
}

// --- The same program leaves the same trace. ------------------------------------------------------------------------

std::uint64_t trace_of(detent::sharing how, std::uint64_t seed) {
  ordered o(how);
  std::uint64_t hash = 1469598103934665603U;
  const auto note = [&](std::uint64_t value) { hash = (hash ^ value) * 1099511628211U; };
  std::mt19937_64 random(seed);
  std::vector<detent::timer> timers(50);
  for (std::size_t i = 0; i < timers.size(); ++i) {
    timers[i] = detent::timer(o.service, [&, i](detent::firing& f) {
      note(i);
      note(static_cast<std::uint64_t>(o.clock.now().time_since_epoch().count()));
      note(static_cast<std::uint64_t>(f.deadline().time_since_epoch().count()));
      note(f.missed());
      if (random() % 2 == 0) note(static_cast<std::uint64_t>(timers[random() % 50].arm_after(1us * (random() % 100))));
      if (random() % 8 == 0) note(static_cast<std::uint64_t>(timers[random() % 50].cancel()));
    });
  }
  for (int step = 0; step < 2000; ++step) {
    detent::timer& t = timers[random() % timers.size()];
    switch (random() % 5) {
      case 0: note(static_cast<std::uint64_t>(t.arm_after(1us * (random() % 1000)))); break;
      case 1: note(static_cast<std::uint64_t>(t.arm_every(1us * (1 + random() % 300)))); break;
      case 2: note(static_cast<std::uint64_t>(t.cancel())); break;
      case 3: note(o.clock.advance(1us * static_cast<std::int64_t>(random() % 50))); break;
      default: note(o.clock.step()); break;
    }
  }
  return hash;
}

TEST_P(order_of, TheSameProgramLeavesTheSameTrace) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    const std::uint64_t first = trace_of(GetParam(), seed);
    EXPECT_EQ(first, trace_of(GetParam(), seed)) << "seed " << seed;
    EXPECT_NE(first, trace_of(GetParam(), seed + 100)) << "the hash has to depend on the program";
    // What is shared by threads and what is not have the same semantics.
    EXPECT_EQ(first, trace_of(detent::sharing::any_thread, seed));
  }
}

INSTANTIATE_TEST_SUITE_P(Sharing, order_of,
                         ::testing::Values(detent::sharing::any_thread, detent::sharing::one_thread));

// --- Serial groups. -------------------------------------------------------------------------------------------------

TEST(G21, ASerialGroupStartsItsMembersInOrderOnAPool) {
  detent::manual_clock clock;
  detent::service_options options;
  options.clock = &clock;
  options.executor = detent::pool{3};
  detent::timer_service service(std::move(options));
  detent::timer_group group(service, {.name = "serial", .order = detent::group_order::serial});
  std::vector<int> seen;  // no lock: members' callbacks never overlap, and what one did is visible in the next
  std::vector<detent::timer> timers;
  std::vector<int> expected;
  const auto at = clock.now() + 1s;
  for (int i = 0; i < 100; ++i) {
    timers.emplace_back(group, [&seen, i] { seen.push_back(i); });
    timers.back().arm_at(at);
    expected.push_back(i);
  }
  clock.advance(1s);
  EXPECT_EQ(seen, expected);
  seen.clear();
  const auto later = clock.now() + 1s;
  for (std::size_t i = 0; i < timers.size(); ++i) timers[i].arm_at(later - std::chrono::microseconds(i));
  clock.advance(1s);
  std::reverse(expected.begin(), expected.end());
  EXPECT_EQ(seen, expected);
}

TEST(G21, ASerialGroupStaysInOrderWhenItsMembersQueueUp) {
  detent::service_options options;
  options.executor = detent::pool{2};
  detent::timer_service service(std::move(options));
  detent::timer_group group(service, {.name = "serial", .order = detent::group_order::serial});
  support::gate inside;
  support::gate leave;
  std::vector<int> seen;
  std::atomic<int> calls{0};
  detent::timer blocker(group, [&] {
    inside.open();
    leave.pass();
  });
  blocker.arm_after(0ns);
  ASSERT_TRUE(inside.pass());
  std::vector<detent::timer> timers;
  for (int i = 0; i < 50; ++i) {
    timers.emplace_back(group, [&, i] {
      seen.push_back(i);
      ++calls;
    });
  }
  const auto now = service.now();
  for (std::size_t i = 0; i < timers.size(); ++i) timers[i].arm_at(now + std::chrono::microseconds(i * 20));
  leave.open();
  EXPECT_TRUE(support::eventually([&] { return calls == 50; }));
  // All of them were found due in the order of their deadlines, whether or not in one look.
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

// --- Real time, one thread. -----------------------------------------------------------------------------------------

TEST(G21, EqualInstantsOnTheRealDriverStartInTheOrderOfArming) {
  detent::service_options options;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  std::vector<int> seen;
  std::atomic<int> calls{0};
  std::vector<detent::timer> timers;
  for (int i = 0; i < 100; ++i) {
    timers.emplace_back(service, [&, i] {
      seen.push_back(i);
      ++calls;
    });
  }
  const auto at = service.now() + 20ms;
  for (detent::timer& t : timers) t.arm_at(at);
  EXPECT_TRUE(support::eventually([&] { return calls == 100; }));
  EXPECT_TRUE(std::is_sorted(seen.begin(), seen.end()));
}

TEST(G21, TheUsersLoopRunsInOrderToo) {
  detent::service_options options;
  options.drive = detent::drive::by_user;
  options.sharing = detent::sharing::one_thread;
  options.executor = detent::on_driver{};
  detent::timer_service service(std::move(options));
  std::string seen;
  detent::timer a(service, [&] { seen += 'a'; });
  detent::timer b(service, [&] { seen += 'b'; });
  detent::timer c(service, [&] { seen += 'c'; });
  const auto now = service.now();
  a.arm_at(now);
  b.arm_at(now - 1s);
  c.arm_at(now);
  EXPECT_TRUE(support::eventually([&] {
    service.run_due();
    return seen.size() == 3;
  }));
  EXPECT_EQ(seen, "bac");
}

}  // namespace
