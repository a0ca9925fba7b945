-- name: ask
-- A chart that is to be drawn.
INSERT INTO chart (order_key, occasion, seq, at, plan) VALUES (?, ?, ?, ?, ?)

-- name: newest
-- Changes when one was asked for.
SELECT coalesce(max(id), 0) FROM chart

-- name: unread
-- Charts whose readings are to be looked up, in the order in which they were asked for.
SELECT id, order_key, seq, plan, series FROM chart WHERE series IS NULL ORDER BY id LIMIT ?

-- name: unsent
-- Charts that are to be drawn: the ticketing service has their order.
SELECT id, order_key, seq, plan, series FROM chart
WHERE noted = 0 AND series IS NOT NULL
  AND EXISTS (SELECT 1 FROM outbox WHERE outbox.order_key = chart.order_key AND action = 'create' AND state = 'delivered')
ORDER BY id LIMIT ?

-- name: waiting
-- Whether any chart has still to be read, drawn or sent.
SELECT EXISTS (SELECT 1 FROM chart WHERE noted = 0)

-- name: of_order
-- The charts of an order, in the order in which they were asked for.
SELECT id, order_key, seq, plan, series FROM chart WHERE order_key = ? ORDER BY id

-- name: keep
-- The readings that it shows; only once.
UPDATE chart SET series = ?, noted = ? WHERE id = ? AND series IS NULL

-- name: noted
-- Its note is in the outbox; only once.
UPDATE chart SET noted = 1 WHERE id = ? AND noted = 0

-- name: level
-- How urgent an order is now.
SELECT level FROM work_order WHERE key = ?

-- name: active
-- When the alarm of a rule on an asset was active in a span.
SELECT active_at, cleared_at FROM alarm
WHERE rule = ?1 AND asset = ?2 AND active_at <= ?4 AND (cleared_at IS NULL OR cleared_at >= ?3) ORDER BY active_at DESC LIMIT ?5

-- name: first_seq
-- The oldest journal row there is.
SELECT min(seq) FROM journal

-- name: at_or_after
-- A journal row, or the next there is.
SELECT seq, at FROM journal WHERE seq >= ? ORDER BY seq LIMIT 1

-- name: rows
-- Observations among so many rows that speak of any of these; unread, for most do not.
SELECT at, body FROM journal
WHERE seq BETWEEN ?1 AND ?2 AND kind = 'o'
  AND (instr(body, ?3) > 0 OR instr(body, ?4) > 0 OR instr(body, ?5) > 0 OR instr(body, ?6) > 0) ORDER BY seq

-- name: computed_rows
-- Likewise what was computed.
SELECT journal.at, computed.body FROM computed JOIN journal USING (seq)
WHERE computed.seq BETWEEN ?1 AND ?2
  AND (instr(computed.body, ?3) > 0 OR instr(computed.body, ?4) > 0
    OR instr(computed.body, ?5) > 0 OR instr(computed.body, ?6) > 0) ORDER BY computed.seq

-- name: latest_before
-- The newest of so many rows that speaks of a point.
SELECT at, body FROM journal WHERE seq BETWEEN ?1 AND ?2 AND kind = 'o' AND instr(body, ?3) > 0 ORDER BY seq DESC LIMIT 1
