"""What a long outage costs: a lot's journal of many rows, in memory and on its way to the cloud.

The journal is written by the product's own ledger, as stays of ten records. Beside the drain: a
bare batched insert of the same rows with the same settings of SQLite, so many a commit as the link
sends at a time. Beside the calls meanwhile: the same calls to the same programs once all is sent.
"""

import asyncio
import contextlib
import os
import sqlite3
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph.journal.copies import MOST_ROWS
from parkgraph.journal.ledger import Decision, JournalLedger, Moment
from parkgraph.model.records import AdmissionGranted, AnyRecord, VendFinished, VendOrdered
from parkgraph.model.records import VendOutcome as Outcome
from parkgraph.runtime.clock import SystemClock
from parkgraph.runtime.sqlite import connect
from parkgraph.runtime.writer import Writer
from tests.bench.load import CREATED, percentile_99
from tests.bench.machine import Resident, family, resident
from tests.bench.progress import Progress
from tests.faults.brokers import Broker, installed
from tests.faults.caller import HungUpError
from tests.faults.copies import cloud_chain_faults, heads
from tests.faults.fleet import Cloud, Fleet
from tests.faults.gateway import Gateway
from tests.faults.seeding import Park, size_of

ROWS: Final = 864_000  # 30 days at 20 records a minute
ROWS_OF_A_STAY: Final = 10
STAYS_AT_ONCE: Final = 100
SPACES: Final = 4000
LOOK_AFTER_SECONDS: Final = 20.0
CALL_EVERY_SECONDS: Final = 0.2
FEWEST_CALLS: Final = 100
# Each takes a space, and those of the idle time come on top.
MOST_CALLS: Final = 3500
IDLE_SECONDS: Final = 25.0
LOOK_EVERY_SECONDS: Final = 0.25
TELL_EVERY_SECONDS: Final = 5.0
# A drain that is slower than this has failed.
SLOWEST_ROWS_PER_SECOND: Final = 200


class Calls(BaseModel):
    """Bookings at a fixed rate: latencies are of 201s, each with its connection."""

    when: str
    created: int
    others: dict[str, int]
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Backlog(BaseModel):
    """What was measured so far. `drain_seconds` are from the gateway's start to equal heads."""

    rows: int
    build_seconds: float | None = None
    journal_mib: float | None = None
    bare_seconds: float | None = None
    memory: list[Resident] = []
    drained_rows: int = 0
    first_row_seconds: float | None = None
    drain_seconds: float | None = None
    faults: list[str] | None = None
    calls: list[Calls] = []

    @property
    def bare_per_second(self) -> float:
        """Rows a second of the bare insert."""
        return self.rows / self.bare_seconds if self.bare_seconds else 0.0

    @property
    def drained_per_second(self) -> float:
        """Rows a second from the gateway's start until the cloud had all."""
        return self.drained_rows / self.drain_seconds if self.drain_seconds else 0.0


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
        order=order, lane=admission.lane, outcome=Outcome.OPENED, decision_to_boom_ms=1200
    )


def plan(rows: int) -> list[float]:
    """Return about how long each step takes; the order is that of `measure`."""
    around = LOOK_AFTER_SECONDS + 4.0
    return [
        around,
        rows / 3000,
        rows / 50_000,
        around,
        5 + rows / 1500,
        IDLE_SECONDS,
        rows / 20_000,
    ]


async def measure(found: Backlog, folder: Path, progress: Progress) -> None:
    """Fill in `found`, in `folder`; no process is left.

    Raises:
        ProgramError: a program did not come up or ended by itself.
    """
    place = folder / "backlog"
    place.mkdir()
    state = place / "state"
    alone = Gateway(place / "alone", state, spaces=SPACES)
    progress.step("backlog: memory of a gateway with an empty ledger")
    found.memory.append(await _memory(alone, "gateway, empty ledger"))
    progress.step(f"backlog: a journal of {found.rows} rows")
    await _build(found, alone)
    progress.step("backlog: a bare insert of the same rows")
    await asyncio.to_thread(_insert_bare, found, alone.ledger, place / "bare.db")
    progress.step("backlog: memory of a gateway with that ledger")
    found.memory.append(await _memory(alone, "gateway, backlog"))
    broker = Broker(place, installed())
    cloud = Cloud(place / "cloud", broker.url)
    fleet = Fleet([Gateway(place / "linked", state, spaces=SPACES, broker=broker.url)], cloud)
    try:
        await broker.start()
        await cloud.start()
        await _drain_and_check(found, fleet, progress)
    finally:
        await fleet.kill()
        await broker.kill()


async def _memory(gateway: Gateway, name: str) -> Resident:
    began = time.monotonic()
    try:
        await gateway.start()
        await gateway.until_it_answers()
        await asyncio.sleep(max(0.0, began + LOOK_AFTER_SECONDS - time.monotonic()))
        each = [resident(pid, name) for pid in family(gateway.pid)]
        return Resident(
            name=name,
            now_mib=sum(one.now_mib for one in each),
            peak_mib=sum(one.peak_mib for one in each),
        )
    finally:
        await gateway.stop()


