-- name: sessions_of_fleet
-- By their ids, which sort by time; of that, `first` and `last` are the widest bounds. Times have more
-- or fewer decimals: without the last zeros their texts sort as the times do.
SELECT * FROM sessions
 WHERE fleet = :fleet AND session > :first AND session < :last
   AND state <> 'allotted'
   AND (:lot IS NULL OR lot = :lot)
   AND EXISTS (SELECT 1 FROM json_each(:states) WHERE value = state)
   AND (:since IS NULL OR rtrim(reserved_at, 'Z0.') >= :since)
   AND (:until IS NULL OR rtrim(reserved_at, 'Z0.') < :until)
 ORDER BY session DESC
 LIMIT :limit;

-- name: lots
SELECT * FROM lots ORDER BY lot;
