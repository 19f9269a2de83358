// lua: scripts in virtual time, and what limits do to one that misbehaves.
#include <bindings/lua/lua_engine.hpp>
#include <conformance/engine/engine_case.hpp>
#include <string>
#include <support/effort.hpp>
#include <support/gate.hpp>
#include <time.h>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

namespace {

using engine_case::kind;

class lua : public engine_case::engine_case {
 protected:
  lua() : engine_case({detent::lua::make_engine, "test.lua", "out = out or ''", ""}) {}
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

// What stands behind the delay is given to each call of an interval, of the later forms too, with nils.
TEST_F(lua, ArgumentsOfEachCall) {
  begin(detent::script_rules::web);
  run("local function note(...) out = out .. select('#', ...) .. tostring((...)) end\n"
      "timer.setInterval(note, 10, 'x', nil); timer.interval(note, 10); timer.timeout(note, 10, nil, nil, nil)");
  pass_ms(10);
  pass_ms(10);
  EXPECT_EQ(out(), "2x0nil3nil2x0nil");
}

// Either verb ends a timer of either kind: all ids are of one row.
TEST_F(lua, IdsOfBothKindsAreOfOneRow) {
  for (const auto rules : {detent::script_rules::web, detent::script_rules::havel}) {
    begin(rules);
    run("out = out .. timer.setTimeout(print, 10) .. timer.setInterval(print, 10) .. timer.timeout(print, 10).id\n"
        "out = out .. tostring(timer.clearTimeout(2)) .. tostring(timer.clearInterval(1)) .. "
        "tostring(timer.stopTimer(2))");
    EXPECT_EQ(out(), "123truetruefalse");
    EXPECT_EQ(engine->timers().active().size(), 1U);
  }
}

// Ids of every type may be cleared: none is an error, and none ends a timer.
TEST_F(lua, WhatIsNoIdEndsNothing) {
  begin(detent::script_rules::havel);
  run("timer.setTimeout(1, print)\n"
      "for _, id in ipairs({'x', '1', {}, 1.5, true, 0/0, 1e300}) do out = out .. tostring(timer.clear(id)) end");
  EXPECT_EQ(out(), "falsefalsefalsefalsefalsefalsefalse");
  EXPECT_EQ(engine->timers().active().size(), 1U);
}

TEST_F(lua, TheModuleAsHavelHasIt) {
  begin(detent::script_rules::havel);
  run("a = timer.setTimeout(10, function() end); b = timer.setInterval(10, function() end)\n"
      "local s = timer.getTimerStatus(b)\n"
      "out = s.kind .. s.state .. tostring(s.running) .. s.period .. '/' .. #timer.getActiveTimers()\n"
      "out = out .. '/' .. tostring(timer.stopTimer(a)) .. tostring(timer.clearTimeout(a))\n"
      "out = out .. tostring(timer.getTimerStatus(a)) .. timer.cleanupAllTimers()\n"
      "out = out .. tostring(timer.clearTimeout(timer.setInterval(10, print)))");
  EXPECT_EQ(out(), "intervalarmedtrue10.0/2/truefalsenil1true");
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

TEST_F(lua, SleepersAreWokenWhenAllIsCleanedUp) {
  sleepers_are_woken(
      "timer.setTimeout(function() out = out .. timer.cleanupAllTimers() end, 5)\n"
      "local slept = timer.sleep(1); local woken = timer.sleep(50); out = out .. tostring(slept) .. tostring(woken)\n"
      "local at = timer.now(); timer.sleep(3e9); out = out .. timer.now() - at",
      "3000000000.0");
}

// A coroutine that the script itself resumes, or closes, has ended its wait: the wake that was to come does not reach
// whatever it does then, be it a yield of its own or another sleep.
TEST_F(lua, AWakeReachesItsOwnWaitOnly) {
  begin(detent::script_rules::web);
  run("local function note(...) out = out .. table.concat({...}, ',', 1, select('#', ...)) .. ';' end\n"
      "local co = coroutine.create(function() note(timer.sleep(50)); note(coroutine.yield('mine'));\n"
      "  note(tostring(timer.sleep(100))) end)\n"
      "coroutine.resume(co); note(select(2, coroutine.resume(co, 'early', 2)))\n"
      "timer.setTimeout(function() note(coroutine.status(co)); coroutine.resume(co, 'value') end, 70)");
  EXPECT_EQ(out(), "early,2;mine;");
  pass_ms(60);
  EXPECT_EQ(out(), "early,2;mine;");
  pass_ms(40);
  EXPECT_EQ(out(), "early,2;mine;suspended;value;");
  pass_ms(69);
  EXPECT_EQ(out(), "early,2;mine;suspended;value;");
  pass_ms(1);
  EXPECT_EQ(out(), "early,2;mine;suspended;value;true;");
  // The same for a tick that is waited for, and two sleeps of one coroutine that overlap.
  run("out = ''; local t = timer.interval(function() end, 10)\n"
      "local co = coroutine.create(function() t:wait(); out = out .. tostring(coroutine.yield()) end)\n"
      "coroutine.resume(co); coroutine.resume(co)\n"
      "local two = coroutine.create(function() timer.sleep(20); timer.sleep(30); out = out .. 'two' end)\n"
      "coroutine.resume(two); coroutine.resume(two); timer.setTimeout(function() t:stop() end, 50)\n"
      "timer.setTimeout(function() out = out .. 'at 29' end, 29)");
  pass_ms(20);
  EXPECT_EQ(out(), "");
  pass_ms(10);
  EXPECT_EQ(out(), "at 29two");
  // What was closed is not woken, and what was told early is over.
  run("out = ''; for _, wait in ipairs({function() timer.sleep(5) end, function() timer.interval(print, 5):wait() "
      "end}) do\n"
      "local co = coroutine.create(function() wait(); out = out .. 'woken' end)\n"
      "coroutine.resume(co); out = out .. tostring(coroutine.close(co)) end");
  pass_ms(1);
  run("timer.cleanupAllTimers()");
  pass_ms(10);
  EXPECT_EQ(out(), "truetrue");
  EXPECT_EQ(errors, "");
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
  begin_limited(std::chrono::milliseconds(20));
  runaway_callbacks(
      "timer.setTimeout(function() while true do pcall(function() while true do end end) end end, 10)\n"
      "timer.setInterval(function() out = out .. 'i' end, 20)",
      "longer than its limit of 20 ms");
}

// Whatever an error runs of its script has a limit too: its words, and the variables that are closed behind it.
TEST_F(lua, WhatRunsBehindAnErrorIsLimitedToo) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(20);
  options.memory_limit_bytes = 3'000'000;
  begin(detent::script_rules::web, std::move(options));
  run("timer.setTimeout(function() error(setmetatable({}, {__tostring = function() while true do end end})) end, 1)\n"
      "local function closing(f) return setmetatable({}, {__close = f}) end\n"
      "timer.setTimeout(function() local x <close> = closing(function() while true do end end); error('a') end, 2)\n"
      "timer.setTimeout(function() local x <close> = closing(function() out = out .. 'm'; local t = {}\n"
      "for i = 1, 1e9 do t[i] = {} end; out = out .. 'n' end); error('b') end, 3)\n"
      "timer.setTimeout(function() local x <close> = closing(function() while true do end end)\n"
      "while true do end end, 4)\n"
      "timer.setTimeout(function() local x <close> = closing(function() out = out .. 'closed' end); error('c') end, "
      "5)");
  pass_ms(10);
  EXPECT_EQ(out(), "mclosed");
  EXPECT_LT(engine->collected_memory_bytes(), 3'000'000U);
  for (const char* words : {"a\n", "b\n", "c\n", "longer than its limit"}) {
    EXPECT_NE(errors.find(words), std::string::npos) << words << errors;
  }
}

// An interruption is no error to go on from, in a coroutine either: nobody above it takes it for a value.
TEST_F(lua, CoroutinesAreNoWayAroundTheCallLimit) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(20);
  begin(detent::script_rules::web, std::move(options));
  for (const char* runaway :
       {"local function spin(depth) if depth == 0 then while true do end end\n"
        "while true do pcall(coroutine.wrap(spin), depth - 1) end end\nspin(3)",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "coroutine.resume(coroutine.create(function() while true do end end)); out = 'went on'",
        "coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end})\n"
        "error('x') end)()",
        "coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function() while true do end end})\n"
        "while true do end end)()",
        "co = coroutine.create(function() local x <close> = setmetatable({}, {__close = function() while true do end\n"
        "end}); while true do end end); coroutine.resume(co)"}) {
    const auto told = run(runaway);
    EXPECT_EQ(told.ended, kind::interrupted) << runaway << told.error;
  }
  EXPECT_NE(run("coroutine.close(co)").error.find("was interrupted"), std::string::npos);
  EXPECT_EQ(out(), "");
  // Otherwise they are as Lua has them.
  const auto told = run(
      "local f = coroutine.wrap(function(a, b) local c = coroutine.yield(a + b); return c, nil, 3 end)\n"
      "assert(f(1, 2) == 3); assert(select('#', f('c')) == 3)\n"
      "local ok, why = pcall(f); assert(not ok and why:find('dead coroutine'), why)\n"
      "local closed; local g = coroutine.wrap(function() local x <close> = setmetatable({}, {__close = function(_, e)\n"
      "closed = e end}); error({'mine'}) end)\n"
      "ok, why = pcall(g); assert(not ok and why[1] == 'mine' and closed == why)\n"
      "ok, why = pcall(coroutine.wrap(function() error('text', 0) end)); assert(why:find('text'), why)\n"
      "ok, why = pcall(coroutine.wrap, 5); assert(not ok)\n"
      "local co = coroutine.create(function() coroutine.yield(1) end)\n"
      "assert(select(2, coroutine.resume(co)) == 1 and coroutine.close(co) and coroutine.status(co) == 'dead')\n"
      "co = coroutine.wrap(function() timer.sleep(5); out = out .. 's' end); co(); out = out .. 'w'");
  EXPECT_EQ(told.error, "");
  pass_ms(5);
  EXPECT_EQ(out(), "ws");
}

// Functions of Lua's library that would work on without a step of the script are bounded by what they are given.
TEST_F(lua, LongWorkOfTheLibraryIsRefusedUnderACallLimit) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::seconds(20);
  begin(detent::script_rules::web, std::move(options));
  for (const char* wrong :
       {"('x'):rep(1 << 40)",
        "(''):rep(1 << 60)",
        "('a'):rep(20000):find('.-.-.-b')",
        "('a'):rep(20000):gsub('a*a*a*b', '')",
        "table.move({}, 1, 1 << 60, 2)",
        "table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
        "table.sort(setmetatable({}, {__len = function() return (1 << 31) - 2 end, __index = rawlen}))",
        "table.concat(setmetatable({}, {__index = rawlen}), '', 1, 1 << 29)",
        "table.concat(setmetatable({}, {__len = function() return 1 << 29 end, __index = rawlen}))",
        "((' '):rep(200000) .. 'x'):match('%s+$')",
        "('a'):rep(200000):find('.-b')",
        "('('):rep(200000):find('%b()')",
        "('a'):rep(40):find(('a?'):rep(40) .. ('a'):rep(40) .. 'b')",
        "('a'):rep(2000):gmatch('^a*a*b')()",
        "('a'):rep(100000):gsub('a', ('b'):rep(100000))",
        "('a'):rep(40000):find('[^]b%]]*b')",
        "('a'):rep(1e6):find('(a*)%1b')",
        "('a'):rep(1e6):find(('a'):rep(5e5) .. '.b')",
        "('a'):rep(1e6):find('[' .. ('b'):rep(1e6) .. ']')",
        "('a'):rep(1e5):find('^[' .. ('b'):rep(1e6) .. 'a]*')",
        "debug.getupvalue(string.rep, 1)",
        "debug.getinfo(1)"}) {
    EXPECT_EQ(run(std::string("return ") + wrong).ended, kind::threw) << wrong;
  }
  EXPECT_NE(run("debug.sethook()").error.find("sethook"), std::string::npos);  // it would end the watch on the clock
  // What is quick is not refused: plain searches, characters that repeat nothing, repetitions with nothing behind.
  for (const char* right :
       {"('  text  '):match('^%s*(.-)%s*$') == 'text'", "('x'):rep(3, ',') == 'x,x,x'",
        "not ('x'):rep(1e6):find('2026-11-22-*+', 1, true)", "('x'):rep(70):find('(%d+)%-(%d+)%-(%d+)') == nil",
        "('x-'):rep(1e5):find('x%-x%-[*+-]') == nil", "('x'):rep(1e6):find('-y') == nil",
        "select(2, ('word '):rep(1e5):gsub('%w+', '')) == 1e5", "#('x'):rep(1e6):match('^x*y?') == 1e6",
        "('a,'):rep(1e5):gmatch('[^,]+')() == 'a'", "('x'):rep(5e3):find('x*y') == nil",
        "table.concat({1, 2, 3}, ',') == '1,2,3'", "table.concat({1, 2, 3}, ',', 2) == '2,3'",
        "table.concat({1, 2, 3}, ',', 2, 2) == '2'", "type(debug.traceback()) == 'string'"}) {
    EXPECT_EQ(run(std::string("assert(") + right + ")").error, "") << right;
  }
  EXPECT_EQ(run("local t = {1, 3}; table.insert(t, 2, 2); table.remove(t); assert(#table.move(t, 1, 2, 2) == 3)\n"
                "t = {3, 1, 2}; table.sort(t, function(a, b) return a > b end); assert(table.concat(t) == '321')")
                .error,
            "");
}

