-- name: born
-- When this ledger began: its first ruleset.
SELECT min(loaded_at) FROM ruleset

-- name: counted
-- Alarms that opened in a span, and those that stand now.
SELECT no, rule, asset, level, disposition, active_at, cleared_at FROM alarm
WHERE (active_at > ?1 OR state != 'cleared') AND active_at <= ?2 ORDER BY no
