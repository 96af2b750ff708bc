-- name: lot
SELECT lot, description FROM lots WHERE lot = :lot;

-- name: lots
SELECT lot, description FROM lots ORDER BY lot;
