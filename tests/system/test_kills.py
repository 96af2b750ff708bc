"""kill -9 of the edge at the worst times: nothing is replayed, and every stay is complete."""

import pytest

from parkgraph.journal.chain import Head, first_fault
from parkgraph.model.records import Crossed, VendOrdered, parse_record
from parkgraph.runtime.sqlite import open_reader
from parkgraph_demo.journals import every_row
from parkgraph_demo.stack import LOT, Stack
from tests.system.conftest import book, until_car, until_lane, until_state

pytestmark = [pytest.mark.system, pytest.mark.timeout(120)]


async def test_killed_with_a_car_under_the_boom_the_edge_goes_on_where_it_was(stack: Stack) -> None:
    session = await book(stack, "KLR2040")
    sent = await stack.side_door.tell("/cars", plate="KLR2040", lane="north-in")
    await until_lane(stack, "north-in", closing=True)

    await stack.programs["edge"].kill()
    await stack.restart("edge")

    await until_state(stack, session.id, "parked")
    await until_car(stack, sent["car"], "inside")
    lane = (await stack.side_door.truth())["lanes"]["north-in"]
    assert (lane["orders_accepted"], lane["orders_refused"], lane["collisions"]) == (1, 0, 0)
    await until_lane(stack, "north-in", angle=0.0)


async def test_a_car_that_went_through_while_the_edge_was_dead_is_parked(stack: Stack) -> None:
    session = await book(stack, "KLR2041")
    sent = await stack.side_door.tell("/cars", plate="KLR2041", lane="north-in")
    await until_lane(stack, "north-in", closing=True)
    await stack.programs["edge"].kill()
    await until_car(stack, sent["car"], "inside")

    await stack.restart("edge")

    await until_state(stack, session.id, "parked")
    lane = (await stack.side_door.truth())["lanes"]["north-in"]
    assert lane["orders_accepted"] == 1


async def test_killed_before_the_boom_has_risen_the_car_still_comes_in_once(stack: Stack) -> None:
    session = await book(stack, "KLR2042")
    await stack.side_door.tell("/faults", lane="north-in", fault="boom_jammed", on=True)
    await stack.side_door.tell("/cars", plate="KLR2042", lane="north-in")
    await until_state(stack, session.id, "arriving")

    await stack.programs["edge"].kill()
    await stack.side_door.tell("/faults", lane="north-in", fault="boom_jammed", on=False)
    await stack.restart("edge")

    await until_state(stack, session.id, "parked")
    records = [
        parse_record(row.body, row.personal) async for row in every_row(stack.edge_ledger, LOT)
    ]
    orders = [(record.token, record.order) for record in records if isinstance(record, VendOrdered)]
    assert orders == sorted(set(orders))
    assert sum(isinstance(record, Crossed) for record in records) == 1


async def test_the_journal_of_a_killed_edge_is_whole(stack: Stack) -> None:
    acknowledged = []
    for number in range(40):
        if number % 8 == 7:
            await stack.programs["edge"].kill()
            await stack.restart("edge")
        if number < 12:
            acknowledged.append((await book(stack, f"JRN{number:04}")).id)

    rows = [row async for row in every_row(stack.edge_ledger, LOT)]

    subjects = {row.subject for row in rows if row.type == "session_reserved"}
    assert subjects == set(acknowledged)
    epoch = (await _head(stack)).epoch
    assert first_fault(LOT, Head(epoch=epoch, seq=0, hash="0" * 64), rows) is None


async def _head(stack: Stack) -> Head:
    async with open_reader(stack.edge_ledger) as reader:
        row = await reader.one("SELECT epoch, seq, hash FROM cursors WHERE name = 'head'", {})
    assert row is not None
    return Head.model_validate(dict(row))
