-- name: add
-- A complaint.
INSERT INTO complaint (id, made_at, taken_at, asset, said_asset, building, asset_kind, category, urgency, channel, text,
  outcome, order_key, lead, noted_on)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)

-- name: drop
-- One that was not placed, and now is.
DELETE FROM complaint WHERE id = ?

-- name: find
-- A complaint by its source's name.
SELECT id, made_at, taken_at, asset, said_asset, building, asset_kind, category, urgency, channel, text,
  outcome, order_key, lead, noted_on
FROM complaint WHERE id = ?

-- name: between
-- Complaints made in a span, its end left out, the oldest first.
SELECT id, made_at, taken_at, asset, said_asset, building, asset_kind, category, urgency, channel, text,
  outcome, order_key, lead, noted_on
FROM complaint WHERE made_at >= ? AND made_at < ? ORDER BY made_at, no

-- name: newest
-- The newest first.
SELECT id, made_at, taken_at, asset, said_asset, building, asset_kind, category, urgency, channel, text,
  outcome, order_key, lead, noted_on
FROM complaint ORDER BY made_at DESC, no DESC LIMIT ?

-- name: count_on
-- How many about an asset were made after a moment and no later than another.
SELECT count(*) FROM complaint WHERE asset = ? AND made_at > ? AND made_at <= ?

-- name: count_of_order
-- How many belong to an order.
SELECT count(*) FROM complaint WHERE noted_on = ? AND noted_on != ''

-- name: counts
-- How many by outcome.
SELECT outcome, count(*) FROM complaint GROUP BY outcome

-- name: episodes
-- Alarms about something that were open at a moment, or had ended since another, with their own orders.
SELECT alarm.rule, active_at, cleared_at, created_at, order_key, json_extract(CAST(body AS TEXT), '$.type')
FROM alarm LEFT JOIN work_order ON work_order.key = alarm.order_key
WHERE alarm.asset = ?1 AND active_at <= ?2 AND (cleared_at IS NULL OR cleared_at >= ?3) ORDER BY alarm.no

-- name: in_hand
-- Orders about something that are not finished, the most urgent and newest first; with the beginnings of their alarms.
SELECT work_order.key, json_extract(CAST(body AS TEXT), '$.type') FROM work_order
WHERE work_order.asset = ? AND status NOT IN ('verified', 'rejected', 'cancelled')
ORDER BY level, created_at DESC, key

-- name: watched_since
-- When rules first came into force.
SELECT min(at) FROM audit WHERE action = 'reload'
