-- name: boundary
-- The newest alarm that is one too many, by number.
SELECT no FROM alarm ORDER BY no DESC LIMIT 1 OFFSET ?

-- name: outdated
-- Alarms that are over for so long, or that are too many; never one that has a child which stays, or whose order somebody
-- has in hand: unless nothing has happened to it for that long, nothing of it waits, and nothing is due.
SELECT no FROM alarm
WHERE cleared_at IS NOT NULL AND (cleared_at < ?1 OR no <= ?2)
  AND NOT EXISTS (
    SELECT 1 FROM work_order
    WHERE work_order.alarm_no = alarm.no AND status NOT IN ('verified', 'rejected', 'cancelled')
      AND (cleared_at >= ?1 OR created_at >= ?1 OR changed_at >= ?1 OR next_at IS NOT NULL
        OR EXISTS (SELECT 1 FROM order_event WHERE order_key = key AND order_event.at >= ?1)
        OR EXISTS (SELECT 1 FROM outbox WHERE order_key = key AND outbox.state = 'pending')))
  AND no NOT IN (SELECT parent FROM alarm WHERE parent IS NOT NULL AND state != 'cleared')
  AND no NOT IN (SELECT child FROM unwritten) AND no NOT IN (SELECT parent FROM unwritten)
ORDER BY no LIMIT ?3

-- name: drop_transitions
-- What happened to an alarm.
DELETE FROM transition WHERE alarm_no = ?

-- name: drop_deliveries
-- What was delivered of an order.
DELETE FROM outbox WHERE order_key = ? AND state != 'pending'

-- name: orders_of
-- The orders of an alarm: its own, and one that asks for the root cause.
SELECT key FROM work_order WHERE alarm_no = ?

-- name: drop_told
-- What channels were given to tell of an order.
DELETE FROM notice_delivery WHERE notice_id IN (SELECT id FROM notice WHERE order_key = ?)

-- name: drop_notices
-- What people were told of an order.
DELETE FROM notice WHERE order_key = ?

-- name: drop_events
-- An order's timeline.
DELETE FROM order_event WHERE order_key = ?

-- name: drop_charts
-- An order's charts.
DELETE FROM chart WHERE order_key = ?

-- name: drop_order
-- A finished order.
DELETE FROM work_order WHERE key = ?

-- name: drop_alarm
-- An alarm that is over.
DELETE FROM alarm WHERE no = ?

-- name: drop_audit
-- The oldest of the audit: before a moment, or too many. The last reload stays: it says which rules are in force; and the
-- last of those that are too old: it says that rules were in force ever since.
DELETE FROM audit WHERE id IN (
  SELECT id FROM audit WHERE (at < ?1 OR id <= (SELECT max(id) FROM audit) - ?2)
    AND id != coalesce((SELECT max(id) FROM audit WHERE action = 'reload'), 0)
    AND id != coalesce((SELECT max(id) FROM audit WHERE action = 'reload'
      AND (at < ?1 OR id <= (SELECT max(id) FROM audit) - ?2)), 0)
  ORDER BY id LIMIT ?3)

-- name: drop_mutes
-- Mutes that have ended before a moment.
DELETE FROM mute WHERE id IN (SELECT id FROM mute WHERE ended_at < ?1 ORDER BY id LIMIT ?2)

-- name: drop_complaints
-- Complaints made before a moment, or too many.
DELETE FROM complaint WHERE no IN (
  SELECT no FROM complaint WHERE made_at < ?1 OR no <= (SELECT max(no) FROM complaint) - ?2 ORDER BY made_at LIMIT ?3)
