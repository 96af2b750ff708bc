"""Fakes: they keep the promises of the real thing, and time passes when a test says so."""

import asyncio
import contextlib
import random
import selectors
import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, TypeVar, cast

from parkgraph.journal.chain import Row
from parkgraph.journal.ledger import (
    MIGRATIONS,
    SQL,
    Command,
    Decision,
    JournalLedger,
    Moment,
    read_head,
)
from parkgraph.model.records import AnyRecord
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph.runtime.sqlite import Reader, connect, migrate, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.rules.barriers import BarrierState, VendOrder
from tests.builders import LOT, NOON, a_barrier_state

EDGE_MIGRATIONS: Final = "parkgraph_edge.store.migrations"
CLOUD_MIGRATIONS: Final = "parkgraph_cloud.migrations"
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

Outcome = TypeVar("Outcome")


class FakeClock:
    """A clock that stands until it is told to go on."""

    def __init__(self, now: datetime = NOON, boot_seconds: float = 1000.0) -> None:
        self._now = now
        self._boot_seconds = boot_seconds
        self._boots = 1
        self.has_trust = True

    def now(self) -> datetime:
        return self._now

    def boot_seconds(self) -> float:
        return self._boot_seconds

    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def is_trusted(self) -> bool:
        return self.has_trust

    def advance(self, seconds: float) -> None:
        self._now += timedelta(seconds=seconds)
        self._boot_seconds += seconds

    def set_wall(self, by: timedelta) -> None:
        """Set the wall clock ahead, or back; nobody vouches for what it says then."""
        self._now += by
        self.has_trust = False

    def reboot(self, *, off_seconds: float = 0.0) -> None:
        """Boot anew after so long without power, in which a battery kept the wall clock right."""
        self._now += timedelta(seconds=off_seconds)
        self._boots += 1
        self._boot_seconds = 0.0
        self.has_trust = False


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop that does not sit out pauses: where nothing happens, its time jumps ahead.

    It waits a moment of real time first, for the threads that read, and for as long as it takes for
    the one that writes.
    """

    def __init__(self) -> None:
        selector = _HurriedSelector()
        super().__init__(cast("selectors.BaseSelector", selector))
        self._hurried = selector

    def time(self) -> float:
        return super().time() + self._hurried.skipped_seconds

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        work = super().run_in_executor(executor, func, *args)
        self._hurried.at_work += 1
        work.add_done_callback(self._hurried.has_ended)
        return work


class _HurriedSelector(selectors.DefaultSelector):
    skipped_seconds = 0.0
    at_work = 0

    def has_ended(self, _: object) -> None:
        self.at_work -= 1

    def select(self, timeout: float | None = None) -> Any:
        moment = 0.002
        if timeout is None or timeout <= moment or self.at_work:
            return super().select(timeout)
        found = super().select(moment)
        if not found:
            self.skipped_seconds += timeout - moment
        return found


class FakeBarrier:
    """A barrier controller that is looked at when a test says so.

    Like the real one it takes an order only with a larger pair of token and id than any before. Its
    boom is up at once when `opens`, and stays up until the test lowers it.
    """

    def __init__(self, clock: Clock, **state: Any) -> None:
        self.state = a_barrier_state(**state)
        self.accepted: list[VendOrder] = []
        self.opens = True
        self.is_away = False
        self.loses_orders = False
        self.takes_seconds = 0.0
        self._clock = clock
        self._asked = asyncio.Event()
        self._turn = asyncio.Semaphore(0)

    async def read(self) -> BarrierState:
        self._asked.set()
        await self._turn.acquire()
        if self.is_away:
            raise UnavailableError("no answer")
        return replace(self.state, asked_at=self._clock.boot_seconds() - self.takes_seconds)

    async def vend(self, order: VendOrder) -> None:
        if self.is_away or self.loses_orders or self._clock.boot_seconds() >= order.deadline:
            raise UnavailableError("no answer")
        if (order.token, order.order) <= (self.state.token, self.state.last_order):
            raise RefusedError("not newer than the last accepted")
        self.accepted.append(order)
        self.state = replace(self.state, token=order.token, last_order=order.order)
        if self.opens:
            self.state = replace(self.state, is_closed=False, is_open=True, angle_degrees=90.0)

    async def look(self, **changes: Any) -> None:
        """Let the lane look once, at `changes`, and return when it has done what comes of it."""
        self.state = replace(self.state, **changes)
        await self._asked.wait()
        self._asked.clear()
        self._turn.release()
        await self._asked.wait()


@dataclass(frozen=True, slots=True)
class OpenLedger:
    """A ledger over a file, and ways to look into it beside the product's own."""

    ledger: JournalLedger
    writer: Writer
    reader: Reader
    path: Path
    lot: str

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        return await self.ledger.submit(command, urgent=urgent)

    def rows(self) -> list[Row]:
        """Return the journal as another process would read it."""
        return journal_of(self.path, self.lot)

    def types(self) -> list[str]:
        """Return the types of all records in order."""
        return [row.type for row in self.rows()]

    def facts(self) -> dict[str, list[tuple[Any, ...]]]:
        """Return an ordered dump of all fact tables."""
        return facts_of(self.path)

    def one(self, query: str, *parameters: Any) -> Any:
        """Return the first column of the first row of `query`."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, parameters).fetchone()[0]


@dataclass(frozen=True, slots=True)
class Recording:
    """A command that records what it is given, whether or not a rule would."""

    records: Sequence[AnyRecord]
    actor: str = "system"

    def decide(self, facts: sqlite3.Connection, moment: Moment) -> Decision[None]:
        return Decision(None, self.records)


async def until(is_so: Callable[[], bool], *, every_seconds: float = 0.02) -> None:
    """Wait until `is_so`; pytest's limit of time ends what hangs."""
    while not is_so():  # noqa: ASYNC110  what is waited for may be on another thread
        await asyncio.sleep(every_seconds)


