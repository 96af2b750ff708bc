-- name: lot_description
SELECT * FROM lots WHERE lot = :lot;

-- name: another_lot
SELECT * FROM lots WHERE lot <> :lot LIMIT 1;

-- name: orders_unfinished
SELECT * FROM orders WHERE lot = :lot AND outcome IS NULL ORDER BY order_number;

-- name: newest_order
SELECT * FROM orders WHERE lot = :lot AND token = :token ORDER BY order_number DESC LIMIT 1;

-- name: free_spaces
SELECT * FROM spaces
 WHERE lot = :lot AND holder IS NULL AND is_listed = 1 AND space_class = :space_class
 ORDER BY space
 LIMIT :limit;

-- name: open_session_of_vehicle
-- Two selects, each by its unique index; one with OR would read every open session of the lot.
SELECT * FROM sessions
 WHERE lot = :lot AND plate_folded = :folded AND plate_letters = :letters AND twin IS NULL
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 UNION ALL
SELECT * FROM sessions
 WHERE lot = :lot AND vin = :vin AND twin IS NULL
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 LIMIT 1;

-- name: has_open_code
SELECT * FROM sessions
 WHERE lot = :lot AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
   AND gate_code = :gate_code;

-- name: boots
SELECT * FROM boots WHERE lot = :lot;

-- name: boot
SELECT * FROM boots WHERE lot = :lot AND boot = :boot;

-- name: session
SELECT * FROM sessions WHERE lot = :lot AND session = :session;

-- name: sessions_by_plates
SELECT * FROM sessions
 WHERE lot = :lot AND plate_folded IN (SELECT value FROM json_each(:plates)) AND twin IS NULL
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 LIMIT 64 * json_array_length(:plates);

-- name: readings_confirmed
-- What was read of the vehicles that went through a lane: those among the newest 1,000 of the lot. A
-- hint that takes several rows: a damaged one is passed over, and nobody turned away for it.
SELECT json_extract(newest.personal, '$.plate') AS reading, sessions.plate_folded, admissions.means
  FROM (SELECT body, personal FROM journal
         WHERE stream = :lot AND type = 'admission_granted' AND personal IS NOT NULL
           AND json_valid(personal) AND json_valid(body)
         ORDER BY epoch DESC, seq DESC
         LIMIT 1000) AS newest
  JOIN admissions ON admissions.lot = :lot
   AND admissions.admission = json_extract(newest.body, '$.admission')
   AND admissions.lane = :lane AND admissions.outcome = 'crossed'
  JOIN sessions ON sessions.lot = :lot AND sessions.session = admissions.session
 WHERE reading IS NOT NULL AND sessions.plate_folded IS NOT NULL;

-- name: sessions_by_code
SELECT * FROM sessions
 WHERE lot = :lot AND gate_code = :gate_code
   AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 LIMIT 2;

-- name: reservations_overdue
SELECT * FROM sessions
 WHERE lot = :lot AND state IN ('allotted', 'reserved') AND state = 'reserved' -- as its index
   AND hold_until < :now
 ORDER BY session
 LIMIT :limit;

-- name: reserved
SELECT * FROM sessions
 WHERE lot = :lot AND state IN ('allotted', 'reserved') AND state = 'reserved' -- as its index
 ORDER BY session;

-- name: keypad
SELECT * FROM keypads WHERE lot = :lot AND lane = :lane;

-- name: admission
SELECT * FROM admissions WHERE lot = :lot AND admission = :admission;

-- name: admission_open
SELECT * FROM admissions
 WHERE lot = :lot AND lane = :lane AND outcome IS NULL
 ORDER BY granted_at DESC
 LIMIT 1;

-- name: allotments
SELECT sessions.*, spaces.*
  FROM sessions
  JOIN spaces ON spaces.lot = sessions.lot AND spaces.space = sessions.space
 WHERE sessions.lot = :lot
   AND sessions.state IN ('allotted', 'reserved') AND sessions.state = 'allotted' -- as its index
 ORDER BY sessions.session;

-- name: session_by_request
-- The lot's own booking, which was never lent, before one of the cloud that it was told of by the same
-- request.
SELECT * FROM sessions WHERE lot = :lot AND request = :request ORDER BY lent_asked_at LIMIT 1;

-- name: twins
SELECT * FROM sessions
 WHERE lot = :lot AND state IN ('allotted', 'reserved')
   AND (session = :twin OR twin = :session)
 ORDER BY session;

-- name: in_lost_spaces
SELECT sessions.*, spaces.*
  FROM sessions
  JOIN spaces ON spaces.lot = sessions.lot AND spaces.space = sessions.space
 WHERE sessions.lot = :lot AND sessions.state IN ('allotted', 'reserved')
   AND (spaces.is_listed = 0
        OR (spaces.space IN (SELECT value FROM json_each(:occupied))
            AND NOT EXISTS (SELECT 1 FROM conflicts
                             WHERE conflicts.lot = sessions.lot
                               AND conflicts.session = sessions.session
                               AND conflicts.kind = 'space_blocked')))
 ORDER BY sessions.session
 LIMIT :limit;

-- name: rate_card
SELECT * FROM rate_cards WHERE lot = :lot;

-- name: is_barred
SELECT * FROM barred_keys WHERE lot = :lot AND key = :key;

-- name: reserved_with
-- What a key booked in the epoch that the journal is in, after a row of it or from its first.
SELECT subject FROM journal
 WHERE stream = :lot AND type = 'session_reserved' AND actor = :actor
   AND epoch = (SELECT epoch FROM cursors WHERE stream = :lot AND name = 'head')
   AND (epoch <> :epoch OR seq > :seq)
 ORDER BY seq
 LIMIT 256;
