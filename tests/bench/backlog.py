"""What a long outage costs: a lot's journal of many rows, in memory and on its way to the cloud.

The journal is written by the product's own ledger, as stays of ten records. Beside the drain: a
bare batched insert of the same rows, see `backlog_rows`. Beside the calls meanwhile:
the same calls to the same programs once all is sent.
"""

import asyncio
import contextlib
import sqlite3
import statistics
import time
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from tests.bench.backlog_rows import TELL_EVERY_SECONDS, build, insert_bare, tell
from tests.bench.load import CREATED, percentile_99
from tests.bench.machine import Resident, family, resident
from tests.bench.progress import Progress
from tests.faults.brokers import Broker, installed
from tests.faults.caller import HungUpError
from tests.faults.copies import cloud_chain_faults, heads
from tests.faults.fleet import Cloud, Fleet
from tests.faults.gateway import Gateway
from tests.faults.seeding import size_of

ROWS: Final = 864_000  # 30 days at 20 records a minute
SPACES: Final = 4000
LOOK_AFTER_SECONDS: Final = 20.0
CALL_EVERY_SECONDS: Final = 0.2
FEWEST_CALLS: Final = 100
# Each takes a space, and those of the idle time come on top.
MOST_CALLS: Final = 3500
IDLE_SECONDS: Final = 25.0
LOOK_EVERY_SECONDS: Final = 0.25
# The link itself waits up to a minute before it sends again.
STALLED_SECONDS: Final = 180.0


class Calls(BaseModel):
    """Bookings at a fixed rate: latencies are of 201s, each with its connection."""

    when: str
    created: int
    others: dict[str, int]
    p50_ms: float
    p99_ms: float
    longest_ms: float


class Backlog(BaseModel):
    """What was measured so far. `drain_seconds` are from the gateway's start to equal heads.

    The reference is inserted before the drain and again after it.
    """

    rows: int
    build_seconds: float | None = None
    journal_mib: float | None = None
    bare_seconds: list[float] = []
    memory: list[Resident] = []
    drained_rows: int = 0
    first_row_seconds: float | None = None
    drain_seconds: float | None = None
    faults: list[str] | None = None
    calls: list[Calls] = []

    @property
    def bare_per_second(self) -> float:
        """Rows a second of the bare inserts, before and after the drain."""
        return self.rows * len(self.bare_seconds) / max(0.001, sum(self.bare_seconds))

    @property
    def drained_per_second(self) -> float:
        """Rows a second from the gateway's start until the cloud had all."""
        return self.drained_rows / self.drain_seconds if self.drain_seconds else 0.0


def plan(rows: int) -> list[float]:
    """Return about how long each step takes; the order is that of `measure`."""
    around, bare = LOOK_AFTER_SECONDS + 4.0, rows / 50_000
    return [
        around, rows / 8000, bare, around, 5 + rows / 2500, IDLE_SECONDS, rows / 20_000, bare,
    ]  # fmt: skip


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
    began = time.monotonic()
    await build(alone, found.rows)
    found.build_seconds = time.monotonic() - began
    found.rows = size_of(alone.ledger)
    found.journal_mib = alone.ledger.stat().st_size / 2**20
    progress.step("backlog: a bare insert of the same rows")
    found.bare_seconds.append(await asyncio.to_thread(insert_bare, alone.ledger, found.rows))
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
    # Disks are not the same from minute to minute.
    progress.step("backlog: the bare insert again")
    found.bare_seconds.append(await asyncio.to_thread(insert_bare, alone.ledger, found.rows))


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


async def _drain_and_check(found: Backlog, fleet: Fleet, progress: Progress) -> None:
    gateway, database = fleet.gateways[0], fleet.cloud.database
    progress.step("backlog: on its way to the cloud")
    began = time.monotonic()
    await gateway.start()
    await gateway.until_it_answers()
    is_over = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        calls = group.create_task(_call(gateway, "draining", is_over))
        try:
            await _until_drained(found, fleet, began)
        finally:
            is_over.set()
    found.calls.append(calls.result())
    if found.drain_seconds is None:
        found.faults = [f"no row came to the cloud for {STALLED_SECONDS:.0f} s"]
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
    """Wait until both heads are equal or nothing moves; look on a thread, not to delay calls."""
    told_at = moved_at = began
    before = 0
    while (now := time.monotonic()) < moved_at + STALLED_SECONDS:
        arrived, is_equal = await asyncio.to_thread(_arrived, fleet)
        if arrived > before:
            before, moved_at = arrived, now
        if arrived and found.first_row_seconds is None:
            found.first_row_seconds = now - began
        if is_equal:
            found.drain_seconds = time.monotonic() - began
            found.drained_rows = arrived
            return
        if now > told_at + TELL_EVERY_SECONDS:
            told_at = now
            tell("at the cloud", arrived, found.rows, began)
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