// A search for plain text is as Lua's own, but takes the sum of both lengths: of the last two Lua's own would take
// years.
TEST_F(lua, PlainSearchesTakeNoLongerThanTheirTexts) {
  begin(detent::script_rules::web);
  const std::string cases =
      "local told = {}\n"
      "local function words(...) return select('#', ...) .. tostring((...)) .. tostring((select(2, ...))) end\n"
      "for _, text in ipairs({'', 'a', 'abcab', 'a.b[a.b', 'a\\0b\\0a'}) do\n"
      "for _, what in ipairs({'', 'a', 'b', 'ab', 'cab', '.b', '[', '\\0a', 'abcabc'}) do\n"
      "for _, first in ipairs({1, 0, 2, 3, 5, 6, 7, 8, -1, -2, -5, -9, math.maxinteger, math.mininteger}) do\n"
      "for _, plain in ipairs({true, false}) do\n"
      "if plain or not what:match('[.[]') then\n"
      "told[#told + 1] = words(text:find(what, first, plain)) end\n"
      "end end end end\n"
      "out = table.concat(told, ';') .. ('abc'):find('b') .. string.find(1234, 23)\n";
  EXPECT_EQ(run(cases).error, "");
  const std::string own = out();
  EXPECT_NE(own, "");
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::minutes(10);
  begin(detent::script_rules::web, std::move(options));
  EXPECT_EQ(run(cases).error, "");
  EXPECT_EQ(out(), own);
  for (const char* plain : {"", ", 1, true"}) {
    EXPECT_EQ(run("local text, what = ('a'):rep(4e6), ('a'):rep(2e6) .. 'b'\nassert(text:find(what" +
                  std::string(plain) + ") == nil)\nassert((text .. 'b'):find(what" + plain + ") == 2e6 + 1)")
                  .error,
              "");
  }
  // What the library says of its arguments has the script's line, as without a limit.
  for (const char* wrong :
       {"\nlocal x = ('a'):rep({})", "\nlocal x = string.upper(nil)", "\nlocal x = ('a'):find({})"}) {
    const std::string error = run(wrong).error;
    EXPECT_NE(error.find("test.lua:3: bad argument #1 to '"), std::string::npos) << error;
    EXPECT_EQ(error.find("to '?'"), std::string::npos) << error;
  }
}

