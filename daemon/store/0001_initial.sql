-- Journal: every input in commit order. Kind is the letter of daemon/store/journal.py, body its JSON.
CREATE TABLE journal (
  seq  INTEGER PRIMARY KEY,
  at   INTEGER NOT NULL,            -- site time, ms since 1970
  kind TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;

-- What the rules made of an observation's readings: values of derived points, for the time series. Empty on a site
-- without any. Written in the transaction of its row and never by a replay.
CREATE TABLE computed (
  seq  INTEGER PRIMARY KEY,         -- of the journal row
  body BLOB NOT NULL                -- as the body of an observation
) STRICT;

-- Broker deliveries contained in a commit, so that a redelivery is recognised: u16 packet id + u64 hash each.
CREATE TABLE taken (
  id      INTEGER PRIMARY KEY,
  source  TEXT NOT NULL,
  session TEXT NOT NULL,
  packets BLOB NOT NULL,
  entries INTEGER NOT NULL
) STRICT;
CREATE INDEX taken_by_source ON taken (source, id);

-- What arrived and was no reading; bounded, oldest out first.
CREATE TABLE quarantine (
  id      INTEGER PRIMARY KEY,
  seq     INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  place   TEXT NOT NULL,
  reason  TEXT NOT NULL,
  detail  TEXT NOT NULL,
  payload BLOB NOT NULL
) STRICT;

-- Inputs at which processing died, by what they say: the third try is quarantined. Another version of the program
-- tries them again.
CREATE TABLE death (
  fingerprint INTEGER PRIMARY KEY,
  program     TEXT NOT NULL,
  count       INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  error       TEXT NOT NULL
) STRICT;

-- Engine state as of a journal row; the last two are kept.
CREATE TABLE snapshot (
  seq        INTEGER PRIMARY KEY,
  at         INTEGER NOT NULL,
  version    INTEGER NOT NULL,
  rules_hash TEXT NOT NULL,
  body       BLOB NOT NULL
) STRICT;

-- Every ruleset that a journal row may name, whole: a replay runs under the rules of its day.
CREATE TABLE ruleset (
  hash      TEXT PRIMARY KEY,
  loaded_at INTEGER NOT NULL,
  body      BLOB NOT NULL
) STRICT;

-- Alarms from their activation on; `no` is never used again.
CREATE TABLE alarm (
  no              INTEGER PRIMARY KEY AUTOINCREMENT,
  rule            TEXT NOT NULL,
  asset           TEXT NOT NULL,
  state           TEXT NOT NULL,
  level           INTEGER NOT NULL,
  data            TEXT NOT NULL,
  disposition     TEXT NOT NULL,
  active_at       INTEGER NOT NULL,
  cleared_at      INTEGER,
  order_key       TEXT,
  acknowledged_by TEXT,
  parent          INTEGER,          -- of a child: the alarm on whose order it stands
  held_until      INTEGER,          -- when its disposition is decided anew
  decided_at      INTEGER NOT NULL, -- when it got its disposition, by the inputs' time
  ordinary        INTEGER NOT NULL  -- its order counts towards a storm
) STRICT;
CREATE UNIQUE INDEX one_open_alarm ON alarm (rule, asset) WHERE state != 'cleared';
CREATE INDEX alarm_by_rule ON alarm (rule, asset, active_at);
CREATE INDEX alarm_by_decision ON alarm (decided_at);
CREATE INDEX alarm_by_end ON alarm (cleared_at);
CREATE INDEX alarm_by_asset ON alarm (asset, active_at);
CREATE INDEX alarm_by_parent ON alarm (parent) WHERE parent IS NOT NULL;

-- Children that have not been written on their parent's order yet.
CREATE TABLE unwritten (
  child   INTEGER PRIMARY KEY REFERENCES alarm (no),
  parent  INTEGER NOT NULL REFERENCES alarm (no),
  note_at INTEGER NOT NULL
) STRICT;

-- What persons have muted for a time: one alarm (shelve), or all of an asset (maintain; `*`: of the site).
CREATE TABLE mute (
  id       INTEGER PRIMARY KEY,
  kind     TEXT NOT NULL,
  rule     TEXT NOT NULL,             -- empty: every rule
  asset    TEXT NOT NULL,
  level    INTEGER NOT NULL,          -- what is more urgent is not muted
  since    INTEGER NOT NULL,
  until    INTEGER NOT NULL,
  user     TEXT NOT NULL,
  reason   TEXT NOT NULL,
  ended_at INTEGER
) STRICT;
CREATE INDEX mute_in_force ON mute (id) WHERE ended_at IS NULL;

-- Each change of an alarm, with the numbers it stood on.
CREATE TABLE transition (
  id       INTEGER PRIMARY KEY,
  seq      INTEGER NOT NULL,
  alarm_no INTEGER NOT NULL REFERENCES alarm (no),
  at       INTEGER NOT NULL,
  seen_at  INTEGER NOT NULL,
  before   TEXT NOT NULL,
  after    TEXT NOT NULL,
  level    INTEGER NOT NULL,
  cause    TEXT NOT NULL,
  observed BLOB NOT NULL
) STRICT;
CREATE INDEX transition_by_alarm ON transition (alarm_no);

-- Work orders (预投诉工单): our intent. `ref` names the ticket once there is one.
CREATE TABLE work_order (
  key        TEXT PRIMARY KEY,
  alarm_no   INTEGER NOT NULL REFERENCES alarm (no),
  asset      TEXT NOT NULL,
  rule       TEXT NOT NULL,
  level      INTEGER NOT NULL,
  status     TEXT NOT NULL,
  created_at INTEGER NOT NULL,
  respond_by INTEGER NOT NULL,
  changed_at INTEGER NOT NULL,
  changed_by TEXT NOT NULL DEFAULT '',
  team       TEXT NOT NULL DEFAULT '', -- to which the ticketing service has given it; empty: it told none
  body       BLOB NOT NULL,
  course     BLOB NOT NULL,            -- how it is going, see workorders/course.py
  next_at    INTEGER                   -- when time alone does something to it
) STRICT;
CREATE INDEX order_next ON work_order (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX order_by_rule ON work_order (rule, asset, created_at);
CREATE INDEX order_by_alarm ON work_order (alarm_no);
CREATE INDEX order_by_creation ON work_order (created_at);
CREATE INDEX order_in_hand ON work_order (created_at) WHERE status NOT IN ('verified', 'rejected', 'cancelled');
CREATE INDEX order_by_asset ON work_order (asset, created_at);

-- The timeline of each order.
CREATE TABLE order_event (
  id        INTEGER PRIMARY KEY,
  order_key TEXT NOT NULL REFERENCES work_order (key),
  at        INTEGER NOT NULL,
  occasion  TEXT NOT NULL,
  promise   TEXT NOT NULL,
  by        TEXT NOT NULL,
  detail    TEXT NOT NULL,
  late      INTEGER NOT NULL
) STRICT;
CREATE INDEX event_by_order ON order_event (order_key, id);

-- What residents complained of, each once: no name, no room; `text` is bounded, and stays here.
CREATE TABLE complaint (
  no         INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL UNIQUE,     -- as its source names it
  made_at    INTEGER NOT NULL,
  taken_at   INTEGER NOT NULL,         -- site time at which the gateway learnt of it
  asset      TEXT NOT NULL,            -- of the site; empty: nobody could tell
  said_asset TEXT NOT NULL,
  building   TEXT NOT NULL,
  asset_kind TEXT NOT NULL,
  category   TEXT NOT NULL,
  urgency    TEXT NOT NULL,
  channel    TEXT NOT NULL,
  text       TEXT NOT NULL,
  outcome    TEXT NOT NULL,            -- preempted | during | missed | left_out, see workorders/complaints.py
  order_key  TEXT NOT NULL,            -- the order that had come before it; empty: none
  lead       INTEGER,                  -- by how much, ms
  noted_on   TEXT NOT NULL             -- the open order to which it belongs; empty: none
) STRICT;
CREATE INDEX complaint_by_asset ON complaint (asset, made_at);
CREATE INDEX complaint_by_time ON complaint (made_at);
CREATE INDEX complaint_by_order ON complaint (noted_on) WHERE noted_on != '';

-- Append-only: what persons and reloads did.
CREATE TABLE audit (
  id     INTEGER PRIMARY KEY,
  at     INTEGER NOT NULL,
  user   TEXT NOT NULL,
  action TEXT NOT NULL,
  target TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;
CREATE INDEX audit_of_reloads ON audit (at) WHERE action = 'reload';

-- Small facts: ledger_id, sessions, subscriptions, cursors, counters.
CREATE TABLE fact (
  name  TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT;

-- Deliveries to the ticketing service, in order per work order; `level` is the order's, I first.
CREATE TABLE outbox (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  order_key    TEXT NOT NULL,
  action       TEXT NOT NULL,             -- create | update | recover | chart
  level        INTEGER NOT NULL,
  body         BLOB NOT NULL,             -- JSON, sent byte for byte each time
  state        TEXT NOT NULL DEFAULT 'pending',
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_at      INTEGER NOT NULL,
  last_error   TEXT NOT NULL DEFAULT '',
  created_at   INTEGER NOT NULL,
  delivered_at INTEGER,
  ref          TEXT,                      -- of a delivered create: the ticket's reference
  tried_at     INTEGER,                   -- it may have been taken without our knowing: when it was last asked for
  repeats      INTEGER NOT NULL DEFAULT 0, -- how often it was asked for again all the same
  insist       INTEGER NOT NULL DEFAULT 0, -- of a create: rather two tickets than none
  taken        INTEGER NOT NULL DEFAULT 0, -- of a create: it was taken, and its reference is searched for
  look_at      INTEGER                    -- of a delivered create: when a second ticket is looked for
) STRICT;
CREATE INDEX outbox_by_order ON outbox (order_key, id);
CREATE INDEX outbox_waiting ON outbox (level, id) WHERE state = 'pending';
CREATE INDEX outbox_untried ON outbox (level, id) WHERE state = 'pending' AND attempts = 0;
CREATE INDEX outbox_parked ON outbox (id) WHERE state = 'parked';
CREATE INDEX outbox_second_look ON outbox (look_at) WHERE look_at IS NOT NULL;

-- What each sink has been given: every row up to live_seq that lies in no gap.
CREATE TABLE forward_mark (
  sink           TEXT PRIMARY KEY,
  live_seq       INTEGER NOT NULL,
  values_written INTEGER NOT NULL,
  lines_rejected INTEGER NOT NULL
) STRICT;
CREATE TABLE forward_gap (
  sink     TEXT NOT NULL REFERENCES forward_mark (sink),
  from_seq INTEGER NOT NULL,
  to_seq   INTEGER NOT NULL,
  PRIMARY KEY (sink, from_seq)
) STRICT, WITHOUT ROWID;

-- What people are to be told about an order; handed to channels by a job of its own.
CREATE TABLE notice (
  id        INTEGER PRIMARY KEY AUTOINCREMENT,
  order_key TEXT NOT NULL,
  occasion  TEXT NOT NULL,
  roles     BLOB NOT NULL,              -- JSON list
  level     INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  body      BLOB NOT NULL,
  addressed INTEGER NOT NULL DEFAULT 0,
  channels  INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX notice_by_order ON notice (order_key);
CREATE INDEX notice_unaddressed ON notice (id) WHERE addressed = 0;
CREATE TABLE notice_delivery (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  notice_id    INTEGER NOT NULL REFERENCES notice (id),
  channel      TEXT NOT NULL,
  level        INTEGER NOT NULL,
  state        TEXT NOT NULL DEFAULT 'pending',
  attempts     INTEGER NOT NULL DEFAULT 0,
  next_at      INTEGER NOT NULL,
  last_error   TEXT NOT NULL DEFAULT '',
  delivered_at INTEGER
) STRICT;
CREATE INDEX notice_delivery_by_notice ON notice_delivery (notice_id);
CREATE INDEX notice_waiting ON notice_delivery (channel, level, id) WHERE state = 'pending';

-- Charts of orders. Asked for in the transaction that decided; drawn later from the journal rows up to `seq`.
CREATE TABLE chart (
  id        INTEGER PRIMARY KEY,
  order_key TEXT NOT NULL REFERENCES work_order (key),
  occasion  TEXT NOT NULL,             -- opened | recovered | reopened | verified
  seq       INTEGER NOT NULL,
  at        INTEGER NOT NULL,
  plan      BLOB NOT NULL,             -- JSON: what it shows, see charts/plan.py
  series    BLOB,                      -- JSON: the readings that it shows; NULL: not read yet, empty: it failed
  noted     INTEGER NOT NULL DEFAULT 0 -- its note was handed to the outbox, or there will be none
) STRICT;
CREATE INDEX chart_by_order ON chart (order_key, id);
CREATE INDEX chart_unread ON chart (id) WHERE series IS NULL;
CREATE INDEX chart_unsent ON chart (id) WHERE noted = 0;
