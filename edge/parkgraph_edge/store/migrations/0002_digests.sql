-- At the lot each row of the facts carries a digest over all its columns, so that a bit which flipped on
-- the disk is found before anybody decides on it. `digest` stays the last column: what stands before it
-- is what it covers. The functions are of parkgraph.runtime.sqlite; without them nobody can write facts.
-- A change checks the row as it was, so that damage is not given a new digest.

ALTER TABLE lots ADD COLUMN digest TEXT;
UPDATE lots SET digest = row_digest(
    lot, name, time_zone, currency, description);
CREATE TRIGGER lots_new AFTER INSERT ON lots BEGIN
    UPDATE lots SET digest = row_digest(
        NEW.lot, NEW.name, NEW.time_zone, NEW.currency, NEW.description)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER lots_changed AFTER UPDATE OF
    lot, name, time_zone, currency, description
    ON lots BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.name, OLD.time_zone, OLD.currency, OLD.description);
    UPDATE lots SET digest = row_digest(
        NEW.lot, NEW.name, NEW.time_zone, NEW.currency, NEW.description)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE spaces ADD COLUMN digest TEXT;
UPDATE spaces SET digest = row_digest(
    lot, space, space_class, holder, is_listed);
CREATE TRIGGER spaces_new AFTER INSERT ON spaces BEGIN
    UPDATE spaces SET digest = row_digest(
        NEW.lot, NEW.space, NEW.space_class, NEW.holder, NEW.is_listed)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER spaces_changed AFTER UPDATE OF
    lot, space, space_class, holder, is_listed
    ON spaces BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.space, OLD.space_class, OLD.holder, OLD.is_listed);
    UPDATE spaces SET digest = row_digest(
        NEW.lot, NEW.space, NEW.space_class, NEW.holder, NEW.is_listed)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE sessions ADD COLUMN digest TEXT;
UPDATE sessions SET digest = row_digest(
    lot, session, state, fleet, autonomous, vin, plate, plate_letters, plate_folded, gate_code, space,
    entry_lane, rate, expected_minutes, estimated_minor, reserved_at, hold_until, entered_at,
    ended_at, amount_minor, request, twin, end_request, lent_asked_at, lent_seconds,
    entered_boot, entered_boot_ms, elapsed_seconds, is_in_doubt);
CREATE TRIGGER sessions_new AFTER INSERT ON sessions BEGIN
    UPDATE sessions SET digest = row_digest(
        NEW.lot, NEW.session, NEW.state, NEW.fleet, NEW.autonomous, NEW.vin, NEW.plate, NEW.plate_letters,
        NEW.plate_folded, NEW.gate_code, NEW.space, NEW.entry_lane, NEW.rate, NEW.expected_minutes,
        NEW.estimated_minor, NEW.reserved_at, NEW.hold_until, NEW.entered_at, NEW.ended_at,
        NEW.amount_minor, NEW.request, NEW.twin, NEW.end_request, NEW.lent_asked_at, NEW.lent_seconds,
        NEW.entered_boot, NEW.entered_boot_ms, NEW.elapsed_seconds, NEW.is_in_doubt)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER sessions_changed AFTER UPDATE OF
    lot, session, state, fleet, autonomous, vin, plate, plate_letters, plate_folded, gate_code, space,
    entry_lane, rate, expected_minutes, estimated_minor, reserved_at, hold_until, entered_at,
    ended_at, amount_minor, request, twin, end_request, lent_asked_at, lent_seconds,
    entered_boot, entered_boot_ms, elapsed_seconds, is_in_doubt
    ON sessions BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.session, OLD.state, OLD.fleet, OLD.autonomous, OLD.vin, OLD.plate, OLD.plate_letters,
        OLD.plate_folded, OLD.gate_code, OLD.space, OLD.entry_lane, OLD.rate, OLD.expected_minutes,
        OLD.estimated_minor, OLD.reserved_at, OLD.hold_until, OLD.entered_at, OLD.ended_at,
        OLD.amount_minor, OLD.request, OLD.twin, OLD.end_request, OLD.lent_asked_at, OLD.lent_seconds,
        OLD.entered_boot, OLD.entered_boot_ms, OLD.elapsed_seconds, OLD.is_in_doubt);
    UPDATE sessions SET digest = row_digest(
        NEW.lot, NEW.session, NEW.state, NEW.fleet, NEW.autonomous, NEW.vin, NEW.plate, NEW.plate_letters,
        NEW.plate_folded, NEW.gate_code, NEW.space, NEW.entry_lane, NEW.rate, NEW.expected_minutes,
        NEW.estimated_minor, NEW.reserved_at, NEW.hold_until, NEW.entered_at, NEW.ended_at,
        NEW.amount_minor, NEW.request, NEW.twin, NEW.end_request, NEW.lent_asked_at, NEW.lent_seconds,
        NEW.entered_boot, NEW.entered_boot_ms, NEW.elapsed_seconds, NEW.is_in_doubt)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE boots ADD COLUMN digest TEXT;
