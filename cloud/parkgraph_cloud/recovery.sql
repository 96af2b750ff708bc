-- name: own_streams
-- What the cloud decides for each lot that it knows.
SELECT DISTINCT stream FROM cursors WHERE stream LIKE '%/cloud'
 UNION
SELECT lot || '/cloud' FROM lots;
