"""The second copy: what the database lost is taken back from it, or the ledger stays shut."""

import contextlib
import sqlite3
from typing import Any, cast

import pytest

from parkgraph.journal.chain import GENESIS, Head, first_fault
from parkgraph.journal.epochs import begin_epoch, finish_recovery, is_recovering
from parkgraph.journal.ledger import read_head
from parkgraph.journal.messages import Batch
from parkgraph.journal.sender import Sender, take_back
from parkgraph.model.records import EpochBegan, parse_record
from parkgraph.runtime.appended_file import AppendedFile
from parkgraph.runtime.errors import CorruptError, UnavailableError
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import connect, open_reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_lot, a_reservation
from tests.fakes import (
    Recording,
    a_database,
    facts_of,
    journal_of,
    open_ledger,
)
from tests.ledgers import go_on
from tests.tails import Place, a_lot_with, a_moment, book


async def test_commits_that_the_database_lost_are_taken_back(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    place.keep()
    await place.book("CAR 2", "CAR 3")
    rows, facts = journal_of(place.database), facts_of(place.database)
    place.put_back()

    await place.start()

    assert journal_of(place.database) == rows
    assert facts_of(place.database) == facts
    assert not place.is_recovering()


async def test_a_whole_journal_is_taken_back_from_the_file_alone(place: Place) -> None:
    place.has_copy = False
    await a_lot_with(place, "CAR 1", "CAR 2")
    rows, facts = journal_of(place.database), facts_of(place.database)
    place.lose()

    await place.book("CAR 3")

    assert journal_of(place.database)[:-1] == rows
    assert len(facts_of(place.database)["sessions"]) == len(facts["sessions"]) + 1
    epoch = place.lines()[0]["epoch"]
    assert (
        first_fault(LOT, Head(epoch=epoch, seq=0, hash=GENESIS), journal_of(place.database)) is None
    )


async def test_a_row_that_cannot_be_applied_is_kept_all_the_same(place: Place) -> None:
    await a_lot_with(place)
    place.keep()
    async with place.open() as ledger:
        await ledger.submit(Recording([a_reservation(space="S-01")]))
        await book(ledger, "CAR 2")
    rows = journal_of(place.database)
    place.put_back()
    with contextlib.closing(connect(place.database)) as connection:
        connection.execute("DELETE FROM spaces WHERE space = 'S-01'")

    await place.start()

    assert journal_of(place.database) == rows
    assert len(facts_of(place.database)["sessions"]) == 1


async def test_a_new_epoch_is_copied_with_what_it_follows_on(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    place.acknowledge(2)
    place.keep()
    async with place.open() as ledger:
        await go_on(ledger, "fork")
        await book(ledger, "CAR 3")
        rows, facts = ledger.rows(), ledger.facts()
        first = place.lines()[0]
    place.put_back()

    await place.start()

    assert first["after"][1] == 2
    assert journal_of(place.database) == rows
    assert facts_of(place.database) == facts


async def test_an_old_epoch_that_the_ledger_has_forgotten_is_not_missed(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    async with place.open() as ledger:
        epoch = ledger.one("SELECT epoch FROM cursors")
        await go_on(ledger, "compaction")
    old = {line["epoch"] for line in place.lines()}
    with contextlib.closing(connect(place.database)) as connection:
        for table in ("journal", "epochs"):
            connection.execute(f"DELETE FROM {table} WHERE epoch = ?", (epoch,))

    await place.book("CAR 2")

    assert epoch in old
    assert {line["epoch"] for line in place.lines()} == old - {epoch}


async def test_an_epoch_that_has_ended_is_set_aside(place: Place) -> None:
    await a_lot_with(place, "CAR 1")
    place.keep()
    await place.book("CAR 2")
    kept = place.content()
    place.put_back()
    with contextlib.closing(connect(place.database)) as connection:
        begin_epoch(connection, LOT, a_moment(), why="lost")

    await place.start()

    assert AppendedFile(place.folder / place.asides[0]).read() == kept
    assert place.seqs()[0] == 1


# Where the two contradict


async def test_without_a_cloud_rows_that_are_missing_keep_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    place.acknowledge(2)
    await place.start()
    place.put_back()
    place.has_copy = False

    with pytest.raises(UnavailableError, match=r"has row 1 .* begins at row 3.*recover --alone"):
        await place.start()

    assert place.seqs() == [3]


async def test_two_rows_of_one_number_keep_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1")
    kept = place.content()
    place.put_back()
    place.tail.unlink()
    place.clock.advance(60)
    await place.book("CAR 2")
    place.tail.write_bytes(kept)

    with pytest.raises(CorruptError, match=r"row 2 is another one in each.*journal recover"):
        await place.start()

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
        await place.start()


async def test_a_row_that_vanished_from_the_middle_keeps_the_ledger_shut(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2")
    with contextlib.closing(sqlite3.connect(place.database)) as database:
        database.execute("DELETE FROM journal WHERE seq = 2")
        database.commit()

    with pytest.raises(CorruptError, match="has lost row 2 and has later ones"):
        await place.start()


# Together with the cloud


async def test_a_ledger_rolled_back_behind_the_file_waits_for_the_cloud_and_then_for_the_file(
    place: Place,
) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    place.acknowledge(2)
    await place.book("CAR 3")
    rows, facts = journal_of(place.database), facts_of(place.database)
    kept = place.content()
    place.put_back()

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


async def test_what_no_journal_takes_any_more_is_kept_for_a_person(place: Place) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    place.acknowledge(2)
    await place.start()
    kept = place.content()
    place.put_back()

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
    await place.book("CAR 3")  # and the next start finds them together
    assert not place.is_recovering()


class Silence:
    """A connection over which nothing comes back."""

    async def publish(self, message: Message) -> None:
        pass


async def test_over_the_link_the_file_follows_in_the_moment_in_which_the_copy_has_no_more(
    place: Place,
) -> None:
    await a_lot_with(place)
    place.keep()
    await place.book("CAR 1", "CAR 2")
    place.acknowledge(3)
    await place.book("CAR 3")
    rows = journal_of(place.database)
    place.put_back()
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
