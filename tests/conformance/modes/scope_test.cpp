// scope: timers that are bound to modes together tick as those that are bound one by one, and end together.
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::arm_result;
using detent::mode_scope;
using detent::mode_timer;
using detent::on_leave;
using detent::on_return;
using detent::wait_result;

void add_modes(detent::modes& to) {
  for (const char* name : {"a", "b", "c"}) {
    detent::mode_options mode;
    mode.name = name;
    to.add(std::move(mode));
  }
}

class in_scope : public ::testing::Test {
 protected:
  in_scope() { add_modes(modes); }
  std::unique_ptr<mode_scope> scope(on_leave left, on_return entered) {
    return std::make_unique<mode_scope>(service, modes, detent::mode_timer_options{{"a"}, left, entered});
  }
  std::unique_ptr<mode_timer> member(mode_scope& in, char name) {
    return std::make_unique<mode_timer>(in, [this, name](detent::firing&) { written += name; });
  }

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service};
  std::string written;
};

TEST_F(in_scope, AllAreSuspendedAndComeBackInOrder) {
  modes.set("a");
  const auto together = scope(on_leave::suspend, on_return::resume);
  std::vector<std::unique_ptr<mode_timer>> members;
  for (const char name : {'1', '2', '3', '4', '5'}) {
    members.push_back(member(*together, name));
    members.back()->arm_every(10ms);
  }
  const auto once = member(*together, 'o');
  once->arm_after(15ms);
  clock.advance(14ms);
  EXPECT_EQ(written, "12345");
  modes.set("b");
  clock.advance(100ms);
  EXPECT_EQ(written, "12345");
  modes.set("a");
  clock.advance(1ms);
  EXPECT_EQ(written, "12345o");
  clock.advance(5ms);
  EXPECT_EQ(written, "12345o12345");
}

// In every policy a member ticks as a timer that is bound by itself, whatever happens to both.
TEST_F(in_scope, AMemberTicksAsATimerOfItsOwn) {
  struct world {
    world(bool in_scope, on_leave left, on_return entered) {
      add_modes(modes);
      const detent::mode_timer_options options{{"a", "c"}, left, entered};
      if (in_scope) scope = std::make_unique<mode_scope>(service, modes, options);
      for (std::size_t i = 0; i < timers.size(); ++i) {
        const auto tick = [this, i](detent::firing&) { ticks.at(i).push_back(clock.now().time_since_epoch().count()); };
        timers.at(i) = in_scope ? std::make_unique<mode_timer>(*scope, tick)
                                : std::make_unique<mode_timer>(service, modes, options, tick);
      }
    }
    detent::manual_clock clock;
    detent::timer_service service{clock};
    detent::modes modes{service};
    std::unique_ptr<mode_scope> scope;
    std::array<std::unique_ptr<mode_timer>, 4> timers;
    std::array<std::vector<std::int64_t>, 4> ticks;
  };
  std::mt19937 dice(7);
  const std::size_t rounds = support::times(30, 8);
  for (std::size_t round = 0; round < rounds; ++round) {
    for (const on_leave left : {on_leave::cancel, on_leave::suspend, on_leave::skip}) {
      for (const on_return entered : {on_return::resume, on_return::restart, on_return::stay}) {
        world alone(false, left, entered);
        world together(true, left, entered);
        for (int step = 0; step < 60; ++step) {
          const auto what = dice() % 8;
          const auto which = dice() % alone.timers.size();
          const std::chrono::milliseconds delay(1 + dice() % 12);
          const std::string mode(1, static_cast<char>('a' + dice() % 3));
          for (world* one : {&alone, &together}) {
            if (what < 3) {
              one->clock.advance(delay);
            } else if (what < 5) {
              one->modes.set(mode);
            } else if (what == 5) {
              one->timers.at(which)->arm_every(delay);
            } else if (what == 6) {
              one->timers.at(which)->arm_after(delay);
            } else if (step % 3 == 0) {
              one->timers.at(which)->cancel();
            }
          }
        }
        EXPECT_EQ(alone.ticks, together.ticks);
        for (std::size_t i = 0; i < alone.timers.size(); ++i) {
          EXPECT_EQ(alone.timers.at(i)->skipped(), together.timers.at(i)->skipped());
        }
      }
    }
  }
}

TEST_F(in_scope, OneThatIsMadeWhileItIsAwayIsAwayToo) {
  const auto together = scope(on_leave::suspend, on_return::resume);
  const auto late = member(*together, 'l');
  EXPECT_EQ(late->arm_after(5ms), arm_result::armed);
  clock.advance(100ms);
  EXPECT_EQ(written, "");
  modes.set("a");
  clock.advance(5ms);
  EXPECT_EQ(written, "l");
}

