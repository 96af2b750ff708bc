-- name: sessions_of_fleet
SELECT * FROM sessions
 WHERE fleet = :fleet AND reserved_at >= :since AND (reserved_at, session) < (:until, :before)
   AND state <> 'allotted'
   AND (:lot IS NULL OR lot = :lot)
   AND EXISTS (SELECT 1 FROM json_each(:states) WHERE value = state)
 ORDER BY reserved_at DESC, session DESC
 LIMIT :limit;

-- name: booked_at
SELECT * FROM sessions WHERE session = :session;
