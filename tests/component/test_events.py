"""A stay is told as it goes on, and who was away gets what was missed, once."""

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator

import pytest

from parkgraph.front.contract import Happened
from parkgraph.front.events import happened
from parkgraph.journal.chain import stream_of_cloud
from parkgraph.journal.changes import MOST_CALLERS, Changes
from parkgraph.journal.ledger import JournalLedger
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.records import CancelAsked
from parkgraph.model.sessions import Session
from parkgraph_edge.store.bookings import Cancel, DeclareNoShows, End, Extend
from parkgraph_edge.store.opening import OpenLot
from tests.builders import ENTRY, EXIT, LOT, a_booking, a_lot
from tests.fakes import FakeClock, OpenLedger, Recording, randomness, until
from tests.ledgers import go_on, let_through

Events = AsyncGenerator[Happened, None]


@pytest.fixture
async def changes(ledger: OpenLedger, clock: FakeClock) -> AsyncIterator[Changes]:
    changes = Changes(ledger.reader, clock)
    looking = asyncio.create_task(changes.run())
    yield changes
    looking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await looking


@pytest.fixture
async def stay(ledger: OpenLedger) -> Session:
    await ledger.submit(OpenLot(LOT, a_lot()))
    return await ledger.submit(a_booking("ABC1234"))


def follow(ledger: OpenLedger, changes: Changes, stay: Session, after: str | None = None) -> Events:
    return happened(ledger.reader, changes, stay, after)


async def rest_of(events: Events) -> list[Happened]:
    """Return what is told until the end, but for what only says that the stream lives."""
    return [event async for event in events if event.name]


def names(events: list[Happened]) -> list[str]:
    return [event.name for event in events]


async def a_whole_stay(ledger: OpenLedger, clock: FakeClock, stay: Session) -> None:
    """Let the vehicle of `stay` come and leave, and another one come too."""
    await ledger.submit(a_booking("OTHER 1"))
    await let_through(ledger, ENTRY, "ABC1234", crosses=False)
    await let_through(ledger, ENTRY, "ABC1234")
    await let_through(ledger, ENTRY, "OTHER 1")
    clock.advance(600)
    await ledger.submit(End(LOT, "key:1", stay.session))
    await let_through(ledger, EXIT, "ABC1234")


WHOLE = ["arriving", "backed_out", "arriving", "parked", "ended", "leaving", "completed"]


