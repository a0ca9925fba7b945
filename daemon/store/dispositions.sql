-- name: recent_orders
-- Ordinary orders since a moment, for storms.
SELECT count(*) FROM alarm WHERE decided_at > ? AND ordinary = 1 AND disposition = 'own_order'

-- name: latest_of_storm
-- When the newest ordinary orders and children of a storm were decided.
SELECT decided_at FROM alarm
WHERE ordinary = 1 AND (disposition = 'own_order' OR (disposition = 'child' AND parent = ?)) AND no != ?
ORDER BY decided_at DESC LIMIT ?

-- name: count_children
-- Children of an alarm that are still open.
SELECT count(*) FROM alarm WHERE parent = ? AND disposition = 'child' AND state != 'cleared'

-- name: openings
-- How often a rule's alarm on an asset has opened since a moment, one alarm left out.
SELECT count(*) FROM alarm WHERE rule = ? AND asset = ? AND active_at > ? AND no != ?

-- name: latest_order
-- The newest alarm of a rule and asset whose order is still somebody's.
SELECT alarm.no FROM alarm JOIN work_order ON work_order.key = alarm.order_key
WHERE alarm.rule = ? AND alarm.asset = ? AND alarm.decided_at > ? AND alarm.disposition = 'own_order'
  AND work_order.status NOT IN ('done', 'verified', 'rejected', 'cancelled', 'parked')
ORDER BY alarm.no DESC LIMIT 1

-- name: in_hand
-- The newest alarm of a rule and asset that is over, its order being judged, or accepted or left to a person and the
-- alarm, or one that came back on its order, over so lately.
SELECT alarm.no FROM alarm JOIN work_order ON work_order.key = alarm.order_key
WHERE alarm.rule = ?1 AND alarm.asset = ?2 AND alarm.disposition = 'own_order' AND alarm.state = 'cleared'
  AND ((work_order.status = 'verifying' AND NOT json_extract(CAST(work_order.course AS TEXT), '$.undecided'))
       OR (work_order.status IN ('accepted', 'arrived', 'reopened', 'verifying')
           AND max(alarm.cleared_at, coalesce((
             SELECT max(again.cleared_at) FROM alarm AS again
             WHERE again.parent = alarm.no AND again.rule = ?1 AND again.asset = ?2), 0)) >= ?3))
ORDER BY alarm.no DESC LIMIT 1

-- name: still_in_hand
-- Whether an alarm's order is in somebody's hand.
SELECT count(*) FROM alarm JOIN work_order ON work_order.key = alarm.order_key
WHERE alarm.no = ? AND work_order.status IN ('accepted', 'arrived', 'reopened', 'verifying')

-- name: orders_of_day
-- Orders of a rule on an asset since a moment, at least as urgent as a level.
SELECT count(*) FROM alarm JOIN work_order ON work_order.key = alarm.order_key
WHERE alarm.rule = ? AND alarm.asset = ? AND alarm.decided_at >= ? AND alarm.disposition = 'own_order'
  AND work_order.level <= ?

-- name: leave_unwritten
-- A child that is to be written on its parent's order; all of one parent go together.
INSERT INTO unwritten (child, parent, note_at)
SELECT ?1, ?2, min(?3, coalesce((SELECT min(note_at) FROM unwritten WHERE parent = ?2), ?3))
WHERE true ON CONFLICT (child) DO UPDATE SET parent = excluded.parent, note_at = min(note_at, excluded.note_at)

-- name: next_note
-- When the next children are to be written.
SELECT min(note_at) FROM unwritten

-- name: parents_due
-- Parents whose children are to be written now.
SELECT DISTINCT parent FROM unwritten WHERE note_at <= ? ORDER BY parent

-- name: unwritten_of
-- The children of a parent that are not written yet.
SELECT child FROM unwritten WHERE parent = ? ORDER BY child

-- name: written
-- They are written now.
DELETE FROM unwritten WHERE parent = ?

-- name: mute
-- A mute begins.
INSERT INTO mute (kind, rule, asset, level, since, until, user, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?)

-- name: end_mute
-- A mute ends.
UPDATE mute SET ended_at = ? WHERE id = ?

-- name: mutes
-- Mutes that have not ended.
SELECT id, kind, rule, asset, level, since, until, user, reason FROM mute WHERE ended_at IS NULL ORDER BY id

-- name: mutes_at
-- Mutes that held for an alarm at a moment.
SELECT id, kind, rule, asset, level, since, until, user, reason FROM mute
WHERE (rule = ?1 OR rule = '') AND (asset = ?2 OR asset = '*') AND since <= ?3 AND coalesce(ended_at, until) > ?3
ORDER BY id
