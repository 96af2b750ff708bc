"""The second copy: what was answered is there when the database loses it."""

import contextlib
import errno
import json
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from parkgraph.journal.chain import GENESIS, Head, first_fault
from parkgraph.journal.epochs import begin_epoch, finish_recovery, is_recovering
from parkgraph.journal.ledger import JournalLedger, Moment, read_head, write_head
from parkgraph.journal.messages import Batch
from parkgraph.journal.sender import Sender, take_back
from parkgraph.journal.tail import FILE_NAME, LARGE_ROWS, Tail
from parkgraph.model.records import EpochBegan, parse_record
from parkgraph.runtime.appended_file import AppendedFile
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import connect, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, NOON, a_booking, a_lot, a_reservation
from tests.fakes import (
    FakeClock,
    OpenLedger,
    Recording,
    a_database,
    facts_of,
    journal_of,
    open_ledger,
    randomness,
)

SPACES = tuple(f"S-{number:02}" for number in range(9))


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
                    writer, LOT, clock=self.clock, random=randomness(os.getpid()).randbytes
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

    def keep(self, name: str) -> None:
        """Back the database up."""
        with (
            contextlib.closing(sqlite3.connect(self.database)) as source,
            contextlib.closing(sqlite3.connect(self.folder / name)) as copy,
        ):
            source.backup(copy)

    def put_back(self, name: str) -> None:
        self.lose()
        shutil.copy(self.folder / name, self.database)

    def lose(self) -> None:
        for path in self.folder.glob("ledger.db*"):
            path.unlink()

    def acknowledge(self, seq: int) -> None:
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


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


async def book(ledger: OpenLedger, *cars: str) -> None:
    for car in cars:
        await ledger.submit(a_booking(car, vin=None))


async def a_lot_with(place: Place, *cars: str) -> None:
    async with place.open() as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        await book(ledger, *cars)


async def test_who_is_answered_is_in_the_file_too(place: Place) -> None:
    async with place.open() as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        for number in range(5):
            await book(ledger, f"CAR {number}")

            assert place.lines()[-1]["row"] == ledger.rows()[-1].model_dump()
        assert place.seqs() == [1, 2, 3, 4, 5, 6]
    assert place.tail.stat().st_mode & 0o777 == 0o600


async def test_it_is_durable_before_the_answer(place: Place) -> None:
    file = FailingFile(place.tail)
    async with place.open(file) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        before = file.syncs
        await book(ledger, "CAR 1")

        assert file.syncs == before + 1


async def test_a_commit_that_records_nothing_costs_no_sync(place: Place) -> None:
    file = FailingFile(place.tail)
    async with place.open(file) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        before = file.syncs
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))

        assert file.syncs == before


