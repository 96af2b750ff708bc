"""Lists of stays: whose, which, and page by page."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conformance.callers import SESSIONS, Caller, Json, a_booking, error_of, refused
from tests.conformance.conftest import Calling, Wiring
from tests.conformance.world import LOT, WAYMO, ZOOX, Template, World, a_world

pytestmark = pytest.mark.hurried


async def some_stays(world: World, count: int, *, every_seconds: float = 60.0) -> list[str]:
    """Let one vehicle book and cancel at the lot, again and again; return the stays in order."""
    made = []
    async with world.http("lot", "waymo") as http:
        for number in range(count):
            booked = await http.post(SESSIONS, json=a_booking(f"CAR {number}"))
            made.append(booked.json()["session"]["id"])
            if number % 2:
                await http.post(f"{SESSIONS}/{made[-1]}/cancel")
            world.clock.advance(every_seconds)
    await world.hears("up")
    await world.level()
    return made


async def test_stays_are_listed_newest_first(caller: Caller, world: World) -> None:
    made = await some_stays(world, 5)

    listed = await caller.sessions(fleet_id=WAYMO)

    assert [stay["id"] for stay in listed] == made[::-1]


async def test_a_key_of_a_fleet_may_leave_the_fleet_out(caller: Caller, world: World) -> None:
    made = await some_stays(world, 2)

    assert [stay["id"] for stay in await caller.sessions()] == made[::-1]


async def test_a_key_of_the_operator_has_to_say_whose_stays(calling: Calling) -> None:
    refusal = await refused(calling("operator").sessions())

    assert (refusal.status, refusal.code, refusal.field) == (400, "BAD_REQUEST", "fleet_id")


async def test_another_fleet_s_list_is_forbidden(caller: Caller) -> None:
    refusal = await refused(caller.sessions(fleet_id=ZOOX))

    assert (refusal.status, refusal.code, refusal.field) == (403, "FORBIDDEN", "fleet_id")


async def test_one_fleet_s_list_has_nothing_of_another_s(calling: Calling) -> None:
    own = await calling("waymo").book("CAR 1")
    other = await calling("zoox").book("CAR 2")

    assert [stay["id"] for stay in await calling("waymo").sessions()] == [own["id"]]
    assert [stay["id"] for stay in await calling("operator").sessions(fleet_id=ZOOX)] == [
        other["id"]
    ]


async def test_an_unknown_fleet_has_an_empty_list(calling: Calling) -> None:
    assert await calling("operator").sessions(fleet_id="fleet_unknown") == []


async def test_a_list_says_whose_scope_it_has(wire: httpx.AsyncClient, side: str) -> None:
    listed = (await wire.get(SESSIONS)).json()

    assert listed["scope"] == side


async def test_lists_are_filtered_by_status(caller: Caller, world: World) -> None:
    made = await some_stays(world, 4)

    active = await caller.sessions(status="active")
    cancelled = await caller.sessions(status="cancelled")

    assert [stay["id"] for stay in active] == [made[2], made[0]]
    assert [stay["id"] for stay in cancelled] == [made[3], made[1]]


async def test_lists_are_filtered_by_time_from_the_first_moment_to_before_the_last(
    caller: Caller, world: World
) -> None:
    made = await some_stays(world, 4)

    listed = await caller.sessions(since="2026-06-01T12:01:00Z", until="2026-06-01T14:03:00+02:00")

    assert [stay["id"] for stay in listed] == [made[2], made[1]]


async def test_lists_are_filtered_by_lot(caller: Caller, world: World) -> None:
    made = await some_stays(world, 1)

    assert [stay["id"] for stay in await caller.sessions(lot_id=LOT)] == made
    assert await caller.sessions(lot_id="oak-street") == []


BAD_FILTERS = [
    ("limit=0", "limit"),
    ("limit=201", "limit"),
    ("limit=many", "limit"),
    ("status=terminal", "status"),
    ("since=yesterday", "since"),
    ("since=2026-06-01T12:00:00", "since"),
    ("fleet_id=", "fleet_id"),
    ("cursor=", "cursor"),
]


async def test_a_filter_that_is_none_names_itself(wire: httpx.AsyncClient) -> None:
    for query, field in BAD_FILTERS:
        answer = await wire.get(f"{SESSIONS}?{query}")

        assert answer.status_code == 400
        assert error_of(answer)["field"] == field, field


async def pages_of(http: httpx.AsyncClient, limit: int, **filters: Any) -> list[list[Json]]:
    """Return all pages, as one follows the cursors."""
    pages: list[list[Json]] = []
    query = {"limit": limit, **filters}
    while True:
        page = (await http.get(SESSIONS, params=query)).json()
        pages.append(page["sessions"])
        if page["next_cursor"] is None:
            return pages
        query["cursor"] = page["next_cursor"]


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    count=st.integers(0, 9),
    limit=st.integers(1, 10),
    every_seconds=st.sampled_from([0.0, 0.001, 1.0]),
    side=st.sampled_from(["lot", "cloud"]),
)
async def test_pages_have_every_stay_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    template: Template,
    count: int,
    limit: int,
    every_seconds: float,
    side: str,
) -> None:
    folder = Path(tmp_path_factory.mktemp("pages"))
    async with a_world(folder, template) as world:
        made = await some_stays(world, count, every_seconds=every_seconds)

        async with world.http(side, "waymo") as http:
            pages = await pages_of(http, limit)

    ids = [stay["id"] for page in pages for stay in page]
    assert ids == sorted(made, reverse=True)
    assert all(len(page) == limit for page in pages[:-1])


async def test_a_stay_that_is_booked_meanwhile_shifts_no_page(
    wiring: Wiring, caller: Caller, world: World
) -> None:
    made = await some_stays(world, 4)
    first = (await wiring("waymo").get(SESSIONS, params={"limit": 2})).json()
    await caller.book("NEW 1")

    query = {"limit": 2, "cursor": first["next_cursor"]}
    second = (await wiring("waymo").get(SESSIONS, params=query)).json()

    ids = [stay["id"] for page in (first, second) for stay in page["sessions"]]
    assert ids == made[::-1]


async def test_stays_that_the_cloud_sold_are_listed_and_filtered_by_when_they_were_booked(
    caller: Caller, world: World
) -> None:
    made = []
    async with world.http("cloud", "waymo") as cloud:
        for number in range(4):
            await world.pass_time(60)
            booked = await cloud.post(SESSIONS, json=a_booking(f"CAR {number}"))
            made.append(booked.json()["session"]["id"])
    await world.level()

    listed = await caller.sessions()
    since = await caller.sessions(since="2026-06-01T12:03:00Z")

    assert [stay["id"] for stay in listed] == made[::-1]
    assert [stay["id"] for stay in since] == made[:1:-1]
