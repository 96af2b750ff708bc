"""A lot and the cloud over real databases, and between them a broker not to be relied on."""

import asyncio
import contextlib
import random
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.ledger import Command, JournalLedger
from parkgraph.journal.messages import LotState
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import Reader, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.allotments import Allotments
from parkgraph_cloud.links import LotLinks
from parkgraph_edge.store.terms import LotTerms
from parkgraph_edge.sync.link import LotLink
from tests.builders import LOT
from tests.fakes import FakeClock, OpenLedger, a_cloud_database, facts_of, randomness, until
from tests.lending import LENDING, Lender, a_lender

DOWN = stream_of_cloud(LOT)

Outcome = TypeVar("Outcome")


@dataclass
class FakeBroker:
    """Hands messages to whoever subscribed; loses, doubles and swaps them by a seed.

    What lots say of their state is heard by nobody where it `hides_states`.
    """

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    loses: float = 0.0
    doubles: float = 0.0
    swaps: float = 0.0
    hides_states: bool = False
    channels: list["BrokerChannel"] = field(default_factory=list)
    seen: list[Message] = field(default_factory=list)

    def publish(self, message: Message) -> None:
        self.seen.append(message)
        is_hidden = self.hides_states and message.topic.endswith("/state")
        for channel in self.channels:
            if channel.wants(message.topic) and not is_hidden:
                live = replace(message, is_retained=False)  # as a broker marks what is new
                channel.waiting.append(live)
                asyncio.get_running_loop().call_later(0.01, self._deliver, channel)

    def _deliver(self, channel: "BrokerChannel") -> None:
        waiting, channel.waiting = channel.waiting, []
        out: list[Message] = []
        for message in waiting:
            copies = 0 if self.chance.random() < self.loses else 1
            out += [message] * (copies + (self.chance.random() < self.doubles))
        if self.chance.random() < self.swaps:
            self.chance.shuffle(out)
        for message in out:
            channel.arrived.put_nowait(message)

    def cut(self) -> None:
        """Lose every connection; both ends connect again after a while."""
        for channel in list(self.channels):
            channel.hang_up()

    def say(self, message: Message) -> None:
        """Hand over `message` as if somebody had published it; it is never lost."""
        for channel in self.channels:
            if channel.wants(message.topic):
                channel.arrived.put_nowait(message)

    def said(self, kind: str) -> int:
        """Return how often something was published on a topic that ends with `kind`."""
        return sum(message.topic.endswith(kind) for message in self.seen)


class BrokerChannel(Channel):
    """One connection to the broker."""

    def __init__(self, broker: FakeBroker) -> None:
        self._broker = broker
        self._filters: list[list[str]] = []
        self.waiting: list[Message] = []
        self.arrived: asyncio.Queue[Message | None] = asyncio.Queue()
        broker.channels.append(self)

    async def subscribe(self, topic: str) -> None:
        self._filters.append(topic.split("/"))

    def wants(self, topic: str) -> bool:
        parts = topic.split("/")
        return any(
            len(wanted) == len(parts)
            and all(w in ("+", p) for w, p in zip(wanted, parts, strict=True))
            for wanted in self._filters
        )

    async def publish(self, message: Message) -> None:
        if self not in self._broker.channels:
            raise UnavailableError("the connection was lost")
        self._broker.publish(message)

    async def messages(self) -> AsyncIterator[Message]:
        while (message := await self.arrived.get()) is not None:
            yield message
        raise UnavailableError("the connection was lost")

    def hang_up(self) -> None:
        if self in self._broker.channels:
            self._broker.channels.remove(self)
            self.arrived.put_nowait(None)


@dataclass(frozen=True, slots=True)
class OpenCloud:
    """The cloud over a file."""

    writer: Writer
    reader: Reader
    clock: FakeClock
    allotments: Allotments
    path: Path

    @property
    def ledger(self) -> JournalLedger:
        return self.allotments.ledger(LOT)

    async def submit(self, command: Command[Outcome]) -> Outcome:
        return await self.ledger.submit(command)

    def one(self, query: str, *parameters: Any) -> Any:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(query, parameters).fetchone()[0]


@contextlib.asynccontextmanager
async def open_cloud(
    folder: Path, clock: FakeClock | None = None, *, seed: int = 99
) -> AsyncIterator[OpenCloud]:
    """Open the cloud in `folder`; open it again to restart."""
    clock = clock or FakeClock()
    path = folder / "cloud.db"
    writer = Writer(a_cloud_database(path), path)
    try:
        async with open_reader(path) as reader:
            allotments = Allotments(writer, reader, clock=clock, random=randomness(seed).randbytes)
            yield OpenCloud(writer, reader, clock, allotments, path)
    finally:
        await writer.close()


