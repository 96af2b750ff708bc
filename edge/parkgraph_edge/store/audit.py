"""Looks through a ledger for damage: at a start what decisions need, and all of it in slices."""

import sqlite3
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError

from parkgraph.journal.chain import GENESIS, Head, Row, first_fault
from parkgraph.journal.digests import DIGEST, fault_of
from parkgraph.journal.ledger import read_head
from parkgraph.runtime.queries import load_queries

AUDIT: Final = load_queries("parkgraph_edge.store", "audit.sql")
FACT_TABLES: Final = (
    "lots",
    "spaces",
    "sessions",
    "boots",
    "admissions",
    "orders",
    "keypads",
    "conflicts",
    "barred_keys",
    "keys",
    "rate_cards",
    "agents",
)
# So many rows are read and hashed in about a millisecond.
SLICE: Final = 50
MOST_UNREADABLE: Final = 50

_LIVE: Final = (
    "lots",
    "spaces",
    "keypads",
    "barred_keys",
    "keys",
    "rate_cards",
    "boots",
    "admissions",
    "orders",
)


@dataclass(frozen=True, slots=True)
class Ask:
    """A wish for the rows of a query of `AUDIT`."""

    query: str
    parameters: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is not as it was written; `is_fact` where it is not in the journal."""

    what: str
    is_fact: bool = False


# The rows that were asked for, or why they cannot be read.
Answer = Sequence[sqlite3.Row] | Exception
# The last two come of a damaged schema: a column's name is no text, or another one.
UNREADABLE: Final = (sqlite3.Error, UnicodeDecodeError, LookupError)
Examination = Generator[Ask | Fault, Answer, None]


@dataclass(slots=True)
class Tally:
    """What an examination has seen: how many rows of each epoch, and where it ended."""

    rows: dict[tuple[str, int], int] = field(default_factory=dict)
    heads: dict[tuple[str, int], Head] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)


def live_fault(connection: sqlite3.Connection, lot: str) -> str | None:
    """Return what is damaged of that on which `lot` may decide next, or None.

    That is the end of its journal, each space, the stay that holds it, and what is open in lanes;
    so it takes as long as the lot is large, however long its past is.
    """
    if fault := _head_fault(connection, lot):
        return fault
    for name in _LIVE:
        for row in connection.execute(AUDIT[f"live_{name}"], {"lot": lot}):
            if fault := fault_of(row):
                return f"{fault} does not fit its digest"
            if row.keys()[-1] != DIGEST:
                return f"{name}: the digests are gone"
            if name == "spaces" and row["holder"] is not None and row["session"] is None:
                return f"the stay {row['holder']}, which holds a space, cannot be found"
    return None


def _head_fault(connection: sqlite3.Connection, stream: str) -> str | None:
    head = read_head(connection, stream, "head")
    if head is None:
        return None
    place = {"stream": stream, "epoch": head.epoch}
    found = connection.execute(AUDIT["newest_rows"], place).fetchall()
    try:
        rows = [Row.of(dict(columns)) for columns in reversed(found)]
    except ValidationError:
        return "the newest row of the journal is none"
    if not rows or (rows[-1].seq, rows[-1].hash) != (head.seq, head.hash):
        return f"the journal does not end at its head, row {head.seq}"
    before = Head(epoch=head.epoch, seq=0, hash=GENESIS)
    if len(rows) == 2:
        before = Head(epoch=head.epoch, seq=rows[0].seq, hash=rows[0].hash)
    fault = first_fault(stream, before, rows[-1:])
    return f"journal, {fault}" if fault else None


def examine(tally: Tally) -> Examination:
    """Look at every row of the journal and of the facts; ask for slices, tell each fault.

    It does nothing but ask: who drives it says how, and how fast.
    """
    yield from _examine_table("journal", tally)
    for table in FACT_TABLES:
        yield from _examine_table(table, tally)


def _examine_table(table: str, tally: Tally) -> Examination:
    after, limit, unreadable = 0, SLICE, 0
    while True:
        rows = yield Ask(table, {"after": after, "limit": limit})
        if isinstance(rows, Exception):
            if limit == 1:  # it is this one
                unreadable += 1
                is_fact = table != "journal"
                yield Fault(f"{table}: the row after place {after} cannot be read: {rows}", is_fact)
                after += 1
                if unreadable == MOST_UNREADABLE:
                    yield Fault(f"{table}: nothing after place {after} was looked at", is_fact)
                    return
            limit = 1
            continue
        if not rows:
            return
        limit = SLICE
        yield from _faults(table, rows, tally)
        if rows[0]["place"] <= after or rows[-1]["place"] <= after:
            # A damaged tree would give the same rows again and again.
            what = f"{table}: rows stand out of order behind place {after}"
            yield Fault(f"{what}; nothing more was looked at", table != "journal")
            return
        after = rows[-1]["place"]


def _faults(table: str, rows: Sequence[sqlite3.Row], tally: Tally) -> Examination:
    for row in rows:
        fault = _chain_fault(row, tally) if table == "journal" else _fact_fault(table, row, tally)
        if fault:
            yield fault


def _fact_fault(table: str, row: sqlite3.Row, tally: Tally) -> Fault | None:
    tally.facts[table] = tally.facts.get(table, 0) + 1
    fault = fault_of(row)
    return Fault(f"{table}: {fault} does not fit its digest", is_fact=True) if fault else None


def _chain_fault(columns: sqlite3.Row, tally: Tally) -> Fault | None:
    try:
        stream, epoch = key = columns["stream"], columns["epoch"]
        row = Row.of(dict(columns))
        head = tally.heads.get(key) or Head(epoch=epoch, seq=0, hash=GENESIS)
        tally.heads[key] = Head(epoch=epoch, seq=row.seq, hash=row.hash)
    except (ValidationError, LookupError):
        return Fault(f"journal: place {columns['place']} holds no row")
    tally.rows[key] = tally.rows.get(key, 0) + 1
    fault = first_fault(stream, head, [row])
    return Fault(f"journal {stream}, epoch {epoch}: {fault}") if fault else None


def look_through(connection: sqlite3.Connection, tally: Tally) -> list[Fault]:
    """Examine all of the ledger at once and return every fault."""
    faults: list[Fault] = []
    examination = examine(tally)
    try:
        step = next(examination)
        while True:
            answer: Answer = ()
            if isinstance(step, Fault):
                faults.append(step)
            else:
                answer = _answer(connection, step)
            step = examination.send(answer)
    except StopIteration:
        pass
    except UNREADABLE as error:
        faults.append(Fault(f"the ledger cannot be read on: {error}", is_fact=True))
    return faults


def _answer(connection: sqlite3.Connection, ask: Ask) -> Answer:
    try:
        return connection.execute(AUDIT[ask.query], ask.parameters).fetchall()
    except UNREADABLE as error:
        return error
