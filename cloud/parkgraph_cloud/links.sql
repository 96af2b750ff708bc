-- name: state
SELECT body FROM lot_states WHERE lot = :lot;

-- name: streams_with_dead_letters
-- Of those that the cloud has copies of; the others' are the lots'.
SELECT DISTINCT stream FROM dead_letters WHERE stream NOT LIKE '%/cloud' ORDER BY stream;

-- name: put_state
INSERT INTO lot_states (lot, body, received_at) VALUES (:lot, :body, :received_at)
ON CONFLICT (lot) DO UPDATE SET body = excluded.body, received_at = excluded.received_at;
