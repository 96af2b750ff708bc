"""The second copy: what was answered is in it, whatever its disk does."""

import errno
import sqlite3

import pytest

from parkgraph.journal.chain import Head
from parkgraph.journal.ledger import write_head
from parkgraph.journal.tail import LARGE_ROWS
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_lot
from tests.fakes import Recording
from tests.ledgers import SPACES
from tests.tails import FailingFile, Place, a_lot_with, book


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


async def test_what_was_acknowledged_need_not_stay_but_the_newest_row_does(place: Place) -> None:
    await a_lot_with(place, "CAR 1", "CAR 2", "CAR 3")
    place.acknowledge(2)
    await place.start()
    some = place.seqs()
    place.acknowledge(4)

    await place.start()

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

    await place.book("CAR 2")

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
        await place.start()
