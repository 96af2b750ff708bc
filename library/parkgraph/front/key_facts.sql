-- name: key_row_after
-- Whether anything was recorded about a key after a row.
SELECT 1 FROM journal
 WHERE stream = :stream AND epoch = :epoch AND seq > :seq
   AND type IN ('key_issued', 'key_revoked', 'key_accepted', 'key_barred')
 LIMIT 1;
