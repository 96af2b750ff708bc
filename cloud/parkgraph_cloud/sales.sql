-- name: lot
SELECT 1 FROM lots WHERE lot = :lot;

-- name: session
SELECT * FROM sessions WHERE lot = :lot AND session = :session;

-- name: session_by_request
SELECT * FROM sessions WHERE lot = :lot AND request = :request LIMIT 1;

-- name: open_session_of_vehicle
-- Two selects, each by its index.
SELECT * FROM sessions
 WHERE lot = :lot AND plate_letters = :letters
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 UNION ALL
SELECT * FROM sessions
 WHERE lot = :lot AND vin = :vin
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 LIMIT 1;

-- name: allotments
SELECT * FROM sessions WHERE lot = :lot AND state = 'allotted' ORDER BY session;

-- name: allotments_of_class
SELECT sessions.*
  FROM sessions
  JOIN spaces ON spaces.lot = sessions.lot AND spaces.space = sessions.space
 WHERE sessions.lot = :lot AND sessions.state = 'allotted' AND spaces.space_class = :space_class
 ORDER BY sessions.session;

-- name: asked
-- When the lot was last asked for allotments.
SELECT at, seq FROM journal
 WHERE stream = :stream AND type = 'allotments_asked'
   AND epoch = (SELECT epoch FROM cursors WHERE stream = :stream AND name = 'head')
 ORDER BY seq DESC
 LIMIT 1;

-- name: sold_since
-- How many the cloud sold after a row of the epoch that its journal is in.
SELECT COUNT(*) AS sold FROM journal
 WHERE stream = :stream AND type = 'allotment_sold' AND seq > :seq
   AND epoch = (SELECT epoch FROM cursors WHERE stream = :stream AND name = 'head');

-- name: restored
-- When the newest epoch began that follows on a loss.
SELECT at FROM journal
 WHERE stream = :stream AND type = 'epoch_began'
   AND json_extract(body, '$.why') <> 'compaction'
 ORDER BY at DESC
 LIMIT 1;

-- name: is_linked
SELECT json_extract(body, '$.link') = 'up' AS is_linked FROM lot_states WHERE lot = :lot;

-- name: lots_with_allotments
SELECT DISTINCT lot FROM sessions WHERE state = 'allotted' AND lot <> :lot ORDER BY lot LIMIT 3;

-- name: linked_lots
SELECT lots.lot, COALESCE(json_extract(lot_states.body, '$.link') = 'up', 0) AS is_linked
  FROM lots LEFT JOIN lot_states ON lot_states.lot = lots.lot
 ORDER BY lots.lot;

-- name: unacknowledged
-- The lots for which the cloud has decided something that they have not stored yet, and are linked.
SELECT head.stream
  FROM cursors AS head
  JOIN lot_states ON lot_states.lot || '/cloud' = head.stream
  LEFT JOIN cursors AS done ON done.stream = head.stream AND done.name = 'acknowledged'
 WHERE head.name IN ('head', 'recovering') AND json_extract(lot_states.body, '$.link') = 'up'
   AND (head.name = 'recovering' OR done.hash IS NULL OR done.hash <> head.hash);

-- name: newest_time
SELECT newest FROM clock WHERE name = 'wall';

-- name: put_newest_time
INSERT INTO clock (name, newest) VALUES ('wall', :newest)
ON CONFLICT (name) DO UPDATE SET newest = excluded.newest;
