"""The vehicles of a sandbox: for each stay that is booked a car comes, parks, and leaves again."""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx

from parkgraph.runtime.sqlite import Reader, open_reader
from parkgraph_demo.stack import ENTRY, EXIT, LOT, SideDoor

MOST_CARS: Final = 8
COMES_AFTER_SECONDS: Final = (2.0, 4.0)
PARKS_SECONDS: Final = (55.0, 65.0)
# A car that was not let through types its code again.
TYPES_EVERY_SECONDS: Final = 5.0
GIVES_UP_AFTER_SECONDS: Final = 300.0
LOOK_EVERY_SECONDS: Final = 0.2
# There are no cameras, so nobody reads it.
_PLATE: Final = "SANDBOX"
_STAYS: Final = (
    "SELECT session, state, gate_code, space FROM sessions"
    " WHERE lot = :lot AND state IN ('reserved', 'arriving', 'parked', 'leaving')"
)


@dataclass(frozen=True, slots=True)
class _Stay:
    state: str
    gate_code: str
    space: str


class Visitors:
    """Drives at most `MOST_CARS` at a time; who books more waits."""

    def __init__(
        self, ledger: Path, side_door: SideDoor, say: Callable[[str, str], None], *, seed: int
    ) -> None:
        """Come for the stays in the lot's `ledger`; `say` is told which stay does what."""
        self._ledger = ledger
        self._side_door = side_door
        self._say = say
        self._chance = random.Random(seed)
        self._stays: dict[str, _Stay] = {}
        self._where: dict[str, str] = {}
        self._taken: set[str] = set()
        self._driving: set[str] = set()

    async def run(self) -> None:
        """Drive until cancelled."""
        async with open_reader(self._ledger) as reader, asyncio.TaskGroup() as group:
            while True:
                await self._look(reader)
                self._taken &= self._stays.keys()
                for session, stay in self._stays.items():
                    is_awaited = stay.state == "reserved" and session not in self._taken
                    if is_awaited and len(self._driving) < MOST_CARS:
                        self._taken.add(session)
                        self._driving.add(session)
                        group.create_task(self._visit(session), name=session)
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _look(self, reader: Reader) -> None:
        rows = await reader.all(_STAYS, {"lot": LOT})
        self._stays = {
            row["session"]: _Stay(row["state"], row["gate_code"], row["space"]) for row in rows
        }
        if self._driving:
            with contextlib.suppress(httpx.TransportError):  # who watches the programs tells of it
                cars = (await self._side_door.truth())["cars"]
                self._where = {car["car"]: car["where"] for car in cars}

    async def _visit(self, session: str) -> None:
        try:
            async with asyncio.timeout(GIVES_UP_AFTER_SECONDS):
                await self._come_and_go(session)
        except (TimeoutError, httpx.HTTPError) as error:
            self._say(session, f"its car gives up: {str(error) or 'it takes too long'}")
        finally:
            self._driving.discard(session)

    async def _come_and_go(self, session: str) -> None:
        await asyncio.sleep(self._chance.uniform(*COMES_AFTER_SECONDS))
        if self._state(session) != "reserved":
            return
        self._say(session, f"its car drives up to {ENTRY}")
        sent = await self._side_door.tell("/cars", plate=_PLATE, lane=ENTRY)
        car = sent["car"]
        await self._go_through(
            session, car, ENTRY, lambda: self._state(session) not in {"reserved", "arriving"}
        )
        if session not in self._stays:
            self._say(session, "is over before its car came in, which drives away")
            await self._side_door.tell(f"/cars/{car}/back-away")
            return
        await self._until(lambda: self._where.get(car) == "inside")
        space = self._stays[session].space
        await self._side_door.tell(f"/cars/{car}/park", space=space)
        self._say(session, f"its car parks in {space}")
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._chance.uniform(*PARKS_SECONDS)):
                await self._until(lambda: self._state(session) != "parked")
        await self._leave(session, car)

    async def _leave(self, session: str, car: str) -> None:
        await self._until(lambda: self._where.get(car) in {"inside", "space"})
        self._say(session, f"its car drives to {EXIT}")
        await self._side_door.tell(f"/cars/{car}/leave", lane=EXIT)
        await self._go_through(session, car, EXIT, lambda: session not in self._stays)
        self._say(session, "its car has left")

    async def _go_through(
        self, session: str, car: str, lane: str, is_through: Callable[[], bool]
    ) -> None:
        """Type the gate code whenever the car stands at the boom, until the lot has heard it."""
        while not is_through():
            stay = self._stays.get(session)
            if stay and self._where.get(car) == "at_boom":
                self._say(session, f"its gate code is typed at {lane}")
                await self._side_door.tell(f"/lanes/{lane}/keypad", digits=stay.gate_code)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(TYPES_EVERY_SECONDS):
                        await self._until(is_through)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    def _state(self, session: str) -> str | None:
        stay = self._stays.get(session)
        return stay.state if stay else None

    async def _until(self, is_so: Callable[[], bool]) -> None:
        while not is_so():  # noqa: ASYNC110 (lot and simulator signal nothing)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
