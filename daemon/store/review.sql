-- name: born
-- When this ledger began: its first ruleset, or the first thing that it tells of.
SELECT min(coalesce((SELECT min(loaded_at) FROM ruleset), 9223372036854775807),
           coalesce((SELECT at FROM audit ORDER BY id LIMIT 1), 9223372036854775807),
           coalesce((SELECT min(active_at) FROM alarm), 9223372036854775807))

-- name: last
-- The newest moment of which it tells.
SELECT max(coalesce((SELECT at FROM journal ORDER BY seq DESC LIMIT 1), 0),
           coalesce((SELECT max(at) FROM snapshot), 0),
           coalesce((SELECT at FROM audit ORDER BY id DESC LIMIT 1), 0),
           coalesce((SELECT max(created_at) FROM work_order), 0))

-- name: orders
-- Work orders created in a span, the oldest first.
SELECT key, alarm_no, asset, rule, level, status, created_at, changed_by, team, body, course FROM work_order
WHERE created_at >= ? AND created_at < ? ORDER BY created_at, key

-- name: events
-- What happened to the orders created in a span.
SELECT e.order_key, e.at, e.occasion, e.promise, e.by FROM order_event AS e JOIN work_order AS w ON w.key = e.order_key
WHERE w.created_at >= ? AND w.created_at < ? ORDER BY e.id

-- name: alarms
-- Alarms that opened in a span, with the rule of the alarm on whose order each stands.
SELECT a.no, a.rule, a.asset, a.level, a.disposition, a.active_at, a.cleared_at, p.rule
FROM alarm AS a LEFT JOIN alarm AS p ON p.no = a.parent
WHERE a.active_at >= ? AND a.active_at < ? ORDER BY a.no

-- name: mutes
-- What was muted at some time of a span.
SELECT id, kind, rule, asset, level, since, coalesce(ended_at, until), user, reason FROM mute
WHERE since < ?2 AND coalesce(ended_at, until) > ?1 ORDER BY since, id

-- name: told
-- Deliveries of notices about the orders created in a span, by channel and state.
SELECT d.channel, d.state, count(*) FROM notice_delivery AS d JOIN notice AS n ON n.id = d.notice_id
JOIN work_order AS w ON w.key = n.order_key
WHERE w.created_at >= ? AND w.created_at < ? GROUP BY d.channel, d.state ORDER BY d.channel, d.state

-- name: notices
-- Notices about the orders created in a span: all, those for which no channel is configured, those not handed on yet.
SELECT count(*), coalesce(sum(n.addressed = 1 AND n.channels = 0), 0), coalesce(sum(n.addressed = 0), 0)
FROM notice AS n JOIN work_order AS w ON w.key = n.order_key WHERE w.created_at >= ? AND w.created_at < ?

-- name: undelivered
-- Notices about the orders created in a span that a channel has given up or not delivered yet.
SELECT n.order_key, n.at, n.occasion, d.channel, d.state, d.last_error FROM notice_delivery AS d
JOIN notice AS n ON n.id = d.notice_id JOIN work_order AS w ON w.key = n.order_key
WHERE w.created_at >= ? AND w.created_at < ? AND d.state != 'delivered' ORDER BY n.at, d.id LIMIT ?

-- name: escalated
-- Roles that were told of a missed deadline of the orders created in a span.
SELECT role.value, count(*) FROM notice AS n JOIN work_order AS w ON w.key = n.order_key,
  json_each(CAST(n.roles AS TEXT)) AS role
WHERE w.created_at >= ? AND w.created_at < ? AND n.occasion = 'overdue' GROUP BY role.value
