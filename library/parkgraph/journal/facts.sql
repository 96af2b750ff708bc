-- name: session
-- An allotment is nobody's stay yet.
SELECT * FROM sessions WHERE session = :session AND state <> 'allotted';
