-- name: head
SELECT epoch, seq FROM cursors WHERE stream = :stream AND name = 'head';

-- name: rows_about
-- Some rows of one epoch, as far as they are about one stay.
SELECT seq, at, type, body FROM journal
 WHERE stream = :stream AND epoch = :epoch AND seq > :seq AND seq <= :last AND subject = :session
 ORDER BY seq;
