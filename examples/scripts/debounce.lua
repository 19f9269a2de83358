-- A debounce: of a burst of calls only the last one counts.
local function debounce(ms, f)
  local pending = 0
  return function(...)
    timer.clearTimeout(pending)
    pending = timer.setTimeout(f, ms, ...)
  end
end

local save = debounce(50, function(text) print("saved: " .. text) end)

for i, text in ipairs({ "h", "he", "hel", "help" }) do
  timer.setTimeout(save, i * 10, text)
end
