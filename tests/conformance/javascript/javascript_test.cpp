// javascript: scripts in virtual time, and what limits do to one that misbehaves.
#include <algorithm>
#include <bindings/javascript/javascript_engine.hpp>
#include <conformance/engine/engine_case.hpp>
#include <string>
#include <support/effort.hpp>
#include <utility>

#include <gtest/gtest.h>

namespace {

using engine_case::kind;

class javascript : public engine_case::engine_case {
 protected:
  javascript()
      : engine_case(
            {detent::javascript::make_engine, "test.js", "globalThis.out = globalThis.out || '';", "TypeError: "}) {}
};

TEST_F(javascript, ArgumentsAndOrderUnderBothRules) {
  begin(detent::script_rules::havel);
  EXPECT_EQ(run("setTimeout(10, (a, b, c) => { out += a + b + c }, 'x', undefined, 'z'); timer.setTimeout(() => { out "
                "+= 'first' }, 5)")
                .error,
            "");
  pass_ms(10);
  EXPECT_EQ(out(), "firstxundefinedz");
  begin(detent::script_rules::web);
  run("setTimeout(function (a) { out += a + (this === globalThis) }, '5', 'w')");
  pass_ms(4);
  EXPECT_EQ(out(), "");
  pass_ms(1);
  EXPECT_EQ(out(), "wtrue");
  const auto wrong = run("setTimeout(5, () => {})");
  EXPECT_EQ(wrong.ended, kind::threw);
  EXPECT_NE(wrong.error.find("TypeError: setTimeout(function"), std::string::npos) << wrong.error;
  EXPECT_EQ(wrong.error.find("test.js:2: TypeError: setTimeout(function"), 0U) << wrong.error;
}

// As HTML has it: `this` is the global object, for a strict function too; and what stands behind the delay is given to
// each call of an interval, of the later forms too. Havel's rules have no `this`.
TEST_F(javascript, ThisAndArgumentsOfEachCall) {
  begin(detent::script_rules::web);
  run("function loose(a, b) { out += `${this === globalThis}${a}${b}` }\n"
      "function strict(a) { 'use strict'; out += `${this === globalThis ? 'global' : this}${a}` }\n"
      "setInterval(loose, 10, 'x', 1); interval(strict, 10, 'y'); timeout(loose, 10, 2); timer.setTimeout(strict, 10)");
  pass_ms(10);
  EXPECT_EQ(out(), "truex1globalytrue2undefinedglobalundefined");
  run("cleanupAllTimers(); out = ''; queueMicrotask(strict)");
  EXPECT_EQ(out(), "undefinedundefined");
  begin(detent::script_rules::havel);
  run("setTimeout(1, function () { 'use strict'; out += `${this}` })");
  pass_ms(1);
  EXPECT_EQ(out(), "undefined");
}

// Either verb ends a timer of either kind: all ids are of one row.
TEST_F(javascript, IdsOfBothKindsAreOfOneRow) {
  for (const auto rules : {detent::script_rules::web, detent::script_rules::havel}) {
    begin(rules);
    run("out += [setTimeout(print, 10), setInterval(print, 10), +timeout(print, 10), +interval(print, 10)];\n"
        "out += clearTimeout(2) + '' + clearInterval(1) + clearTimeout(4) + clearInterval(3) + stopTimer(2)");
    EXPECT_EQ(out(), "1,2,3,4truetruetruetruefalse");
    EXPECT_TRUE(engine->timers().active().empty());
  }
}

// Ids of every type may be cleared: none is an error, and none ends a timer.
TEST_F(javascript, WhatIsNoIdEndsNothing) {
  begin(detent::script_rules::havel);
  run("setTimeout(1, print); for (const id of ['x', {}, 1.5, null, NaN, Symbol(), 10n, Object.create(null)])\n"
      "out += +clearTimeout(id)");
  EXPECT_EQ(out(), "00000000");
  EXPECT_EQ(engine->timers().active().size(), 1U);
  EXPECT_NE(run("clear(1)").error.find("clear"), std::string::npos);  // a member of timer only
}

// Each wrong use is told with the script's own place, what is needed, and what was given instead. `evil` is an object
// all of whose conversions throw: nothing of it is run.
TEST_F(javascript, WrongUsesAreToldInWords) {
  begin(detent::script_rules::web);
  const wrong_use wrongs[] = {
      {"setTimeout(5, print)", "the first is 5, not a function; only the rules of Havel take both orders"},
      {"setTimeout()", "setTimeout(function, milliseconds, ...arguments): the first is undefined, not a function"},
      {"setTimeout(null, 5)", "the first is null, not a function"},
      {"setTimeout('x', 5)", "the first is \"x\", not a function"},
      {"setTimeout('a\"b\\n\\0\\x1b\\ud800\\xe4', 5)", R"(the first is "a\"b\n\x00\x1b)"
                                                       "\xEF\xBF\xBD\xC3\xA4\", not a function"},
      {"setTimeout('x'.repeat(1e6), 5)", "the first is \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"..., not"},
      {"interval([], 5)", "interval(function, milliseconds, ...arguments): the first is an array, not"},
      {"timeout(Symbol('x'), 5)", "the first is a symbol, not"},
      {"timeout(-10n, 5)", "the first is -10n, not"},
      {"timeout(10n ** 99n, 5)", "the first is a bigint, not"},
      {"timeout(evil, 5)", "the first is an object, not"},
      {"timeout(revoked, 5)", "the first is a proxy, not"},
      {"timeout(evil, evil)", "the first is an object, not"},
      {"setTimeout(print, Symbol())", "setTimeout(function, milliseconds, ...arguments): the delay is a symbol, not"},
      {"setTimeout(print, 10n)", "the delay is 10n, not a number"},
      {"setTimeout(print, evil)", "Error: evil"},  // as on the web: it is asked for its number, and throws
      {"setInterval(print, 5, {modes: 'work'})", R"(setInterval: modes is "work"; a list of names is needed)"},
      {"setInterval(print, 5, {modes: evil})", "setInterval: modes is an object; a list of names is needed"},
      {"setInterval(print, 5, {modes: 3})", "setInterval: modes is 3; a list of names is needed"},
      {"setInterval(print, 5, {modes: new Proxy(['x'], {get: no})})", "setInterval: modes is a proxy; a list of names"},
      {"setInterval(print, 5, {modes: [, 'x']})", "modes[0] is undefined; a list of names is needed"},
      {"setInterval(print, 5, {modes: Object.defineProperty([1], 0, {get: no})})", "modes[0] is undefined; a list of"},
      {"setInterval(print, 5, {modes: ['x', NaN]})", "modes[1] is NaN; a list of names is needed"},
      {"const m = []; m.length = 4e9; setInterval(print, 5, {modes: m})", "modes[0] is undefined; a list of names"},
      {"timeout(print, 5, {modes: ['x'], onLeave: 'go'})",
       R"(TypeError: timeout: onLeave is "cancel", "suspend" or "skip", not "go")"},
      {"timeout(print, 5, {modes: ['x'], onLeave: evil})", R"("skip", not an object)"},
      {"timeout(print, 5, {modes: ['x'], onReturn: null})",
       R"(timeout: onReturn is "resume", "restart" or "nothing", not null)"},
      {"sleep('x')", "sleep(milliseconds): a number is needed, not \"x\""},
      {"var t = timeout(print, 50); t.cancel(); (0, t.stop)()",
       "stop: a timer is needed before the name, as in () => t.stop(); here is undefined"},
      {"var t = timeout(print, 5); t.cancel(); t.ref.call(5)",
       "ref: a timer is needed before the name, as in () => t.ref(); here is 5"},
      {"setInterval(print, 5, {modes: ['x'], onleave: 'skip'})",
       R"(setInterval: the options are modes, onLeave and onReturn, not "onleave")"},
      {"setInterval(print, 5, {modes: []})", "setInterval: modes is an empty list; a list of names is needed"},
      {"setInterval(print, 5, {onLeave: 'skip'})", "setInterval: onLeave needs modes beside it"},
      {"timeout(print, 5, {onReturn: 'skip'})", "timeout: onReturn needs modes beside it"},
      {"sleep(NaN)", "sleep(milliseconds): a number is needed, not NaN"},
      {"timer.pause('x')", "pause(timer): an id or a timer is needed, not \"x\""},
      {"timer.resume(1.5)", "resume(timer): an id or a timer is needed, not 1.5"},
      {"timer.refresh({})", "refresh(timer): an id or a timer is needed, not an object"},
      {"timer.ref(print)", "ref(timer): an id or a timer is needed, not a function"},
      {"timer.unref()", "unref(timer): an id or a timer is needed, not undefined"},
      {"timer.hasRef(evil)", "hasRef(timer): an id or a timer is needed, not an object"},
      {"wait(-Infinity)", "wait(timer): an id or a timer is needed, not -Infinity"},
      {"timer.scope(5)",
       "scope(function, options): a function is needed, and an object with modes or nothing, not 5 and"},
      {"timer.scope(print, {modes: evil})", "scope: modes is an object; a list of names is needed"},
      {"timer.scope(print, {mode: ['x']})", "scope: its options need modes, as in {modes: ['work']}"},
      {"timer.scope(print, {modes: ['x'], onLeave: 'go'})",
       R"(scope: onLeave is "cancel", "suspend" or "skip", not "go")"},
      {"(0, timer.scope(print).close)()", "close: a scope is needed before the name, as in () => s.close(); here is"},
      {"mode.set(5)", "mode.set(name): a string is needed, not 5"},
      {"mode.is(evil)", "mode.is(name): a string is needed, not an object"},
      {"mode.onEnter('x')",
       "mode.onEnter(name, function): a string and a function are needed, not \"x\" and undefined"},
      {"mode.onExit(print, 'x')",
       "mode.onExit(name, function): a string and a function are needed, not a function and"},
      {"queueMicrotask(1)", "queueMicrotask(function): a function is needed, not 1"}};
  run("var no = () => { throw new Error('evil') };\n"
      "globalThis.evil = {get modes() { no() }, get id() { no() }, valueOf: no, toString: no, toJSON: no,\n"
      "get [Symbol.toStringTag]() { no() }, get [Symbol.toPrimitive]() { no() }};\n"
      "const proxy = Proxy.revocable([], {}); globalThis.revoked = proxy.proxy; proxy.revoke()");
  wrong_uses(wrongs);
  EXPECT_TRUE(engine->timers().active().empty());
  // What counts as a delay, and ids of every kind, are no errors.
  run("for (const delay of ['x', '5', {}, true, null, undefined, -1, NaN, Infinity, 1e300]) setTimeout(print, delay);\n"
      "out = getActiveTimers().length + ',' + timer.pause('99') + ',' + getTimerStatus(evil)");
  EXPECT_EQ(out(), "10,false,null");
}

// Options are what an object itself has. All else is an argument, which is handed on and not looked into.
TEST_F(javascript, AnArgumentIsNotLookedInto) {
  begin(detent::script_rules::web);
  const auto told = run(
      "const no = () => { throw new Error('looked') };\n"
      "const proxy = Proxy.revocable({}, {}); proxy.revoke();\n"
      "for (const given of [new Proxy({}, {get: no, has: no, getOwnPropertyDescriptor: no, ownKeys: no}), "
      "proxy.proxy,\n"
      "{get modes() { no() }, get onLeave() { no() }}, Object.create({modes: ['x']}), Object.create({onLeave: 5}),\n"
      "Object.create({get modes() { no() }}), new Proxy({modes: ['x']}, {})])\n"
      "setTimeout((a) => { out += +(a === given) }, 1, given)");
  EXPECT_EQ(told.error, "");
  pass_ms(1);
  EXPECT_EQ(out(), "1111111");
  EXPECT_EQ(errors, "");
}

TEST_F(javascript, WrongPairsAreTold) {
  const wrong_use wrongs[] = {{"setInterval()", "undefined and undefined"},
                              {"setInterval(1, 2)", "1 and 2"},
                              {"setInterval('1', print)", "\"1\" and a function"},
                              {"setInterval(NaN, print)", "NaN and a function"},
                              {"setInterval(print, NaN)", "a function and NaN"},
                              {"setInterval(print, print)", "a function and a function"},
                              {"setInterval(print, {valueOf: () => { print('run') }})", "a function and an object"},
                              {"setInterval(5n, print)", "5n and a function"}};
  wrong_pairs(wrongs);
}

TEST_F(javascript, TheModuleAsHavelHasIt) {
  begin(detent::script_rules::havel);
  run("const a = setTimeout(10, () => {}), b = setInterval(10, () => {}), s = getTimerStatus(b);\n"
      "out = s.kind + s.state + s.running + s.period + '/' + getActiveTimers().length + '/' + stopTimer(a)\n"
      "out += clearTimeout(a) + '' + getTimerStatus(a) + cleanupAllTimers()");
  EXPECT_EQ(out(), "intervalarmedtrue10/2/truefalsenull1");
}

// What a script replaces of the language is its own affair, and none of its functions runs where a timer is asked for.
TEST_F(javascript, TheTimersKeepWhatTheyNeedOfTheLanguage) {
  begin(detent::script_rules::web);
  EXPECT_EQ(
      run("Object.defineProperty = Promise.resolve = Promise.prototype.then = () => { throw new Error('mine') };\n"
          "Promise.prototype.constructor = {}; Object.prototype.get = 5;\n"
          "const t = interval(() => { out += 't' }, 10); out += t.id; queueMicrotask(() => { out += 'm' });\n"
          "delete Object.prototype.get;\n"
          "const trap = new Proxy(t, { getPrototypeOf() { out += 'ran' }, has() { out += 'ran' } });\n"
          "try { timer.pause(trap) } catch (error) { out += error.message }")
          .error,
      "");
  pass_ms(10);
  EXPECT_EQ(out(), "1pause(timer): an id or a timer is needed, not a proxymt");
}

// Also the twentieth time, and in code that was compiled for speed.
TEST_F(javascript, EveryRunawayCallIsInterrupted) {
  if (!detent::javascript::can_limit_calls()) GTEST_SKIP() << "this JavaScriptCore has no execution time limit";
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(20);
  begin(detent::script_rules::web, std::move(options));
  run("function hot(n) { let s = 0; for (let i = 0; i < n; ++i) s += i % 7; return s }\n"
      "var runaways = [() => hot(1e15), () => { JSON.stringify({ toJSON() { for (;;); } }) },\n"
      "() => { new Proxy({}, { get() { for (;;) hot(3) } }).x }, () => { [3, 2, 1].sort(() => { for (;;) hot(5) }) "
      "}];\n"
      "var next = 0; setInterval(() => { runaways[next++ % runaways.length]() }, 1)");
  const std::size_t rounds = support::times(24, 12);
  for (std::size_t i = 0; i < rounds; ++i) pass_ms(4);
  std::size_t told = 0;
  for (auto at = errors.find("longer than"); at != std::string::npos; at = errors.find("longer than", at + 1)) ++told;
  EXPECT_GE(told, rounds) << errors;
}

TEST_F(javascript, SleepersAreWokenWhenAllIsCleanedUp) {
  sleepers_are_woken(
      "setTimeout(() => { out += cleanupAllTimers() }, 5);\n"
      "(async () => { const slept = await sleep(1); const woken = await sleep(50); out += slept + '' + woken;\n"
      "const at = now(); await sleep(3e9); out += now() - at })()",
      "3000000000");
}

TEST_F(javascript, SleepAndWaitArePromises) {
  begin(detent::script_rules::havel);
  const auto told =
      run("(async () => { const begin = now(), t = interval(100, () => { out += 't' });\n"
          "await sleep(350); out += '|' + Math.floor(now() - begin);\n"
          "t.pause(); await sleep(200); out += '|'; t.resume(); await sleep(60); out += '|';\n"
          "out += await t.wait(); setTimeout(1, () => { t.stop() }); out += await t.wait(); out += await wait(t) })()");
  EXPECT_EQ(told.error, "");
  for (int i = 0; i < 2000; ++i) pass_ms(1);
  EXPECT_EQ(out(), "ttt|350|t|truefalsefalse");
  EXPECT_EQ(errors, "");
  EXPECT_TRUE(engine->timers().active().empty());
}

TEST_F(javascript, AnErrorHasNameLineAndStackAndTheIntervalGoesOn) {
  begin(detent::script_rules::web);
  run("setInterval(function beat() { out += 'i'\n if (out == 'i') throw new Error('told') }, 10)");
  for (int i = 0; i < 3; ++i) pass_ms(10);
  EXPECT_EQ(out(), "iii");
  EXPECT_NE(errors.find("in timer 1: test.js:3: Error: told"), std::string::npos) << errors;
  EXPECT_NE(errors.find("beat@test.js:3"), std::string::npos) << errors;
  const auto wrong = run("x = = 1");
  EXPECT_EQ(wrong.ended, kind::threw);
  EXPECT_NE(wrong.error.find("test.js:2: SyntaxError"), std::string::npos) << wrong.error;
  const auto deep = run("const f = () => f(); f()");
  EXPECT_EQ(std::count(deep.error.begin(), deep.error.end(), '\n'), 22) << deep.error;  // not a hundred frames
  EXPECT_NE(deep.error.find(" more"), std::string::npos) << deep.error;
  errors.clear();
  run("(async () => { await sleep(5); undefined.x })()");
  pass_ms(10);
  EXPECT_NE(errors.find("in a promise: test.js:2: TypeError"), std::string::npos) << errors;
}

// Microtasks run between two callbacks that are due together.
// JavaScriptCore tells no place of these; the timer and the name of its function are told.
TEST_F(javascript, WhatIsThrownAndNoErrorHasTheNameOfItsFunction) {
  begin(detent::script_rules::web);
  run("setTimeout(function tick() { throw 'str' }, 1); setTimeout(() => { throw {a: 1n} }, 2);\n"
      "setTimeout(function gone() { queueMicrotask(() => { throw null }); throw NaN }, 3)");
  for (int i = 0; i < 3; ++i) pass_ms(1);
  EXPECT_EQ(errors,
            "in timer 1: uncaught str in tick (no Error, so without its place)\n"
            "in timer 2: uncaught {\"a\":1n} (no Error, so without its place)\n"
            "uncaught null (no Error, so without its place)\n"
            "in timer 3: uncaught NaN in gone (no Error, so without its place)\n");
  EXPECT_EQ(run("throw undefined").error, "uncaught undefined (no Error, so without its place)");
}

// As JSON where that has a word for it, and readable where it has none.
TEST_F(javascript, WhatIsPrinted) {
  begin(detent::script_rules::web);
  const std::pair<const char*, const char*> values[] = {
      {"'a', 1, -0, null, undefined, true", "a 1 0 null undefined true"},
      {"5n, {a: 1n}, Symbol('x')", "5n {\"a\":1n} Symbol(x)"},
      {"[1, [NaN, -Infinity], undefined, , 'q']", "[1,[NaN,-Infinity],undefined,undefined,\"q\"]"},
      {"new Map([[1, {a: 2}], ['k', new Set([3, 'v'])]]), new Map", "Map{1=>{\"a\":2},\"k\"=>Set{3,\"v\"}} Map{}"},
      {"{f() {}, g: print}, () => 1", "{\"f\":[function f],\"g\":[function print]} [function ]"},
      {"new Date(0), /x/g, {e: new TypeError('q')}", "\"1970-01-01T00:00:00.000Z\" /x/g {\"e\":TypeError: q}"},
      {"(() => { const o = {}; o.o = [o, {p: o}]; return o })()", "{\"o\":[[circular],{\"p\":[circular]}]}"},
      {"{get x() { throw 1 }}, new Proxy({}, {get() { throw 1 }})", "[object] [object]"},
      {"Object.create(null), {toJSON() { return undefined }}", "{} undefined"}};
  for (const auto& [value, words] : values) {
    printed.clear();
    EXPECT_EQ(run("console.log(" + std::string(value) + ")").error, "");
    EXPECT_EQ(printed, words + std::string("\n"));
  }
}

TEST_F(javascript, MicrotasksRunBehindEachCallback) {
  begin(detent::script_rules::web);
  run("setTimeout(() => { out += 1; Promise.resolve().then(() => { out += 2; queueMicrotask(() => out += 3) }) });\n"
      "setTimeout(() => { out += 4 })");
  pass_ms(1);
  EXPECT_EQ(out(), "1234");
}

// What a script does to globals does not reach the library.
TEST_F(javascript, ReplacedGlobalsAreNotUsed) {
  begin(detent::script_rules::web);
  EXPECT_EQ(run("const s = setTimeout; for (const n of ['Promise', 'Reflect', 'Array', 'Object', 'String', 'Date', "
                "'clearTimeout', 'timer']) delete globalThis[n];\n"
                "Function.prototype.call = Function.prototype.apply = 0;\n"
                "const f = (a) => { out += a }; f.apply = f.call = null; s(f, 1, 'a'); sleep(2).then(() => out += 'b')")
                .error,
            "");
  pass_ms(1);
  pass_ms(1);
  EXPECT_EQ(out(), "ab");
}

TEST_F(javascript, ARunawayCallbackIsInterruptedAndTheRestGoesOn) {
  if (!detent::javascript::can_limit_calls()) GTEST_SKIP() << "this JavaScriptCore has no execution time limit";
  begin_limited(std::chrono::milliseconds(50));
  runaway_callbacks(
      "setTimeout(() => { for (;;) { try { for (;;); } catch {} } }, 10); setInterval(() => { out += 'i' }, 20)",
      "longer than its limit of 50 ms");
  errors.clear();
  const auto told = run("const t = { method() { for (;;); } };\n\nfunction calls() {\nt.method() }\ncalls()");
  EXPECT_EQ(told.ended, kind::interrupted);
  EXPECT_EQ(told.error,
            "test.js:2: the call took longer than its limit of 50 ms\nstack:\n  method@test.js:2\n  calls@test.js:5\n"
            "  global code@test.js:6");
}

// An interrupted microtask costs what was queued behind it, and no callback: not the next tick, hook or sleeper.
TEST_F(javascript, AnInterruptedMicrotaskCostsNoLaterCall) {
  if (!detent::javascript::can_limit_calls()) GTEST_SKIP() << "this JavaScriptCore has no execution time limit";
  const std::pair<const char*, const char*> runaways[] = {
      {"a microtask", "setTimeout(() => { queueMicrotask(function endless() { for (;;); }) }, 10)"},
      {"one of two",
       "setTimeout(() => { queueMicrotask(() => { for (;;); }); queueMicrotask(() => { for (;;); }) }, 10)"},
      {"a reaction", "setTimeout(() => { Promise.resolve().then(() => { for (;;); }) }, 10)"},
      {"an async function", "setTimeout(async () => { await null; for (;;); }, 10)"},
      {"what a microtask queues", "setTimeout(async () => { await null; queueMicrotask(() => { for (;;); }) }, 10)"},
      {"behind a sleep", "(async () => { await sleep(10); for (;;); })()"},
      {"a hook", "setTimeout(() => mode.set('b'), 10); mode.onEnter('b', async () => { await null; for (;;); })"},
      {"words of an error", "setTimeout(() => { throw Object.assign(new Error(), {toString() { for (;;); }}) }, 10)"},
      {"a callback and its microtask", "setTimeout(() => { queueMicrotask(() => { for (;;); }); for (;;); }, 10)"},
      {"the text itself", "queueMicrotask(() => { for (;;); })"}};
  detent::mode_options mode;
  mode.name = "c";
  modes.add(std::move(mode));
  for (const auto& [name, runaway] : runaways) {
    SCOPED_TRACE(name);
    detent::scripting::engine_options options;
    options.call_limit = std::chrono::milliseconds(20);
    modes.set("default");
    begin(detent::script_rules::web, std::move(options));
    errors.clear();
    const auto told =
        run(std::string(runaway) + "; setTimeout(() => { out += 'b' }, 20); setTimeout(() => { out += 'c' }, 30);\n" +
            "mode.onEnter('c', () => { out += 'h' }); (async () => { await sleep(40); out += 's' })()");
    errors += told.error;
    pass_ms(10);
    EXPECT_EQ(modes.set("c"), detent::mode_change::changed);
    loop.run_posted();
    for (int i = 0; i < 3; ++i) pass_ms(10);
    engine->run("print(out)", "out");
    EXPECT_EQ(printed, "hbcs\n");
    printed.clear();
    EXPECT_NE(errors.find("longer than its limit"), std::string::npos) << errors;
  }
}

// Its loops could not be interrupted.
TEST_F(javascript, UnderACallLimitThereIsNoWebAssembly) {
  if (!detent::javascript::can_limit_calls()) GTEST_SKIP() << "this JavaScriptCore has no execution time limit";
  detent::scripting::engine_options options;
  options.call_limit = std::chrono::milliseconds(1000);
  begin(detent::script_rules::web, std::move(options));
  run("out = 'WebAssembly' in globalThis");
  EXPECT_EQ(out(), "false");
}

TEST_F(javascript, MemoryIsLimitedSoftly) {
  detent::scripting::engine_options options;
  options.memory_limit_bytes = 30'000'000;
  begin(detent::script_rules::web, std::move(options));
  run("const kept = []; setInterval(() => { out += 'i'; kept.push(new Array(1e6).fill(1.5)) }, 10)");
  for (int i = 0; i < 50; ++i) pass_ms(10);
  EXPECT_NE(errors.find("not enough memory"), std::string::npos) << errors;
  EXPECT_TRUE(engine->timers().active().empty());
  EXPECT_LT(out().size(), 20U);
}

TEST_F(javascript, LiveTimersAreLimited) {
  live_timers_are_limited("for (let i = 1; i <= 4; ++i) setTimeout(() => { out += i }, 1)",
                          "Error: setTimeout: too many live timers: the limit is 3\nstack:\n  global code@");
}

// What a callback holds can be collected as soon as its timer is over, and memory stays flat.
TEST_F(javascript, WhatIsOverIsCollectable) {
  begin(detent::script_rules::web);
  const std::string count = std::to_string(support::times(100'000, 5'000));
  memory_stays_flat("for (let i = 0; i < " + count + "; ++i) clearTimeout(setTimeout(() => i, 1000, {}))");
  // The collector scans the stack conservatively, so one object may stay: of a hundred most are gone.
  run("const weak = []; (() => { for (let i = 0; i < 100; ++i) { const big = {i}; weak.push(new WeakRef(big));\n"
      "setTimeout(() => big, 10) } })(); globalThis.alive = () => weak.filter(w => w.deref() !== undefined).length");
  loop.run_posted();
  engine->collected_memory_bytes();
  run("out = alive() === 100");
  EXPECT_EQ(out(), "true");
  pass_ms(10);
  engine->collected_memory_bytes();
  run("out = alive() < 50");
  EXPECT_EQ(out(), "true");
}

TEST_F(javascript, ModesFromScripts) {
  modes_from_scripts(
      "mode.onEnter('gaming', () => { out += '+' }); mode.onExit('gaming', () => { out += '-' });\n"
      "setInterval(10, () => { out += 't' }, {modes: ['gaming'], onLeave: 'suspend'});\n"
      "setTimeout(25, () => mode.set('gaming'));\n"
      "setTimeout(50, () => { mode.set('work'); out += mode.get() + mode.previous() });\n"
      "setTimeout(100, () => mode.set('gaming'))");
}

TEST_F(javascript, ScopesFromScripts) {
  scopes_from_scripts(
      "globalThis.s = timer.scope(() => { setInterval(() => { out += 'a' }, 10);\n"
      "setTimeout(() => { setInterval(() => { out += 'b' }, 10) }, 5) },\n"
      "{modes: ['work'], onLeave: 'suspend', onReturn: 'resume'});\n"
      "setInterval(() => { out += 'c' }, 10); mode.set('work')",
      "out += s.close() + '' + s.close()");
}

// What a closed scope refuses is told so, while the script goes on.
TEST_F(javascript, AClosedScopeSaysSo) {
  begin(detent::script_rules::web);
  run("var s = timer.scope(() => { setInterval(() => { s.close(); sleep(1).catch((error) => { out += error.message "
      "});\n"
      "try { setTimeout(print, 1) } catch (error) { out += error.message + '; ' } }, 5) })");
  pass_ms(5);
  EXPECT_EQ(out(),
            "setTimeout: the scope in which it would be is closed; sleep: the scope in which it would be is closed");
  EXPECT_EQ(errors, "");
  engine->timers().close();
  EXPECT_NE(run("setTimeout(print, 1)").error.find("the timers of this script have been withdrawn"), std::string::npos);
}

// A scope that no script can close any more is forgotten with its last timer, one that modes follow too.
TEST_F(javascript, AScopeThatIsOutOfReachIsForgotten) {
  begin(detent::script_rules::web);
  const auto pass_and_collect = [this](std::int64_t ms) {
    pass_ms(ms);
    engine->collected_memory_bytes();
    return engine->timers().scope_count();
  };
  run("var kept = timer.scope(() => {}); let steps = 0;\n"
      "setTimeout(() => { for (let i = 0; i < 300; ++i) timer.scope(() => { setTimeout(() => { out += 'a' }, 50) },\n"
      "i % 2 ? undefined : {modes: ['default', 'm' + i]}) }, 10);\n"
      "setTimeout(function step() { if (++steps < 100) timer.scope(() => { setTimeout(step, 4) }) }, 20)");
  pass_ms(10);
  EXPECT_EQ(engine->timers().scope_count(), 301U);
  EXPECT_LE(pass_and_collect(1), 301U);
  pass_ms(60);
  EXPECT_LT(pass_and_collect(10), 100U);  // the collector sees some on the stack
  for (int i = 0; i < 110; ++i) pass_ms(4);
  EXPECT_LT(pass_and_collect(10), 50U);
  EXPECT_EQ(out().size(), 300U);
  EXPECT_EQ(errors, "");
  EXPECT_EQ(run("timer.scope(() => { setInterval(print, 10) }).close() === 1 || fail()").error, "");
}

TEST_F(javascript, AScopeThatThrowsLeavesNothing) {
  a_scope_that_throws("timer.scope(() => { setInterval(print, 10); throw new Error('mine') })", "Error: mine");
}

TEST_F(javascript, AnInterruptedScopeLeavesNothing) {
  if (!detent::javascript::can_limit_calls()) GTEST_SKIP() << "this JavaScriptCore has no execution time limit";
  interrupted_scopes(
      "setTimeout(print, 50);\n"
      "try { timer.scope(() => { setInterval(print, 10); timer.scope(() => { setInterval(print, 10) });\n"
      "timer.scope(() => { sleep(10); for (;;); }) }) } finally { for (;;); }",
      "timer.scope(() => { setTimeout(() => { setTimeout(() => { out += 'kept' }, 10);\n"
      "timer.scope(() => { setInterval(print, 5); for (;;); }) }, 1) })");
}

TEST_F(javascript, ScopesInsideEachOtherWithoutAnEnd) {
  scopes_without_an_end(
      "const deep = (n) => { if (n > 0) deep(n - 1); else timer.scope(() => { deep(60) }) };\n"
      "try { deep(0) } catch { setTimeout(() => { out += 'behind' }, 1) }");
}

TEST_F(javascript, ReferencesAndRefresh) {
  begin(detent::script_rules::web);
  run("const a = timeout(() => { out += 'a' }, 10), b = interval(() => { out += 'b' }, 10).unref();\n"
      "out += [a.hasRef(), b.hasRef(), typeof +a, a.refresh() === a]; setTimeout(() => clearInterval(b), 15)");
  EXPECT_EQ(engine->timers().kept_count(), 2U);
  pass_ms(10);
  pass_ms(20);
  EXPECT_EQ(out(), "true,false,number,trueba");
}

// As in Node: one that has fired is armed anew, as often as one likes, with what it was made with; one that was ended
// is not, whoever ended it.
TEST_F(javascript, RefreshArmsWhatHasFired) {
  begin(detent::script_rules::web);
  run("var t = timeout((a) => { out += a }, 10, 'x').unref(); out += t.refresh() === t");
  pass_ms(10);
  EXPECT_EQ(out(), "truex");
  EXPECT_EQ(engine->timers().active().size(), 0U);
  run("out = ''; var first = t.id; t.refresh(); out += [timer.refresh(t), t.hasRef(), t.id > first, "
      "t.status().remaining]");
  EXPECT_EQ(out(), "true,false,true,10");
  pass_ms(10);
  pass_ms(10);
  EXPECT_EQ(out(), "true,false,true,10x");
  for (const char* end : {"t.cancel()", "t.stop()", "clearTimeout(t)", "timer.clear(t)"}) {
    run(std::string("out = ''; t.refresh(); ") + end + "; t.refresh(); " + end + "; out += timer.refresh(t)");
    pass_ms(20);
    EXPECT_EQ(out(), "false") << end;
    run("t = timeout(() => { out += 'y' }, 10)");
    pass_ms(10);
    run(std::string(end) + "; t.refresh()");  // ended when it was over already
    pass_ms(10);
    EXPECT_EQ(out(), "falsey") << end;
  }
  // Ended, or refreshed, in its own call; and by others.
  run("out = ''; t = timeout(() => { out += 'a'; clearTimeout(t.id) }, 10)");
  pass_ms(10);
  run("t.refresh()");
  pass_ms(10);
  EXPECT_EQ(out(), "a");
  run("out = ''; let left = 2; t = timeout(() => { out += 'b'; if (left-- > 0) t.refresh() }, 10)");
  for (int i = 0; i < 5; ++i) pass_ms(10);
  EXPECT_EQ(out(), "bbb");
  run("out = ''; t = timeout(() => { out += 'c' }, 10); cleanupAllTimers(); t.refresh()");
  pass_ms(10);
  EXPECT_EQ(out(), "");
  begin(detent::script_rules::havel);
  run("var t = timeout(10, () => { out += 'h' })");
  pass_ms(10);
  run("t.refresh()");
  pass_ms(10);
  EXPECT_EQ(out(), "h");
}

TEST_F(javascript, TheEngineEndsWithEverythingPending) {
  ends_with_everything_pending(
      "setInterval(1, () => {}, {modes: ['x']}); setTimeout(5, async () => { await sleep(10) });\n"
      "mode.onEnter('x', () => {}); sleep(7)");
}

}  // namespace
