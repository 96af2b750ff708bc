-- name: session
SELECT * FROM sessions WHERE session = :session;

-- name: sessions_of_fleet
SELECT * FROM sessions WHERE fleet = :fleet ORDER BY session DESC LIMIT :limit;
