-- name: put_lot
INSERT INTO lots (lot, name, time_zone, currency, description)
VALUES (:lot, :name, :time_zone, :currency, :description)
ON CONFLICT (lot) DO UPDATE
   SET name = excluded.name, time_zone = excluded.time_zone, currency = excluded.currency,
       description = excluded.description;

-- name: put_space
INSERT INTO spaces (lot, space, space_class, is_listed) VALUES (:lot, :space, :space_class, 1)
ON CONFLICT (lot, space) DO UPDATE SET space_class = excluded.space_class, is_listed = 1;

-- name: unlist_spaces
-- A space that somebody holds stays his.
UPDATE spaces SET is_listed = 0 WHERE lot = :lot;

-- name: put_session
INSERT INTO sessions (
    lot, session, state, fleet, autonomous, vin, plate, plate_letters, plate_folded, gate_code, space,
    entry_lane, rate, expected_minutes, estimated_minor, reserved_at, hold_until, entered_at,
    ended_at, amount_minor, request, twin, end_request, lent_asked_at, lent_seconds, entered_boot,
    entered_boot_ms, elapsed_seconds, is_in_doubt)
VALUES (
    :lot, :session, :state, :fleet, :autonomous, :vin, :plate, :plate_letters, :plate_folded,
    :gate_code, :space, :entry_lane, :rate, :expected_minutes, :estimated_minor, :reserved_at,
    :hold_until, :entered_at, :ended_at, :amount_minor, :request, :twin, :end_request, :lent_asked_at,
    :lent_seconds, :entered_boot, :entered_boot_ms, :elapsed_seconds, :is_in_doubt);

-- name: forget_session
DELETE FROM sessions WHERE lot = :lot AND session = :session;

-- name: set_buyer
UPDATE sessions
   SET fleet = :fleet, autonomous = :autonomous, rate = :rate, expected_minutes = :expected_minutes,
       estimated_minor = :estimated_minor, reserved_at = COALESCE(:reserved_at, reserved_at),
       request = :request, twin = :twin, vin = :vin, plate = :plate, plate_letters = :plate_letters,
       plate_folded = :plate_folded
 WHERE lot = :lot AND session = :session;

-- name: set_hold
UPDATE sessions SET hold_until = :hold_until WHERE lot = :lot AND session = :session;

-- name: twins_of
SELECT session FROM sessions WHERE lot = :lot AND twin = :session ORDER BY session;

