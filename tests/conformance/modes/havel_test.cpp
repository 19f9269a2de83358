// havel: H12, what Havel's modes promise and what they got wrong, as scenarios: one mode after the other with all
// hooks, timers that follow them, and changes made by whoever may make them. That no tick starts once the mode is set
// is `AfterSetNoTickOfAnotherModeStarts` of modes_test.
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace {

using namespace std::chrono_literals;
using detent::mode_change;
using detent::on_leave;
using detent::on_return;

// An evening: work, a game in full screen, a break. Every hook asks the modes, which was a deadlock in Havel, whose
// hooks ran under the lock of the modes; explicit changes count in the total time, which they did not there.
class havel_modes : public ::testing::Test {
 protected:
  havel_modes() {
    add("gaming", 20);
    add("fullscreen", 10);
    add("work", 0);
    detent::mode_group_options group;
    group.name = "screen";
    group.modes = {"gaming", "fullscreen"};
    group.on_enter = [this] { note("{screen"); };
    group.on_exit = [this] { note("screen}"); };
    EXPECT_EQ(modes.add_group(std::move(group)), mode_change::changed);
    modes.add_listener([this](const std::string& now, const std::string& before) { note(before + "->" + now); });
  }
  void add(const std::string& name, int priority) {
    detent::mode_options mode;
    mode.name = name;
    mode.priority = priority;
    if (priority > 0) mode.condition = [this, name] { return name == "gaming" ? game_runs : is_full; };
    mode.on_enter = [this, name] { note("+" + name); };
    mode.on_exit = [this, name] { note("-" + name); };
    mode.on_enter_from = [this, name](const std::string& from) { note(from + ">" + name); };
    mode.on_exit_to = [this, name](const std::string& to) { note(name + "<" + to); };
    EXPECT_EQ(modes.add(std::move(mode)), mode_change::changed);
  }
  void note(const std::string& what) {
    written += what + (modes.is(modes.current()) ? " " : "! ");
    modes.times(modes.previous());
  }
  std::string taken() { return std::exchange(written, {}); }
  detent::mode_timer bound(on_leave left, on_return entered, std::string letter) {
    return {service, modes, detent::mode_timer_options{{"gaming", "fullscreen"}, left, entered},
            [this, letter = std::move(letter)](detent::firing&) { written += letter; }};
  }

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service};
  bool game_runs = false;
  bool is_full = false;
  std::string written;
};

TEST_F(havel_modes, H12OneModeAndItsHooks) {
  EXPECT_EQ(modes.set("work"), mode_change::changed);
  EXPECT_EQ(taken(), "+work default>work default->work ");
  EXPECT_EQ(modes.set("work"), mode_change::unchanged);  // no hook, no transition
  EXPECT_EQ(modes.set("nowhere"), mode_change::unknown);
  clock.advance(10s);
  is_full = true;
  modes.update();
  EXPECT_EQ(taken(), "-work work<fullscreen +fullscreen work>fullscreen {screen work->fullscreen ");
  clock.advance(20s);
  game_runs = true;  // both hold: the higher one is it, inside the group
  modes.update();
  EXPECT_EQ(taken(), "-fullscreen fullscreen<gaming +gaming fullscreen>gaming fullscreen->gaming ");
  EXPECT_EQ(modes.previous(), "fullscreen");
  EXPECT_TRUE(modes.is_in_group("screen"));
  clock.advance(30s);
  game_runs = is_full = false;
  modes.update();
  EXPECT_EQ(taken(), "-gaming gaming<default screen} gaming->default ");
}

TEST_F(havel_modes, H12TimeAndTransitionsCountExplicitChangesToo) {
  clock.advance(1s);
  modes.set("work");
  clock.advance(2s);
  modes.set("gaming");
  clock.advance(3s);
  modes.set("work");
  clock.advance(4s);
  EXPECT_EQ(modes.times("work").total, 6s);
  EXPECT_EQ(modes.times("work").entered, 2U);
  EXPECT_EQ(modes.times("gaming").total, 3s);
  EXPECT_EQ(modes.transitions(), 3U);
}

// Each policy of leaving, with its return: what is left, nothing of the time away, all of it, and the phase.
TEST_F(havel_modes, H12TimersFollowTheirModes) {
  auto suspended = bound(on_leave::suspend, on_return::resume, "s");
  auto skipped = bound(on_leave::skip, on_return::resume, "k");
  auto ended = bound(on_leave::cancel, on_return::stay, "c");
  auto anew = bound(on_leave::cancel, on_return::restart, "r");
  modes.set("gaming");
  for (detent::mode_timer* timer : {&suspended, &skipped, &ended, &anew}) timer->arm_every(10ms);
  taken();
  clock.advance(14ms);
  EXPECT_EQ(taken(), "skcr");
  modes.set("fullscreen");  // theirs too
  taken();
  clock.advance(6ms);
  EXPECT_EQ(taken(), "skcr");
  clock.advance(4ms);
  modes.set("work");
  taken();
  clock.advance(1003ms);
  EXPECT_EQ(taken(), "");
  modes.set("gaming");  // at 1027, suspended with 6 left
  taken();
  clock.advance(3ms);
  EXPECT_EQ(taken(), "k");  // 1030
  clock.advance(3ms);
  EXPECT_EQ(taken(), "s");  // 1033
  clock.advance(4ms);
  EXPECT_EQ(taken(), "r");  // 1037
  clock.advance(10ms);
  EXPECT_EQ(taken(), "ksr");
  modes.set("work");
  taken();
  clock.advance(1s);
  EXPECT_EQ(taken(), "");
}

// Set by a callback of a bound timer, by a hook, and by a listener: none deadlocks, and each change is a change.
TEST_F(havel_modes, H12WhoeverMaySetDoes) {
  detent::mode_options chained;
  chained.name = "chained";
  chained.on_enter = [this] { EXPECT_EQ(modes.set("work"), mode_change::changed); };
  modes.add(std::move(chained));
  modes.add_listener([this](const std::string& now, const std::string&) {
    if (now == "work") modes.set("fullscreen");
  });
  detent::mode_timer timer(service, modes, detent::mode_timer_options{{"gaming"}, on_leave::suspend, on_return::resume},
                           [this](detent::firing&) {
                             written += "t ";
                             modes.set("chained");
                           });
  modes.set("gaming");
  timer.arm_every(5ms);
  taken();
  clock.advance(50ms);
  EXPECT_EQ(taken(),
            "t -gaming gaming<chained screen} gaming->chained +work chained>work chained->work "
            "-work work<fullscreen +fullscreen work>fullscreen {screen work->fullscreen ");
  EXPECT_EQ(modes.transitions(), 4U);
}

}  // namespace