double thread_time_s() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

// A loop whose every step takes long ends within a few hundred of them, however few they are to the hook; compared with
// one round of the same loop, both in the time of this thread.
TEST_F(lua, FewLongStepsAreNoWayAroundTheCallLimit) {
  constexpr double limit_s = 0.03;
  // In small parts: a loaded machine may be slow beside the limit.
  std::vector<std::string> values{"text = ('a'):rep(1000):rep(2000); list = {}; emptied = {}",
                                  "other = ('aa'):rep(1000):rep(1000)"};
  for (int i = 0; i < 50; ++i) values.emplace_back("for i = 1, 2000 do list[#list + 1] = i end");
  for (int i = 0; i < 50; ++i) values.emplace_back("for i = 1, 2000 do emptied[#emptied + 1] = i end");
  for (int i = 0; i < 50; ++i)
    values.emplace_back("for i = #emptied, math.max(1, #emptied - 1999), -1 do emptied[i] = nil end");
  begin(detent::script_rules::web);
  for (const std::string& value : values) ASSERT_EQ(run(value).error, "");
  const auto free = std::move(engine);
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(30);
  begin(detent::script_rules::web, std::move(options));
  for (const std::string& value : values) {
    ASSERT_TRUE(support::eventually([&] { return run(value).ended == kind::returned; }));
  }
  for (const char* step : {"text:upper()",
                           "text:reverse()",
                           "text:find('b')",
                           "text:find('b', 1, true)",
                           "text:gsub('b', '')",
                           "text:match('b')",
                           "('%s'):format(text)",
                           "local x = text .. 'b'",
                           "local x = text == other",
                           "rawequal(text, other)",
                           "utf8.len(text)",
                           "load(text)",
                           "tonumber(text)",
                           "table.concat(list)",
                           "table.unpack(list)",
                           "table.insert(list, 1, 1); table.remove(list, 1)",
                           "table.move(list, 1, #list, 1)",
                           "collectgarbage()",
                           "next(emptied)",
                           "for _ in pairs(emptied) do end",
                           "os.execute('exit')"}) {
    double one_s = 1e9;
    for (int i = 0; i < 5; ++i) {
      const double begin_s = thread_time_s();
      EXPECT_EQ(free->run(step, "free.lua").error, "") << step;
      one_s = std::min(one_s, thread_time_s() - begin_s);
    }
    const double begin_s = thread_time_s();
    EXPECT_EQ(run(std::string("while true do ") + step + " end").ended, kind::interrupted) << step;
    const double rounds_beyond = (thread_time_s() - begin_s - limit_s) / one_s;
    EXPECT_LT(rounds_beyond, 500) << step;
  }
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
  live_timers_are_limited("for i = 1, 4 do timer.setTimeout(function() out = out .. i end, 1) end",
                          "setTimeout: too many live timers: the limit is 3\n");
}

