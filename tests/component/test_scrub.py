"""The scrub reads all of the ledger once a day: damage shows before it is needed."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from parkgraph.journal.messages import LotState
from parkgraph.model.records import KeyBarred
from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.gateway import _with_trouble
from parkgraph_edge.store.audit import SLICE, Ask, Fault, Tally, examine
from parkgraph_edge.store.scrub import PASS_EVERY_SECONDS, SLICE_EVERY_SECONDS, Scrub
from tests.builders import LOT, a_booking
from tests.fakes import FakeClock, OpenLedger, Recording, open_ledger, until
from tests.ledgers import a_day, flip

pytestmark = pytest.mark.hurried
PAST = "UPDATE journal SET actor = '?' WHERE seq = 5"


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OpenLedger]:
    clock = FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await a_day(ledger, clock)
        yield ledger


@contextlib.asynccontextmanager
async def running(ledger: OpenLedger) -> AsyncIterator[Scrub]:
    """Scrub beside the writer, as the gateway does."""
    scrub = Scrub(LOT, ledger.writer, ledger.reader)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(scrub.run())
        try:
            yield scrub
        finally:
            task.cancel()


async def test_a_whole_ledger_gives_no_trouble(ledger: OpenLedger) -> None:
    async with running(ledger) as scrub:
        await until(lambda: scrub.passes == 1)

        assert scrub.trouble is None


async def test_a_pass_is_made_each_day(ledger: OpenLedger) -> None:
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with running(ledger) as scrub:
        await until(lambda: scrub.passes == 3, every_seconds=600)

    assert 2 * PASS_EVERY_SECONDS < loop.time() - began < 3 * PASS_EVERY_SECONDS


async def test_it_reads_a_little_at_a_time(ledger: OpenLedger) -> None:
    await ledger.submit(Recording([KeyBarred(key=f"{n}") for n in range(4 * SLICE)]))
    rows = ledger.one("SELECT COUNT(*) FROM journal")
    loop = asyncio.get_running_loop()
    began = loop.time()

    await Scrub(LOT, ledger.writer, ledger.reader).look()

    assert loop.time() - began > (rows / SLICE) * SLICE_EVERY_SECONDS


async def test_what_came_while_it_looked_is_no_fault(ledger: OpenLedger) -> None:
    async with running(ledger) as scrub, asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(ledger.submit(a_booking(f"NEW {number}")))
        await until(lambda: scrub.passes == 1)

        assert scrub.trouble is None


async def test_damage_in_the_past_is_told_and_stops_nobody(ledger: OpenLedger) -> None:
    flip(ledger.path, PAST)
    async with running(ledger) as scrub:
        await until(lambda: scrub.passes == 1)

        assert scrub.trouble
        assert "row 5: its hash does not follow" in scrub.trouble
        told = _with_trouble(LotState(link="up", away={"camera": "?"}), scrub)
        assert told.away == {"camera": "?", "ledger": scrub.trouble}
        await ledger.submit(a_booking("NEW 1"))


async def test_trouble_that_was_mended_is_no_longer_told(ledger: OpenLedger) -> None:
    actor = ledger.one("SELECT actor FROM journal WHERE seq = 5")
    flip(ledger.path, PAST)
    async with running(ledger) as scrub:
        await until(lambda: scrub.trouble is not None)
        flip(ledger.path, "UPDATE journal SET actor = ? WHERE seq = 5", actor)

        await until(lambda: scrub.trouble is None, every_seconds=600)

        state = LotState(link="up")
        assert _with_trouble(state, scrub) is state


async def test_each_damaged_row_is_told_once(ledger: OpenLedger) -> None:
    flip(ledger.path, "UPDATE journal SET actor = '?' WHERE seq IN (5, 9)")
    flip(ledger.path, "UPDATE sessions SET amount_minor = 1 WHERE state = 'completed'")
    async with running(ledger) as scrub:
        await until(lambda: scrub.passes == 1)

        assert scrub.trouble
        assert "and 2 more" in scrub.trouble


async def test_damage_on_which_the_lot_may_decide_ends_the_writer(ledger: OpenLedger) -> None:
    flip(ledger.path, "UPDATE sessions SET gate_code = '1' WHERE state = 'parked'")
    async with running(ledger):
        with pytest.raises(CorruptError, match=r"session .* does not fit its digest"):
            await ledger.writer.run()


async def test_a_row_that_cannot_be_read_does_not_hide_the_others(ledger: OpenLedger) -> None:
    flip(ledger.path, "UPDATE journal SET actor = CAST(x'ff' AS TEXT) WHERE seq = 5")
    flip(ledger.path, "UPDATE journal SET actor = '?' WHERE seq = 12")
    async with running(ledger) as scrub:
        await until(lambda: scrub.passes == 1)

        assert scrub.trouble
        # The row, the one behind it that follows on nothing now, and the other.
        assert "row 12: its hash does not follow" in scrub.trouble
        assert "and 2 more" in scrub.trouble


def test_rows_out_of_order_do_not_keep_it_for_ever() -> None:
    # As a damaged tree gives them: each time the same row, which stands before the last one.
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT 'lot' AS stream, 1 AS epoch, -1 AS place").fetchall()
    examination = examine(Tally())
    asked = next(examination)

    examination.send(rows)
    told = examination.send(())

    assert isinstance(asked, Ask)
    assert isinstance(told, Fault)
    assert "out of order behind place 0" in told.what
