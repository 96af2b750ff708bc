"""A start says what the lot is, and closes what the last run left open."""

from pathlib import Path

import pytest

from parkgraph.model.records import VendFinished, VendOutcome, parse_record
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Admitted, FinishVend, Present
from tests.builders import LOT, a_booking, a_gate, a_lot, a_plate
from tests.fakes import facts_of, journal_of, open_ledger


async def test_an_unfinished_order_is_too_late_and_stays_so(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        await ledger.submit(a_booking())
        admitted = await ledger.submit(Present(a_gate(), "pres_1", a_plate()))
        assert isinstance(admitted, Admitted)
    async with open_ledger(tmp_path) as ledger:
        late = await ledger.submit(OpenLot(LOT, a_lot()))
        again = await ledger.submit(OpenLot(LOT, a_lot()))
        await ledger.submit(
            FinishVend("lane:north-in", admitted.order, "north-in", VendOutcome.OPENED)
        )

        assert (late, again) == (1, 0)
        assert ledger.one("SELECT outcome FROM orders") == "too_late"
        last = parse_record(ledger.rows()[-2].body, None)
        assert isinstance(last, VendFinished)
        assert last.outcome is VendOutcome.TOO_LATE


async def test_an_order_that_was_finished_is_left_alone(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        await ledger.submit(a_booking())
        admitted = await ledger.submit(Present(a_gate(), "pres_1", a_plate()))
        assert isinstance(admitted, Admitted)
        await ledger.submit(
            FinishVend("lane:north-in", admitted.order, "north-in", VendOutcome.OPENED)
        )

        assert await ledger.submit(OpenLot(LOT, a_lot())) == 0
        assert ledger.one("SELECT outcome FROM orders") == "opened"


async def test_the_description_is_recorded_once_and_again_when_it_changes(tmp_path: Path) -> None:
    for lot in (a_lot("S-01"), a_lot("S-01"), a_lot("S-01", "S-02"), a_lot("S-01", "S-02")):
        async with open_ledger(tmp_path) as ledger:
            await ledger.submit(OpenLot(LOT, lot))

    rows = journal_of(tmp_path / "ledger.db")
    assert [row.type for row in rows] == ["lot_described", "lot_described"]
    assert len(facts_of(tmp_path / "ledger.db")["spaces"]) == 2


async def test_a_space_that_is_gone_stays_while_somebody_holds_it(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot("S-01", "S-02", "S-03")))
        session = await ledger.submit(a_booking())

        await ledger.submit(OpenLot(LOT, a_lot("S-03")))

        held = ledger.one("SELECT space FROM spaces WHERE holder IS NOT NULL")
        assert held == session.space
        assert ledger.one("SELECT group_concat(space) FROM spaces WHERE is_listed = 1") == "S-03"


async def test_the_ledger_of_another_lot_is_not_taken(tmp_path: Path) -> None:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))

        with pytest.raises(UnavailableError, match=f"holds the lot {LOT}, not oak-street"):
            await ledger.submit(OpenLot("oak-street", a_lot()))
