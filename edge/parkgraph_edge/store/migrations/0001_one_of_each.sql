-- At the lot, and only here, uniqueness is decided: one open session a space, a plate, a VIN, a code.
CREATE UNIQUE INDEX one_open_session_a_space ON sessions (lot, space)
 WHERE state IN ('reserved', 'arriving', 'parked', 'leaving');
CREATE UNIQUE INDEX one_open_session_a_plate ON sessions (lot, plate_letters)
 WHERE state IN ('reserved', 'arriving', 'parked', 'leaving');
CREATE UNIQUE INDEX one_open_session_a_vin ON sessions (lot, vin)
 WHERE state IN ('reserved', 'arriving', 'parked', 'leaving');
CREATE UNIQUE INDEX one_open_session_a_code ON sessions (lot, gate_code)
 WHERE state IN ('reserved', 'arriving', 'parked', 'leaving');
CREATE INDEX free_spaces ON spaces (lot, space_class, space) WHERE holder IS NULL AND is_listed = 1;
CREATE INDEX reservations ON sessions (lot, hold_until) WHERE state = 'reserved';
