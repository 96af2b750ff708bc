"""The SDK between cloud and lot: when it goes to the lot, and when it comes back."""

from collections.abc import Callable, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parkgraph.client import ApiError, ParkGraph, Side, UnreachableError
from parkgraph.model.api import KeyRequest
from tests.examples.fake_api import (
    LOT,
    LOT_URL,
    REQUEST,
    FakeApi,
    a_body,
    a_park,
    a_refusal,
    a_stay,
)

Fault = httpx.Response | Exception

GONE = httpx.ConnectError("no route")
SLOW = httpx.ConnectTimeout("slow")
LOT_OFFLINE = a_refusal(503, "LOT_OFFLINE", headers={"Retry-After": "2"})
UNKNOWN = a_refusal(404, "NOT_FOUND")
ROUTES = pytest.mark.parametrize("lot_url", [LOT_URL, {LOT: LOT_URL}], ids=["one", "by id"])


def a_vehicle(api: FakeApi) -> ParkGraph:
    return a_park(api, lot_url={LOT: LOT_URL})


@ROUTES
@pytest.mark.parametrize(
    ("away", "tries"),
    [
        (GONE, 2),
        (SLOW, 1),
        (httpx.Response(502), 2),
        (httpx.Response(504), 2),
        (a_refusal(503, "UNAVAILABLE"), 1),
        (a_refusal(503, "UNAVAILABLE", headers={"Retry-After": "1"}), 2),
        (LOT_OFFLINE, 1),
    ],
    ids=["gone", "slow", "502", "504", "503", "503 later", "lot offline"],
)
async def test_where_the_cloud_is_away_the_lot_books(
    away: httpx.Response | Exception, tries: int, lot_url: str | Mapping[str, str]
) -> None:
    api = FakeApi(cloud=[away], lot=[a_stay()])

    async with a_park(api, lot_url=lot_url) as park:
        stay = await park.create_session(REQUEST)
        side = park.side

    assert stay == a_body()
    assert side == "lot"
    assert api.hosts() == ["cloud"] * tries + ["lot"]
    assert api.keys() == {"key-1"}
    assert len({(r.content, r.url.raw_path) for r in api.asked}) == 1


async def test_what_the_cloud_refuses_the_lot_is_not_asked() -> None:
    api = FakeApi(cloud=[a_refusal(409, "LOT_FULL")], lot=[a_stay()])

    async with a_vehicle(api) as park:
        with pytest.raises(ApiError, match="LOT_FULL"):
            await park.create_session(REQUEST)

    assert api.hosts() == ["cloud"]


async def test_while_the_cloud_is_left_alone_the_lot_is_asked_at_once() -> None:
    api = FakeApi(cloud=[SLOW], lot=[a_stay()])

    async with a_vehicle(api) as park:
        for _ in range(4):
            await park.session("sess_1", lot_id=LOT)

    assert api.hosts() == ["cloud", "lot", "lot", "lot", "lot"]


async def test_the_cloud_is_asked_again_after_a_while_and_kept_to_when_it_answers() -> None:
    api = FakeApi(cloud=[SLOW, SLOW, a_stay()], lot=[a_stay()])
    sides = []

    async with a_vehicle(api) as park:
        for _ in range(5):
            await park.session("sess_1", lot_id=LOT)
            sides.append(park.side)
            api.time.now += 5.0

    assert sides == [Side.LOT, Side.LOT, Side.LOT, Side.CLOUD, Side.CLOUD]
    assert api.hosts() == ["cloud", "lot", "cloud", "lot", "lot", "cloud", "cloud"]


async def test_a_cloud_that_cannot_reach_the_lot_is_not_left_alone() -> None:
    api = FakeApi(cloud=[LOT_OFFLINE, a_stay()], lot=[a_stay()])

    async with a_vehicle(api) as park:
        await park.end_session("sess_1", lot_id=LOT)
        await park.session("sess_1")

    assert api.hosts() == ["cloud", "lot", "cloud"]


async def test_a_stay_that_was_booked_at_the_lot_is_asked_there_until_the_cloud_knows_it() -> None:
    api = FakeApi(cloud=[SLOW, UNKNOWN, UNKNOWN, a_stay(), UNKNOWN], lot=[a_stay()])

    async with a_vehicle(api) as park:
        await park.create_session(REQUEST)
        api.time.now += 60.0
        await park.session("sess_1")
        await park.extend_session("sess_1", 5)
        await park.session("sess_1")
        with pytest.raises(ApiError, match="NOT_FOUND"):
            await park.session("sess_1")

    assert api.hosts() == ["cloud", "lot", "cloud", "lot", "cloud", "lot", "cloud", "cloud"]


async def test_a_stay_that_neither_side_knows_is_not_found() -> None:
    api = FakeApi(cloud=[UNKNOWN], lot=[UNKNOWN])

    async with a_vehicle(api) as park:
        with pytest.raises(ApiError, match="NOT_FOUND"):
            await park.session("sess_9")

    assert api.hosts() == ["cloud", "lot"]


async def test_a_stay_of_the_lot_is_not_lost_where_the_lot_is_away() -> None:
    api = FakeApi(cloud=[SLOW, UNKNOWN], lot=[a_stay(), GONE])

    async with a_vehicle(api) as park:
        await park.create_session(REQUEST)
        api.time.now += 60.0
        with pytest.raises(UnreachableError, match=r"lot\.example"):
            await park.session("sess_1")


