"""The SDK against the front door of a lot, and the examples in its docstrings."""

import ast
import asyncio
import inspect
import re
import textwrap
from collections.abc import AsyncIterator, Callable
from types import ModuleType
from typing import Any, Final

import pytest
from starlette.routing import Router

from parkgraph import client
from parkgraph.client import ApiError, ParkGraph, UnreachableError
from parkgraph.model.api import Observation, SessionRequest, Vehicle
from parkgraph.model.sessions import SessionState
from parkgraph.runtime.web import listen, serve, url
from parkgraph_edge.store.opening import OpenLot
from tests.builders import LOT, a_crossing, a_grant, a_lot
from tests.fakes import OpenLedger, Recording
from tests.front_doors import KEY, a_door

REQUEST: Final = SessionRequest(lot_id=LOT, plate="ABC1234", vehicle=Vehicle(fleet_id="fleet-1"))


def examples_of(*sources: ModuleType | type) -> list[str]:
    """Return the blocks of Python in the docstrings of modules, classes and their methods."""
    documented: list[Any] = [
        *sources,
        *(each for source in sources for each in vars(source).values() if inspect.isfunction(each)),
    ]
    texts = [inspect.getdoc(each) or "" for each in documented]
    return [
        block for text in texts for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    ]


EXAMPLES: Final = examples_of(client, ParkGraph)


@pytest.fixture
async def door(ledger: OpenLedger) -> Router:
    await ledger.submit(OpenLot(LOT, a_lot()))
    return a_door(ledger, ledger.reader)


@pytest.fixture
async def address(door: Router) -> AsyncIterator[str]:
    """Serve the lot on a free port of loopback."""
    listener = listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(door, listener))
        yield url(listener)
        server.cancel()


def nobodys_address() -> str:
    """Return an address at which nobody listens."""
    listener = listen("127.0.0.1", 0)
    try:
        return url(listener)
    finally:
        listener.close()


async def test_a_stay_from_its_booking_to_its_end(address: str, ledger: OpenLedger) -> None:
    async with ParkGraph(address, KEY) as park:
        booked = await park.create_session(REQUEST)
        assert await park.session(booked.id) == booked
        assert [stay async for stay in park.sessions("fleet-1")] == [booked]
        assert (await park.availability(LOT)).free == 1
        await ledger.submit(Recording([a_grant(booked.id), a_crossing(booked.id)]))

        ended = await park.end_session(booked.id)

    assert (ended.state, ended.amount_minor) == (SessionState.LEAVING, 0)


async def test_the_lot_answers_all_that_a_vehicle_asks(address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        assert (await park.lot(LOT)).lot_id == LOT
        assert (await park.search_lots(37.0, -122.0)).scope == "lot"
        version = (await park.rates(LOT)).version
        assert (await park.quote(LOT, minutes=90)).rate_version == version
        seen = [Observation(space="S-01", occupied=True)]
        assert (await park.upload_observations(LOT, seen)).accepted == 1
        booked = await park.create_session(REQUEST)
        later = await park.extend_session(booked.id, 15)
        assert later.expected_duration_minutes == booked.expected_duration_minutes + 15
        assert (await park.cancel_session(booked.id)).status == "cancelled"
        assert [event.event async for event in park.events(booked.id)] == ["snapshot"]
        assert len((await park.activity()).items) > 0
        assert [row.seq async for row in park.audit(LOT)][:2] == [1, 2]
        assert [lot.lot_id for lot in (await park.status()).lots] == [LOT]


async def test_the_lot_says_what_only_the_cloud_can_do(address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        with pytest.raises(ApiError, match="503 REQUIRES_CLOUD"):
            await park.keys()


async def test_a_vehicle_without_the_internet_books_at_the_lot(address: str) -> None:
    async with ParkGraph(nobodys_address(), KEY, lot_url=address) as park:
        booked = await park.create_session(REQUEST)
        ended = await park.end_session(booked.id)

        assert park.side == "lot"

    assert ended.status == "cancelled"


async def test_the_same_request_makes_one_stay(address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        first = await park.create_session(REQUEST, idempotency_key="trip-7")
        again = await park.create_session(REQUEST, idempotency_key="trip-7")

    assert first == again


async def test_a_refusal_says_what_and_why(address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        await park.create_session(REQUEST)

        with pytest.raises(ApiError, match="409 CONFLICT") as caught:
            await park.create_session(REQUEST)

    assert caught.value.status == 409
    assert caught.value.request_id.startswith("req_")


async def test_a_bad_request_names_the_field(address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        with pytest.raises(ApiError) as caught:
            await park.create_session(SessionRequest(lot_id=LOT))

    assert (caught.value.code, caught.value.field) == ("BAD_REQUEST", "plate")


async def test_another_key_is_refused(address: str) -> None:
    async with ParkGraph(address, "pk_live_another_key_entirely") as park:
        with pytest.raises(ApiError, match="401 UNAUTHORIZED"):
            await park.session("sess_1")


async def test_where_nobody_answers_it_says_so() -> None:
    async with ParkGraph(nobodys_address(), KEY, timeout_seconds=0.5) as park:
        with pytest.raises(UnreachableError, match="connection attempts failed"):
            await park.session("sess_1")


def test_there_are_examples_of_each_kind() -> None:
    text = "".join(EXAMPLES)

    assert len(EXAMPLES) >= 5
    assert all(call in text for call in ("create_session", "sessions(", "events(", "lot_url"))


@pytest.mark.parametrize("example", EXAMPLES)
async def test_the_example_works_as_it_stands(example: str, address: str) -> None:
    async with ParkGraph(address, KEY) as park:
        stay = await park.create_session(REQUEST)
    names: dict[str, Any] = {
        "base_url": address,
        "lot_url": address,
        "key": KEY,
        "lot_id": LOT,
        "session": stay.id,
        "print": print,
    }
    program = "async def example():\n" + textwrap.indent(example, "    ")
    exec(compile(ast.parse(program), "docstring", "exec"), names)
    run: Callable[[], Any] = names["example"]

    await run()
