-- name: session
-- An allotment is nobody's stay yet.
SELECT * FROM sessions WHERE session = :session AND state <> 'allotted';

-- name: sessions_of_fleet
SELECT * FROM sessions WHERE fleet = :fleet ORDER BY session DESC LIMIT :limit;