UPDATE boots SET digest = row_digest(
    lot, boot, number, last_ms, last_at, is_trusted, right_ms, right_at);
CREATE TRIGGER boots_new AFTER INSERT ON boots BEGIN
    UPDATE boots SET digest = row_digest(
        NEW.lot, NEW.boot, NEW.number, NEW.last_ms, NEW.last_at, NEW.is_trusted, NEW.right_ms,
        NEW.right_at)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER boots_changed AFTER UPDATE OF
    lot, boot, number, last_ms, last_at, is_trusted, right_ms, right_at
    ON boots BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.boot, OLD.number, OLD.last_ms, OLD.last_at, OLD.is_trusted, OLD.right_ms,
        OLD.right_at);
    UPDATE boots SET digest = row_digest(
        NEW.lot, NEW.boot, NEW.number, NEW.last_ms, NEW.last_at, NEW.is_trusted, NEW.right_ms,
        NEW.right_at)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE admissions ADD COLUMN digest TEXT;
UPDATE admissions SET digest = row_digest(
    lot, admission, session, lane, direction, presence, means, passages_before, granted_at,
    granted_boot, granted_boot_ms, outcome);
CREATE TRIGGER admissions_new AFTER INSERT ON admissions BEGIN
    UPDATE admissions SET digest = row_digest(
        NEW.lot, NEW.admission, NEW.session, NEW.lane, NEW.direction, NEW.presence, NEW.means,
        NEW.passages_before, NEW.granted_at, NEW.granted_boot, NEW.granted_boot_ms, NEW.outcome)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER admissions_changed AFTER UPDATE OF
    lot, admission, session, lane, direction, presence, means, passages_before, granted_at,
    granted_boot, granted_boot_ms, outcome
    ON admissions BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.admission, OLD.session, OLD.lane, OLD.direction, OLD.presence, OLD.means,
        OLD.passages_before, OLD.granted_at, OLD.granted_boot, OLD.granted_boot_ms, OLD.outcome);
    UPDATE admissions SET digest = row_digest(
        NEW.lot, NEW.admission, NEW.session, NEW.lane, NEW.direction, NEW.presence, NEW.means,
        NEW.passages_before, NEW.granted_at, NEW.granted_boot, NEW.granted_boot_ms, NEW.outcome)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE orders ADD COLUMN digest TEXT;
UPDATE orders SET digest = row_digest(
    lot, token, order_number, admission, lane, ordered_at, outcome);
CREATE TRIGGER orders_new AFTER INSERT ON orders BEGIN
    UPDATE orders SET digest = row_digest(
        NEW.lot, NEW.token, NEW.order_number, NEW.admission, NEW.lane, NEW.ordered_at, NEW.outcome)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER orders_changed AFTER UPDATE OF
    lot, token, order_number, admission, lane, ordered_at, outcome
    ON orders BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.token, OLD.order_number, OLD.admission, OLD.lane, OLD.ordered_at, OLD.outcome);
    UPDATE orders SET digest = row_digest(
        NEW.lot, NEW.token, NEW.order_number, NEW.admission, NEW.lane, NEW.ordered_at, NEW.outcome)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE keypads ADD COLUMN digest TEXT;
