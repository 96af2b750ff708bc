-- name: session
SELECT * FROM sessions WHERE lot = :lot AND session = :session AND state <> 'allotted';

-- name: ask
SELECT fingerprint, heard_epoch, heard_seq FROM asks WHERE ask = :ask;

-- name: newest_ask
-- What the lot was last asked about a stay.
SELECT heard_epoch, heard_seq FROM asks
 WHERE lot = :lot AND session = :session AND asked_at > :since
 ORDER BY asked_at DESC
 LIMIT 1;

-- name: put_ask
INSERT INTO asks (ask, fingerprint, lot, session, heard_epoch, heard_seq, asked_at)
VALUES (:ask, :fingerprint, :lot, :session, :epoch, :seq, :at);

-- name: forget_asks
DELETE FROM asks
 WHERE ask IN (SELECT ask FROM asks WHERE asked_at < :before ORDER BY asked_at LIMIT :limit);

-- name: said_since
-- What a lot said of a stay after a row, and in a later epoch where it has begun one.
SELECT journal.type, journal.actor, journal.body
  FROM cursors AS head
  JOIN journal ON journal.stream = head.stream AND journal.epoch = head.epoch
              AND journal.seq > CASE WHEN head.epoch = :epoch THEN :seq ELSE 0 END
 WHERE head.stream = :lot AND head.name = 'head'
   AND journal.subject = :session
   AND journal.type IN ('session_ended', 'session_cancelled', 'session_extended', 'session_voided',
                        'no_show_declared', 'conflict_found')
 ORDER BY journal.seq
 LIMIT 32;
