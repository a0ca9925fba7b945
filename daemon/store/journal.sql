-- name: append
-- One input in commit order.
INSERT INTO journal (seq, at, kind, body) VALUES (?, ?, ?, ?)

-- name: after
-- Everything that a replay needs, oldest first.
SELECT seq, at, kind, body FROM journal WHERE seq > ? ORDER BY seq

-- name: observations
-- A piece of the backlog, oldest first.
SELECT seq, at, journal.body, computed.body FROM journal LEFT JOIN computed USING (seq)
WHERE seq BETWEEN ? AND ? AND kind = 'o' ORDER BY seq LIMIT ?

-- name: compute
-- Values of derived points that follow from a row.
INSERT INTO computed (seq, body) VALUES (?, ?)

-- name: last
-- The highest sequence number known to the file.
SELECT max((SELECT coalesce(max(seq), 0) FROM journal), (SELECT coalesce(max(seq), 0) FROM snapshot))

-- name: last_at
-- Site time of the newest row.
SELECT coalesce((SELECT at FROM journal ORDER BY seq DESC LIMIT 1), (SELECT max(at) FROM snapshot), 0)

-- name: take
-- The deliveries of one commit.
INSERT INTO taken (source, session, packets, entries) VALUES (?, ?, ?, ?)

-- name: taken
-- The newest deliveries of a source first.
SELECT session, packets, entries FROM taken WHERE source = ? ORDER BY id DESC

-- name: prune_taken
-- Packet ids are 16 bits wide: what lies further back than that many deliveries is void.
DELETE FROM taken WHERE source = ?1 AND id < (
  SELECT min(id) FROM (
    SELECT id, sum(entries) OVER (ORDER BY id DESC) - entries AS newer FROM taken WHERE source = ?1
  ) WHERE newer < 65536
)

-- name: quarantine
-- What arrived and was no reading.
INSERT INTO quarantine (seq, at, place, reason, detail, payload) VALUES (?, ?, ?, ?, ?, ?)

-- name: prune_quarantine
-- Keep the newest rows only.
DELETE FROM quarantine WHERE id <= (SELECT max(id) FROM quarantine) - ?

-- name: deaths
-- Inputs at which this program died, and how often.
SELECT fingerprint, count FROM death WHERE program = ?

-- name: die
-- One more death at this input.
INSERT INTO death (fingerprint, program, count, at, error) VALUES (?, ?, 1, ?, ?)
ON CONFLICT (fingerprint) DO UPDATE SET count = CASE program WHEN excluded.program THEN count + 1 ELSE 1 END,
  program = excluded.program, at = excluded.at, error = excluded.error

-- name: forgive
-- It was the input's fault no more than any other's.
DELETE FROM death WHERE fingerprint = ?

-- name: snapshot
-- Engine state as of a row.
INSERT INTO snapshot (seq, at, version, rules_hash, body) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (seq) DO UPDATE SET at = excluded.at, version = excluded.version, rules_hash = excluded.rules_hash, body = excluded.body

-- name: snapshots
-- What a restart may begin with, the newest first.
SELECT seq, at, rules_hash, body FROM snapshot ORDER BY seq DESC

-- name: first_at
-- Site time of the oldest row.
SELECT (SELECT at FROM journal ORDER BY seq LIMIT 1)

-- name: prune_snapshots
-- Two are kept: the newest, and one to fall back on.
DELETE FROM snapshot WHERE seq < (SELECT min(seq) FROM (SELECT seq FROM snapshot ORDER BY seq DESC LIMIT 2))

-- name: ruleset
-- A ruleset by its hash.
SELECT body FROM ruleset WHERE hash = ?

-- name: add_ruleset
-- A ruleset that rows may name from now on.
INSERT INTO ruleset (hash, loaded_at, body) VALUES (?, ?, ?) ON CONFLICT DO NOTHING

-- name: evict
-- The oldest rows up to a sequence number, never one after the older snapshot.
DELETE FROM journal WHERE seq IN (
  SELECT seq FROM journal
  WHERE seq <= ?1 AND seq <= (SELECT coalesce(min(seq), 0) FROM snapshot)
  ORDER BY seq LIMIT ?2
)

-- name: evict_computed
-- What followed from rows that are gone.
DELETE FROM computed WHERE seq < (SELECT coalesce(min(seq), 0) FROM journal)

-- name: piece
-- A piece of everything, oldest first.
SELECT seq, at, kind, body FROM journal WHERE seq > ? ORDER BY seq LIMIT ?

-- name: rulesets
-- Every ruleset that there is.
SELECT hash, body FROM ruleset

-- name: rules_at
-- The ruleset that came into force last, up to a moment; before the first that is known, the oldest snapshot's.
SELECT coalesce(
  (SELECT target FROM audit WHERE action = 'reload' AND at <= ? ORDER BY id DESC LIMIT 1),
  (SELECT rules_hash FROM snapshot ORDER BY seq LIMIT 1)
)
