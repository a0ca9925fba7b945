-- name: open_alarm
-- The alarm of a rule and asset that is not cleared; there is at most one.
SELECT no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by,
  parent, held_until
FROM alarm WHERE rule = ? AND asset = ? AND state != 'cleared'

-- name: open_alarms
-- Every alarm that is not cleared.
SELECT no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by,
  parent, held_until
FROM alarm WHERE state != 'cleared' ORDER BY no

-- name: recent_alarms
-- The newest alarms first.
SELECT no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by,
  parent, held_until
FROM alarm ORDER BY no DESC LIMIT ?

-- name: add_alarm
-- An alarm at its activation.
INSERT INTO alarm (rule, asset, state, level, data, disposition, active_at, parent, held_until, decided_at, ordinary)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: set_order_key
-- The order that an alarm got.
UPDATE alarm SET order_key = ? WHERE no = ?

-- name: change_alarm
-- A later change of an alarm.
UPDATE alarm SET state = ?, level = ?, data = ?, cleared_at = ? WHERE no = ?

-- name: dispose_alarm
-- What becomes of an open alarm from now on.
UPDATE alarm SET disposition = ?, parent = ?, held_until = ?, decided_at = ?, ordinary = ? WHERE no = ?

-- name: hold_alarm
-- When its disposition is decided anew.
UPDATE alarm SET held_until = ? WHERE no = ?

-- name: alarm
-- One alarm, open or not.
SELECT no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by,
  parent, held_until
FROM alarm WHERE no = ?

-- name: acknowledge
-- An operator has seen it.
UPDATE alarm SET acknowledged_by = ? WHERE no = ?

-- name: add_transition
-- A change with its numbers.
INSERT INTO transition (seq, alarm_no, at, seen_at, before, after, level, cause, observed)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: add_order
-- A work order, before anything was sent.
INSERT INTO work_order (key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at, body, course)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, x'')

-- name: orders
-- The newest orders first.
SELECT key, alarm_no, asset, rule, level, status, created_at, respond_by, changed_at, changed_by, body
FROM work_order ORDER BY created_at DESC, key LIMIT ?

-- name: audit
-- Append only.
INSERT INTO audit (at, user, action, target, detail) VALUES (?, ?, ?, ?, ?)

-- name: count_alarms
-- Alarms by state.
SELECT state, count(*) FROM alarm GROUP BY state

-- name: count_orders
-- Orders by status.
SELECT status, count(*) FROM work_order GROUP BY status

-- name: stretches
-- Every alarm with the level it began with and the most urgent one it came to, the oldest first.
SELECT a.no, a.rule, a.asset, a.disposition, a.active_at, a.cleared_at, a.order_key,
  (SELECT level FROM transition WHERE alarm_no = a.no ORDER BY id LIMIT 1),
  (SELECT min(level) FROM transition WHERE alarm_no = a.no)
FROM alarm a ORDER BY a.no

-- name: alarms_at
-- The alarm of a rule and asset that was open at a moment.
SELECT no, rule, asset, state, level, data, disposition, active_at, cleared_at, order_key, acknowledged_by,
  parent, held_until
FROM alarm WHERE rule = ?1 AND asset = ?2 AND active_at <= ?3 AND (cleared_at IS NULL OR cleared_at > ?3)

-- name: count_dispositions
-- What became of the alarms that are open.
SELECT disposition, count(*) FROM alarm WHERE state != 'cleared' GROUP BY disposition
