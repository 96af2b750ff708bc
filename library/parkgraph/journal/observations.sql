-- name: listed_spaces
SELECT space FROM spaces WHERE lot = :lot AND is_listed = 1;

-- name: put_observation
INSERT INTO observations (lot, space, is_occupied, observed_at)
VALUES (:lot, :space, :is_occupied, :at)
ON CONFLICT (lot, space) DO UPDATE
   SET is_occupied = excluded.is_occupied, observed_at = excluded.observed_at;

-- name: recently_occupied
SELECT space FROM observations
 WHERE lot = :lot AND is_occupied = 1 AND observed_at > :since AND observed_at <= :now;