async def _build(found: Backlog, gateway: Gateway) -> None:
    """Let vehicles come and go until the journal has so many rows."""
    count = max(0, found.rows - size_of(gateway.ledger)) // ROWS_OF_A_STAY
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
                _tell("written", ROWS_OF_A_STAY * (first + len(spaces)), found.rows, began)
    finally:
        await writer.close()
    found.build_seconds = time.monotonic() - began
    found.rows = size_of(gateway.ledger)
    found.journal_mib = gateway.ledger.stat().st_size / 2**20


def _insert_bare(found: Backlog, ledger: Path, into: Path) -> None:
    """Insert the rows of the journal into one table; only the inserts count, not the reading."""
    spent = 0.0
    with contextlib.closing(sqlite3.connect(ledger)) as source:
        cursor = source.execute("SELECT * FROM journal ORDER BY rowid")
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
    found.bare_seconds = spent
    into.unlink()


async def _drain_and_check(found: Backlog, fleet: Fleet, progress: Progress) -> None:
    gateway, database = fleet.gateways[0], fleet.cloud.database
    progress.step("backlog: on its way to the cloud")
    began = time.monotonic()
    await gateway.start()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        calls = group.create_task(_call(gateway, "draining", is_over))
        try:
            await _until_drained(found, fleet, began)
        finally:
            is_over.set()
    found.calls.append(calls.result())
    if found.drain_seconds is None:
        found.faults = ["the cloud had not all of it in time"]
        return
    progress.step("backlog: the same calls with nothing left to send")
    found.calls.append(await _call(gateway, "idle", None))
    is_equal = await fleet.until_equal(within_seconds=20)
    progress.step("backlog: order and chain of the copy")
    faults = [] if is_equal is not None else ["the heads differ again"]
    faults += await asyncio.to_thread(cloud_chain_faults, database)
    faults += await asyncio.to_thread(_disorder, database, gateway.lot)
    found.faults = faults


async def _until_drained(found: Backlog, fleet: Fleet, began: float) -> None:
    """Wait until both heads are equal, looking on a thread so that no call is measured longer."""
    gateway = fleet.gateways[0]
    await gateway.until_it_answers()
    lasts = 120 + found.rows / SLOWEST_ROWS_PER_SECOND
    told_at = began
    while (now := time.monotonic()) < began + lasts:
        arrived, is_equal = await asyncio.to_thread(_arrived, fleet)
        if arrived and found.first_row_seconds is None:
            found.first_row_seconds = now - began
        if is_equal:
            found.drain_seconds = time.monotonic() - began
            found.drained_rows = arrived
            return
        if now > told_at + TELL_EVERY_SECONDS:
            told_at = now
            _tell("at the cloud", arrived, found.rows, began)
        await asyncio.sleep(LOOK_EVERY_SECONDS)


def _arrived(fleet: Fleet) -> tuple[int, bool]:
    """Return how many rows of any stream the cloud has, and whether its head is the lot's.

    Rows are appended and none is old enough to be removed, so that the last one tells their number.
    """
    gateway, database = fleet.gateways[0], fleet.cloud.database
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        arrived = connection.execute("SELECT MAX(rowid) FROM journal").fetchone()[0] or 0
    lot = gateway.lot
    return arrived, heads(database).get(lot) == heads(gateway.ledger)[lot]


def _disorder(database: Path, lot: str) -> list[str]:
    """Compare the order in which rows came into the cloud with that in which they were written."""
    epoch, seq = None, 0
    query = "SELECT epoch, seq FROM journal WHERE stream = ? ORDER BY rowid"
    with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        for row in connection.execute(query, (lot,)):
            expected = (epoch, seq + 1) if row[0] == epoch else (row[0], 1)
            if row != expected:
                return [f"row {row[1]} came where {expected[1]} belongs"]
            epoch, seq = row
    return []


async def _call(gateway: Gateway, when: str, is_over: asyncio.Event | None) -> Calls:
    """Book at a fixed rate until `is_over`, or else for a fixed time; each call on its own."""
    await gateway.until_it_answers()
    latencies: list[float] = []
    others: dict[str, int] = {}
    most = MOST_CALLS if is_over else int(IDLE_SECONDS / CALL_EVERY_SECONDS)
    began = time.monotonic()
    async with asyncio.TaskGroup() as group:
        for number in range(most):
            if is_over and is_over.is_set():
                break
            plate = f"{when[0].upper()}{number:09}"
            group.create_task(_book(gateway, plate, latencies, others))
            due = began + (number + 1) * CALL_EVERY_SECONDS
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    return Calls(
        when=when,
        created=len(latencies),
        others=others,
        p50_ms=statistics.median(latencies) if latencies else 0.0,
        p99_ms=percentile_99(latencies),
        longest_ms=max(latencies, default=0.0),
    )


async def _book(
    gateway: Gateway, plate: str, latencies: list[float], others: dict[str, int]
) -> None:
    began = time.perf_counter()
    try:
        caller = await gateway.caller()
        with contextlib.closing(caller):
            status = str((await caller.book(gateway.lot, plate)).status)
    except HungUpError:
        status = "hung up"
    if status == CREATED:
        latencies.append(1000 * (time.perf_counter() - began))
    else:
        others[status] = others.get(status, 0) + 1


def _tell(what: str, rows: int, of: int, began: float) -> None:
    a_second = rows / max(0.001, time.monotonic() - began)
    left = max(0, of - rows) / max(1.0, a_second)
    sys.stderr.write(f"  {rows} of {of} rows {what}, {a_second:.0f} a second, {left:.0f} s left\n")
    sys.stderr.flush()
