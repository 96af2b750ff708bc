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
    entry_lane, currency, rate_minor_per_hour, estimated_minor, reserved_at, hold_until)
VALUES (
    :lot, :session, 'reserved', :fleet, :autonomous, :vin, :plate, :plate_letters, :plate_folded,
    :gate_code, :space, :entry_lane, :currency, :rate_minor_per_hour, :estimated_minor, :at, :hold_until);

-- name: session_state
SELECT state FROM sessions WHERE lot = :lot AND session = :session;

-- name: set_state
UPDATE sessions SET state = :state WHERE lot = :lot AND session = :session;

-- name: set_entered
UPDATE sessions SET entered_at = :at WHERE lot = :lot AND session = :session;

-- name: set_ended
-- A price once told never rises.
UPDATE sessions
   SET ended_at = COALESCE(ended_at, :at),
       amount_minor = CASE WHEN amount_minor < :amount_minor THEN amount_minor ELSE :amount_minor END
 WHERE lot = :lot AND session = :session;

-- name: hold_space
UPDATE spaces SET holder = :session WHERE lot = :lot AND space = :space AND holder IS NULL;

-- name: free_space
UPDATE spaces SET holder = NULL WHERE lot = :lot AND holder = :session;

-- name: put_admission
INSERT INTO admissions (
    lot, admission, session, lane, direction, presence, means, passages_before, granted_at)
VALUES (:lot, :admission, :session, :lane, :direction, :presence, :means, :passages_before, :at);

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
