"""What may be done to a stay in each state: one table, the same on both sides."""

from collections.abc import Mapping
from typing import Final

import httpx
import pytest

from parkgraph.model.sessions import SessionState
from tests.conformance.callers import SESSIONS, a_booking
from tests.conformance.world import World

pytestmark = pytest.mark.hurried

OPERATIONS: Final = ("read", "end", "cancel", "extend", "book again")
_OVER: Final = (200, 409, 409, 409, 201)
# The status of the answer, by the state of the stay; `book again` is of the same vehicle.
ANSWERS: Final[Mapping[str, tuple[int, ...]]] = {
    "reserved": (200, 200, 200, 200, 409),
    "arriving": (200, 409, 409, 200, 409),
    "parked": (200, 200, 409, 200, 409),
    "leaving": (200, 409, 409, 409, 409),
    "completed": _OVER,
    "no_show": _OVER,
    "cancelled": _OVER,
    "void": _OVER,
    "allotted": (404, 404, 404, 404, 201),
}


def test_the_table_has_every_state() -> None:
    assert set(ANSWERS) == {state.value for state in SessionState}


async def does(wire: httpx.AsyncClient, operation: str, stay: str, plate: str) -> int:
    """Return the status of the answer to `operation`."""
    match operation:
        case "read":
            answer = await wire.get(f"{SESSIONS}/{stay}")
        case "extend":
            answer = await wire.post(f"{SESSIONS}/{stay}/extend", json={"minutes": 5})
        case "book again":
            answer = await wire.post(SESSIONS, json=a_booking(plate))
        case _:
            answer = await wire.post(f"{SESSIONS}/{stay}/{operation}")
    return answer.status_code


async def bring(world: World, state: str, stays: list[str]) -> None:
    """Bring all `stays`, which are reserved, to `state`, so that both sides know."""
    await world.level()
    if state == "cancelled":
        async with world.http("lot", "waymo") as lot:
            for stay in stays:
                assert (await lot.post(f"{SESSIONS}/{stay}/cancel")).status_code == 200
        await world.level()
        return
    for stay in stays:
        await world.bring(stay, state)
    if state == "no_show":
        await world.hears("up")


@pytest.mark.parametrize("state", [state for state in ANSWERS if state != "allotted"])
@pytest.mark.parametrize("booked_at", ["lot", "cloud"])
async def test_what_may_be_done_is_what_the_table_says(
    world: World, side: str, booked_at: str, state: str
) -> None:
    plates = [f"CAR {number}" for number in range(len(OPERATIONS) - 1)]
    async with world.http(booked_at, "waymo") as wire:
        made = [await wire.post(SESSIONS, json=a_booking(plate)) for plate in plates]
        stays = [each.json()["session"]["id"] for each in made]
    await bring(world, state, stays)

    async with world.http(side, "waymo") as wire:
        answers = [await does(wire, "read", stays[0], plates[0])]
        for operation, stay, plate in zip(OPERATIONS[1:], stays, plates, strict=True):
            answers.append(await does(wire, operation, stay, plate))
            await world.level()

    assert tuple(answers) == ANSWERS[state]


async def test_what_is_lent_and_not_sold_may_be_bought_and_nothing_else(
    world: World, side: str
) -> None:
    lent = world.of_cloud("SELECT session FROM sessions WHERE state = 'allotted'")[0]

    async with world.http(side, "waymo") as wire:
        answers = [await does(wire, operation, lent, "CAR 1") for operation in OPERATIONS]

    assert tuple(answers) == ANSWERS["allotted"]
