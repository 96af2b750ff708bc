"""The folder of a lot: its database, and beside it the second copy of what the cloud has not."""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from parkgraph.journal.chain import Head
from parkgraph.journal.epochs import is_recovering
from parkgraph.journal.ledger import JournalLedger, Moment, read_head, write_head
from parkgraph.journal.tail import FILE_NAME, Tail
from parkgraph.runtime.appended_file import AppendedFile
from parkgraph.runtime.sqlite import connect, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, NOON, a_booking, a_lot
from tests.fakes import FakeClock, OpenLedger, a_database, journal_of, randomness
from tests.ledgers import SPACES


class FailingFile(AppendedFile):
    """A real file whose disk fails when a test says so."""

    error: OSError | None = None
    at = "append"
    syncs = 0

    def append(self, data: bytes) -> None:
        if self.error and self.at == "append":
            super().append(data[: len(data) // 2])
            raise self.error
        super().append(data)

    def sync(self) -> None:
        if self.error and self.at == "sync":
            raise self.error
        self.syncs += 1
        super().sync()

    def replace(self, data: bytes) -> None:
        if self.error:
            raise self.error
        super().replace(data)


@dataclass
class Place:
    """The folder of a lot: its database and its tail."""

    folder: Path
    clock: FakeClock = field(default_factory=FakeClock)
    has_copy: bool = True
    opened: int = 0

    @property
    def database(self) -> Path:
        return self.folder / "ledger.db"

    @property
    def tail(self) -> Path:
        return self.folder / FILE_NAME

    @property
    def asides(self) -> list[str]:
        return sorted(path.name for path in self.folder.glob("*aside*"))

    def a_tail(self, file: AppendedFile | None = None) -> Tail:
        file = file or AppendedFile(self.tail)
        return Tail(file, LOT, clock=self.clock, has_copy=self.has_copy, set_aside=file.set_aside)

    @contextlib.asynccontextmanager
    async def open(self, file: AppendedFile | None = None) -> AsyncIterator[OpenLedger]:
        """Start as the gateway does: first the tail is compared, then the ledger is open."""
        self.opened += 1
        connection = a_database(self.database)
        tail = self.a_tail(file)
        try:
            tail.reconcile(connection)
        except BaseException:
            connection.close()
            raise
        writer = Writer(connection, self.database, after_commit=tail.after_commit)
        try:
            async with open_reader(self.database) as reader:
                ledger = JournalLedger(
                    writer, LOT, clock=self.clock, random=randomness(self.opened).randbytes
                )
                yield OpenLedger(ledger, writer, reader, self.database, LOT)
        finally:
            await writer.close()

    def content(self) -> bytes:
        return AppendedFile(self.tail).read()

    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.content().splitlines()]

    def seqs(self) -> list[int]:
        return [line["row"]["seq"] for line in self.lines()]

    async def start(self) -> None:
        """Open the ledger, and close it again."""
        async with self.open():
            pass

    async def book(self, *cars: str) -> None:
        """Open the ledger, book for each of `cars`, and close it again."""
        async with self.open() as ledger:
            await book(ledger, *cars)

    def keep(self) -> None:
        """Back the database up."""
        with (
            contextlib.closing(sqlite3.connect(self.database)) as source,
            contextlib.closing(sqlite3.connect(self.folder / "kept")) as copy,
        ):
            source.backup(copy)

    def put_back(self) -> None:
        """Put the database back to what was kept; the tail stays as it is."""
        self.lose()
        shutil.copy(self.folder / "kept", self.database)

    def lose(self) -> None:
        for path in self.folder.glob("ledger.db*"):
            path.unlink()

    def acknowledge(self, seq: int) -> None:
        """Note, while nobody has the database open, that the cloud has the rows up to `seq`."""
        with contextlib.closing(connect(self.database)) as connection:
            head = read_head(connection, LOT, "head")
            assert head
            row = journal_of(self.database)[seq - 1]
            write_head(
                connection, LOT, "acknowledged", Head(epoch=head.epoch, seq=seq, hash=row.hash)
            )

    def is_recovering(self) -> bool:
        with contextlib.closing(connect(self.database)) as connection:
            return is_recovering(connection, LOT)


async def book(ledger: OpenLedger, *cars: str) -> None:
    for car in cars:
        await ledger.submit(a_booking(car, vin=None))


async def a_lot_with(place: Place, *cars: str) -> None:
    async with place.open() as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        await book(ledger, *cars)


def a_moment() -> Moment:
    return Moment(NOON, randomness(9).randbytes)