UPDATE keypads SET digest = row_digest(
    lot, lane, wrong_codes, locked_until);
CREATE TRIGGER keypads_new AFTER INSERT ON keypads BEGIN
    UPDATE keypads SET digest = row_digest(
        NEW.lot, NEW.lane, NEW.wrong_codes, NEW.locked_until)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER keypads_changed AFTER UPDATE OF
    lot, lane, wrong_codes, locked_until
    ON keypads BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.lane, OLD.wrong_codes, OLD.locked_until);
    UPDATE keypads SET digest = row_digest(
        NEW.lot, NEW.lane, NEW.wrong_codes, NEW.locked_until)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE conflicts ADD COLUMN digest TEXT;
UPDATE conflicts SET digest = row_digest(
    lot, session, kind, what, at);
CREATE TRIGGER conflicts_new AFTER INSERT ON conflicts BEGIN
    UPDATE conflicts SET digest = row_digest(
        NEW.lot, NEW.session, NEW.kind, NEW.what, NEW.at)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER conflicts_changed AFTER UPDATE OF
    lot, session, kind, what, at
    ON conflicts BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.session, OLD.kind, OLD.what, OLD.at);
    UPDATE conflicts SET digest = row_digest(
        NEW.lot, NEW.session, NEW.kind, NEW.what, NEW.at)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE barred_keys ADD COLUMN digest TEXT;
UPDATE barred_keys SET digest = row_digest(
    lot, key);
CREATE TRIGGER barred_keys_new AFTER INSERT ON barred_keys BEGIN
    UPDATE barred_keys SET digest = row_digest(
        NEW.lot, NEW.key)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER barred_keys_changed AFTER UPDATE OF
    lot, key
    ON barred_keys BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.key);
    UPDATE barred_keys SET digest = row_digest(
        NEW.lot, NEW.key)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE keys ADD COLUMN digest TEXT;
UPDATE keys SET digest = row_digest(
    lot, key, terms);
CREATE TRIGGER keys_new AFTER INSERT ON keys BEGIN
    UPDATE keys SET digest = row_digest(
        NEW.lot, NEW.key, NEW.terms)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER keys_changed AFTER UPDATE OF
    lot, key, terms
    ON keys BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.key, OLD.terms);
    UPDATE keys SET digest = row_digest(
        NEW.lot, NEW.key, NEW.terms)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE rate_cards ADD COLUMN digest TEXT;
UPDATE rate_cards SET digest = row_digest(
    lot, card);
CREATE TRIGGER rate_cards_new AFTER INSERT ON rate_cards BEGIN
    UPDATE rate_cards SET digest = row_digest(
        NEW.lot, NEW.card)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER rate_cards_changed AFTER UPDATE OF
    lot, card
    ON rate_cards BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.card);
    UPDATE rate_cards SET digest = row_digest(
        NEW.lot, NEW.card)
     WHERE rowid = NEW.rowid;
END;

ALTER TABLE agents ADD COLUMN digest TEXT;
UPDATE agents SET digest = row_digest(
    lot, agent, name, purpose, registered_at);
CREATE TRIGGER agents_new AFTER INSERT ON agents BEGIN
    UPDATE agents SET digest = row_digest(
        NEW.lot, NEW.agent, NEW.name, NEW.purpose, NEW.registered_at)
     WHERE rowid = NEW.rowid;
END;
CREATE TRIGGER agents_changed AFTER UPDATE OF
    lot, agent, name, purpose, registered_at
    ON agents BEGIN
    SELECT check_digest(OLD.digest,
        OLD.lot, OLD.agent, OLD.name, OLD.purpose, OLD.registered_at);
    UPDATE agents SET digest = row_digest(
        NEW.lot, NEW.agent, NEW.name, NEW.purpose, NEW.registered_at)
     WHERE rowid = NEW.rowid;
END;
