-- name: state
SELECT body FROM lot_states WHERE lot = :lot;

-- name: put_state
INSERT INTO lot_states (lot, body, received_at) VALUES (:lot, :body, :received_at)
ON CONFLICT (lot) DO UPDATE SET body = excluded.body, received_at = excluded.received_at;
