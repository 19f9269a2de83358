// lua: scripts in virtual time, and what limits do to one that misbehaves.
#include <detent/detent.hpp>
#include <detent/modes.hpp>

#include <bindings/lua/lua_engine.hpp>
#include <memory>
#include <string>
#include <support/effort.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace {

using kind = detent::script_outcome::kind;

class lua : public ::testing::Test {
 protected:
  void begin(detent::script_rules rules, detent::scripting::engine_options options = {}) {
    options.timers.rules = rules;
    options.timers.clock = &clock;
    options.shared_modes = &modes;
    options.on_error = [this](const std::string& error) { errors += error + "\n"; };
    engine = detent::lua::make_engine(loop, std::move(options));
  }
  // What the script leaves in `out`, asked with an error of its own making.
  std::string out() {
    const auto told = engine->run("error(out, 0)", "out");
    return told.error.substr(0, told.error.find('\n'));
  }
  detent::script_outcome run(const std::string& text) { return engine->run("out = out or ''\n" + text, "test.lua"); }
  void pass_ms(std::int64_t ms) {
    clock.advance(std::chrono::milliseconds(ms));
    loop.run_posted();
  }

  detent::manual_clock clock;
  detent::timer_service service{clock};
  detent::modes modes{service};
  detent::script_loop loop;
  std::string errors;
  std::unique_ptr<detent::scripting::script_engine> engine;
};

TEST_F(lua, ArgumentsAndOrderUnderBothRules) {
  begin(detent::script_rules::havel);
  EXPECT_EQ(run("timer.setTimeout(10, function(a, b, c) out = out .. a .. tostring(b) .. c end, 'x', nil, 'z')\n"
                "timer.setTimeout(function() out = out .. 'first' end, 5)")
                .ended,
            kind::returned);
  pass_ms(10);
  EXPECT_EQ(out(), "firstxnilz");
  begin(detent::script_rules::web);
  run("timer.setTimeout(function(a) out = out .. a end, 5, 'w')");
  pass_ms(5);
  EXPECT_EQ(out(), "w");
  const auto wrong = run("timer.setTimeout(5, function() end)");
  EXPECT_EQ(wrong.ended, kind::threw);
  EXPECT_NE(wrong.error.find("test.lua:2: setTimeout(function"), std::string::npos) << wrong.error;
}

TEST_F(lua, WrongArgumentsAreRefusedWithTheSignature) {
  begin(detent::script_rules::havel);
  for (const char* wrong :
       {"timer.setInterval()", "timer.setInterval(1, 2)", "timer.setInterval('1', print)",
        "timer.setInterval(0/0, print)", "timer.setInterval(print, print)", "timer.setInterval({}, print)"}) {
    const auto told = run(wrong);
    EXPECT_EQ(told.ended, kind::threw) << wrong;
    EXPECT_NE(told.error.find("setInterval(milliseconds, function"), std::string::npos) << told.error;
  }
  EXPECT_NE(run("timer.setTimeout(1, print, {modes = {'x'}, onLeave = 'vanish'})").error.find("onLeave is"),
            std::string::npos);
  run("for _, id in ipairs({'x', {}, 1.5, true}) do out = out .. tostring(timer.clear(id)) end");
  EXPECT_EQ(out(), "falsefalsefalsefalse");
  EXPECT_TRUE(engine->timers().active().empty());
}

TEST_F(lua, TheModuleAsHavelHasIt) {
  begin(detent::script_rules::havel);
  run("a = timer.setTimeout(10, function() end); b = timer.setInterval(10, function() end)\n"
      "local s = timer.getTimerStatus(b)\n"
      "out = s.kind .. s.state .. tostring(s.running) .. s.period .. '/' .. #timer.getActiveTimers()\n"
      "out = out .. '/' .. tostring(timer.stopTimer(a)) .. tostring(timer.clearTimeout(a))\n"
      "out = out .. tostring(timer.getTimerStatus(a)) .. timer.cleanupAllTimers()");
  EXPECT_EQ(out(), "intervalarmedtrue10.0/2/truefalsenil1");
}

