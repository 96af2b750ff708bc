"""A lane at work on a bench: its barrier, its eyes and its ledger are the test's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from parkgraph.journal.ledger import Command, Ledger, Outcome
from parkgraph.model.records import Direction
from parkgraph.model.sessions import Session
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.lanes.lane import Eyes, LaneConfiguration, LaneLoop
from parkgraph_edge.rules.sightings import Sighting
from parkgraph_edge.store.opening import OpenLot
from parkgraph_edge.store.passages import Present
from tests.builders import ENTRY, LOT, a_booking, a_crossing, a_grant, a_lot, a_sighting
from tests.fakes import FakeBarrier, FakeClock, OpenLedger, Recording, open_ledger, randomness

# What a barrier shows of a car on the arming loop, of none, of a closed boom, and of one that left.
THERE: Final = {"is_armed": True}
GONE: Final = {"is_armed": False, "is_occupied": False}
DOWN: Final = {"is_closed": True, "is_open": False, "angle_degrees": 0.0}
THROUGH: Final = GONE | DOWN | {"passages": 1}


@dataclass
class Switch:
    """A ledger that can be taken away, or hang: before it commits or after."""

    ledger: Ledger
    clock: FakeClock
    is_away: bool = False
    takes_seconds: float = 0.0
    submitted: int = 0
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    hangs: Literal["", "before", "after"] = ""

    async def submit(self, command: Command[Outcome], *, urgent: bool = False) -> Outcome:
        assert urgent
        self.submitted += isinstance(command, Present)
        if self.is_away:
            raise UnavailableError("the disk is full")
        if self.hangs == "before":
            await self.goes_on.wait()
        outcome = await self.ledger.submit(command, urgent=urgent)
        if self.hangs == "after":
            await self.goes_on.wait()
        self.clock.advance(self.takes_seconds)
        return outcome


@dataclass
class Bench:
    """A lane and all that it works with."""

    clock: FakeClock
    barrier: FakeBarrier
    ledger: OpenLedger
    switch: Switch
    sighting: Sighting | None = None
    attended: list[float] = field(default_factory=list)
    lanes: list[LaneLoop] = field(default_factory=list)

    async def look(self, seconds: float = 0.05, **changes: Any) -> None:
        self.clock.advance(seconds)
        await self.barrier.look(**changes)

    async def sees(self, text: str, **changes: Any) -> None:
        """Let the camera read a plate now, and the lane look."""
        self.clock.advance(0.2)
        self.sighting = a_sighting(text, taken_at=self.clock.boot_seconds(), **changes)
        await self.look()

    async def types(self, digits: str) -> None:
        entries = self.barrier.state.keypad_entries
        await self.look(keypad_digits=digits, keypad_entries=entries + 1)

    @property
    def orders(self) -> list[int]:
        return [order.order for order in self.barrier.accepted]

    async def park(self) -> Session:
        """Let the car ABC1234 be parked, as if it had come in by another lane."""
        session = await self.ledger.submit(a_booking())
        came_in = Recording([a_grant(session.session), a_crossing(session.session)])
        await self.ledger.submit(came_in)
        return session

    def outcomes(self) -> list[str | None]:
        return [order[-1] for order in self.ledger.facts()["orders"]]


@contextlib.asynccontextmanager
async def a_bench(
    tmp_path: Path,
    direction: Direction = ENTRY,
    *,
    clock: FakeClock | None = None,
    barrier: FakeBarrier | None = None,
    hangs: Literal["", "before", "after"] = "",
) -> AsyncIterator[Bench]:
    """Work a lane, with a lot that was described and nobody there."""
    clock = clock or FakeClock()
    async with open_ledger(tmp_path, clock=clock) as ledger:
        await ledger.submit(OpenLot(LOT, a_lot()))
        bench = Bench(
            clock, barrier or FakeBarrier(clock), ledger, Switch(ledger, clock, hangs=hangs)
        )
        name = "north-in" if direction is ENTRY else "south-out"
        lane = LaneLoop(
            LaneConfiguration(LOT, name, direction, open_seconds=5.0),
            bench.barrier,
            Eyes(newest=lambda: bench.sighting, attend=bench.attended.append),
            bench.switch,
            clock=clock,
            random=randomness(1).randbytes,
        )
        bench.lanes.append(lane)
        async with asyncio.TaskGroup() as group:
            task = group.create_task(lane.run())
            await bench.look()
            yield bench
            task.cancel()
