// engine_case: cases in virtual time that every engine runs, each with a script in its own language.
#pragma once

#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script_loop.hpp>

#include <bindings/engine/script_engine.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <support/effort.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace engine_case {

using kind = detent::script_outcome::kind;

struct language {
  std::function<std::unique_ptr<detent::scripting::script_engine>(detent::script_loop&,
                                                                  detent::scripting::engine_options)>
      make_engine;
  std::string file;        // how errors call a script; its own first line is the second
  std::string begin;       // that line: `out` is a text
  std::string type_error;  // how its errors of a wrong use begin
};

class engine_case : public ::testing::Test {
 protected:
  explicit engine_case(language of) : of_(std::move(of)) {}

  void begin(detent::script_rules rules, detent::scripting::engine_options options = {}) {
    options.timers.rules = rules;
    options.timers.clock = &clock;
    options.shared_modes = &modes;
    options.on_error = [this](const std::string& error) { errors += error + "\n"; };
    options.on_print = [this](const std::string& line) { printed += line + "\n"; };
    engine = of_.make_engine(loop, std::move(options));
  }
  void begin_limited(std::chrono::milliseconds call_limit) {
    detent::scripting::engine_options options;
    options.call_limit = call_limit;
    begin(detent::script_rules::web, std::move(options));
  }
  // What the script has left in `out`.
  std::string out() {
    printed.clear();
    engine->run("print(out)", "out");
    return printed.substr(0, printed.find_last_of('\n'));
  }
  detent::script_outcome run(const std::string& text) { return engine->run(of_.begin + "\n" + text, of_.file); }
  void pass_ms(std::int64_t ms) {
    clock.advance(std::chrono::milliseconds(ms));
    loop.run_posted();
  }
  void pass_each_ms(std::int64_t ms) {
    while (ms-- > 0) pass_ms(1);
  }

  using wrong_use = std::pair<const char*, const char*>;

  // Each wrong use, in one line, is told with its line, what is needed, and what was given instead.
  void wrong_uses(std::span<const wrong_use> wrongs) {
    for (const auto& [use, words] : wrongs) {
      const auto told = run(use);
      EXPECT_EQ(told.ended, kind::threw) << use;
      EXPECT_NE(told.error.find(words), std::string::npos) << use << ": " << told.error;
      EXPECT_EQ(told.error.find(of_.file + ":2: "), 0U) << told.error;
      EXPECT_EQ(told.error.find("[detent]"), std::string::npos) << told.error;
    }
  }
  // With Havel's rules a pair that is none is told as it was given.
  void wrong_pairs(std::span<const wrong_use> wrongs) {
    begin(detent::script_rules::havel);
    for (const auto& [use, given] : wrongs) {
      const auto told = run(use);
      const std::string words = of_.file + ":2: " + of_.type_error +
                                "setInterval(milliseconds, function, ...arguments): a number and a function are "
                                "needed, not " +
                                given + "\n";
      EXPECT_EQ(told.error.find(words), 0U) << told.error;
    }
    EXPECT_EQ(printed, "");
    EXPECT_TRUE(engine->timers().active().empty());
  }

