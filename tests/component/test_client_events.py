"""The SDK following a stay, over connections that break."""

from contextlib import aclosing
from typing import Any

import httpx
import pytest

from parkgraph.client import ApiError, ParkGraph, UnreachableError, UnreadableAnswerError
from parkgraph.model.api import SessionEvent
from tests.examples.fake_api import (
    LOT,
    LOT_URL,
    FakeApi,
    Streamed,
    a_body,
    a_park,
    a_refusal,
    a_stay,
    a_stream,
)

GONE = httpx.ConnectError("no route")
CUT = httpx.ReadError("cut")
OVER: Any = {"state": "completed", "status": "completed"}


def told(name: str, place: str = "", **changes: Any) -> bytes:
    """Return an event as it is sent."""
    event = SessionEvent(event=name, at=a_body().reserved_at, session=a_body(**changes))
    head = f"id: {place}\n" if place else ""
    return f"{head}event: {name}\ndata: {event.model_dump_json()}\n\n".encode()


async def heard(park: ParkGraph) -> list[str]:
    return [event.event async for event in park.events("sess_1", lot_id=LOT)]


async def test_a_stay_is_followed_until_it_is_over() -> None:
    api = FakeApi(
        cloud=[
            a_stream(told("snapshot", "1"), b": still there\n\n", told("completed", "2", **OVER))
        ]
    )

    async with a_park(api) as park:
        events = await heard(park)

    assert events == ["snapshot", "completed"]
    assert api.asked[0].headers["accept"] == "text/event-stream"
    assert api.asked[0].url.path == "/api/v1/sessions/sess_1/events"


@pytest.mark.parametrize(
    "break_off", [[CUT], [httpx.ReadTimeout("silent")], []], ids=["cut", "silent", "end"]
)
async def test_a_lost_connection_goes_on_after_the_last_event(break_off: list[Exception]) -> None:
    api = FakeApi(
        cloud=[
            a_stream(told("snapshot", "1"), told("arriving", "2")[:-9], *break_off),
            GONE,
            a_stream(told("arriving", "2"), told("completed", "3", **OVER)),
        ]
    )

    async with a_park(api) as park:
        events = await heard(park)

    assert events == ["snapshot", "arriving", "completed"]
    assert [request.headers.get("last-event-id") for request in api.asked] == [None, "1", "1"]


async def test_a_stream_that_breaks_off_among_its_last_events_loses_none() -> None:
    api = FakeApi(
        cloud=[
            a_stream(told("snapshot", "1"), told("leaving", "2", **OVER), CUT),
            a_stream(told("completed", "3", **OVER)),
        ]
    )

    async with a_park(api) as park:
        events = await heard(park)

    assert events == ["snapshot", "leaving", "completed"]


async def test_the_pauses_grow_and_in_the_end_it_gives_up() -> None:
    api = FakeApi(cloud=[a_stream(told("snapshot", "1"), CUT), GONE])

    async with a_park(api) as park:
        with pytest.raises(UnreachableError, match="no route"):
            await heard(park)

    pauses = [seconds for seconds in api.time.slept if seconds not in {0.25, 0.5, 1.0}]
    assert pauses[:4] == [2.0, 4.0, 8.0, 15.0]
    assert max(pauses) == 15.0
    assert 600 < api.time.now - 1000 < 650


async def test_who_takes_long_over_an_event_still_hears_the_next() -> None:
    api = FakeApi(
        cloud=[a_stream(told("snapshot", "1"), CUT), a_stream(told("completed", "2", **OVER))]
    )
    events = []

    async with a_park(api) as park:
        async for event in park.events("sess_1"):
            events.append(event.event)
            api.time.now += 3_600.0

    assert events == ["snapshot", "completed"]


async def test_a_stream_that_does_not_begin_says_so_at_once() -> None:
    api = FakeApi(cloud=[GONE])

    async with a_park(api) as park:
        with pytest.raises(UnreachableError):
            await heard(park)

    assert len(api.asked) == 4


async def test_the_lot_goes_on_where_the_cloud_is_lost() -> None:
    api = FakeApi(
        cloud=[a_stream(told("snapshot", "1.7"), CUT), httpx.ConnectTimeout("slow")],
        lot=[a_stream(told("arriving", "1.8"), CUT), a_stream(told("completed", "1.9", **OVER))],
    )

    async with a_park(api, lot_url=LOT_URL) as park:
        events = await heard(park)

        assert park.side == "lot"

    assert events == ["snapshot", "arriving", "completed"]
    assert api.hosts() == ["cloud", "cloud", "lot", "lot"]
    places = [request.headers.get("last-event-id") for request in api.asked]
    assert places == [None, "1.7", "1.7", "1.8"]


async def test_what_a_side_that_is_behind_tells_again_is_told_once() -> None:
    api = FakeApi(
        cloud=[
            a_stream(told("arriving", "1.8"), told("parked", "1.9"), CUT),
            a_stream(
                told("snapshot", "1.7"), told("arriving", "1.8"), told("parked", "1.9"),
                told("leaving", "1.9"), told("completed", "1.10", **OVER),
            ),
        ]
    )  # fmt: skip

    async with a_park(api) as park:
        events = await heard(park)

    assert events == ["arriving", "parked", "snapshot", "leaving", "completed"]


async def test_a_refusal_ends_it() -> None:
    api = FakeApi(cloud=[a_stream(told("snapshot", "1"), CUT), a_refusal(401, "UNAUTHORIZED")])

    async with a_park(api) as park:
        with pytest.raises(ApiError, match="UNAUTHORIZED"):
            await heard(park)


async def test_what_is_no_event_of_a_stay_is_told() -> None:
    api = FakeApi(cloud=[a_stream(b"data: {}\n\n")])

    async with a_park(api) as park:
        with pytest.raises(UnreadableAnswerError, match=r"cloud\.example"):
            await heard(park)


async def test_who_leaves_the_loop_closes_the_connection() -> None:
    body = Streamed(told("snapshot", "1"), told("completed", "2", **OVER))
    api = FakeApi(cloud=[lambda _: httpx.Response(200, stream=body)])

    async with a_park(api) as park:
        async with aclosing(park.events("sess_1")) as events:
            await anext(events)

        assert body.is_closed


async def test_an_event_tells_at_which_lot_the_stay_is() -> None:
    api = FakeApi(
        cloud=[a_stream(told("completed", "1", **OVER)), httpx.ConnectTimeout("slow")],
        lot=[a_stay()],
    )

    async with a_park(api, lot_url={LOT: LOT_URL, "oak": "https://other.example"}) as park:
        async for _ in park.events("sess_1"):
            pass
        await park.session("sess_1")

    assert api.hosts() == ["cloud", "cloud", "lot"]
