-- A key of which only lots know: a cloud that was restored may have to revoke it.
CREATE INDEX keys_by_key ON keys (key);

-- What callers asked of lots through the cloud, so that no lot is asked the same twice. No fact.
CREATE TABLE asks (
    ask        TEXT   PRIMARY KEY,  -- digest of the caller's key and Idempotency-Key, else random
    fingerprint TEXT  NOT NULL,     -- digest of what was asked
    lot        TEXT   NOT NULL,
    session    TEXT   NOT NULL,
    heard_epoch BIGINT NOT NULL,    -- how far the lot's stream was known then
    heard_seq  BIGINT NOT NULL,
    asked_at   TEXT   NOT NULL
);
CREATE INDEX asks_by_session ON asks (lot, session, asked_at);
CREATE INDEX asks_by_age ON asks (asked_at);
