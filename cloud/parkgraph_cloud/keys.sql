-- name: key
-- A key of the cloud's; else one of which only lots know.
SELECT terms FROM keys
 WHERE key = :key
   AND NOT EXISTS (SELECT 1 FROM barred_keys WHERE lot = :cloud AND barred_keys.key = keys.key)
 ORDER BY lot <> :cloud, lot
 LIMIT 1;

-- name: working_keys
-- Those of one fleet, or all, that are neither revoked nor over; the newest first.
SELECT key, terms FROM keys
 WHERE lot = :cloud
   AND NOT EXISTS (SELECT 1 FROM barred_keys WHERE lot = :cloud AND barred_keys.key = keys.key)
   AND (:fleet IS NULL OR json_extract(terms, '$.fleet') = :fleet)
   AND (json_extract(terms, '$.expires_at') IS NULL OR json_extract(terms, '$.expires_at') > :now)
 ORDER BY json_extract(terms, '$.created_at') DESC, key DESC
 LIMIT :limit;

-- name: untold_keys
-- The keys that a lot was not told, or not that they end so soon; none that is new to it and over. Of
-- the terms only the end ever changes, and it only comes nearer: where a lot knows of an earlier one,
-- the cloud was restored. A lot that is older may keep less of the terms.
SELECT keys.key, keys.terms
  FROM keys
  LEFT JOIN keys AS told ON told.lot = :lot AND told.key = keys.key
 WHERE keys.lot = :cloud
   AND NOT EXISTS (SELECT 1 FROM barred_keys WHERE lot = :cloud AND barred_keys.key = keys.key)
   AND CASE WHEN json_extract(keys.terms, '$.is_test') THEN :takes_test ELSE :takes_live END
   AND CASE WHEN told.key IS NULL
            THEN json_extract(keys.terms, '$.expires_at') IS NULL
                 OR json_extract(keys.terms, '$.expires_at') > :now
            ELSE json_extract(keys.terms, '$.expires_at')
                 < COALESCE(json_extract(told.terms, '$.expires_at'), '~') END
 ORDER BY keys.key
 LIMIT :limit;

-- name: untold_revocations
-- The revoked keys that a lot takes still. One that it was never told it does not take.
SELECT barred_keys.key
  FROM barred_keys
  JOIN keys AS told ON told.lot = :lot AND told.key = barred_keys.key
  LEFT JOIN barred_keys AS heard ON heard.lot = :lot AND heard.key = barred_keys.key
 WHERE barred_keys.lot = :cloud AND heard.key IS NULL
 ORDER BY barred_keys.key
 LIMIT :limit;

-- name: revoked_at_lots
-- The keys that a lot knows to be revoked and the cloud does not.
SELECT DISTINCT barred_keys.key
  FROM barred_keys
  LEFT JOIN barred_keys AS own ON own.lot = :cloud AND own.key = barred_keys.key
 WHERE own.key IS NULL
 ORDER BY barred_keys.key
 LIMIT :limit;

-- name: lots
SELECT lot, description FROM lots ORDER BY lot;

-- name: description
SELECT description FROM lots WHERE lot = :lot;