async def test_that_the_lot_does_not_know_a_stay_is_no_answer_while_the_cloud_is_away() -> None:
    api = FakeApi(cloud=[SLOW], lot=[UNKNOWN])

    async with a_vehicle(api) as park:
        for _ in range(2):
            with pytest.raises(UnreachableError, match=r"cloud\.example"):
                await park.session("sess_1")

    assert api.hosts() == ["cloud", "lot", "lot", "cloud"]


async def test_who_has_left_the_lot_asks_the_cloud_though_it_was_away() -> None:
    api = FakeApi(cloud=[SLOW, a_stay()], lot=[a_stay(), GONE])

    async with a_vehicle(api) as park:
        await park.session("sess_1", lot_id=LOT)
        await park.session("sess_1")

        assert park.side == "cloud"

    assert api.hosts() == ["cloud", "lot", "lot", "lot", "lot", "cloud"]


async def test_where_both_are_away_no_more_than_four_tries_are_made() -> None:
    api = FakeApi(cloud=[GONE], lot=[GONE])

    async with a_vehicle(api) as park:
        with pytest.raises(UnreachableError, match=r"cloud\.example"):
            await park.session("sess_1", lot_id=LOT)

    assert api.hosts() == ["cloud", "cloud", "lot", "lot"]


async def test_only_what_the_lot_can_answer_goes_to_it() -> None:
    api = FakeApi(cloud=[GONE], lot=[a_stay()])

    async with a_vehicle(api) as park:
        for call in (
            park.keys(),
            park.status(),
            park.create_key(KeyRequest(name="van")),
            park.delete_key("k1"),
            park.activity(),
            park.availability("another-lot"),
            anext(park.sessions("fleet-1")),
        ):
            with pytest.raises(UnreachableError):
                await call

    assert set(api.hosts()) == {"cloud"}


async def test_the_pages_of_a_list_come_from_one_side() -> None:
    page = {"sessions": [a_body().model_dump(mode="json")], "scope": "lot", "next_cursor": "c1"}
    last = page | {"next_cursor": None}
    api = FakeApi(
        cloud=[SLOW, a_stay()], lot=[httpx.Response(200, json=page), httpx.Response(200, json=last)]
    )

    async with a_vehicle(api) as park:
        async for _ in park.sessions("fleet-1", lot_id=LOT):
            api.time.now += 60.0

    assert api.hosts() == ["cloud", "lot", "lot"]


async def test_where_one_lot_is_known_it_finds_itself() -> None:
    api = FakeApi(cloud=[GONE], lot=[httpx.Response(200, json={"lots": [], "scope": "lot"})])

    async with a_vehicle(api) as park:
        found = await park.search_lots(37.5, -122.4)

    assert found.scope == "lot"


async def test_each_lot_has_its_own_address() -> None:
    api = FakeApi(cloud=[SLOW], lot=[a_stay()], other=[a_stay(lot_id="oak")])
    urls = {LOT: LOT_URL, "oak": "https://other.example"}

    async with a_park(api, lot_url=urls) as park:
        await park.create_session(REQUEST.model_copy(update={"lot_id": "oak"}))
        await park.create_session(REQUEST)

    assert api.hosts() == ["cloud", "other", "lot"]


def after(seconds: float, fault: Fault, api: list[FakeApi]) -> Callable[[httpx.Request], Any]:
    """Return a reply that takes so long."""

    def reply(_: httpx.Request) -> httpx.Response:
        api[0].time.now += seconds
        if isinstance(fault, Exception):
            raise fault
        return httpx.Response(fault.status_code, headers=fault.headers, content=fault.content)

    return reply


FAULTS = st.tuples(
    st.floats(0, 10),
    st.sampled_from(
        [
            *(GONE, SLOW, LOT_OFFLINE, UNKNOWN, httpx.Response(502), a_refusal(503, "UNAVAILABLE")),
            *(a_refusal(status, "X", headers={"Retry-After": "7"}) for status in (429, 503)),
            *(a_refusal(409, "CONFLICT", field="Idempotency-Key"), a_refusal(400, "BAD_REQUEST")),
        ]
    ),
)


@given(cloud=st.lists(FAULTS, min_size=1, max_size=8), lot=st.lists(FAULTS, min_size=1, max_size=8))
async def test_whatever_both_sides_do_a_call_ends_soon(
    cloud: list[tuple[float, Fault]], lot: list[tuple[float, Fault]]
) -> None:
    here: list[FakeApi] = []
    api = FakeApi(
        cloud=[after(seconds, fault, here) for seconds, fault in cloud],
        lot=[after(seconds, fault, here) for seconds, fault in lot],
    )
    here.append(api)

    async with a_vehicle(api) as park:
        for _ in range(3):
            asked, began = len(api.asked), api.time.now
            with pytest.raises((ApiError, UnreachableError)):
                await park.create_session(REQUEST)
            assert len(api.asked) - asked <= 4
            assert api.time.now - began <= 70
            assert len({request.headers["idempotency-key"] for request in api.asked[asked:]}) == 1
