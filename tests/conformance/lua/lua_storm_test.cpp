// lua_storm: ten thousand timers in a script, eight scripts at once, states that end at random moments.
#include <bindings/lua/lua_engine.hpp>
#include <conformance/engine/engine_storm.hpp>

namespace {

TEST(lua_storm, EightScriptsAtOnce) {
  engine_storm::eight_scripts(
      detent::lua::make_engine,
      "for i = 1, tonumber(arg[1]) do local ms = 2000 + i % 1000; local due = timer.now() + ms\n"
      "timer.setTimeout(function() print(timer.now() - due) end, ms) end",
      support::times(10'000, 300));
}

TEST(lua_storm, AScopeFollowsItsMode) {
  engine_storm::scope_follows_its_mode(
      detent::lua::make_engine,
      "for _, left in ipairs({'suspend', 'skip', 'cancel'}) do timer.scope(function() timer.setInterval(function()\n"
      "print('tick'); timer.setTimeout(print, 0, 'tock') end, 1) end,\n"
      "{modes = {'storm'}, onLeave = left, onReturn = 'restart'}) end");
}

TEST(lua_storm, AStateEndsAtAnyMoment) {
  engine_storm::end_at_random(
      detent::lua::make_engine,
      "for i = 1, 10 do timer.setInterval(function(t) local ids = timer.getActiveTimers()\n"
      "if #ids > 15 then timer.clear(ids[#ids]) end; timer.setTimeout(function() return t end, i % 2) end, i % 3, {}) "
      "end\n"
      "timer.setInterval(function() end, 1, {modes = {'storm'}}); mode.onEnter('storm', function() end)\n"
      "timer.scope(function() timer.setInterval(function() end, 1) end, {modes = {'storm'}, onReturn = 'restart'})\n"
      "timer.setTimeout(function() while true do timer.sleep(1) end end, 1); timer.sleep(2)",
      support::is_long() ? 10'000 : support::times(400, 60));
}

}  // namespace
