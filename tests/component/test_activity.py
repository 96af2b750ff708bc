"""What happened last is told in words, the newest first, and nothing personal with it."""

from datetime import timedelta

import pytest

from parkgraph.front.journals import MOST_LOOKED_BACK, active
from parkgraph.journal.chain import GENESIS, Head
from parkgraph.journal.copies import receive
from parkgraph.journal.ledger import Moment, chained
from parkgraph.journal.messages import Batch
from parkgraph.model.api import ActivityItem
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import Personal
from tests.builders import LOT, NOON, a_lot
from tests.fakes import FakeClock, OpenLedger, randomness
from tests.ledgers import a_day, go_on


async def a_copy(ledger: OpenLedger, lot: str, *seconds: float) -> None:
    """Let `lot` describe itself as often as there are `seconds`, so long after noon each."""
    head, rows = Head(epoch=3, seq=0, hash=GENESIS), []
    for number, after in enumerate(seconds, start=1):
        moment = Moment(NOON + timedelta(seconds=after), randomness(number).randbytes)
        said = a_lot(name=f"{lot} {number}")
        rows.append(chained(lot, head, said, actor="system", moment=moment))
        head = Head(epoch=3, seq=number, hash=rows[-1].hash)
    batch = Batch(stream=lot, epoch=3, rows=tuple(rows))
    await ledger.writer.submit(lambda connection: receive(connection, batch))


def places(items: list[ActivityItem]) -> list[str]:
    """Return lot and number of each item."""
    return [f"{item.lot_id}{item.id.rpartition(':')[2]}" for item in items]


async def paged(ledger: OpenLedger, lots: list[str], limit: int) -> list[str]:
    found: list[ActivityItem] = []
    while items := await active(ledger.reader, lots, limit, found[-1].id if found else None):
        found += items
    return places(found)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_lots_are_told_together_the_newest_first_in_pages_of_any_size(
    ledger: OpenLedger, limit: int
) -> None:
    await a_copy(ledger, "a", 0, 10, 20, 20)
    await a_copy(ledger, "b", 5, 20, 30)
    await a_copy(ledger, "c", 1)
    await a_copy(ledger, "not-asked-for", 40)

    told = await paged(ledger, ["a", "b", "c"], limit)

    assert told == ["b3", "a4", "a3", "b2", "a2", "b1", "c1", "a1"]


@pytest.mark.parametrize("limit", [1, 2, 100])
async def test_one_lot_is_told_in_the_order_of_its_rows_whatever_its_clock_did(
    ledger: OpenLedger, limit: int
) -> None:
    await a_copy(ledger, "a", 100, 200, 50, 60)

    assert await paged(ledger, ["a"], limit) == ["a4", "a3", "a2", "a1"]


async def test_sentences_tell_no_plate_no_vin_and_no_gate_code(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await a_day(ledger, clock)
    rows = [row for row in ledger.rows() if row.personal]
    personal = [Personal.model_validate_json(row.personal or "") for row in rows]

    items = await active(ledger.reader, [LOT], 200, None)

    told = "\n".join(item.content_text for item in items)
    assert len(items) == len(ledger.rows())
    assert [p for p in personal if str(p.plate) in told or str(p.gate_code) in told] == []
    assert "session sess_" in told
    assert items[0].date_published == ledger.rows()[-1].at


async def test_what_went_another_way_than_planned_is_tagged(
    ledger: OpenLedger, clock: FakeClock
) -> None:
    await a_day(ledger, clock)

    items = await active(ledger.reader, [LOT], 200, None)

    tags = {item.tags for item in items}
    assert ("crossed_unadmitted", "attention") in tags
    assert ("session_reserved",) in tags


async def test_a_record_of_a_newer_program_is_told_as_one(ledger: OpenLedger) -> None:
    await a_copy(ledger, "a", 0)
    await ledger.writer.submit(
        lambda c: c.execute("""UPDATE journal SET type = 'newer', body = '{"type":"newer"}'""")
    )

    (item,) = await active(ledger.reader, ["a"], 10, None)

    assert item.content_text == "a record of the type newer, which is not known here"
    assert item.tags == ("newer", "attention")


async def test_the_present_epoch_is_told(ledger: OpenLedger, clock: FakeClock) -> None:
    await a_day(ledger, clock)
    before = (await active(ledger.reader, [LOT], 1, None))[0].id
    await go_on(ledger, "compaction")

    items = await active(ledger.reader, [LOT], 200, None)

    assert items[-1].tags == ("epoch_began",)
    assert await active(ledger.reader, [LOT], 200, before) == []


async def test_what_is_far_back_is_left_to_the_audit_log(ledger: OpenLedger) -> None:
    await a_copy(ledger, "a", 0, 10)
    await ledger.writer.submit(
        lambda c: c.execute("UPDATE cursors SET seq = ?", (MOST_LOOKED_BACK + 1,))
    )

    assert places(await active(ledger.reader, ["a"], 10, None)) == ["a2"]


@pytest.mark.parametrize("cursor", ["x", "a:3:9", "a:4:1", "b:3:1", f"a:{10**30}:1"])
async def test_a_cursor_that_is_none_is_refused(ledger: OpenLedger, cursor: str) -> None:
    await a_copy(ledger, "a", 0)
    await a_copy(ledger, "b", 0)

    with pytest.raises(CallRefusedError) as refused:
        await active(ledger.reader, ["a"], 10, cursor)

    assert (refused.value.code, refused.value.field) == (ErrorCode.BAD_REQUEST, "cursor")


async def test_a_lot_in_which_nothing_has_happened_has_nothing_to_tell(ledger: OpenLedger) -> None:
    assert await active(ledger.reader, [LOT], 10, None) == []
    assert await active(ledger.reader, [], 10, None) == []
