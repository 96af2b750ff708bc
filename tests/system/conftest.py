"""The real programs, on loopback, in a folder that goes away."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from parkgraph.model.api import SessionBody, SessionRequest
from parkgraph_demo.stack import LOT, Stack, running

EACH_STEP_SECONDS = 30.0


# How much faster than the clock the simulated lot lives.
SPEED = 2.0


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    async with running(tmp_path, tmp_path / "log", seed=7) as stack:
        await stack.side_door.tell("/run", speed=SPEED)
        yield stack


async def until(condition: Callable[[], Awaitable[bool]], what: str) -> None:
    """Wait for `condition`, but not for ever."""
    try:
        async with asyncio.timeout(EACH_STEP_SECONDS):
            while not await condition():  # noqa: ASYNC110 (the programs signal nothing)
                await asyncio.sleep(0.05)
    except TimeoutError:
        pytest.fail(f"in vain: {what}")


async def book(stack: Stack, plate: str) -> SessionBody:
    return await stack.lot.create_session(SessionRequest(lot_id=LOT, plate=plate))


async def until_state(stack: Stack, session: str, state: str) -> None:
    async def is_there() -> bool:
        return (await stack.lot.session(session)).state == state

    await until(is_there, f"{session} {state}")


async def until_car(stack: Stack, car: str, where: str) -> None:
    async def is_there() -> bool:
        cars = (await stack.side_door.truth())["cars"]
        return any(c["car"] == car and c["where"] == where for c in cars)

    await until(is_there, f"{car} {where}")


async def until_lane(stack: Stack, lane: str, **values: object) -> None:
    async def is_there() -> bool:
        truth = (await stack.side_door.truth())["lanes"][lane]
        return all(truth[name] == value for name, value in values.items())

    await until(is_there, f"{lane} {values}")
