-- At the lot, and only here, uniqueness is decided: one open session a space, a plate, a VIN, a code.
CREATE UNIQUE INDEX one_open_session_a_space ON sessions (lot, space)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving');
-- What a plate folds to follows from its letters; it comes first for what a camera has read.
CREATE UNIQUE INDEX one_open_session_a_plate ON sessions (lot, plate_folded, plate_letters)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving') AND twin IS NULL;
CREATE UNIQUE INDEX one_open_session_a_vin ON sessions (lot, vin)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving') AND twin IS NULL AND vin IS NOT NULL;
CREATE UNIQUE INDEX one_open_session_a_code ON sessions (lot, gate_code)
 WHERE state IN ('allotted', 'reserved', 'arriving', 'parked', 'leaving');
CREATE INDEX free_spaces ON spaces (lot, space_class, space) WHERE holder IS NULL AND is_listed = 1;
CREATE INDEX awaited ON sessions (lot, state, hold_until) WHERE state IN ('allotted', 'reserved');
CREATE INDEX sessions_by_request ON sessions (lot, request, lent_asked_at) WHERE request IS NOT NULL;
-- What cameras read of those who went through, the newest last; of whom the plate was erased, no more.
CREATE INDEX admissions_read ON journal (stream, epoch, seq)
 WHERE type = 'admission_granted' AND personal IS NOT NULL;
