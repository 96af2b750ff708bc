-- name: streams
-- Every epoch of every stream, in the order in which they began here.
SELECT stream, epoch, after_epoch, after_seq FROM epochs ORDER BY rowid;

-- name: cursors
SELECT stream, name, epoch, seq, hash FROM cursors ORDER BY stream, name;

-- name: newest_rows
SELECT seq, at, actor, subject, type, body, personal, salt, digest, hash
  FROM journal
 WHERE stream = :stream AND epoch = :epoch
 ORDER BY seq DESC
 LIMIT 2;

-- name: dead_letters
SELECT stream, epoch, seq, subject, why FROM dead_letters ORDER BY stream, epoch, seq;

-- name: live_lots
SELECT * FROM lots WHERE lot = :lot;

-- name: live_spaces
-- Each space and the stay that holds it: all that can still come or leave.
SELECT sessions.*, spaces.*
  FROM spaces
  LEFT JOIN sessions ON sessions.lot = spaces.lot AND sessions.session = spaces.holder
 WHERE spaces.lot = :lot;

-- name: live_keypads
SELECT * FROM keypads WHERE lot = :lot;

-- name: live_barred_keys
SELECT * FROM barred_keys WHERE lot = :lot;

-- name: live_keys
SELECT * FROM keys WHERE lot = :lot;

-- name: live_rate_cards
SELECT * FROM rate_cards WHERE lot = :lot;

-- name: live_boots
SELECT * FROM boots WHERE lot = :lot;

-- name: live_admissions
SELECT * FROM admissions WHERE lot = :lot AND outcome IS NULL;

-- name: live_orders
SELECT * FROM orders WHERE lot = :lot AND outcome IS NULL;

-- name: journal
-- By rowid, so that the table itself is read and not its index. Rows were appended in order.
SELECT *, rowid AS place FROM journal WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: lots
SELECT *, rowid AS place FROM lots WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: spaces
SELECT *, rowid AS place FROM spaces WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: sessions
SELECT *, rowid AS place FROM sessions WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: boots
SELECT *, rowid AS place FROM boots WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: admissions
SELECT *, rowid AS place FROM admissions WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: orders
SELECT *, rowid AS place FROM orders WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: keypads
SELECT *, rowid AS place FROM keypads WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: conflicts
SELECT *, rowid AS place FROM conflicts WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: barred_keys
SELECT *, rowid AS place FROM barred_keys WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: keys
SELECT *, rowid AS place FROM keys WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: rate_cards
SELECT *, rowid AS place FROM rate_cards WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: agents
SELECT *, rowid AS place FROM agents WHERE rowid > :after ORDER BY rowid LIMIT :limit;

-- name: told_before
-- The rows before a place, newest first, each with the stay that it is about.
SELECT journal.*, journal.rowid AS place,
       sessions.plate, sessions.vin, sessions.space,
       CASE WHEN json_valid(sessions.rate) THEN json_extract(sessions.rate, '$.currency') END AS currency
  FROM journal
  LEFT JOIN sessions ON sessions.session = journal.subject
 WHERE journal.rowid < :before
 ORDER BY journal.rowid DESC
 LIMIT :limit;

-- name: told_after
SELECT journal.*, journal.rowid AS place,
       sessions.plate, sessions.vin, sessions.space,
       CASE WHEN json_valid(sessions.rate) THEN json_extract(sessions.rate, '$.currency') END AS currency
  FROM journal
  LEFT JOIN sessions ON sessions.session = journal.subject
 WHERE journal.rowid > :after
 ORDER BY journal.rowid
 LIMIT :limit;

-- name: exported
SELECT stream, epoch, seq, at, actor, subject, type, body, personal, salt, digest, hash
  FROM journal
 WHERE stream = :stream AND epoch = :epoch AND seq >= :since
 ORDER BY seq;

-- name: conflicts_told
SELECT session, kind, what, at FROM conflicts ORDER BY at, session, kind;

-- name: time_zone
SELECT lot, time_zone FROM lots LIMIT 1;

-- name: counts
SELECT (SELECT COUNT(*) FROM dead_letters) AS set_aside, (SELECT COUNT(*) FROM conflicts) AS conflicts;
