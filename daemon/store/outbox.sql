-- name: add
-- A delivery, due at once.
INSERT INTO outbox (order_key, action, level, body, next_at, created_at, insist) VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: due
-- The head of each order's line, the most urgent and oldest first. An order whose create is parked holds the rest.
-- A chart goes when nothing else of its order waits: a service that stumbles over pictures hears the words all the same.
SELECT id, order_key, action, level, body, attempts, created_at, tried_at, repeats, insist, taken,
       (SELECT made.ref FROM outbox AS made
        WHERE made.order_key = given.order_key AND made.action = 'create' AND made.state = 'delivered')
FROM outbox AS given
WHERE state = 'pending' AND next_at <= ? AND NOT EXISTS (
  SELECT 1 FROM outbox AS first
  WHERE first.order_key = given.order_key AND (
    (first.state = 'pending' AND CASE WHEN first.action = 'chart' THEN given.action = 'chart' AND first.id < given.id
                                      ELSE given.action = 'chart' OR first.id < given.id END)
    OR (first.state = 'parked' AND first.action = 'create')
  )
)
ORDER BY level, id LIMIT ?

-- name: untried
-- Likewise, of those that were never tried, not even when the program was ended in the middle of it.
SELECT id, order_key, action, level, body, attempts, created_at, tried_at, repeats, insist, taken,
       (SELECT made.ref FROM outbox AS made
        WHERE made.order_key = given.order_key AND made.action = 'create' AND made.state = 'delivered')
FROM outbox AS given
WHERE state = 'pending' AND attempts = 0 AND tried_at IS NULL AND NOT EXISTS (
  SELECT 1 FROM outbox AS first
  WHERE first.order_key = given.order_key AND (
    (first.state = 'pending' AND CASE WHEN first.action = 'chart' THEN given.action = 'chart' AND first.id < given.id
                                      ELSE given.action = 'chart' OR first.id < given.id END)
    OR (first.state = 'parked' AND first.action = 'create')
  )
)
ORDER BY level, id LIMIT ?

-- name: newest
-- Changes when something was added.
SELECT coalesce(max(id), 0) FROM outbox

-- name: next_at
-- When the next delivery is due.
SELECT min(next_at) FROM outbox AS given
WHERE state = 'pending' AND next_at > ? AND NOT EXISTS (
  SELECT 1 FROM outbox AS first
  WHERE first.order_key = given.order_key AND (
    (first.state = 'pending' AND CASE WHEN first.action = 'chart' THEN given.action = 'chart' AND first.id < given.id
                                      ELSE given.action = 'chart' OR first.id < given.id END)
    OR (first.state = 'parked' AND first.action = 'create')
  )
)

-- name: delivered
-- The service has it.
UPDATE outbox
SET state = 'delivered', attempts = attempts + 1, delivered_at = ?, ref = ?, look_at = ?, tried_at = NULL, last_error = ''
WHERE id = ?

-- name: untold
-- Receipts of orders in hand that stand on no timeline yet.
SELECT order_key, coalesce(ref, ''), delivered_at FROM outbox
WHERE action = 'create' AND state = 'delivered'
  AND order_key IN (SELECT key FROM work_order WHERE status NOT IN ('verified', 'rejected', 'cancelled'))
  AND NOT EXISTS (SELECT 1 FROM order_event WHERE order_event.order_key = outbox.order_key AND occasion = 'sent')
ORDER BY id

-- name: postponed
-- The service could not take it now.
UPDATE outbox SET attempts = attempts + 1, next_at = ?, last_error = ?, tried_at = ?, repeats = ?, taken = ?
WHERE id = ? AND state = 'pending'

-- name: parked
-- The service will never take it.
UPDATE outbox
SET state = 'parked', attempts = attempts + 1, last_error = ?1, tried_at = ?2, taken = taken AND ?2 IS NOT NULL
WHERE id = ?3 AND state = 'pending'

-- name: intend
-- It is about to be asked for: from here on it may have been taken.
UPDATE outbox SET repeats = repeats + (tried_at IS NOT NULL), tried_at = ? WHERE id = ? AND state = 'pending'

-- name: settle
-- What may have been taken is looked for no sooner than that.
UPDATE outbox SET next_at = ?1 WHERE state = 'pending' AND tried_at IS NOT NULL AND next_at < ?1

-- name: second_looks
-- Tickets of which a second one is looked for now.
SELECT id, order_key, level, ref FROM outbox WHERE look_at <= ? ORDER BY look_at LIMIT ?

-- name: next_look
-- When that is next.
SELECT min(look_at) FROM outbox WHERE look_at IS NOT NULL

-- name: looked
-- That was done; `ref` is the ticket that counts.
UPDATE outbox SET look_at = ?, ref = ? WHERE id = ?

-- name: found
-- A person has found the ticket of what was given up.
UPDATE outbox
SET state = 'delivered', delivered_at = ?, ref = ?, tried_at = NULL, last_error = ''
WHERE order_key = ? AND action = 'create' AND state = 'parked' RETURNING id

-- name: order_moved
-- A work order follows its create, unless the service has told of a later status already.
UPDATE work_order SET status = ?1, changed_at = ?2
WHERE (status = 'pending' OR (status = 'parked' AND ?1 = 'sent')) AND key = (SELECT order_key FROM outbox WHERE id = ?3 AND action = 'create')

-- name: counts
-- How many wait, since when, and how many were given up.
SELECT (SELECT count(*) FROM outbox WHERE state = 'pending'),
       (SELECT min(created_at) FROM outbox WHERE state = 'pending'),
       (SELECT count(*) FROM outbox WHERE state = 'parked'),
       (SELECT count(*) FROM outbox WHERE state = 'delivered')

-- name: pending
-- How many wait.
SELECT count(*), min(created_at) FROM outbox WHERE state = 'pending'

-- name: followed
-- Tickets whose orders are in hand, the oldest first.
SELECT made.ref, given.key, given.created_at
FROM work_order AS given JOIN outbox AS made ON made.order_key = given.key
WHERE made.action = 'create' AND made.state = 'delivered' AND made.ref IS NOT NULL
  AND given.status NOT IN ('verified', 'rejected', 'cancelled')
ORDER BY given.created_at, given.key LIMIT ?

-- name: knows
-- Whether there is such an order.
SELECT 1 FROM work_order WHERE key = ?

-- name: in_hand
-- Orders in hand, and what became of their creates, the oldest first.
SELECT made.id, given.key, made.level, made.state, made.ref
FROM work_order AS given JOIN outbox AS made ON made.order_key = given.key
WHERE made.action = 'create' AND given.status NOT IN ('verified', 'rejected', 'cancelled')
ORDER BY given.created_at, given.key LIMIT ?
