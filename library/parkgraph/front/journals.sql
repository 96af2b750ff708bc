-- name: epochs_of
-- The epochs of a stream in the order in which they began here, but for those that are being forgotten.
SELECT epoch FROM epochs WHERE stream = :stream AND after_epoch IS NOT -1 ORDER BY rowid;

-- name: audited
-- Without the personal part, and without its salt: it could be guessed with that.
SELECT seq, at, actor, subject, type, body, NULL AS personal, '' AS salt, digest, hash
  FROM journal
 WHERE stream = :stream AND epoch = :epoch AND seq > :seq
 ORDER BY seq
 LIMIT :limit;

-- name: newest_of
-- The lots where something happened last.
SELECT cursors.stream, cursors.epoch, cursors.seq, lots.time_zone
  FROM cursors
  LEFT JOIN journal ON journal.stream = cursors.stream AND journal.epoch = cursors.epoch
                   AND journal.seq = cursors.seq
  LEFT JOIN lots ON lots.lot = cursors.stream
 WHERE cursors.name = 'head' AND cursors.stream IN (SELECT value FROM json_each(:lots))
 ORDER BY journal.at DESC, cursors.stream
 LIMIT :limit;

-- name: time_of
SELECT at FROM journal WHERE stream = :stream AND epoch = :epoch AND seq = :seq;

-- name: newest_rows
-- Of one lot, each with the stay that it is about; those of before a time, and of that time itself
-- where the lot comes after another.
SELECT journal.stream, journal.epoch, journal.seq, journal.at, journal.type, journal.body,
       sessions.space,
       CASE WHEN json_valid(sessions.rate) THEN json_extract(sessions.rate, '$.currency') END AS currency
  FROM journal
  LEFT JOIN sessions ON sessions.lot = journal.stream AND sessions.session = journal.subject
 WHERE journal.stream = :stream AND journal.epoch = :epoch
   AND journal.seq > :first AND journal.seq < :last
   AND (:at IS NULL OR journal.at < :at OR (journal.at = :at AND :stream > :after))
 ORDER BY journal.seq DESC
 LIMIT :limit;
