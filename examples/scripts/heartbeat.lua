-- A heartbeat that a watchdog looks after: it stops beating, and the watchdog says so.
local beats = 0
local watchdog

local function alarm()
  print("no beat for 100 ms: it is dead")
end

watchdog = timer.setTimeout(alarm, 100)

local heart
heart = timer.setInterval(function()
  beats = beats + 1
  print("beat " .. beats)
  timer.refresh(watchdog) -- postponed, and only ever fires when nobody does this
  if beats == 5 then timer.clearInterval(heart) end
end, 20)