async def test_commits_that_the_database_lost_are_taken_back(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 2", "CAR 3")
    rows, facts = journal_of(place.database), facts_of(place.database)
    place.put_back("old")

    async with place.open():
        pass

    assert journal_of(place.database) == rows
    assert facts_of(place.database) == facts
    assert not place.is_recovering()


async def test_a_whole_journal_is_taken_back_from_the_file_alone(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place, "CAR 1", "CAR 2")
    rows, facts = journal_of(place.database), facts_of(place.database)
    place.lose()

    async with place.open() as ledger:
        await book(ledger, "CAR 3")

    assert journal_of(place.database)[:-1] == rows
    assert len(facts_of(place.database)["sessions"]) == len(facts["sessions"]) + 1
    epoch = place.lines()[0]["epoch"]
    assert (
        first_fault(LOT, Head(epoch=epoch, seq=0, hash=GENESIS), journal_of(place.database)) is None
    )


async def test_a_last_line_that_was_torn_is_nothing(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    whole = place.content()
    place.tail.write_bytes(whole + whole[-200:-100])

    async with place.open() as ledger:
        await book(ledger, "CAR 2")

    assert place.seqs() == [1, 2, 3]
    assert place.asides == []


async def test_a_last_append_of_which_parts_were_lost_is_nothing(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    place.tail.write_bytes(
        place.content() + b"\0" * 512 + b'{"epoch": 1, "row": \n' + b"\0" * 40 + b"\n"
    )

    async with place.open():
        pass

    assert place.seqs() == [1, 2]


async def test_what_was_acknowledged_need_not_stay_but_the_newest_row_does(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2", "CAR 3")
    place.acknowledge(2)
    async with place.open():
        pass
    some = place.seqs()
    place.acknowledge(4)

    async with place.open():
        pass

    assert some == [3, 4]
    assert place.seqs() == [4]


async def test_a_long_file_is_written_anew_when_most_of_it_is_acknowledged(place: Place) -> None:
    async with place.open() as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        for _ in range(LARGE_ROWS // 64):
            await ledger.submit(Recording([a_lot(*SPACES)] * 64))
        assert len(place.seqs()) == LARGE_ROWS + 1
        row = ledger.rows()[-2]
        epoch = ledger.one("SELECT epoch FROM cursors")

        def acknowledge(connection: sqlite3.Connection) -> None:
            head = Head(epoch=epoch, seq=row.seq, hash=row.hash)
            write_head(connection, LOT, "acknowledged", head)

        await ledger.writer.submit(acknowledge)

        assert place.seqs() == [LARGE_ROWS + 1]


async def test_a_ledger_rolled_back_behind_the_file_waits_for_the_cloud_and_then_for_the_file(
    place: Place,
) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    place.acknowledge(2)
    async with place.open() as ledger:
        await book(ledger, "CAR 3")
    rows, facts = journal_of(place.database), facts_of(place.database)
    kept = place.content()
    place.put_back("old")

    connection = a_database(place.database)
    tail = place.a_tail()
    tail.reconcile(connection)
    tail.after_commit(connection)
    assert is_recovering(connection, LOT)
    assert place.content() == kept
    give_back(connection, rows[1])  # what the cloud acknowledged
    tail.follow(connection, a_moment())
    finish_recovery(connection, LOT)
    tail.after_commit(connection)
    connection.close()

    assert journal_of(place.database) == rows
    assert facts_of(place.database) == facts
    assert place.asides == []
    assert place.seqs()[-1] == 4


def give_back(connection: sqlite3.Connection, row: Any) -> None:
    head = read_head(connection, LOT, "head")
    assert head
    batch = Batch(stream=LOT, epoch=head.epoch, rows=(row,), after=head)
    assert take_back(connection, LOT, batch, a_moment()) == "some"


def a_moment() -> Moment:
    return Moment(NOON, randomness(9).randbytes)


async def test_what_no_journal_takes_any_more_is_kept_for_a_person(place: Place) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    place.acknowledge(2)
    async with place.open():
        pass
    kept = place.content()
    place.put_back("old")

    connection = a_database(place.database)
    tail = place.a_tail()
    tail.reconcile(connection)
    tail.follow(connection, a_moment())  # the cloud has returned nothing
    finish_recovery(connection, LOT)
    tail.after_commit(connection)
    connection.close()

    (aside,) = place.asides
    assert AppendedFile(place.folder / aside).read() == kept
    (began, *_) = journal_of(place.database)
    record = parse_record(began.body, None)
    assert isinstance(record, EpochBegan)
    assert record.why == "lost"
    async with place.open() as ledger:  # and the next start finds them together
        await book(ledger, "CAR 3")
    assert not place.is_recovering()


async def test_without_a_cloud_rows_that_are_missing_keep_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    place.acknowledge(2)
    async with place.open():
        pass
    place.put_back("old")
    place.has_copy = False

    with pytest.raises(UnavailableError, match=r"has row 1 .* begins at row 3.*recover --alone"):
        async with place.open():
            pass

    assert place.seqs() == [3]


async def test_two_rows_of_one_number_keep_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1")
    kept = place.content()
    place.put_back("old")
    place.tail.unlink()
    place.clock.advance(60)
    async with place.open() as ledger:
        await book(ledger, "CAR 2")
    place.tail.write_bytes(kept)

    with pytest.raises(CorruptError, match=r"row 2 is another one in each.*journal recover"):
        async with place.open():
            pass

    assert place.content() == kept


async def test_the_tail_of_another_journal_keeps_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    kept = place.content()
    place.lose()
    place.tail.unlink()
    async with open_ledger(place.folder, seed=77) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
    place.tail.write_bytes(kept)

    with pytest.raises(CorruptError, match="two different journals"):
        async with place.open():
            pass


def change_body(line: bytes) -> bytes:
    return line.replace(b"CAR", b"KAR")


@pytest.mark.parametrize("cars", [("CAR 1",), ("CAR 1", "CAR 2")], ids=["last", "not last"])
async def test_a_row_that_does_not_verify_is_not_taken_back(
    place: Place, cars: tuple[str, ...]
) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, *cars)
    place.put_back("old")
    first, second, *others = place.content().splitlines(keepends=True)
    place.tail.write_bytes(b"".join([first, change_body(second), *others]))

    with pytest.raises(CorruptError, match="personal part does not fit"):
        async with place.open():
            pass

    assert [row.type for row in journal_of(place.database)] == ["lot_described"]


async def test_a_damaged_line_of_a_row_that_the_ledger_has_is_mended(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    whole = place.content()
    place.tail.write_bytes(change_body(whole))

    async with place.open():
        pass

    assert place.content() == whole


async def test_an_unreadable_line_before_rows_that_the_ledger_lost_is_a_gap(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    place.put_back("old")
    first, second, third = place.content().splitlines(keepends=True)
    place.tail.write_bytes(first + b"\0" * (len(second) - 1) + b"\n" + third)

    with pytest.raises(UnavailableError, match="begins at row 3"):
        async with place.open():
            pass


async def test_a_row_that_vanished_from_the_middle_keeps_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        database.execute("DELETE FROM journal WHERE seq = 2")
        database.commit()

    with pytest.raises(CorruptError, match="has lost row 2 and has later ones"):
        async with place.open():
            pass


async def test_a_row_that_cannot_be_applied_is_kept_all_the_same(place: Place) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await ledger.submit(Recording([a_reservation(space="S-01")]))
        await book(ledger, "CAR 2")
    rows = journal_of(place.database)
    place.put_back("old")
    with contextlib.closing(connect(place.database)) as connection:
        connection.execute("DELETE FROM spaces WHERE space = 'S-01'")

    async with place.open():
        pass

    assert journal_of(place.database) == rows
    assert len(facts_of(place.database)["sessions"]) == 1


async def test_a_new_epoch_is_copied_with_what_it_follows_on(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    place.acknowledge(2)
    place.keep("old")
    async with place.open() as ledger:
        await ledger.writer.submit(lambda c: begin_epoch(c, LOT, a_moment(), why="fork"))
        await book(ledger, "CAR 3")
        rows, facts = ledger.rows(), ledger.facts()
        first = place.lines()[0]
    place.put_back("old")

    async with place.open():
        pass

    assert first["after"][1] == 2
    assert journal_of(place.database) == rows
    assert facts_of(place.database) == facts


async def test_an_old_epoch_that_the_ledger_has_forgotten_is_not_missed(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    async with place.open() as ledger:
        epoch = ledger.one("SELECT epoch FROM cursors")
        await ledger.writer.submit(lambda c: begin_epoch(c, LOT, a_moment(), why="compaction"))
    old = {line["epoch"] for line in place.lines()}
    with contextlib.closing(connect(place.database)) as connection:
        for table in ("journal", "epochs"):
            connection.execute(f"DELETE FROM {table} WHERE epoch = ?", (epoch,))

    async with place.open() as ledger:
        await book(ledger, "CAR 2")

    assert epoch in old
    assert {line["epoch"] for line in place.lines()} == old - {epoch}


async def test_an_epoch_that_has_ended_is_set_aside(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 2")
    kept = place.content()
    place.put_back("old")
    with contextlib.closing(connect(place.database)) as connection:
        begin_epoch(connection, LOT, a_moment(), why="lost")

    async with place.open():
        pass

    assert AppendedFile(place.folder / place.asides[0]).read() == kept
    assert place.seqs()[0] == 1


@pytest.mark.parametrize("at", ["append", "sync"])
async def test_where_the_disk_of_the_file_is_full_calls_are_answered_and_it_is_mended_later(
    place: Place, at: str
) -> None:
    file = FailingFile(place.tail)
    async with place.open(file) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        file.at, file.error = at, OSError(errno.ENOSPC, "No space left on device")
        await book(ledger, "CAR 1", "CAR 2")
        file.error = None
        await book(ledger, "CAR 3")
        early = place.content()
        place.clock.advance(6)
        await book(ledger, "CAR 4")

        assert b"CAR 3" not in early
        assert place.seqs() == [1, 2, 3, 4, 5]


async def test_a_torn_append_on_a_full_disk_is_no_fault_at_the_next_start(place: Place) -> None:
    file = FailingFile(place.tail)
    async with place.open(file) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        file.error = OSError(errno.ENOSPC, "No space left on device")
        await book(ledger, "CAR 1")

    async with place.open() as ledger:
        await book(ledger, "CAR 2")

    assert place.seqs() == [1, 2, 3]


@pytest.mark.parametrize("at", ["append", "sync"])
async def test_any_other_fault_of_the_file_ends_the_writer_and_nobody_is_answered(
    place: Place, at: str
) -> None:
    file = FailingFile(place.tail)
    async with place.open(file) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot(*SPACES)))
        file.at, file.error = at, OSError(errno.EIO, "Input/output error")

        with pytest.raises(UnavailableError, match="the writer has ended"):
            await book(ledger, "CAR 1")
        with pytest.raises(UnavailableError, match="Input/output error; check its disk"):
            await ledger.writer.run()


async def test_a_file_that_cannot_be_read_keeps_the_ledger_shut(place: Place) -> None:
    place.tail.mkdir()

    with pytest.raises(UnavailableError, match="Is a directory"):
        async with place.open():
            pass


async def test_whatever_is_cut_off_the_file_nothing_that_was_answered_is_missing(
    place: Place,
) -> None:
    """Everything that the database lost is either taken back, or the ledger stays shut."""
    place.has_copy = False
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, *(f"CAR {n}" for n in range(3)))
    whole = place.content()
    ends = [len(whole[: at + 1]) for at, byte in enumerate(whole) if byte == 10]

    for length in range(ends[0], len(whole) + 1, 97):
        place.put_back("old")
        place.tail.write_bytes(whole[:length])
        async with place.open() as ledger:
            pass

        assert len(journal_of(place.database)) == sum(end <= length for end in ends)


async def test_no_flipped_bit_of_the_file_gets_into_the_ledger(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    rows = journal_of(place.database)
    whole = place.content()
    chance = randomness(3)

    for _ in range(60):
        place.put_back("old")
        changed = bytearray(whole)
        changed[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
        place.tail.write_bytes(changed)
        with contextlib.suppress(CorruptError, UnavailableError):
            async with place.open():
                pass

        taken = journal_of(place.database)
        assert taken == rows[: len(taken)]


class Silence:
    """A connection over which nothing comes back."""

    async def publish(self, message: Message) -> None:
        pass


async def test_over_the_link_the_file_follows_in_the_moment_in_which_the_copy_has_no_more(
    place: Place,
) -> None:
    await a_lot_with(place)
    place.keep("old")
    async with place.open() as ledger:
        await book(ledger, "CAR 1", "CAR 2")
    place.acknowledge(3)
    async with place.open() as ledger:
        await book(ledger, "CAR 3")
    rows = journal_of(place.database)
    place.put_back("old")
    connection = a_database(place.database)
    tail = place.a_tail()
    tail.reconcile(connection)
    head = read_head(connection, LOT, "head")
    assert head
    writer = Writer(connection, place.database, after_commit=tail.after_commit)

    async with open_reader(place.database) as reader:
        sender = Sender(LOT, writer, reader, moment=a_moment, recovered=tail.follow)
        for known, returned in ((1, rows[1:3]), (3, [])):
            after = Head(epoch=head.epoch, seq=known, hash=rows[known - 1].hash)
            batch = Batch(stream=LOT, epoch=head.epoch, rows=tuple(returned), after=after)
            await sender.take_back(cast("Channel", Silence()), batch)
    await writer.close()

    assert journal_of(place.database) == rows
    assert not place.is_recovering()
    assert place.seqs() == [4]
