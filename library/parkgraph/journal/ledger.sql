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
SELECT * FROM lots WHERE lot = :lot;

-- name: rate_card_of
SELECT * FROM rate_cards WHERE lot = :lot;

-- name: keys_of
SELECT * FROM keys WHERE lot = :lot ORDER BY key;

-- name: barred_keys_of
SELECT * FROM barred_keys WHERE lot = :lot ORDER BY key;

-- name: boots_to_tell
-- The newest, and all from the first one in which the vehicle of an open stay came.
SELECT * FROM boots
 WHERE lot = :lot
   AND number >= COALESCE(
       (SELECT MIN(entered.number)
          FROM sessions
          JOIN boots AS entered ON entered.lot = sessions.lot AND entered.boot = sessions.entered_boot
         WHERE sessions.lot = :lot
           AND sessions.state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')),
       (SELECT MAX(number) FROM boots WHERE lot = :lot))
 ORDER BY number;

-- name: sessions_to_tell
-- Open stays, and those that rows which nobody acknowledged were about.
SELECT * FROM sessions
 WHERE lot = :lot
   AND (state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
        OR session IN (SELECT subject FROM journal
                        WHERE stream = :lot AND epoch = :epoch AND seq > :seq))
 ORDER BY session;

-- name: epoch_after
-- The epoch that follows on a row or an earlier one of its epoch; on nothing, the first one.
SELECT epoch FROM epochs
 WHERE stream = :stream AND after_epoch IS :epoch AND (after_seq IS :seq OR after_seq <= :seq);

-- name: place_of_successor
-- The row on which our next epoch follows, where that is before a row that a copy has.
SELECT journal.epoch, journal.seq, journal.hash
  FROM epochs
  JOIN journal ON journal.stream = epochs.stream AND journal.epoch = epochs.after_epoch
              AND journal.seq = epochs.after_seq
 WHERE epochs.stream = :stream AND epochs.after_epoch = :epoch AND epochs.after_seq <= :seq;

-- name: age_epochs
UPDATE epochs SET age_minutes = age_minutes + :minutes WHERE stream = :stream;

-- name: age_of
SELECT age_minutes FROM epochs WHERE stream = :stream AND epoch = :epoch;

-- name: first_ended_epoch
-- The first epoch of a stream, where another has followed on it for so long.
SELECT first.epoch
  FROM epochs AS first
  JOIN epochs AS next ON next.stream = first.stream AND next.after_epoch = first.epoch
 WHERE first.stream = :stream AND first.after_epoch IS NULL AND next.age_minutes >= :kept;

-- name: has_dead_letter
SELECT 1 FROM dead_letters WHERE stream = :stream AND epoch = :epoch LIMIT 1;

-- name: forget_predecessor
UPDATE epochs SET after_epoch = NULL, after_seq = NULL
 WHERE stream = :stream AND after_epoch = :epoch;

-- name: forget_epoch
-- It follows on no row and none on it: its rows are being deleted.
UPDATE epochs SET after_epoch = -1 WHERE stream = :stream AND epoch = :epoch;

-- name: forgotten_epoch
SELECT epoch FROM epochs WHERE stream = :stream AND after_epoch = -1 LIMIT 1;

-- name: prune_rows
-- The last ones, so that those which are still there verify.
DELETE FROM journal
 WHERE stream = :stream AND epoch = :epoch
   AND seq IN (SELECT seq FROM journal
                WHERE stream = :stream AND epoch = :epoch ORDER BY seq DESC LIMIT :most);

-- name: end_pruning
DELETE FROM epochs WHERE stream = :stream AND epoch = :epoch;

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
SELECT MIN(seq) AS seq FROM dead_letters
 WHERE stream = :stream AND subject = :subject AND (:epoch IS NULL OR epoch = :epoch);

-- name: answer
SELECT fingerprint, answer FROM answers WHERE request = :request;

-- name: keep_answer
INSERT INTO answers (request, fingerprint, answer, answered_at)
VALUES (:request, :fingerprint, :answer, :at);

-- name: forget_answers
DELETE FROM answers
 WHERE request IN (SELECT request FROM answers WHERE answered_at < :before
                    ORDER BY answered_at LIMIT :limit);
