-- The health of every kind of bursar.dev, for Argo CD.
--
-- Degraded waits for somebody to change something, Progressing does not. An open
-- breaker and an exhausted budget are business: they leave a resource Healthy.
local health = { status = "Progressing", message = "not looked at yet" }
local status = obj.status
if status == nil or status.conditions == nil then return health end

local found = {}
for _, condition in ipairs(status.conditions) do found[condition.type] = condition end
if status.observedGeneration ~= obj.metadata.generation then
  health.message = "generation " .. obj.metadata.generation .. " was not looked at yet"
  return health
end

local function is(type, status) return found[type] ~= nil and found[type].status == status end
local function say(status, type)
  return { status = status, message = found[type].reason .. ": " .. found[type].message }
end
if is("Stalled", "True") then return say("Degraded", "Stalled") end
if is("Ready", "True") then return say("Healthy", "Ready") end
if is("Reconciling", "True") then return say("Progressing", "Reconciling") end
return health
