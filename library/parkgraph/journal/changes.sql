-- name: heads
-- How far some streams have come.
SELECT stream, epoch, seq FROM cursors
 WHERE name = 'head' AND stream IN (SELECT value FROM json_each(:streams));