@contextlib.asynccontextmanager
async def linked(
    lot: OpenLedger, cloud: OpenCloud, broker: FakeBroker | None = None, terms: LotTerms = LENDING
) -> AsyncIterator[FakeBroker]:
    """Keep both ends of the link up, each over one connection."""
    broker = broker or FakeBroker()
    link = LotLink(terms, lot.ledger, lot.writer, lot.reader, occupied=frozenset)
    links = LotLinks(cloud.writer, cloud.reader, clock=cloud.clock, moment=cloud.ledger.moment)

    @contextlib.asynccontextmanager
    async def connect(**_: Any) -> AsyncIterator[Channel]:
        channel = BrokerChannel(broker)
        try:
            yield channel
        finally:
            channel.hang_up()

    async with asyncio.TaskGroup() as group:
        ends = (
            group.create_task(links.keep_up(connect)),
            group.create_task(link.keep_up(connect, lambda seq: LotState(link="up", head_seq=seq))),
        )
        yield broker
        for end in ends:
            end.cancel()


def rows_in(path: Path, stream: str) -> list[tuple[int, int, str]]:
    """Return epoch, number and hash of every row of `stream`, epoch by epoch as they follow."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return sorted(
            connection.execute(
                "SELECT epoch, seq, hash FROM journal WHERE stream = ?", (stream,)
            ).fetchall()
        )


def cursor_in(path: Path, stream: str, name: str) -> tuple[int, int, str] | None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        found: tuple[int, int, str] | None = connection.execute(
            "SELECT epoch, seq, hash FROM cursors WHERE stream = ? AND name = ?", (stream, name)
        ).fetchone()
        return found


def epochs_in(path: Path, stream: str) -> int:
    """Return how many epochs of `stream` the database at `path` has."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        query = "SELECT COUNT(*) FROM epochs WHERE stream = ?"
        return int(connection.execute(query, (stream,)).fetchone()[0])


def set_aside_in(path: Path) -> list[str]:
    """Return the streams of the rows that the database at `path` shows as set aside."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return [stream for (stream,) in connection.execute("SELECT stream FROM dead_letters")]


def told_in(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Return the facts that an epoch of a lot begins with."""
    facts = facts_of(path)
    return {table: facts[table] for table in ("lots", "spaces", "sessions")}


def is_copied(stream: str, owner: Path, copy: Path) -> bool:
    """Say whether `copy` has the newest row of `stream` that `owner` has, and `owner` knows."""
    head = cursor_in(owner, stream, "head")
    return head == cursor_in(owner, stream, "acknowledged") == cursor_in(copy, stream, "head")


def is_level(lot: OpenLedger, cloud: OpenCloud) -> bool:
    """Say whether each side has the other's newest row, and the owner knows."""
    return all(
        is_copied(stream, owner, copy) and not cursor_in(owner, stream, "recovering")
        for stream, owner, copy in ((LOT, lot.path, cloud.path), (DOWN, cloud.path, lot.path))
    )


async def level(lot: OpenLedger, cloud: OpenCloud) -> None:
    """Wait until both sides have everything."""
    await until(lambda: is_level(lot, cloud), every_seconds=1.0)


async def lent(lot: OpenLedger, cloud: OpenCloud, clock: FakeClock) -> Lender:
    """Bring both sides to where the cloud has what the lot lends; the link is up."""
    lender = await a_lender(lot, clock)
    await lent_anew(lot, cloud)
    return lender


async def lent_anew(lot: OpenLedger, cloud: OpenCloud) -> None:
    """Wait until the cloud has asked and has what it asked for."""
    await becomes(lambda: cloud.one("SELECT COUNT(*) FROM lot_states") == 1)
    await becomes(lambda: cursor_in(cloud.path, LOT, "head") is not None)
    await becomes(lambda: cursor_in(cloud.path, DOWN, "recovering") is None)
    await cloud.allotments.tend()
    await level(lot, cloud)


async def becomes(is_so: Callable[[], bool]) -> None:
    await until(is_so, every_seconds=1.0)


def lose(path: Path) -> None:
    """Delete the database at `path`, which nobody has open."""
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def backed_up(path: Path) -> sqlite3.Connection:
    """Return a copy of the database at `path` as it is now."""
    copy = sqlite3.connect(":memory:")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.backup(copy)
    return copy


def restore(backup: sqlite3.Connection, path: Path) -> None:
    """Put the database at `path`, which nobody has open, back to `backup`."""
    lose(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        backup.backup(connection)
    backup.close()
