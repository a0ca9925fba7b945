-- name: born
-- When this ledger began: its first ruleset.
SELECT min(loaded_at) FROM ruleset

-- name: counted
-- Alarms that opened in a span, and those that stood at its end; what ended later had not ended then.
SELECT no, rule, asset, level, disposition, active_at, CASE WHEN cleared_at <= ?2 THEN cleared_at END FROM alarm
WHERE (active_at > ?1 OR state != 'cleared' OR cleared_at > ?2) AND active_at <= ?2 ORDER BY no
