"""Following a stay: what is told, in which order, and where one goes on."""

import asyncio
from contextlib import aclosing

import httpx
import pytest

from tests.conformance.callers import SESSIONS, Caller, events_of
from tests.conformance.conftest import Wiring
from tests.conformance.world import World

pytestmark = pytest.mark.hurried

ALL_OF_IT = ["snapshot", "arriving", "parked", "ended", "leaving", "completed"]


async def goes_through(world: World, caller: Caller, stay: str) -> None:
    """Let the vehicle come, be charged and go."""
    await world.parks(stay)
    await world.level()
    await caller.end(stay)
    await world.level()
    await world.leaves(stay)
    await world.level()


async def test_a_stay_is_told_as_it_happens_until_it_is_over(caller: Caller, world: World) -> None:
    stay = (await caller.book())["id"]
    await world.level()

    async with asyncio.TaskGroup() as group:
        told = group.create_task(caller.events(stay))
        await asyncio.sleep(1)
        await goes_through(world, caller, stay)

    assert [event["event"] for event in told.result()] == ALL_OF_IT
    assert told.result()[-1]["session"]["state"] == "completed"


async def test_a_stay_that_is_over_is_told_in_one_snapshot(caller: Caller, world: World) -> None:
    stay = (await caller.book())["id"]
    await caller.cancel(stay)

    (event,) = await caller.events(stay)

    assert (event["event"], event["session"]["state"]) == ("snapshot", "cancelled")


async def told_to(wire: httpx.AsyncClient, stay: str, after: str | None) -> list[dict[str, str]]:
    headers = {"Last-Event-ID": after} if after else {}
    async with wire.stream("GET", f"{SESSIONS}/{stay}/events", headers=headers) as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        return await events_of(response)


async def test_who_comes_back_gets_what_he_has_missed_and_nothing_twice(
    wire: httpx.AsyncClient, caller: Caller, world: World
) -> None:
    stay = (await caller.book())["id"]
    await world.level()
    async with asyncio.TaskGroup() as group:
        told = group.create_task(told_to(wire, stay, None))
        await asyncio.sleep(1)
        await goes_through(world, caller, stay)
    all_of_it = told.result()

    for number, event in enumerate(all_of_it[:-1]):
        missed = await told_to(wire, stay, event["id"])

        assert [each["event"] for each in missed] == ALL_OF_IT[number + 1 :]
        assert [each["id"] for each in missed] == [each["id"] for each in all_of_it[number + 1 :]]


@pytest.mark.parametrize("place", ["0.0", "nonsense", "9.9", "1.99999999999999999999999"])
async def test_a_place_that_is_none_gets_a_snapshot(
    wire: httpx.AsyncClient, caller: Caller, place: str
) -> None:
    stay = (await caller.book())["id"]
    await caller.cancel(stay)

    (event,) = await told_to(wire, stay, place)

    assert event["event"] == "snapshot"


async def test_a_stream_says_that_it_lives(wiring: Wiring, caller: Caller, world: World) -> None:
    stay = (await caller.book())["id"]
    await world.level()

    async with wiring("waymo").stream("GET", f"{SESSIONS}/{stay}/events") as response:
        chunks = response.aiter_text()
        snapshot, comment = await anext(chunks), await anext(chunks)

    assert snapshot.startswith("id: ")
    assert comment.startswith(":")


async def test_the_sdk_follows_until_the_caller_has_heard_enough(world: World, side: str) -> None:
    async with world.http(side, "waymo") as wire:
        body = {"lot_id": "uuid-of-lot", "plate": "CAR 1"}
        stay = (await wire.post(SESSIONS, json=body)).json()["session"]["id"]
    park = world.park(side, "waymo")

    async with park, aclosing(park.events(stay)) as events:
        first = await anext(events)

    assert (first.event, first.session.state) == ("snapshot", "reserved")
