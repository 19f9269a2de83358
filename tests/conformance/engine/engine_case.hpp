// engine_case: cases in virtual time that every engine runs, each with a script in its own language.
#pragma once

#include <detent/detent.hpp>
#include <detent/modes.hpp>
#include <detent/script_loop.hpp>

#include <bindings/engine/script_engine.hpp>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

namespace engine_case {

using kind = detent::script_outcome::kind;

struct language {
  std::function<std::unique_ptr<detent::scripting::script_engine>(detent::script_loop&,
                                                                  detent::scripting::engine_options)>
      make_engine;
  std::string file;   // how errors call a script; its own first line is the second
  std::string begin;  // that line: `out` is a text
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
