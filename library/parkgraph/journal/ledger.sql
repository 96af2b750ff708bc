-- name: head
SELECT epoch, seq, hash FROM cursors WHERE lot = :lot AND name = :name;

-- name: put_head
INSERT INTO cursors (lot, name, epoch, seq, hash) VALUES (:lot, :name, :epoch, :seq, :hash)
ON CONFLICT (lot, name) DO UPDATE
   SET epoch = excluded.epoch, seq = excluded.seq, hash = excluded.hash;

-- name: append
INSERT INTO journal (lot, epoch, seq, at, actor, subject, type, body, personal, salt, digest, hash)
VALUES (:lot, :epoch, :seq, :at, :actor, :subject, :type, :body, :personal, :salt, :digest, :hash);

-- name: rows_after
-- The next rows of one epoch, in order.
SELECT seq, at, actor, subject, type, body, personal, salt, digest, hash
  FROM journal
 WHERE lot = :lot AND epoch = :epoch AND seq > :seq
 ORDER BY seq
 LIMIT :limit;

-- name: row_at
SELECT hash FROM journal WHERE lot = :lot AND epoch = :epoch AND seq = :seq;

-- name: put_dead_letter
INSERT INTO dead_letters (lot, epoch, seq, why) VALUES (:lot, :epoch, :seq, :why);
