-- name: mark
-- How far a sink was served.
SELECT live_seq, values_written, lines_rejected FROM forward_mark WHERE sink = ?

-- name: gaps
-- What was passed over, oldest first.
SELECT from_seq, to_seq FROM forward_gap WHERE sink = ? ORDER BY from_seq

-- name: advance
-- Move the mark and add to the totals.
INSERT INTO forward_mark (sink, live_seq, values_written, lines_rejected) VALUES (?, ?, ?, ?)
ON CONFLICT (sink) DO UPDATE SET live_seq = excluded.live_seq,
  values_written = values_written + excluded.values_written,
  lines_rejected = lines_rejected + excluded.lines_rejected

-- name: forget_gaps
-- The gaps are few and written anew each time.
DELETE FROM forward_gap WHERE sink = ?

-- name: add_gap
-- One piece of the backlog.
INSERT INTO forward_gap (sink, from_seq, to_seq) VALUES (?, ?, ?)

-- name: forwarded
-- The highest row up to which every sink has everything.
SELECT min(coalesce((SELECT min(from_seq) - 1 FROM forward_gap AS gap WHERE gap.sink = mark.sink), live_seq))
FROM forward_mark AS mark