// What a callback holds can be collected as soon as its timer is over, and memory stays flat.
TEST_F(lua, WhatIsOverIsCollectable) {
  begin(detent::script_rules::web);
  memory_stays_flat("for i = 1, " + std::to_string(support::times(100'000, 5'000)) +
                    " do timer.clearTimeout(timer.setTimeout(function() return i end, 1000, {})) end");
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

// Each wrong use is told with its line, what is needed, and what was given instead.
TEST_F(lua, WrongUsesAreToldInWords) {
  begin(detent::script_rules::web);
  const wrong_use wrongs[] = {
      {"timer.setTimeout(5, print)",
       "test.lua:2: setTimeout(function, milliseconds, ...arguments): the first is 5, not a function; only the rules "
       "of Havel take both orders"},
      {"timer.setTimeout()", "the first is nothing, not a function"},
      {"error(select(2, pcall(timer.setTimeout, true)), 0)", "the first is true, not a function"},
      {"timer.setTimeout(nil, 5)", "the first is nil, not a function"},
      {"timer.setTimeout('x', 5)", "the first is \"x\", not a function"},
      {"timer.setTimeout('a\"b\\n\\0\\27\\xff\\u{e4}', 5)", R"(the first is "a\"b\n\x00\x1b\xff)"
                                                            "\xC3\xA4\", not a function"},
      {"timer.setTimeout(('x'):rep(1e6), 5)", "the first is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"..., not"},
      {"timer.interval({}, 5)", "interval(function, milliseconds, ...arguments): the first is a table, not"},
      {"timer.timeout(io.stdout, 5)", "the first is a userdata, not"},
      {"timer.timeout(coroutine.create(print), 5)", "the first is a coroutine, not"},
      {"timer.timeout(setmetatable({}, {__tostring = error, __name = 'x', __index = error}))", "the first is a table"},
      {"local t = timer.interval(print, 5); t.stop()", "with a colon: t:stop(); here is nothing"},
      {"local t = timer.interval(print, 5); t.stop(5)", "with a colon: t:stop(); here is 5"},
      {"timer.setInterval(print, 5, {modes = 'work'})", R"(setInterval: modes is "work"; a list of names is needed)"},
      {"timer.setInterval(print, 5, {modes = {}})", "setInterval: modes is an empty list; a list of names is needed"},
      {"timer.setInterval(print, 5, {onLeave = 'skip'})", "setInterval: onLeave needs modes beside it"},
      {"timer.timeout(print, 5, {onReturn = 'skip'})", "timeout: onReturn needs modes beside it"},
      {"timer.setInterval(print, 5, {modes = 5})", "setInterval: modes is 5; a list of names is needed"},
      {"timer.setInterval(print, 5, {modes = {'x', 0/0}})", "modes[2] is NaN; a list of names is needed"},
      {"timer.timeout(print, 5, {modes = {'x'}, onLeave = 'go'})",
       R"(timeout: onLeave is "cancel", "suspend" or "skip", not "go")"},
      {"timer.timeout(print, 5, {modes = {'x'}, onLeave = true})", R"("skip", not true)"},
      {"timer.timeout(print, 5, {modes = {'x'}, onReturn = 'skip'})",
       R"(timeout: onReturn is "resume", "restart" or "nothing", not "skip")"},
      {"timer.timeout(print, 5, {modes = {'x'}, onReturn = {}})", R"("nothing", not a table)"},
      {"timer.timeout(print, 5, {modes = {'x'}, onleave = 'skip'})",
       R"(timeout: the options are modes, onLeave and onReturn, not "onleave")"},
      {"timer.scope(print, {modes = {'x'}, 5})", "scope: the options are modes, onLeave and onReturn, not 1"},
      {"timer.sleep('x')", "sleep(milliseconds): a number is needed, not \"x\""},
      {"timer.sleep(0/0)", "sleep(milliseconds): a number is needed, not NaN"},
      {"table.sort({1, 2}, function() timer.sleep(1) end)",
       "sleep: it cannot wait inside a function that is called by"},
      {"timer.pause('1')", "pause(timer): an id or a timer is needed, not \"1\""},
      {"timer.resume(1.5)", "resume(timer): an id or a timer is needed, not 1.5"},
      {"timer.refresh({})", "refresh(timer): an id or a timer is needed, not a table"},
      {"timer.ref(print)", "ref(timer): an id or a timer is needed, not a function"},
      {"timer.unref()", "unref(timer): an id or a timer is needed, not nothing"},
      {"timer.hasRef(false)", "hasRef(timer): an id or a timer is needed, not false"},
      {"timer.wait(-1/0)", "wait(timer): an id or a timer is needed, not -Infinity"},
      {"timer.scope(5)",
       "scope(function, options): a function is needed, and a table with modes or nothing, not 5 and nothing"},
      {"timer.scope(print, 'x')", "a function and \"x\""},
      {"timer.scope(print, {modes = 'x'})", "scope: modes is \"x\"; a list of names is needed"},
      {"timer.scope(print, {mode = {'x'}})", "scope: its options need modes, as in {modes = {\"work\"}}"},
      {"timer.scope(function() timer.sleep(1) end)", "by timer.scope"},
      {"timer.scope(print).close()", "a scope is needed before the name, with a colon: s:close(); here is nothing"},
      {"mode.set(5)", "mode.set(name): a string is needed, not 5"},
      {"mode.is()", "mode.is(name): a string is needed, not nothing"},
      {"mode.onEnter('x')", "mode.onEnter(name, function): a string and a function are needed, not \"x\" and nothing"},
      {"mode.onExit(print, 'x')",
       "mode.onExit(name, function): a string and a function are needed, not a function and"}};
  wrong_uses(wrongs);
  engine->timers().cleanup();
  // What counts as a delay, and ids of every kind, are no errors.
  run("for _, delay in ipairs({'x', '5', {}, true, -1, 0/0, 1/0, 1e300}) do timer.setTimeout(print, delay) end\n"
      "out = #timer.getActiveTimers(); assert(timer.pause(2^1) == false and timer.getTimerStatus('x') == nil)");
  EXPECT_EQ(out(), "8");
}

// An argument that is a table stays one, whatever its metatable says: nothing of it is called to find out.
TEST_F(lua, NoMetamethodOfAnArgumentIsCalled) {
  begin(detent::script_rules::web);
  const auto told =
      run("local strict = setmetatable({name = 'a'}, {__index = function(_, key) error('no field ' .. key, 2) end})\n"
          "local lazy = setmetatable({name = 'b'}, {__index = function(t, key) out = out .. key; t[key] = {}; return "
          "t[key] end})\n"
          "local heir = setmetatable({name = 'c'}, {__index = {modes = {'x'}, onLeave = 5}})\n"
          "for _, given in ipairs({strict, lazy, heir}) do timer.setTimeout(function(got) out = out .. got.name end, "
          "1, given) end\n"
          "local odd = setmetatable({'now'}, {__len = function() error('asked') end, __index = function() "
          "error('asked') end})\n"
          "timer.setTimeout(function() out = out .. 'bound' end, 2, setmetatable({modes = odd}, {__index = odd,\n"
          "__pairs = function() error('asked') end}))\n"
          "mode.set('now')");
  EXPECT_EQ(told.error, "");
  pass_ms(5);
  EXPECT_EQ(out(), "abcbound");
  EXPECT_EQ(errors, "");
}

TEST_F(lua, WrongPairsAreTold) {
  const wrong_use wrongs[] = {{"timer.setInterval()", "nothing and nothing"},
                              {"timer.setInterval(1, 2)", "1 and 2"},
                              {"timer.setInterval('1', print)", "\"1\" and a function"},
                              {"timer.setInterval(0/0, print)", "NaN and a function"},
                              {"timer.setInterval(print, 0/0)", "a function and NaN"},
                              {"timer.setInterval(print, print)", "a function and a function"},
                              {"timer.setInterval(print, nil)", "a function and nil"},
                              {"timer.setInterval({}, print)", "a table and a function"}};
  wrong_pairs(wrongs);
}

// Limits are told with their number.
TEST_F(lua, LimitsAreTold) {
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(20);
  begin(detent::script_rules::web, std::move(options));
  EXPECT_EQ(run("\n\nwhile true do end").error.find("test.lua:4: the call took longer than its limit of 20 ms"), 0U);
  options = {};
  options.call_limit = std::chrono::seconds(100);
  options.memory_limit_bytes = 3'000'000;
  begin(detent::script_rules::web, std::move(options));
  const std::pair<const char*, const char*> wrongs[] = {
      {"local t = {}; while true do t = {t, {}, {}, {}} end", "not enough memory: the limit is 3000000 bytes"},
      {"return ('xy'):rep(1 << 40)", "string.rep: 1099511627776 times 2 bytes are more than 64 MiB"},
      {"table.insert(setmetatable({}, {__len = function() return 1 << 60 end}), 1, 1)",
       "a table whose length is what its __len says"},
      {"table.move({}, -1, 1 << 60, 2)", "table.move: from -1 to 1152921504606846976 are more than 10000000 elements"}};
  for (const auto& [wrong, words] : wrongs) {
    const auto told = run(wrong);
    EXPECT_NE(told.error.find(words), std::string::npos) << told.error;
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
  modes_from_scripts(
      "mode.onEnter('gaming', function() out = out .. '+' end)\n"
      "mode.onExit('gaming', function() out = out .. '-' end)\n"
      "timer.setInterval(10, function() out = out .. 't' end, {modes = {'gaming'}, onLeave = 'suspend'})\n"
      "timer.setTimeout(25, function() mode.set('gaming') end)\n"
      "timer.setTimeout(50, function() mode.set('work'); out = out .. mode.get() .. mode.previous() end)\n"
      "timer.setTimeout(100, function() mode.set('gaming') end)");
}

// What a closed scope refuses is told so, while the script goes on.
TEST_F(lua, AClosedScopeSaysSo) {
  begin(detent::script_rules::web);
  run("s = timer.scope(function() timer.setInterval(function() s:close()\n"
      "local _, why = pcall(timer.setTimeout, print, 1) out = out .. why end, 5) end)");
  pass_ms(5);
  EXPECT_NE(out().find("setTimeout: the scope in which it would be is closed"), std::string::npos) << out();
  EXPECT_EQ(errors, "");
  engine->timers().close();
  EXPECT_NE(run("timer.setTimeout(print, 1)").error.find("the timers of this script have been withdrawn"),
            std::string::npos);
}

// A scope that no script can close any more is forgotten with its last timer, one that modes follow too.
TEST_F(lua, AScopeThatIsOutOfReachIsForgotten) {
  begin(detent::script_rules::web);
  run("kept = timer.scope(function() end)\n"
      "for i = 1, 100 do timer.scope(function() timer.setTimeout(function() out = out .. 'a' end, 10) end,\n"
      "i % 2 == 0 and {modes = {'default', 'm' .. i}} or nil) end");
  engine->collected_memory_bytes();
  EXPECT_EQ(engine->timers().scope_count(), 101U);
  pass_ms(10);
  EXPECT_EQ(engine->timers().scope_count(), 1U);
  EXPECT_EQ(out().size(), 100U);
  run("for i = 1, 100 do timer.scope(function() end) end kept:close()");
  engine->collected_memory_bytes();
  EXPECT_EQ(engine->timers().scope_count(), 0U);
  EXPECT_EQ(errors, "");
}

TEST_F(lua, ScopesFromScripts) {
  scopes_from_scripts(
      "s = timer.scope(function() timer.setInterval(function() out = out .. 'a' end, 10)\n"
      "timer.setTimeout(function() timer.setInterval(function() out = out .. 'b' end, 10) end, 5) end,\n"
      "{modes = {'work'}, onLeave = 'suspend', onReturn = 'resume'})\n"
      "timer.setInterval(function() out = out .. 'c' end, 10); mode.set('work')",
      "out = out .. s:close() .. s:close()");
}

TEST_F(lua, AScopeThatThrowsLeavesNothing) {
  a_scope_that_throws("timer.scope(function() timer.setInterval(print, 10); error('mine') end)", "mine");
}

TEST_F(lua, AnInterruptedScopeLeavesNothing) {
  interrupted_scopes(
      "timer.setTimeout(print, 50)\n"
      "pcall(timer.scope, function() timer.setInterval(print, 10)\n"
      "timer.scope(function() timer.setInterval(print, 10) end)\n"
      "timer.scope(function() timer.setInterval(print, 10); while true do end end) end)",
      "timer.scope(function() timer.setTimeout(function() timer.setTimeout(function() out = out .. 'kept' end, 10)\n"
      "timer.scope(function() timer.setInterval(print, 5); while true do end end) end, 1) end)");
}

TEST_F(lua, ScopesInsideEachOtherWithoutAnEnd) {
  scopes_without_an_end(
      "local function deep() timer.scope(deep) end; assert(not pcall(deep))\n"
      "timer.setTimeout(function() out = out .. 'behind' end, 1)");
}

// Cancelled when its mode is left, and begun anew when that returns.
TEST_F(lua, WhatIsCancelledMayRestart) {
  begin(detent::script_rules::web);
  run("mode.set('work'); local options = {modes = {'work'}, onLeave = 'cancel', onReturn = 'restart'}\n"
      "timer.setInterval(function() out = out .. 'i' end, 10, options)\n"
      "timer.setTimeout(function() out = out .. 'o' end, 12, options)\n"
      "options.onReturn = 'resume'; timer.setTimeout(function() out = out .. 'x' end, 12, options)");
  pass_ms(11);
  EXPECT_EQ(out(), "i");
  modes.set("default");
  pass_ms(100);
  modes.set("work");
  pass_ms(9);
  EXPECT_EQ(out(), "i");
  pass_ms(1);
  pass_ms(2);
  EXPECT_EQ(out(), "iio");
}

// An error of a hook has the hook's name; what is no text, or has a zero in it, is told whole.
TEST_F(lua, ErrorsOfHooksAreTold) {
  begin(detent::script_rules::web);
  run("mode.onEnter('x', function() error('a\\0b') end); mode.onExit('x', function() error('c') end)\n"
      "mode.set('x'); mode.set('y')");
  pass_ms(1);
  using namespace std::string_literals;
  EXPECT_NE(errors.find("in mode.onEnter(\"x\"): test.lua:2: a\0b\n"s), std::string::npos) << errors;
  EXPECT_NE(errors.find("in mode.onExit(\"x\"): test.lua:2: c\n"), std::string::npos) << errors;
}

TEST_F(lua, TheEngineEndsWithEverythingPending) {
  ends_with_everything_pending(
      "timer.setInterval(1, function() end, {modes = {'x'}}); timer.setTimeout(5, function() timer.sleep(10) end)\n"
      "mode.onEnter('x', function() end); timer.sleep(7)");
}

}  // namespace