-- name: set_twin
-- Another open stay that has the plate or the VIN now; NULL where the vehicle is this stay's alone.
UPDATE sessions SET twin = (
    SELECT MIN(session) FROM (
        SELECT other.session FROM sessions AS other
         WHERE other.lot = :lot AND other.plate_folded = sessions.plate_folded
           AND other.plate_letters = sessions.plate_letters
           AND other.twin IS NULL
           AND other.state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
         UNION ALL
        SELECT other.session FROM sessions AS other
         WHERE other.lot = :lot AND other.vin = sessions.vin
           AND other.twin IS NULL
           AND other.state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')))
 WHERE lot = :lot AND session = :session;

-- name: set_space
UPDATE sessions SET space = :space WHERE lot = :lot AND session = :session;

-- name: renew
UPDATE sessions SET lent_asked_at = :asked_at, lent_seconds = :lasts_seconds
 WHERE lot = :lot AND session = :session;

-- name: free_all_spaces
UPDATE spaces SET holder = NULL WHERE lot = :lot;

-- name: open_sessions
SELECT session, state, lent_asked_at FROM sessions
 WHERE lot = :lot AND state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving')
 ORDER BY session;

-- name: anchor_boot
INSERT INTO boots (lot, boot, number, last_ms, last_at, is_trusted, right_ms, right_at)
SELECT :lot, :boot, COALESCE(MAX(number), 0) + 1, :boot_ms, :at, :is_trusted,
       CASE WHEN :is_trusted THEN :boot_ms END, CASE WHEN :is_trusted THEN :at END
  FROM boots WHERE lot = :lot
ON CONFLICT (lot, boot) DO UPDATE
   SET last_ms = excluded.last_ms, last_at = excluded.last_at, is_trusted = excluded.is_trusted,
       right_ms = COALESCE(excluded.right_ms, boots.right_ms),
       right_at = COALESCE(excluded.right_at, boots.right_at);

-- name: put_boot
INSERT INTO boots (lot, boot, number, last_ms, last_at, is_trusted, right_ms, right_at)
VALUES (:lot, :boot, :number, :last_ms, :last_at, :is_trusted, :right_ms, :right_at);

-- name: forget_boots
DELETE FROM boots WHERE lot = :lot;

-- name: put_conflict
INSERT INTO conflicts (lot, session, kind, what, at) VALUES (:lot, :session, :kind, :what, :at)
ON CONFLICT DO NOTHING;

-- name: bar_key
INSERT INTO barred_keys (lot, key) VALUES (:lot, :key) ON CONFLICT DO NOTHING;

-- name: session_state
SELECT state FROM sessions WHERE lot = :lot AND session = :session;

-- name: set_state
UPDATE sessions SET state = :state WHERE lot = :lot AND session = :session;

-- name: set_entered
UPDATE sessions SET entered_at = :at, entered_boot = :boot, entered_boot_ms = :boot_ms
 WHERE lot = :lot AND session = :session;

-- name: set_ended
-- A price once told never rises.
UPDATE sessions
   SET ended_at = COALESCE(ended_at, :at),
       elapsed_seconds = CASE WHEN ended_at IS NULL THEN :elapsed_seconds ELSE elapsed_seconds END,
       is_in_doubt = CASE WHEN ended_at IS NULL THEN :is_in_doubt ELSE is_in_doubt END,
       amount_minor = CASE WHEN amount_minor < :amount_minor THEN amount_minor ELSE :amount_minor END
 WHERE lot = :lot AND session = :session;

-- name: set_end_request
UPDATE sessions SET end_request = :request WHERE lot = :lot AND session = :session;

-- name: hold_space
UPDATE spaces SET holder = :session WHERE lot = :lot AND space = :space AND holder IS NULL;

-- name: free_space
UPDATE spaces SET holder = NULL WHERE lot = :lot AND holder = :session;

-- name: put_admission
INSERT INTO admissions (
    lot, admission, session, lane, direction, presence, means, passages_before, granted_at,
    granted_boot, granted_boot_ms)
VALUES (:lot, :admission, :session, :lane, :direction, :presence, :means, :passages_before, :at,
    :boot, :boot_ms);

-- name: finish_admission
UPDATE admissions SET outcome = :outcome WHERE lot = :lot AND admission = :admission;

-- name: put_order
INSERT INTO orders (lot, token, order_number, admission, lane, ordered_at)
VALUES (:lot, :token, :order, :admission, :lane, :at);

-- name: finish_order
UPDATE orders SET outcome = :outcome
 WHERE lot = :lot AND order_number = :order AND lane = :lane AND outcome IS NULL;

-- name: count_wrong_code
INSERT INTO keypads (lot, lane, wrong_codes, locked_until) VALUES (:lot, :lane, 1, :locked_until)
ON CONFLICT (lot, lane) DO UPDATE
   SET wrong_codes = keypads.wrong_codes + 1, locked_until = excluded.locked_until;

-- name: forget_wrong_codes
DELETE FROM keypads WHERE lot = :lot AND lane = :lane;

-- name: extend
UPDATE sessions
   SET hold_until = COALESCE(:hold_until, hold_until), expected_minutes = :expected_minutes,
       estimated_minor = :estimated_minor
 WHERE lot = :lot AND session = :session;

-- name: put_key
INSERT INTO keys (lot, key, terms) VALUES (:lot, :key, :terms)
ON CONFLICT (lot, key) DO UPDATE SET terms = excluded.terms;

-- name: put_rate_card
INSERT INTO rate_cards (lot, card) VALUES (:lot, :card)
ON CONFLICT (lot) DO UPDATE SET card = excluded.card;

-- name: put_agent
INSERT INTO agents (lot, agent, name, purpose, registered_at)
VALUES (:lot, :agent, :name, :purpose, :at);