def randomness(seed: int = 0) -> random.Random:
    """Return a source of randomness whose `randbytes` is always the same."""
    return random.Random(seed)


def a_database(path: Path, *packages: str) -> sqlite3.Connection:
    """Return a migrated database at `path`; at a lot unless `packages` say otherwise."""
    connection = connect(path)
    migrate(connection, packages or (MIGRATIONS, EDGE_MIGRATIONS))
    return connection


def a_cloud_database(path: Path) -> sqlite3.Connection:
    """Return a database at `path`, migrated as the cloud's is."""
    return a_database(path, MIGRATIONS, CLOUD_MIGRATIONS)


@contextlib.asynccontextmanager
async def open_ledger(
    tmp_path: Path,
    lot: str = LOT,
    clock: Clock | None = None,
    *,
    seed: int = 0,
    on_full: Callable[[], bool] = lambda: False,
) -> AsyncIterator[OpenLedger]:
    """Open the ledger of `lot` in `tmp_path`, as the gateway does; open it again to restart."""
    path = tmp_path / "ledger.db"
    writer = Writer(a_database(path), path, on_full=on_full)
    try:
        async with open_reader(path) as reader:
            ledger = JournalLedger(
                writer, lot, clock=clock or FakeClock(), random=randomness(seed).randbytes
            )
            yield OpenLedger(ledger, writer, reader, path, lot)
    finally:
        await writer.close()


def journal_of(path: Path, lot: str = LOT) -> list[Row]:
    """Return the journal of `lot` in the database at `path`."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        head = read_head(connection, lot, "head")
        if head is None:
            return []
        found = connection.execute(
            SQL["rows_after"], {"stream": lot, "epoch": head.epoch, "seq": 0, "limit": -1}
        )
        return [Row.of(dict(columns)) for columns in found]


def facts_of(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return an ordered dump of all fact tables in the database at `path`, without digests."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        facts: dict[str, list[tuple[Any, ...]]] = {}
        for table in FACT_TABLES:
            columns = ", ".join(columns_of(connection, table))
            facts[table] = sorted(connection.execute(f"SELECT {columns} FROM {table}"), key=repr)
        return facts


def columns_of(connection: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns of `table` without its digest, which only a lot has."""
    names = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    return [name for name in names if name != "digest"]
