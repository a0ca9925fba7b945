-- name: changes
-- The transitions of an alarm.
SELECT at, seen_at, before, after, level, cause, observed FROM transition WHERE alarm_no = ? ORDER BY id

-- name: children
-- The alarms that stand on an alarm's order.
SELECT no FROM alarm WHERE parent = ? ORDER BY no

-- name: audited
-- What was done about something.
SELECT id, at, user, action, target, detail FROM audit WHERE target = ? ORDER BY id