// Also what a mode keeps: it does not come back. All may be armed anew.
TEST_F(in_scope, CancelWithdrawsWhatIsKeptToo) {
  const auto together = scope(on_leave::suspend, on_return::resume);
  const auto one = member(*together, '1');
  const auto two = member(*together, '2');
  const auto idle = member(*together, 'i');
  for (const char* mode : {"a", "b"}) {
    modes.set(mode);
    one->arm_every(10ms);
    two->arm_after(10ms);
    EXPECT_EQ(together->cancel(), 2U);
    EXPECT_EQ(together->cancel(), 0U);
    modes.set("a");
    clock.advance(100ms);
    EXPECT_EQ(written, "");
  }
  one->arm_after(1ms);
  clock.advance(1ms);
  EXPECT_EQ(written, "1");
}

// Closed in its modes and outside of them: nothing ticks, nothing can be armed, and the modes do not know it any more.
TEST_F(in_scope, AClosedScopeIsForEver) {
  for (const char* mode : {"a", "b"}) {
    modes.set(mode);
    auto together = scope(on_leave::suspend, on_return::restart);
    const auto before = member(*together, 'x');
    before->arm_every(10ms);
    EXPECT_EQ(together->close_and_wait(), wait_result::quiet);
    EXPECT_EQ(together->close_and_wait(), wait_result::quiet);
    const auto behind = member(*together, 'y');
    for (const auto& one : {before.get(), behind.get()}) {
      EXPECT_EQ(one->arm_after(1ms), arm_result::closed);
      EXPECT_EQ(one->arm_every(1ms), arm_result::closed);
      EXPECT_EQ(one->cancel(), detent::cancel_result::closed);
    }
    EXPECT_EQ(together->cancel(), 0U);
    together.reset();  // before its members
    for (const char* next : {"c", "a", "b"}) {
      modes.set(next);
      clock.advance(50ms);
    }
    EXPECT_EQ(before->arm_after(1ms), arm_result::closed);
  }
  EXPECT_EQ(written, "");
}

// So does one that is bound by itself.
TEST_F(in_scope, AClosedTimerSaysSoOutsideOfItsModes) {
  mode_timer alone(service, modes, {.modes = {"a"}}, [&](detent::firing&) { written += 'x'; });
  EXPECT_EQ(alone.arm_after(1ms), arm_result::armed);
  alone.close_and_wait();
  EXPECT_EQ(alone.arm_after(1ms), arm_result::closed);
  modes.set("a");
  clock.advance(10ms);
  EXPECT_EQ(written, "");
}

// Members end without their scope, and one of them ends the scope, itself and another inside its tick.
TEST_F(in_scope, ATickMayDestroyItsScope) {
  modes.set("a");
  auto together = scope(on_leave::suspend, on_return::resume);
  auto other = member(*together, 'o');
  other->arm_every(10ms);
  member(*together, 'g')->arm_every(1ms);  // gone at once
  std::unique_ptr<mode_timer> ends;
  ends = std::make_unique<mode_timer>(*together, [&](detent::firing&) {
    written += 'e';
    EXPECT_EQ(together->close_and_wait(), wait_result::from_callback);
    EXPECT_EQ(other->arm_after(1ms), arm_result::closed);
    together.reset();
    other.reset();
    ends.reset();
    written += '.';
  });
  ends->arm_every(5ms);
  clock.advance(100ms);
  EXPECT_EQ(written, "e.");
  modes.set("b");
  modes.set("a");
}

TEST_F(in_scope, ATickMaySetTheMode) {
  modes.set("a");
  const auto together = scope(on_leave::suspend, on_return::resume);
  mode_timer sets(*together, [&](detent::firing&) {
    written += 's';
    modes.set("b");
  });
  const auto behind = member(*together, 'x');  // due at the same instant, and not called any more
  sets.arm_every(10ms);
  behind->arm_every(10ms);
  clock.advance(100ms);
  EXPECT_EQ(written, "s");
  modes.set("a");
  clock.advance(0ms);
  EXPECT_EQ(written, "sx");
}

// --- Threads.
// -----------------------------------------------------------------------------------------------------------

class scope_threads : public ::testing::Test {
 protected:
  static detent::service_options options() {
    detent::service_options made;
    made.executor = detent::pool{2};
    made.on_deadlock = [](const detent::deadlock_report&) {};
    return made;
  }
  scope_threads() { add_modes(modes); }
  detent::timer_service service{options()};
  detent::modes modes{service};
};

// Closing waits for the calls in progress of all members, and what they wrote is visible then.
TEST_F(scope_threads, ClosingWaitsForTheCalls) {
  modes.set("a");
  for (const bool by_destructor : {false, true}) {
    std::array<support::gate, 2> inside;
    std::array<int, 2> wrote{};  // plain
    support::gate closing;
    auto together = std::make_unique<mode_scope>(service, modes, detent::mode_timer_options{{"a"}});
    std::vector<std::unique_ptr<mode_timer>> members;
    for (std::size_t i = 0; i < 2; ++i) {
      members.push_back(std::make_unique<mode_timer>(*together, [&, i](detent::firing&) {
        inside.at(i).open();
        closing.pass();
        for (int spin = 0; spin < 1000; ++spin) std::this_thread::yield();
        wrote.at(i) = 1;
      }));
      members.back()->arm_after(0ms);
    }
    for (const support::gate& one : inside) one.pass();
    closing.open();
    if (by_destructor) {
      together.reset();
    } else {
      EXPECT_EQ(together->close_and_wait(), wait_result::quiet);
    }
    EXPECT_EQ(wrote, (std::array{1, 1}));
  }
}

