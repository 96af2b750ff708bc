-- name: lots
-- Every lot that described itself or said how it is, and how far its journal is here.
SELECT known.lot, lots.name, lots.time_zone, cursors.epoch, cursors.seq, down.seq AS down_seq,
       lot_states.body AS state, lot_states.received_at
  FROM (SELECT lot FROM lots UNION SELECT lot FROM lot_states) AS known
  LEFT JOIN lots ON lots.lot = known.lot
  LEFT JOIN cursors ON cursors.stream = known.lot AND cursors.name = 'head'
  LEFT JOIN cursors AS down ON down.stream = known.lot || '/cloud' AND down.name = 'head'
  LEFT JOIN lot_states ON lot_states.lot = known.lot
 ORDER BY known.lot
 LIMIT :limit;

-- name: counts
-- A vehicle inside still holds its space, so only as many stays are read as there are spaces.
SELECT (SELECT COUNT(*) FROM spaces WHERE lot = :lot AND is_listed = 1) AS spaces,
       (SELECT COUNT(holder) FROM spaces WHERE lot = :lot) AS held,
       (SELECT COUNT(*) FROM sessions WHERE lot = :lot AND state = 'allotted') AS lent,
       (SELECT COUNT(*) FROM spaces
          JOIN sessions ON sessions.lot = spaces.lot AND sessions.session = spaces.holder
         WHERE spaces.lot = :lot AND sessions.state IN ('parked', 'leaving')) AS inside,
       (SELECT COUNT(*) FROM dead_letters WHERE stream IN (:lot, :lot || '/cloud')) AS dead_letters;

-- name: squares
SELECT spaces.space,
       CASE WHEN spaces.holder IS NULL THEN 'free'
            WHEN sessions.state = 'allotted' THEN 'lent'
            ELSE 'held' END AS word
  FROM spaces
  LEFT JOIN sessions ON sessions.lot = spaces.lot AND sessions.session = spaces.holder
 WHERE spaces.lot = :lot AND (spaces.is_listed = 1 OR spaces.holder IS NOT NULL)
 ORDER BY spaces.space
 LIMIT :limit;

-- name: conflicts
-- What a person has to look at, the newest first.
SELECT session, what FROM conflicts WHERE lot = :lot ORDER BY at DESC, session LIMIT :limit;

-- name: events
-- The newest rows of the journal, each with the stay that it is about.
SELECT journal.seq, journal.at, journal.type, journal.body, journal.personal,
       sessions.plate, sessions.vin, sessions.space,
       json_extract(sessions.rate, '$.currency') AS currency
  FROM journal
  LEFT JOIN sessions ON sessions.lot = journal.stream AND sessions.session = journal.subject
 WHERE journal.stream = :lot AND journal.epoch = :epoch
 ORDER BY journal.seq DESC
 LIMIT :limit;
