-- Journals and the facts that follow from them. Every key has the lot in it, so lot and cloud share
-- these tables: the lot holds itself, the cloud holds every lot. Plain SQL that PostgreSQL takes too.

-- All records in order, chained. `body` and `personal` are kept as the text that was hashed. A lot has
-- two streams, named after it: `lot` is its own, `lot/cloud` is what the cloud decided for it.
CREATE TABLE journal (
    stream     TEXT    NOT NULL,
    epoch      BIGINT  NOT NULL,
    seq        BIGINT  NOT NULL,
    at         TEXT    NOT NULL,  -- UTC, ISO 8601: for people; order is by seq
    actor      TEXT    NOT NULL,  -- who caused it: key:…, lane:…, system
    subject    TEXT    NOT NULL,
    type       TEXT    NOT NULL,
    body       TEXT    NOT NULL,
    personal   TEXT,              -- NULL once erased
    salt       TEXT    NOT NULL,  -- of the personal part's digest
    digest     TEXT    NOT NULL,
    hash       TEXT    NOT NULL,
    PRIMARY KEY (stream, epoch, seq)
);

-- Which epoch follows on which row; the first of a stream on none.
CREATE TABLE epochs (
    stream     TEXT    NOT NULL,
    epoch      BIGINT  NOT NULL,
    after_epoch BIGINT,
    after_seq  BIGINT,
    age_minutes BIGINT NOT NULL DEFAULT 0,  -- for how long it was held, whatever the wall clock did
    PRIMARY KEY (stream, epoch)
);

-- How far a copy of a stream has come; the last row of one's own.
CREATE TABLE cursors (
    stream     TEXT    NOT NULL,
    name       TEXT    NOT NULL,  -- 'head': written or stored; 'acknowledged': by the other side
    epoch      BIGINT  NOT NULL,
    seq        BIGINT  NOT NULL,
    hash       TEXT    NOT NULL,
    PRIMARY KEY (stream, name)
);

CREATE TABLE lots (
    lot        TEXT    PRIMARY KEY,
    name       TEXT    NOT NULL,
    time_zone  TEXT    NOT NULL,
    currency   TEXT    NOT NULL,
    description TEXT   NOT NULL   -- the body of the newest lot_described record
);

-- One holder a space: free (NULL), or the stay that it is lent or promised to.
CREATE TABLE spaces (
    lot        TEXT    NOT NULL,
    space      TEXT    NOT NULL,
    space_class TEXT   NOT NULL,
    holder     TEXT,
    is_listed  INTEGER NOT NULL,  -- 0: no longer in the lot's description; never given away again
    PRIMARY KEY (lot, space)
);
CREATE INDEX spaces_by_holder ON spaces (lot, holder) WHERE holder IS NOT NULL;

CREATE TABLE sessions (
    lot        TEXT    NOT NULL,
    session    TEXT    NOT NULL,
    state      TEXT    NOT NULL,
    fleet      TEXT,
    autonomous INTEGER NOT NULL,
    vin        TEXT,
    plate      TEXT,
    plate_letters TEXT,           -- as registered: no separators, capitals
    plate_folded TEXT,            -- without what cameras confuse
    gate_code  TEXT    NOT NULL,
    space      TEXT    NOT NULL,
    entry_lane TEXT    NOT NULL,
    rate       TEXT    NOT NULL,  -- JSON; a whole rate card while nobody here knows who bought it
    expected_minutes BIGINT NOT NULL,
    estimated_minor BIGINT NOT NULL,
    reserved_at TEXT   NOT NULL,  -- UTC to a millisecond, so that it sorts
    hold_until TEXT    NOT NULL,
    entered_at TEXT,
    ended_at   TEXT,
    amount_minor BIGINT,
    request    TEXT,              -- digest of the buyer's key and Idempotency-Key
    twin       TEXT,              -- the same vehicle's other open stay, which is found by plate and VIN till then
    end_request TEXT,             -- of the request that ended it, likewise
    lent_asked_at TEXT,           -- UTC, of the cloud's clock
    lent_seconds BIGINT,          -- for how long the cloud may sell it, from then
    entered_boot TEXT,            -- the boot of the lot's machine in which the vehicle came in,
    entered_boot_ms BIGINT,       -- and how long after it
    elapsed_seconds BIGINT,       -- what was charged when it ended
    is_in_doubt INTEGER,          -- 1: it may have been longer
    PRIMARY KEY (session, lot)    -- many know the stay and not its lot
);
CREATE INDEX sessions_by_fleet ON sessions (fleet, reserved_at, session);
CREATE INDEX sessions_by_twin ON sessions (lot, twin) WHERE twin IS NOT NULL;