TEST_F(lua, SleepAndWaitYield) {
  begin(detent::script_rules::havel);
  run("local begin = timer.now()\n"
      "local t = timer.interval(100, function() out = out .. 't' end)\n"
      "timer.sleep(350); out = out .. '|' .. math.floor(timer.now() - begin)\n"
      "t:pause(); timer.sleep(200); out = out .. '|'\n"
      "t:resume(); timer.sleep(60); out = out .. '|'\n"
      "out = out .. tostring(t:wait()); timer.setTimeout(1, function() t:stop() end)\n"
      "out = out .. tostring(t:wait()) .. tostring(timer.wait(t))");
  pass_ms(2000);
  // `out` is read before the wait, so the tick behind it leaves no t.
  EXPECT_EQ(out(), "ttt|350|t|truefalsefalse");
  EXPECT_EQ(errors, "");
  EXPECT_TRUE(engine->timers().active().empty());
}

TEST_F(lua, AnErrorHasNameLineAndStackAndTheIntervalGoesOn) {
  begin(detent::script_rules::web);
  run("timer.setInterval(function() out = out .. 'i'\n if out == 'i' then error('told') end end, 10)");
  pass_ms(30);
  EXPECT_EQ(out(), "iii");
  EXPECT_NE(errors.find("in timer 1: test.lua:3: told"), std::string::npos) << errors;
  EXPECT_NE(errors.find("stack traceback"), std::string::npos);
  EXPECT_EQ(run("x = = 1").ended, kind::threw);
}

TEST_F(lua, ARunawayCallbackIsInterruptedAndTheRestGoesOn) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(20);
  begin(detent::script_rules::web, std::move(options));
  run("timer.setTimeout(function() while true do pcall(function() while true do end end) end end, 10)\n"
      "timer.setInterval(function() out = out .. 'i' end, 20)");
  pass_ms(60);
  EXPECT_EQ(out(), "iii");
  EXPECT_NE(errors.find("longer than its limit"), std::string::npos) << errors;
}

// Functions of Lua's library that would work on without a step of the script are bounded by what they are given.
TEST_F(lua, LongWorkOfTheLibraryIsRefusedUnderACallLimit) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::seconds(20);
  begin(detent::script_rules::web, std::move(options));
  for (const char* wrong : {"('x'):rep(1 << 40)", "(''):rep(1 << 60)", "('a'):rep(20000):find('.-.-.-b')",
                            "('a'):rep(20000):gsub('a*a*a*b', '')", "table.move({}, 1, 1 << 60, 2)",
                            "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)"}) {
    EXPECT_EQ(run(std::string("return ") + wrong).ended, kind::threw) << wrong;
  }
  EXPECT_NE(run("debug.sethook()").error.find("sethook"), std::string::npos);  // it would end the watch on the clock
  EXPECT_EQ(run("assert(('  text  '):match('^%s*(.-)%s*$') == 'text'); assert(('x'):rep(3, ',') == 'x,x,x')\n"
                "local t = {1, 3}; table.insert(t, 2, 2); table.remove(t); assert(#table.move(t, 1, 2, 2) == 3)")
                .error,
            "");
}

// Never more than the limit, and nearly all of it can be used.
TEST_F(lua, TheMemoryLimitIsExact) {
  constexpr double limit = 2'000'000;
  detent::scripting::engine_options options;
  options.memory_limit_bytes = static_cast<std::size_t>(limit);
  begin(detent::script_rules::web, std::move(options));
  run("local t, most = {}, 0; local ok = pcall(function() while true do t = {t}\n"
      "local used = collectgarbage('count') * 1024; if used > most then most = used end end end)\n"
      "t = nil; collectgarbage(); out = most; assert(not ok)");
  const double most = std::stod(out());
  EXPECT_LE(most, limit);
  EXPECT_GT(most, limit * 0.99);
}

TEST_F(lua, MemoryIsLimitedAndTheRestGoesOn) {
  detent::scripting::engine_options options;
  options.memory_limit_bytes = 2'000'000;
  begin(detent::script_rules::web, std::move(options));
  run("timer.setTimeout(function() local t = {} while true do t[#t + 1] = ('x'):rep(1000) .. #t end end, 10)\n"
      "timer.setInterval(function() out = out .. 'i' end, 20)");
  pass_ms(60);
  EXPECT_EQ(out(), "iii");
  EXPECT_NE(errors.find("not enough memory"), std::string::npos) << errors;
  EXPECT_LT(engine->collected_memory_bytes(), 1'000'000U);
}

TEST_F(lua, LiveTimersAreLimited) {
  detent::scripting::engine_options options;
  options.timers.live_limit = 3;
  begin(detent::script_rules::web, std::move(options));
  const auto told = run("for i = 1, 4 do timer.setTimeout(function() out = out .. i end, 1) end");
  EXPECT_NE(told.error.find("too many live timers: the limit is 3"), std::string::npos) << told.error;
  pass_ms(1);
  EXPECT_EQ(out(), "123");
}