async def test_a_stream_begins_with_how_the_stay_is(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    events = follow(ledger, changes, stay)

    first = await anext(events)

    assert (first.name, first.session) == ("snapshot", stay)
    await events.aclose()


async def test_a_stay_is_told_to_its_end_and_no_other_with_it(
    ledger: OpenLedger, changes: Changes, stay: Session, clock: FakeClock
) -> None:
    events = follow(ledger, changes, stay)
    await anext(events)

    async with asyncio.TaskGroup() as group:
        telling = group.create_task(rest_of(events))
        await a_whole_stay(ledger, clock, stay)

    assert names(telling.result()) == WHOLE
    assert {event.session.session for event in telling.result()} == {stay.session}


async def test_who_sends_the_last_event_id_gets_exactly_what_was_missed(
    ledger: OpenLedger, changes: Changes, stay: Session, clock: FakeClock
) -> None:
    events = follow(ledger, changes, stay)
    places = [(await anext(events)).place]
    async with asyncio.TaskGroup() as group:
        telling = group.create_task(rest_of(events))
        await a_whole_stay(ledger, clock, stay)
    places += [event.place for event in telling.result()]

    missed = [names(await rest_of(follow(ledger, changes, stay, after=place))) for place in places]

    assert missed == [WHOLE[told:] for told in range(len(places))]


async def test_an_event_has_the_time_of_its_row_and_the_stay_as_it_is_now(
    ledger: OpenLedger, changes: Changes, stay: Session, clock: FakeClock
) -> None:
    events = follow(ledger, changes, stay)
    await anext(events)
    clock.advance(60)
    extended_at = clock.now()
    await ledger.submit(Extend(LOT, "key:1", stay.session, 30))
    clock.advance(60)
    await ledger.submit(Cancel(LOT, "key:1", stay.session))

    told = await rest_of(events)

    assert names(told) == ["extended", "cancelled"]
    assert told[0].at == extended_at
    assert told[0].session.state == "cancelled"


async def test_a_vehicle_that_does_not_come_ends_the_stream(
    ledger: OpenLedger, changes: Changes, stay: Session, clock: FakeClock
) -> None:
    events = follow(ledger, changes, stay)
    await anext(events)
    clock.advance(3600)
    await ledger.submit(DeclareNoShows(LOT))

    assert names(await rest_of(events)) == ["no_show"]


async def test_a_stay_that_is_over_is_told_once_and_no_more(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    await ledger.submit(Cancel(LOT, "key:1", stay.session))

    assert names(await rest_of(follow(ledger, changes, stay))) == ["snapshot"]


@pytest.mark.parametrize(
    "place", ["", "nonsense", "1", "1.1", "1.-1", "9" * 40 + ".1", "\u0661.\u0661"]
)
async def test_a_place_that_is_none_here_gets_a_snapshot(
    ledger: OpenLedger, changes: Changes, stay: Session, place: str
) -> None:
    await ledger.submit(Cancel(LOT, "key:1", stay.session))

    assert names(await rest_of(follow(ledger, changes, stay, after=place))) == ["snapshot"]


@pytest.mark.parametrize(
    ("grown_by", "first"), [(9_990, ""), (10_001, "snapshot"), (-1, "snapshot")]
)
async def test_a_place_that_is_too_old_or_yet_to_come_gets_a_snapshot(
    ledger: OpenLedger, changes: Changes, stay: Session, grown_by: int, first: str
) -> None:
    events = follow(ledger, changes, stay)
    place = (await anext(events)).place
    await events.aclose()
    with contextlib.closing(sqlite3.connect(ledger.path)) as connection:
        connection.execute("UPDATE cursors SET seq = seq + ?", (grown_by,))
        connection.commit()

    again = follow(ledger, changes, stay, after=place)

    assert (await anext(again)).name == first
    await again.aclose()


async def test_a_new_epoch_begins_with_a_snapshot(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    events = follow(ledger, changes, stay)
    before = await anext(events)

    await go_on(ledger, "compaction")

    after = await anext(events)
    assert after.name == "snapshot"
    assert after.place.split(".")[0] != before.place.split(".")[0]
    await ledger.submit(Cancel(LOT, "key:1", stay.session))
    assert names(await rest_of(events)) == ["cancelled"]


@pytest.mark.hurried
async def test_a_stream_in_which_nothing_happens_says_that_it_lives(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    loop = asyncio.get_running_loop()
    events = follow(ledger, changes, stay)
    await anext(events)
    began = loop.time()

    quiet = [await anext(events) for _ in range(3)]

    assert [event.name for event in quiet] == ["", "", ""]
    assert 45 <= loop.time() - began < 60
    await events.aclose()


async def test_who_goes_on_is_answered_at_once_though_nothing_was_missed(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    events = follow(ledger, changes, stay)
    place = (await anext(events)).place
    again = follow(ledger, changes, stay, after=place)

    first = await anext(again)

    assert (first.name, first.place) == ("", place)
    await events.aclose()
    await again.aclose()


async def test_what_ended_in_the_cloud_is_told_before_the_lot_has_read_it(
    ledger: OpenLedger, changes: Changes, stay: Session, clock: FakeClock
) -> None:
    events = follow(ledger, changes, stay)
    await anext(events)
    cloud = JournalLedger(
        ledger.writer, stream_of_cloud(LOT), clock=clock, random=randomness(5).randbytes
    )

    await cloud.submit(Recording([CancelAsked(session=stay.session)]))

    assert names(await rest_of(events)) == ["cancelled"]


async def test_the_hundred_and_first_stream_is_refused_until_another_ends(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    streams = [follow(ledger, changes, stay) for _ in range(MOST_CALLERS)]
    for events in streams:
        await anext(events)

    with pytest.raises(CallRefusedError, match="100 streams of events are open") as refused:
        await anext(follow(ledger, changes, stay))

    assert refused.value.code is ErrorCode.UNAVAILABLE
    await streams[0].aclose()
    streams[0] = follow(ledger, changes, stay)
    assert (await anext(streams[0])).name == "snapshot"
    for events in streams:
        await events.aclose()


async def test_who_is_cut_off_while_waiting_leaves_his_place(
    ledger: OpenLedger, changes: Changes, stay: Session
) -> None:
    waiting = [
        asyncio.create_task(rest_of(follow(ledger, changes, stay))) for _ in range(MOST_CALLERS)
    ]
    await until(lambda: changes._callers == MOST_CALLERS)

    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)

    assert changes._callers == 0
    assert changes._followers == {}
