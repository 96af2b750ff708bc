-- How each lot said it was, last. Newest wins; no journal has it.
CREATE TABLE lot_states (
    lot         TEXT PRIMARY KEY,
    body        TEXT NOT NULL,
    received_at TEXT NOT NULL
);

-- The newest time that the cloud's clock has told; it must not run backwards.
CREATE TABLE clock (
    name       TEXT    PRIMARY KEY,
    newest     TEXT    NOT NULL
);
CREATE INDEX allotted ON sessions (lot, session) WHERE state = 'allotted';
CREATE INDEX sessions_by_request ON sessions (lot, request) WHERE request IS NOT NULL;
CREATE INDEX open_by_letters ON sessions (lot, plate_letters)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving');
CREATE INDEX open_by_vin ON sessions (lot, vin)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving');
CREATE INDEX asked ON journal (stream, epoch, seq) WHERE type = 'allotments_asked';
CREATE INDEX epochs_began ON journal (stream, at) WHERE type = 'epoch_began';
