-- Work and breaks as modes: the reminder ticks at work only, and keeps what is left of its time over a break. Try it with
-- --clock manual: two hours are over at once.
local minute = 60 * 1000

timer.setInterval(function() print("  look away from the screen") end, 8 * minute,
  { modes = { "work" }, onLeave = "suspend", onReturn = "resume" })

mode.onEnter("work", function() print("work") end)
mode.onEnter("break", function() print("break") end)

for round = 1, 4 do
  mode.set("work")
  timer.sleep(25 * minute)
  mode.set("break")
  timer.sleep(5 * minute)
end
timer.cleanupAllTimers()
