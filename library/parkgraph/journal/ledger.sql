-- name: head
SELECT epoch, seq, hash FROM cursors WHERE stream = :stream AND name = :name;

-- name: put_head
INSERT INTO cursors (stream, name, epoch, seq, hash) VALUES (:stream, :name, :epoch, :seq, :hash)
ON CONFLICT (stream, name) DO UPDATE
   SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash;

-- name: append
INSERT INTO journal (stream, epoch, seq, at, actor, subject, type, body, personal, salt, digest, hash)
VALUES (:stream, :epoch, :seq, :at, :actor, :subject, :type, :body, :personal, :salt, :digest, :hash);

-- name: rows_after
-- The next rows of one epoch, in order.
SELECT seq, at, actor, subject, type, body, personal, salt, digest, hash
  FROM journal
 WHERE stream = :stream AND epoch = :epoch AND seq > :seq
 ORDER BY seq
 LIMIT :limit;

-- name: row_at
SELECT hash FROM journal WHERE stream = :stream AND epoch = :epoch AND seq = :seq;

-- name: put_epoch
INSERT INTO epochs (stream, epoch, after_epoch, after_seq)
VALUES (:stream, :epoch, :after_epoch, :after_seq);

-- name: epoch
SELECT after_epoch, after_seq FROM epochs WHERE stream = :stream AND epoch = :epoch;

-- name: description_of
SELECT description FROM lots WHERE lot = :lot;

-- name: sessions_to_tell
-- Open stays, and those that rows which nobody acknowledged were about.
SELECT * FROM sessions
 WHERE lot = :lot
   AND (state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
        OR session IN (SELECT subject FROM journal
                        WHERE stream = :lot AND epoch = :epoch AND seq > :seq))
 ORDER BY session;

-- name: epoch_after
-- The epoch that follows on a row; on nothing, the first one.
SELECT epoch FROM epochs
 WHERE stream = :stream AND after_epoch IS :epoch AND after_seq IS :seq;

-- name: forget_head
DELETE FROM cursors WHERE stream = :stream AND name = :name;

-- name: put_dead_letter
INSERT INTO dead_letters (stream, epoch, seq, subject, why)
VALUES (:stream, :epoch, :seq, :subject, :why)
ON CONFLICT DO NOTHING;

-- name: dead_letters
SELECT epoch, seq, subject, why FROM dead_letters WHERE stream = :stream ORDER BY seq LIMIT :limit;

-- name: forget_dead_letters
DELETE FROM dead_letters WHERE stream = :stream;

-- name: dead_letter_of_subject
SELECT MIN(seq) AS seq FROM dead_letters WHERE stream = :stream AND subject = :subject;
