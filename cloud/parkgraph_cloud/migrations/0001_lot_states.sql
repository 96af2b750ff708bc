-- How each lot said it was, last. Newest wins; no journal has it.
CREATE TABLE lot_states (
    lot         TEXT PRIMARY KEY,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL
);
