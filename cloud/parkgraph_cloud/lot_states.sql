-- name: state
SELECT body, received_at FROM lot_states WHERE lot = :lot;

-- name: count_free
SELECT space_class, COUNT(*) AS spaces, COUNT(*) FILTER (WHERE holder IS NULL) AS free
  FROM spaces
 WHERE lot = :lot AND is_listed = 1
 GROUP BY space_class
 ORDER BY space_class;
