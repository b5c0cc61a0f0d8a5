-- Argo CD's health of an OpenLakeCluster, by kstatus: nothing counts before the operator has seen the newest generation.
local health = { status = "Progressing", message = "Waiting for the operator" }
if obj.spec ~= nil and obj.spec.paused == true then
  return { status = "Suspended", message = "spec.paused is set" }
end
if obj.status == nil or obj.status.conditions == nil or obj.status.observedGeneration ~= obj.metadata.generation then
  return health
end
local seen = {}
for _, condition in ipairs(obj.status.conditions) do
  seen[condition.type] = condition
end
local function holds(name)
  return seen[name] ~= nil and seen[name].status == "True"
end
if holds("Stalled") then
  return { status = "Degraded", message = seen["Stalled"].message }
end
if holds("Degraded") then
  return { status = "Degraded", message = seen["Degraded"].message }
end
if holds("Reconciling") then
  return { status = "Progressing", message = seen["Reconciling"].message }
end
if holds("Ready") then
  return { status = "Healthy", message = seen["Ready"].message }
end
if seen["Ready"] ~= nil then
  health.message = seen["Ready"].message
end
return health