  // A sleep of 1 ms, and one that is ended at 5 ms; behind them one that is longer than any delay of the web.
  void sleepers_are_woken(const std::string& script, const std::string& told) {
    begin(detent::script_rules::web);
    run(script);
    pass_ms(1);
    pass_ms(4);
    EXPECT_EQ(out(), "2truefalse");
    pass_ms(3'000'000'000);
    EXPECT_EQ(out(), "2truefalse" + told);
  }

  // A timer that does not return, at 10 ms, and an interval of 20 ms.
  void runaway_callbacks(const std::string& script, const std::string& words) {
    run(script);
    for (int i = 0; i < 3; ++i) pass_ms(20);
    EXPECT_EQ(out(), "iii");
    EXPECT_NE(errors.find(words), std::string::npos) << errors;
  }

  // One timer too many: the three before it live.
  void live_timers_are_limited(const std::string& script, const std::string& words) {
    detent::scripting::engine_options options;
    options.timers.live_limit = 3;
    begin(detent::script_rules::web, std::move(options));
    const auto told = run(script);
    EXPECT_EQ(told.error.find(of_.file + ":2: " + words), 0U) << told.error;
    pass_ms(1);
    EXPECT_EQ(out(), "123");
  }

  // What a script makes and clears again leaves memory as it was.
  void memory_stays_flat(const std::string& script) {
    run(script);
    const std::size_t before = engine->collected_memory_bytes();
    run(script);
    EXPECT_LT(engine->collected_memory_bytes(), before + before / 5);
  }

  // Hooks of the mode gaming that write + and -, an interval of 10 ms bound to it that writes t; it is set at 25 and
  // 100 ms, and at 50 the mode work, behind which the current and the previous one are written.
  void modes_from_scripts(const std::string& script) {
    begin(detent::script_rules::havel);
    EXPECT_EQ(run(script).error, "");
    pass_each_ms(106);
    EXPECT_EQ(out(), "+ttworkgaming-+t");
    EXPECT_EQ(errors, "");
  }

  // A scope holds what its function makes, and what that makes: bound to modes together, and ended together. In the
  // scope s, bound to the mode work, an interval of 10 ms writes a, and at 5 ms another one is made that writes b;
  // outside of it one writes c. Behind each `close` stands how many it ended.
  void scopes_from_scripts(const std::string& script, const std::string& close_twice) {
    begin(detent::script_rules::web);
    EXPECT_EQ(run(script).error, "");
    pass_each_ms(16);
    EXPECT_EQ(out(), "acb");
    modes.set("default");
    pass_each_ms(10);
    EXPECT_EQ(out(), "acbc");
    modes.set("work");
    pass_each_ms(10);
    EXPECT_EQ(out(), "acbcacb");
    run(close_twice);
    pass_each_ms(10);
    EXPECT_EQ(out(), "acbcacb20c");
    EXPECT_EQ(errors, "");
  }
  // One that throws leaves nothing, and what comes behind it is outside.
  void a_scope_that_throws(const std::string& script, const std::string& words) {
    begin(detent::script_rules::web);
    const auto failed = run(script);
    EXPECT_EQ(failed.error.find(of_.file + ":2: " + words), 0U) << failed.error;
    EXPECT_TRUE(engine->timers().active().empty());
    EXPECT_EQ(engine->timers().current_scope(), detent::script_scope{});
    EXPECT_EQ(errors, "");
  }
  // One that is interrupted leaves nothing, as one that throws: here with a scope inside it that had been made, and one
  // in which it is interrupted. What was made outside stays, and what comes behind is outside.
  void interrupted_scopes(const std::string& at_once, const std::string& in_a_callback) {
    begin_limited(std::chrono::milliseconds(20));
    EXPECT_EQ(run(at_once).ended, kind::interrupted);
    EXPECT_EQ(engine->timers().current_scope(), detent::script_scope{});
    EXPECT_EQ(engine->timers().active().size(), 1U);
    engine->timers().cleanup();
    EXPECT_EQ(run(in_a_callback).error, "");
    pass_ms(1);
    EXPECT_NE(errors.find("longer than its limit"), std::string::npos) << errors;
    EXPECT_EQ(engine->timers().current_scope(), detent::script_scope{});
    // The scope of the callback itself is open still, with what the callback had made in it before.
    EXPECT_EQ(engine->timers().active().size(), 1U);
    pass_ms(10);
    EXPECT_EQ(out(), "kept");
  }
  // Where there is no room on the stack any more every scope is left all the same.
  void scopes_without_an_end(const std::string& nested) {
    begin(detent::script_rules::web);
    EXPECT_EQ(run(nested).error, "");
    EXPECT_EQ(engine->timers().current_scope(), detent::script_scope{});
    EXPECT_EQ(engine->timers().active().size(), 1U);
    pass_ms(1);
    EXPECT_EQ(out(), "behind");
  }

  // An engine ends with everything pending that the script has left.
  void ends_with_everything_pending(const std::string& script) {
    const std::size_t rounds = support::times(50, 24);
    for (std::size_t i = 0; i < rounds; ++i) {
      begin(detent::script_rules::havel);
      EXPECT_EQ(run(script).error, "");
      clock.advance(std::chrono::milliseconds(i % 12));
      modes.set(i % 2 == 0 ? "x" : "default");
      engine.reset();
      loop.run_posted();
    }
  }

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service};
  detent::script_loop loop;
  std::string errors;
  std::string printed;
  std::unique_ptr<detent::scripting::script_engine> engine;

 private:
  const language of_;
};

}  // namespace engine_case
