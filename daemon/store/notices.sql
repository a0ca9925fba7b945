-- name: add
-- Something that people are to be told.
INSERT INTO notice (order_key, occasion, roles, level, at, body) VALUES (?, ?, ?, ?, ?, ?)

-- name: unaddressed
-- Notices that have not been handed to channels yet.
SELECT id, roles FROM notice WHERE addressed = 0 ORDER BY id LIMIT 500

-- name: address
-- To whom it goes.
INSERT INTO notice_delivery (notice_id, channel, level, next_at) SELECT id, ?, level, at FROM notice WHERE id = ?

-- name: addressed
-- It has been handed to channels; `channels` says to how many.
UPDATE notice SET addressed = 1, channels = ? WHERE id = ?

-- name: due
-- What a channel may send now, the most urgent and oldest first.
SELECT d.id, d.notice_id, n.order_key, n.occasion, d.level, n.at, d.attempts, n.body
FROM notice_delivery AS d JOIN notice AS n ON n.id = d.notice_id
WHERE d.channel = ? AND d.state = 'pending' AND d.next_at <= ? ORDER BY d.level, d.id LIMIT ?

-- name: next_at
-- When a channel has something to send next.
SELECT min(next_at) FROM notice_delivery WHERE channel = ? AND state = 'pending'

-- name: newest
-- Changes when something was added.
SELECT coalesce(max(id), 0) FROM notice

-- name: delivered
-- The peer has taken it.
UPDATE notice_delivery SET state = 'delivered', attempts = attempts + 1, delivered_at = ?, last_error = '' WHERE id = ?

-- name: postponed
-- Not now.
UPDATE notice_delivery SET attempts = attempts + 1, next_at = ?, last_error = ? WHERE id = ? AND state = 'pending'

-- name: parked
-- Given up.
UPDATE notice_delivery SET state = 'parked', attempts = attempts + 1, last_error = ? WHERE id = ? AND state = 'pending'

-- name: counts
-- How many stand where, by channel.
SELECT channel, state, count(*) FROM notice_delivery GROUP BY channel, state

-- name: nobody
-- Notices for which no channel is configured.
SELECT count(*) FROM notice WHERE addressed = 1 AND channels = 0