// Each of two ticks closes the scope of the other one: one is refused at once, and nothing hangs.
TEST_F(scope_threads, AWaitThatWouldCloseACycleIsRefused) {
  modes.set("a");
  std::array<std::unique_ptr<mode_scope>, 2> scopes;
  std::array<support::gate, 2> inside;
  std::array<std::atomic<wait_result>, 2> ends{};
  std::vector<std::unique_ptr<mode_timer>> members;
  for (auto& one : scopes) one = std::make_unique<mode_scope>(service, modes, detent::mode_timer_options{{"a"}});
  for (std::size_t i = 0; i < 2; ++i) {
    ends.at(i).store(wait_result::timed_out);
    members.push_back(std::make_unique<mode_timer>(*scopes.at(i), [&, i](detent::firing&) {
      inside.at(i).open();
      inside.at(1 - i).pass();
      ends.at(i).store(scopes.at(1 - i)->close_and_wait());
    }));
    members.back()->arm_after(0ms);
  }
  for (const auto& one : ends) support::eventually([&] { return one.load() != wait_result::timed_out; });
  EXPECT_TRUE((ends[0].load() == wait_result::would_deadlock) != (ends[1].load() == wait_result::would_deadlock));
  members.clear();
}

// Scopes are left while their members tick, arm each other, come and go. When `set` has returned, each thread of the
// pool may be at the first line of the call it has, and no other begins.
TEST_F(scope_threads, AfterSetNoTickOfAnotherModeStarts) {
  std::atomic<std::uint64_t> ticks{0};
  std::vector<std::unique_ptr<mode_scope>> scopes;
  std::vector<std::unique_ptr<mode_timer>> members;
  for (const on_leave left : {on_leave::cancel, on_leave::suspend, on_leave::skip}) {
    scopes.push_back(
        std::make_unique<mode_scope>(service, modes, detent::mode_timer_options{{"a"}, left, on_return::restart}));
    for (int i = 0; i < 4; ++i) {
      members.push_back(std::make_unique<mode_timer>(*scopes.back(), [&](detent::firing&) { ticks.fetch_add(1); }));
      members.back()->arm_every(std::chrono::microseconds(50 + 10 * i));
    }
  }
  std::atomic<bool> is_over{false};
  support::background comes_and_goes([&] {
    for (std::size_t i = 0; !is_over.load(); ++i) {
      mode_timer visitor(*scopes.at(i % scopes.size()), [&](detent::firing&) { ticks.fetch_add(1); });
      visitor.arm_after(std::chrono::microseconds(i % 100));
      for (std::size_t spin = 0; spin < i % 50; ++spin) std::this_thread::yield();
    }
  });
  const std::size_t rounds = support::times(300, 40);
  for (std::size_t round = 0; round < rounds; ++round) {
    const auto before = ticks.load();
    modes.set("a");
    if (round % 4 == 0) support::eventually([&] { return ticks.load() > before; });
    modes.set("b");
    const auto at_most = ticks.load() + 2;
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(300);
    while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
    EXPECT_LE(ticks.load(), at_most);
  }
  is_over.store(true);
}

// Scopes end at any moment while modes change and other threads arm, cancel and make members: behind that no member
// is inside its tick.
TEST_F(scope_threads, AScopeEndsAtAnyMoment) {
  const std::size_t rounds = support::times(400, 60);
  for (std::size_t round = 0; round < rounds; ++round) {
    std::atomic<int> inside{0};
    auto together = std::make_unique<mode_scope>(
        service, modes,
        detent::mode_timer_options{{"a"}, static_cast<on_leave>(round % 3), static_cast<on_return>(round / 3 % 3)});
    std::array<std::unique_ptr<mode_timer>, 3> members;
    for (auto& one : members) {
      one = std::make_unique<mode_timer>(*together, [&](detent::firing&) {
        inside.fetch_add(1);
        members[0]->arm_after(1us);
        inside.fetch_sub(1);
      });
      one->arm_every(20us);
    }
    support::background sets([&] {
      for (int i = 0; i < 30; ++i) modes.set(i % 2 == 0 ? "a" : "b");
    });
    support::background uses([&] {
      for (int i = 0; i < 30; ++i) {
        mode_timer visitor(*together, [&](detent::firing&) { inside.fetch_add(0); });
        visitor.arm_after(1us);
        members[1]->arm_every(10us);
        members[2]->cancel();
        if (i % 10 == 5) together->cancel();
      }
    });
    for (std::size_t spin = 0; spin < round % 60; ++spin) std::this_thread::yield();
    EXPECT_EQ(together->close_and_wait(), wait_result::quiet);
    EXPECT_EQ(inside.load(), 0);
    uses.join();
    together.reset();
    EXPECT_EQ(members[0]->arm_after(1us), arm_result::closed);
  }
}

}  // namespace
