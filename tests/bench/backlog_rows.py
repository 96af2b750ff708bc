"""The rows of a long outage: written by the product's own ledger, and inserted bare beside it."""

import contextlib
import os
import sqlite3
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from parkgraph.journal.copies import MOST_ROWS
from parkgraph.journal.ledger import Decision, JournalLedger, Moment
from parkgraph.model.records import (
    AdmissionGranted,
    AnyRecord,
    VendFinished,
    VendOrdered,
    VendOutcome,
)
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.sqlite import connect
from parkgraph.runtime.writer import Writer
from tests.faults.gateway import Gateway
from tests.faults.seeding import Park, size_of

ROWS_OF_A_STAY: Final = 10
STAYS_AT_ONCE: Final = 100
TELL_EVERY_SECONDS: Final = 5.0


class Visits(Park):
    """Stays of ten records each: those of `Park`, with an order to the barrier for each passage."""

    def decide(self, facts: sqlite3.Connection, moment: Moment) -> Decision[list[str]]:
        """Return the ids of the stays."""
        decision = Park.decide(self, facts, moment)
        numbers = iter(range(2 * self.first, 2 * (self.first + len(self.spaces))))
        records: list[AnyRecord] = []
        for record in decision.records:
            records.append(record)
            if isinstance(record, AdmissionGranted):
                records += _vended(record, next(numbers), moment)
        return Decision(decision.outcome, records)


def _vended(admission: AdmissionGranted, order: int, moment: Moment) -> Iterator[AnyRecord]:
    yield VendOrdered(
        order=order,
        token=1,
        admission=admission.admission,
        lane=admission.lane,
        open_seconds=8.0,
        before=moment.at + timedelta(seconds=3),
    )
    yield VendFinished(
        order=order, lane=admission.lane, outcome=VendOutcome.OPENED, decision_to_boom_ms=1200
    )


async def build(gateway: Gateway, rows: int) -> None:
    """Let vehicles come and go in a stopped gateway until its journal has about `rows` rows."""
    count = max(0, rows - size_of(gateway.ledger)) // ROWS_OF_A_STAY
    writer = Writer(connect(gateway.ledger), gateway.ledger)
    told_at = began = time.monotonic()
    try:
        ledger = JournalLedger(writer, gateway.lot, clock=SystemClock(), random=os.urandom)
        for first in range(0, count, STAYS_AT_ONCE):
            # Those in one command need a space each; the next command finds the spaces free again.
            spaces = gateway.spaces[: min(STAYS_AT_ONCE, count - first)]
            await ledger.submit(Visits(spaces, first, leave=True))
            if time.monotonic() > told_at + TELL_EVERY_SECONDS:
                told_at = time.monotonic()
                tell("written", ROWS_OF_A_STAY * (first + len(spaces)), rows, began)
    finally:
        await writer.close()


def insert_bare(ledger: Path, most: int) -> float:
    """Insert up to `most` rows of the journal into one table; return the seconds of the inserts.

    With the same settings of SQLite, and so many rows a commit as the link sends at a time.
    """
    into, spent = ledger.with_name("bare.db"), 0.0
    with contextlib.closing(sqlite3.connect(ledger)) as source:
        cursor = source.execute("SELECT * FROM journal ORDER BY rowid LIMIT ?", (most,))
        names = [column[0] for column in cursor.description]
        with contextlib.closing(connect(into)) as bare:
            bare.execute(f"CREATE TABLE bare (n INTEGER PRIMARY KEY, {', '.join(names)})")
            marks = ", ".join("?" * len(names))
            insert = f"INSERT INTO bare ({', '.join(names)}) VALUES ({marks})"
            while rows := cursor.fetchmany(MOST_ROWS):
                began = time.perf_counter()
                bare.execute("BEGIN IMMEDIATE")
                bare.executemany(insert, rows)
                bare.execute("COMMIT")
                spent += time.perf_counter() - began
    into.unlink()
    return spent


def tell(what: str, rows: int, of: int, began: float) -> None:
    """Say on stderr how far it has come, by the pace since `began`."""
    a_second = rows / max(0.001, time.monotonic() - began)
    left = max(0, of - rows) / max(1.0, a_second)
    sys.stderr.write(f"  {rows} of {of} rows {what}, {a_second:.0f} a second, {left:.0f} s left\n")
    sys.stderr.flush()
