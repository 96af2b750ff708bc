-- name: currency
SELECT currency FROM lots WHERE lot = :lot;

-- name: cards
-- What the cloud has set for a lot, if anything, and what the lot itself is configured with.
SELECT lots.currency, rate_cards.card, json_extract(lots.description, '$.rates') AS configured
  FROM lots LEFT JOIN rate_cards ON rate_cards.lot = lots.lot
 WHERE lots.lot = :lot;
