-- A watchdog: work that does not report back in time is declared stuck, and the watchdog itself keeps nothing running.
local function watch(name, ms, stuck)
  local id = timer.setTimeout(stuck, ms, name)
  timer.unref(id)
  return {
    alive = function() timer.refresh(id) end,
    done = function() timer.clearTimeout(id) end,
  }
end

local dog = watch("copying", 100, function(name) print(name .. " is stuck") end)

for step, pause in ipairs({ 60, 90, 30, 150 }) do
  timer.sleep(pause)
  dog.alive()
  print("step " .. step)
end
dog.done()