-- The runs of the lot's machine, so that stays are priced by time that passed.
CREATE TABLE boots (
    lot        TEXT    NOT NULL,
    boot       TEXT    NOT NULL,
    number     BIGINT  NOT NULL,  -- in order
    last_ms    BIGINT  NOT NULL,  -- it lasted so long, at least
    last_at    TEXT    NOT NULL,  -- the wall clock then
    is_trusted INTEGER NOT NULL,  -- whether that was known to be right
    right_ms   BIGINT,            -- the newest that was, if any was
    right_at   TEXT,
    PRIMARY KEY (lot, boot)
);

-- One presence let through for one session, or, at an exit, for nobody known (session NULL).
CREATE TABLE admissions (
    lot        TEXT    NOT NULL,
    admission  TEXT    NOT NULL,
    session    TEXT,
    lane       TEXT    NOT NULL,
    direction  TEXT    NOT NULL,
    presence   TEXT    NOT NULL,
    means      TEXT    NOT NULL,
    passages_before BIGINT NOT NULL,
    granted_at TEXT    NOT NULL,
    granted_boot TEXT,
    granted_boot_ms BIGINT,
    outcome    TEXT,              -- NULL while open; crossed, backed_out, timed_out
    PRIMARY KEY (lot, admission)
);
CREATE INDEX admissions_open ON admissions (lot, lane) WHERE outcome IS NULL;

CREATE TABLE orders (
    lot        TEXT    NOT NULL,
    token      BIGINT  NOT NULL,
    order_number BIGINT NOT NULL,
    admission  TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    ordered_at TEXT    NOT NULL,
    outcome    TEXT,
    PRIMARY KEY (lot, token, order_number)
);
CREATE INDEX orders_open ON orders (lot, lane) WHERE outcome IS NULL;

CREATE TABLE keypads (
    lot        TEXT    NOT NULL,
    lane       TEXT    NOT NULL,
    wrong_codes INTEGER NOT NULL,
    locked_until TEXT,
    PRIMARY KEY (lot, lane)
);

-- What a person has to look at.
CREATE TABLE conflicts (
    lot        TEXT    NOT NULL,
    session    TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    what       TEXT    NOT NULL,
    at         TEXT    NOT NULL,
    PRIMARY KEY (lot, session, kind)
);

CREATE TABLE barred_keys (
    lot        TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    PRIMARY KEY (lot, key)
);

-- What the cloud owns, for itself (lot '@cloud') and as each lot was told.
CREATE TABLE keys (
    lot        TEXT    NOT NULL,
    key        TEXT    NOT NULL,
    terms      TEXT    NOT NULL,
    PRIMARY KEY (lot, key)
);

CREATE TABLE rate_cards (
    lot        TEXT    PRIMARY KEY,
    card       TEXT    NOT NULL
);

CREATE TABLE agents (
    lot        TEXT    NOT NULL,
    agent      TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    purpose    TEXT,
    registered_at TEXT NOT NULL,
    PRIMARY KEY (lot, agent)
);

-- What was answered to a request with an Idempotency-Key, to be answered again. No fact.
CREATE TABLE answers (
    request    TEXT    PRIMARY KEY,  -- digest of the caller's key and Idempotency-Key
    fingerprint TEXT   NOT NULL,     -- digest of what was asked
    answer     TEXT    NOT NULL,
    answered_at TEXT   NOT NULL
);
CREATE INDEX answers_by_age ON answers (answered_at);

-- What callers saw in a space, the newest only. No fact.
CREATE TABLE observations (
    lot        TEXT    NOT NULL,
    space      TEXT    NOT NULL,
    is_occupied INTEGER NOT NULL,
    observed_at TEXT   NOT NULL,
    PRIMARY KEY (lot, space)
);

-- Rows that were stored but could not be applied. Shown, and never dropped.
CREATE TABLE dead_letters (
    stream     TEXT    NOT NULL,
    epoch      BIGINT  NOT NULL,
    seq        BIGINT  NOT NULL,
    subject    TEXT    NOT NULL,  -- later rows of it wait behind this one
    why        TEXT    NOT NULL,
    PRIMARY KEY (stream, epoch, seq)
);
CREATE INDEX dead_letters_by_subject ON dead_letters (stream, subject);
