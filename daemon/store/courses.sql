-- name: keep
-- How an order is going.
UPDATE work_order SET course = ?, next_at = ?, status = ?, level = ?, respond_by = ? WHERE key = ?

-- name: moved
-- Where its ticket was last moved, and by whom.
UPDATE work_order SET changed_at = ?, changed_by = ? WHERE key = ?

-- name: assigned
-- The team that has it now.
UPDATE work_order SET team = ? WHERE key = ?

-- name: course
-- How an order is going, and what was sent at its creation.
SELECT key, alarm_no, rule, asset, status, course, body FROM work_order WHERE key = ?

-- name: due
-- Orders for which time alone does something by then.
SELECT key, alarm_no, rule, asset, status, course, body FROM work_order WHERE next_at <= ? ORDER BY next_at, key

-- name: soonest
-- When time alone does something next.
SELECT min(next_at) FROM work_order WHERE next_at IS NOT NULL

-- name: before
-- Orders of a rule on an asset since a moment, the newest first, by when the inputs had it decided; root-cause orders
-- have another rule.
SELECT key, decided_at FROM work_order JOIN alarm ON no = alarm_no
WHERE work_order.rule = ? AND work_order.asset = ? AND decided_at > ? ORDER BY decided_at DESC, key

-- name: in_hand
-- The orders of a rule on an asset that are not finished.
SELECT key, alarm_no, rule, asset, status, course, body FROM work_order
WHERE rule = ? AND asset = ? AND status NOT IN ('verified', 'rejected', 'cancelled') ORDER BY created_at, key

-- name: verifying
-- Orders whose repair is judged by the sensor.
SELECT key, alarm_no, rule, asset, status, course, body FROM work_order WHERE status = 'verifying' ORDER BY created_at, key

-- name: unfinished
-- The newest orders that are not finished.
SELECT key FROM work_order WHERE status NOT IN ('verified', 'rejected', 'cancelled')
ORDER BY created_at DESC, key LIMIT ?

-- name: add_event
-- Something happened to an order.
INSERT INTO order_event (order_key, at, occasion, promise, by, detail, late) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: events
-- Everything that happened to an order.
SELECT at, occasion, promise, by, detail, late FROM order_event WHERE order_key = ? ORDER BY id

-- name: count_events
-- How often something happened to an order, from a moment on.
SELECT count(*) FROM order_event WHERE order_key = ? AND occasion = ? AND at >= ?

-- name: same_event
-- Whether just that happened to an order.
SELECT 1 FROM order_event WHERE order_key = ? AND occasion = ? AND detail = ? LIMIT 1

-- name: data_losses
-- How often an alarm's data has gone missing.
SELECT count(*) FROM transition WHERE alarm_no = ? AND cause = 'data_lost'

-- name: deliveries
-- What was asked of the ticketing service for an order.
SELECT id, action, state, attempts, last_error, created_at, delivered_at, ref, tried_at FROM outbox WHERE order_key = ? ORDER BY id

-- name: unpark
-- What was given up is tried again.
UPDATE outbox SET state = 'pending', attempts = 0, repeats = 0, next_at = ? WHERE order_key = ? AND state = 'parked'
