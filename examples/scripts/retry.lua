-- A retry with backoff, written without callbacks: sleep yields, other timers go on meanwhile.
local attempts = 0

local function unreliable()
  attempts = attempts + 1
  return attempts == 4
end

local wait = 10
while not unreliable() do
  print("attempt " .. attempts .. " failed, again in " .. wait .. " ms")
  timer.sleep(wait)
  wait = wait * 2
end
print("attempt " .. attempts .. " succeeded")