// What a callback holds can be collected as soon as its timer is over, and memory stays flat.
TEST_F(lua, WhatIsOverIsCollectable) {
  begin(detent::script_rules::web);
  const std::string text = "for i = 1, " + std::to_string(support::times(100'000, 5'000)) +
                           " do timer.clearTimeout(timer.setTimeout(function() return i end, 1000, {})) end";
  run(text);
  const std::size_t before = engine->collected_memory_bytes();
  run(text);
  EXPECT_LT(engine->collected_memory_bytes(), before + before / 5);
  run("weak = setmetatable({}, {__mode = 'v'}); do local big = {}; weak[1] = big\n"
      "timer.setTimeout(function() return big end, 10) end");
  engine->collected_memory_bytes();
  run("out = tostring(weak[1] ~= nil)");
  EXPECT_EQ(out(), "true");
  pass_ms(10);
  engine->collected_memory_bytes();
  run("out = tostring(weak[1] ~= nil)");
  EXPECT_EQ(out(), "false");
}

// Each wrong use is told with its line and with what is needed.
TEST_F(lua, WrongUsesAreToldInWords) {
  begin(detent::script_rules::web);
  const std::pair<const char*, const char*> wrongs[] = {
      {"timer.setTimeout(5, print)",
       "test.lua:2: setTimeout(function, milliseconds, ...arguments): the first is a "
       "number, not a function; only the rules of Havel take both orders"},
      {"timer.setTimeout()", "the first is missing"},
      {"timer.setTimeout('x', 5)", "the first is not a function"},
      {"local t = timer.interval(print, 5); t.stop()", "with a colon: t:stop()"},
      {"timer.setInterval(print, 5, {modes = 'work'})", "modes: a list of names is needed"},
      {"timer.setInterval(print, 5, {modes = {5}})", "modes: a list of names is needed"},
      {"timer.sleep('x')", "sleep(milliseconds): a number is needed"},
      {"mode.set(5)", "mode.set(name): a string is needed"},
      {"mode.onEnter('x')", "mode.onEnter(name, function)"}};
  for (const auto& [wrong, words] : wrongs) {
    const auto told = run(wrong);
    EXPECT_EQ(told.ended, kind::threw) << wrong;
    EXPECT_NE(told.error.find(words), std::string::npos) << told.error;
    EXPECT_EQ(told.error.find("test.lua:2: "), 0U) << told.error;
  }
}

// A coroutine that is woken because its timer has ended may fail: that is told as any error.
TEST_F(lua, AnErrorBehindAWaitIsTold) {
  begin(detent::script_rules::web);
  run("local id = timer.setTimeout(print, 100); timer.setTimeout(timer.clear, 10, id)\n"
      "assert(not timer.wait(id)); error('behind the wait')");
  pass_ms(20);
  EXPECT_NE(errors.find("test.lua:3: behind the wait"), std::string::npos) << errors;
}

TEST_F(lua, ModesFromScripts) {
  begin(detent::script_rules::havel);
  run("mode.onEnter('gaming', function() out = out .. '+' end); mode.onExit('gaming', function() out = out .. '-' "
      "end)\n"
      "timer.setInterval(10, function() out = out .. 't' end, {modes = {'gaming'}, onLeave = 'suspend'})\n"
      "timer.setTimeout(25, function() mode.set('gaming') end)\n"
      "timer.setTimeout(50, function() mode.set('work'); out = out .. mode.get() .. mode.previous() end)\n"
      "timer.setTimeout(100, function() mode.set('gaming') end)");
  for (int i = 0; i < 106; ++i) pass_ms(1);
  EXPECT_EQ(out(), "+ttworkgaming-+t");
  EXPECT_EQ(errors, "");
}

TEST_F(lua, TheEngineEndsWithEverythingPending) {
  for (int i = 0; i < 50; ++i) {
    begin(detent::script_rules::havel);
    run("timer.setInterval(1, function() end, {modes = {'x'}}); timer.setTimeout(5, function() timer.sleep(10) end)\n"
        "mode.onEnter('x', function() end); timer.sleep(7)");
    clock.advance(std::chrono::milliseconds(i % 12));
    modes.set(i % 2 == 0 ? "x" : "default");
    engine.reset();
    loop.run_posted();
  }
}

}  // namespace
