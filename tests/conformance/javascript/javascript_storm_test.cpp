// javascript_storm: ten thousand timers in a script, eight scripts at once, contexts that end at random moments.
#include <bindings/javascript/javascript_engine.hpp>
#include <conformance/engine/engine_storm.hpp>

// Of ten thousand contexts that end at any moment, three leave 64 bytes each that only JavaScriptCore's own code led to
// (7.4 KiB beside them). The other tests have no such leak, and nothing is left out there.
extern "C" const char* __lsan_default_suppressions();  // NOLINT: the sanitizer's name for it
extern "C" const char* __lsan_default_suppressions() { return "leak:libjavascriptcoregtk\n"; }

namespace {

TEST(javascript_storm, EightScriptsAtOnce) {
  engine_storm::eight_scripts(
      detent::javascript::make_engine,
      "for (let i = 0; i < +scriptArguments[0]; ++i) { const ms = 2000 + i % 1000, due = now() + ms;\n"
      "setTimeout(() => print(now() - due), ms) }",
      support::times(10'000, 200));
}

TEST(javascript_storm, AScopeFollowsItsMode) {
  engine_storm::scope_follows_its_mode(
      detent::javascript::make_engine,
      "for (const onLeave of ['suspend', 'skip', 'cancel']) timer.scope(() => { setInterval(() => {\n"
      "print('tick'); setTimeout(print, 0, 'tock') }, 1) }, {modes: ['storm'], onLeave, onReturn: 'restart'})");
}

TEST(javascript_storm, AContextEndsAtAnyMoment) {
  engine_storm::end_at_random(
      detent::javascript::make_engine,
      "for (let i = 0; i < 10; ++i) setInterval((t) => { const ids = getActiveTimers();\n"
      "if (ids.length > 15) clearTimeout(ids[ids.length - 1]); setTimeout(() => t, i % 2) }, i % 3, {});\n"
      "setInterval(() => {}, 1, {modes: ['storm']}); mode.onEnter('storm', () => {});\n"
      "timer.scope(() => { setInterval(() => {}, 1) }, {modes: ['storm'], onReturn: 'restart'});\n"
      "setTimeout(async () => { for (;;) await sleep(1) }, 1)",
      support::is_long() ? 10'000 : support::times(80, 15));
}

}  // namespace
