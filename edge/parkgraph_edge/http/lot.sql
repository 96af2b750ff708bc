-- name: count_spaces
-- For people: counts rows without a look at their digests. Where a sensor sees somebody is not free.
SELECT space_class, COUNT(*) AS spaces,
       COUNT(*) FILTER (WHERE holder IS NULL
                          AND space NOT IN (SELECT value FROM json_each(:occupied))) AS free
  FROM spaces
 WHERE lot = :lot AND is_listed = 1
 GROUP BY space_class;
