"""The SDK against the front door of a lot."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from parkgraph.client import ApiError, ParkGraph
from parkgraph.front.app import ApiKey, FrontDoor
from parkgraph.front.operations import AT_THE_LOT
from parkgraph.model.api import SessionRequest, Vehicle
from parkgraph.model.sessions import SessionState
from parkgraph.runtime.web import listen, serve
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.terms import LotTerms
from tests.builders import CODE_KEY, LOT, TARIFF, a_crossing, a_grant, a_lot
from tests.fakes import FakeClock, OpenLedger, Recording, open_ledger, randomness

KEY = "pk_live_0123456789abcdefghij"
REQUEST = SessionRequest(lot_id=LOT, plate="ABC1234", vehicle=Vehicle(fleet_id="fleet-1"))


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[OpenLedger]:
    async with open_ledger(tmp_path) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        yield ledger


@pytest.fixture
async def address(ledger: OpenLedger) -> AsyncIterator[str]:
    """Serve the lot on a free port of loopback."""
    clock = FakeClock()
    front = LotFront(
        LotTerms(LOT, TARIFF, "north-in", CODE_KEY),
        ledger,
        ledger.reader,
        occupied=frozenset,
        clock=clock,
    )
    door = FrontDoor(
        key=ApiKey(KEY, requests_per_minute=1_000_000), clock=clock, random=randomness().randbytes
    )
    listener = listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(door.app(front, AT_THE_LOT), listener))
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.cancel()


async def test_a_stay_from_its_booking_to_its_end(address: str, ledger: OpenLedger) -> None:
    async with ParkGraph(address, KEY) as lot:
        booked = await lot.create_session(REQUEST)
        assert await lot.session(booked.id) == booked
        assert await lot.sessions("fleet-1") == (booked,)
        assert (await lot.availability(LOT)).free == 1
        await ledger.submit(Recording([a_grant(booked.id), a_crossing(booked.id)]))

        ended = await lot.end_session(booked.id)

    assert (ended.state, ended.amount_minor) == (SessionState.LEAVING, 0)


async def test_who_is_told_to_wait_waits_and_asks_again(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    monkeypatch.setattr("parkgraph.client.asyncio.sleep", sleep)
    asked = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal asked
        asked += 1
        error = {"code": "RATE_LIMITED", "message": "too many", "request_id": "req_1"}
        return httpx.Response(429, headers={"Retry-After": "2"}, json={"error": error})

    async with ParkGraph("http://lot", KEY) as lot:
        lot._http = httpx.AsyncClient(base_url="http://lot", transport=httpx.MockTransport(answer))
        with pytest.raises(ApiError, match="429 RATE_LIMITED"):
            await lot.session("sess_1")

    assert asked == 4
    assert len(waited) == 3
    assert all(2.0 <= seconds <= 3.0 for seconds in waited)


async def test_a_refusal_says_what_and_why(address: str) -> None:
    async with ParkGraph(address, KEY) as lot:
        await lot.create_session(REQUEST)

        with pytest.raises(
            ApiError, match="409 CONFLICT: this vehicle has the open session"
        ) as caught:
            await lot.create_session(REQUEST)

    assert caught.value.status == 409
    assert caught.value.request_id.startswith("req_")


async def test_a_bad_request_names_the_field(address: str) -> None:
    async with ParkGraph(address, KEY) as lot:
        with pytest.raises(ApiError) as caught:
            await lot.create_session(SessionRequest(lot_id=LOT))

    assert (caught.value.code, caught.value.field) == ("BAD_REQUEST", "plate")


async def test_another_key_is_refused(address: str) -> None:
    async with ParkGraph(address, "pk_live_another_key_entirely") as lot:
        with pytest.raises(ApiError, match="401 UNAUTHORIZED"):
            await lot.session("sess_1")


async def test_where_nobody_answers_it_says_so() -> None:
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    listener.close()

    async with ParkGraph(f"http://127.0.0.1:{port}", KEY) as lot:
        with pytest.raises(httpx.TransportError):
            await lot.session("sess_1")
