"""The story: five vehicles come and go, and for three of them the cloud is out of reach."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from parkgraph.journal.chain import Row
from parkgraph.model.api import SessionBody, SessionRequest, Vehicle
from parkgraph.model.records import (
    AdmissionGranted,
    AnyRecord,
    Crossed,
    Direction,
    LotDescribed,
    PresentationRefused,
    SessionReserved,
    VendFinished,
    VendOrdered,
    parse_record,
)
from parkgraph.model.sentences import Stay, sentence
from parkgraph.model.sessions import SessionState
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.sqlite import open_reader
from parkgraph_demo.journals import compare, rows_after
from parkgraph_demo.narrator import Narrator
from parkgraph_demo.stack import ENTRY, EXIT, LOT, Stack

EACH_STEP_SECONDS: Final = 45.0
LOOK_EVERY_SECONDS: Final = 0.1
FLEET: Final = "fleet_demo"
VISITORS: Final = "visitors"
_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ"


class StoryError(Exception):
    """The story did not come to its end; the message says at which step."""


@dataclass(slots=True)
class Visit:
    """One vehicle, and what became of it."""

    name: str
    plate: str
    fleet: str
    style: str
    is_offline: bool = False
    is_sold_by_cloud: bool = False
    car: str = ""
    booked: SessionBody | None = None
    means: str = ""
    read: str = ""

    @property
    def session(self) -> SessionBody:
        """The booking."""
        if self.booked is None:
            raise StoryError(f"{self.name} has not booked")
        return self.booked


@dataclass(frozen=True, slots=True)
class PlateRead:
    """A plate as the recogniser read it, beside the truth that only the simulator knows."""

    truth: str
    read: str
    confidence: float
    ms: int


@dataclass(slots=True)
class Chronicle:
    """What the lot's journal has told so far."""

    rows: int = 0
    booked: set[str] = field(default_factory=set)
    crossed: set[tuple[str, Direction]] = field(default_factory=set)
    reads: list[PlateRead] = field(default_factory=list)
    decision_to_boom_ms: list[int] = field(default_factory=list)
    refusals: int = 0


class Story:
    """Drives the vehicles and the cable, and follows what the lot records."""

    def __init__(self, stack: Stack, narrator: Narrator, clock: Clock, *, seed: int = 1) -> None:
        """Tell the story of `stack` through `narrator`; plates are drawn by `seed`."""
        self._stack = stack
        self._narrator = narrator
        self._clock = clock
        plates = _plates(random.Random(seed))
        self.visits = [
            Visit("Vehicle 1", next(plates), FLEET, "us"),
            Visit("Vehicle 2", next(plates), FLEET, "eu"),
            Visit("Vehicle 3", next(plates), FLEET, "us", is_offline=True),
            Visit("Person", next(plates), VISITORS, "eu", is_offline=True),
            Visit("Vehicle 4", next(plates), FLEET, "us", is_offline=True, is_sold_by_cloud=True),
        ]
        self.chronicle = Chronicle()

    async def tell(self) -> None:
        """Tell it to the end.

        Raises:
            StoryError: a step did not happen in time.
        """
        async with asyncio.TaskGroup() as group:
            following = group.create_task(self._follow())
            await self._chapters()
            following.cancel()

    async def _chapters(self) -> None:
        first, second, third, person, fourth = self.visits
        heading = self._narrator.heading
        heading("The lot and the cloud are linked. Two vehicles of a fleet come.")
        await self._come(first)
        await self._come(second)
        await self._until(None, "the lot lends spaces to the cloud", self._has_lent)
        heading("The cable to the cloud is pulled. The lot goes on alone.")
        self._stack.cable.cut()
        self._say("Cable", "pulled: the cloud is out of reach")
        await self._come(third)
        heading("The fleet books in the cloud, for the lot that cannot be reached.")
        await self._come(fourth, by_code=True)
        heading("The camera at the entry fails. A person types the gate code.")
        await self._stack.side_door.tell("/faults", lane=ENTRY, fault="camera_away", on=True)
        self._say("Camera", f"{ENTRY} gives no pictures any more")
        await self._come(person, by_code=True)
        await self._stack.side_door.tell("/faults", lane=ENTRY, fault="camera_away", on=False)
        heading("All leave, by plate or by code. The link is still cut.")
        async with asyncio.TaskGroup() as leaving:
            for delay, visit in enumerate(self.visits):
                leaving.create_task(self._leave(visit, after_seconds=5.0 * delay))
        heading("The cable is back. The cloud gets what it missed.")
        self._stack.cable.mend()
        self._say("Cable", "plugged in again")
        edge, cloud = await self._drained()
        self._say("Cloud", f"has {cloud} of {edge} records, each once; each stay has one id")

    async def _come(self, visit: Visit, *, by_code: bool = False) -> None:
        side = self._stack.cloud if visit.is_sold_by_cloud else self._stack.lot
        visit.booked = await side.create_session(
            SessionRequest(
                lot_id=LOT,
                plate=visit.plate,
                vehicle=Vehicle(autonomous=visit.fleet == FLEET, fleet_id=visit.fleet),
            )
        )
        if visit.is_sold_by_cloud:
            space = visit.session.entry_instructions.assigned_space
            self._say("Cloud", f"sells {space}, which {LOT} lent it, to {visit.plate}")
        else:
            await self._until(visit, "has booked", self._is_told(visit))
        self._say(visit.name, f"drives up to {ENTRY}, plate {visit.plate}")
        sent = await self._stack.side_door.tell(
            "/cars", plate=visit.plate, lane=ENTRY, style=visit.style
        )
        visit.car = sent["car"]
        if by_code:
            await self._until(visit, "stands at the barrier", self._is(visit, "at_boom"))
            await self._give_code(visit, ENTRY)
        await self._until(visit, "came in", self._has_crossed(visit, Direction.ENTRY))
        await self._until(visit, "is clear of the lane", self._is(visit, "inside"))
        space = visit.session.entry_instructions.assigned_space
        await self._stack.side_door.tell(f"/cars/{visit.car}/park", space=space)
        await self._until(visit, "parks", self._is(visit, "space"))
        self._say(visit.name, f"is parked in {space}, says the sensor")

    async def _leave(self, visit: Visit, *, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        self._say(visit.name, f"drives to {EXIT}")
        await self._stack.side_door.tell(f"/cars/{visit.car}/leave", lane=EXIT)
        if visit.is_sold_by_cloud:  # the lot cannot know its plate yet
            await self._until(visit, "stands at the barrier", self._is(visit, "at_boom"))
            await self._give_code(visit, EXIT)
        await self._until(visit, "left", self._has_crossed(visit, Direction.EXIT))

    async def _give_code(self, visit: Visit, lane: str) -> None:
        code = visit.session.entry_instructions.gate_code or ""
        self._say(visit.name, f"gives the gate code {'•' * len(code)}")
        await self._stack.side_door.tell(f"/lanes/{lane}/keypad", digits=code)

    async def _has_lent(self) -> bool:
        async with open_reader(self._stack.cloud_database) as reader:
            return (
                await reader.one("SELECT 1 FROM sessions WHERE state = 'allotted'", {}) is not None
            )

    async def _drained(self) -> tuple[int, int]:
        async def is_drained() -> bool:
            edge, cloud, lost, _ = await self._compared()
            return lost == 0 and edge == cloud

        await self._until(None, "lot and cloud catch up", is_drained)
        edge, cloud, _, _ = await self._compared()
        return edge, cloud

    async def _compared(self) -> tuple[int, int, int, int]:
        return await compare(LOT, self._stack.edge_ledger, self._stack.cloud_database)

    async def _follow(self) -> None:
        """Tell each record of the lot as it is committed."""
        async with open_reader(self._stack.edge_ledger) as reader:
            while True:
                for row in await rows_after(reader, LOT, self.chronicle.rows):
                    self.chronicle.rows = row.seq
                    await self._hear(row, parse_record(row.body, row.personal))
                await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def _hear(self, row: Row, record: AnyRecord) -> None:
        visit = self._visit_of(row.subject)
        if not isinstance(record, LotDescribed | VendOrdered):
            text = sentence(record, _stay(visit), self._narrator.zone)
            who = visit.name if visit else "Lot"
            self._narrator.say(who, text, at=datetime.fromisoformat(row.at))
        match record:
            case SessionReserved():
                self.chronicle.booked.add(record.session)
            case AdmissionGranted():
                await self._hear_admission(record)
            case Crossed(session=str(session)):
                self.chronicle.crossed.add((session, record.direction))
            case VendFinished(decision_to_boom_ms=int(milliseconds)):
                self.chronicle.decision_to_boom_ms.append(milliseconds)
            case PresentationRefused():
                self.chronicle.refusals += 1
            case _:
                pass

    async def _hear_admission(self, record: AdmissionGranted) -> None:
        visit = self._visit_of(record.session)
        if visit and record.direction is Direction.ENTRY:
            visit.means = record.means.value
        if record.frame_to_decision_ms is None or not (record.personal and record.personal.plate):
            return
        read = PlateRead(
            truth=await self._painted_plate_at(record.lane),
            read=record.personal.plate,
            confidence=record.confidence or 0.0,
            ms=record.frame_to_decision_ms,
        )
        self.chronicle.reads.append(read)
        if visit:
            visit.read = read.read

    async def _painted_plate_at(self, lane: str) -> str:
        """Ask the simulator which plate stands nearest before the boom of `lane`."""
        cars = (await self._stack.side_door.truth())["cars"]
        there = [car for car in cars if car["lane"] == lane and car["where"] != "passing"]
        nearest = max(there, key=lambda car: car["x_m"], default=None)
        return nearest["plate"] if nearest else ""

    def _visit_of(self, session: str | None) -> Visit | None:
        return next((v for v in self.visits if v.booked and v.booked.id == session), None)

    def _say(self, who: str, what: str) -> None:
        self._narrator.say(who, what, at=self._clock.now())

    def _is_told(self, visit: Visit) -> Callable[[], Awaitable[bool]]:
        async def is_told() -> bool:
            return visit.session.id in self.chronicle.booked

        return is_told

    def _has_crossed(self, visit: Visit, direction: Direction) -> Callable[[], Awaitable[bool]]:
        async def has_crossed() -> bool:
            return (visit.session.id, direction) in self.chronicle.crossed

        return has_crossed

    def _is(self, visit: Visit, where: str) -> Callable[[], Awaitable[bool]]:
        async def is_there() -> bool:
            cars = (await self._stack.side_door.truth())["cars"]
            return any(car["car"] == visit.car and car["where"] == where for car in cars)

        return is_there

    async def _until(
        self, visit: Visit | None, step: str, condition: Callable[[], Awaitable[bool]]
    ) -> None:
        try:
            async with asyncio.timeout(EACH_STEP_SECONDS):
                while not await condition():
                    for program in self._stack.programs.values():
                        program.check()
                    await asyncio.sleep(LOOK_EVERY_SECONDS)
        except TimeoutError as error:
            who = f"{visit.name} ({visit.plate})" if visit else "the story"
            raise StoryError(
                f"waited {EACH_STEP_SECONDS:.0f} s in vain for: {who}: {step}"
            ) from error


async def completed_in_cloud(stack: Stack, visits: list[Visit]) -> dict[str, int]:
    """Return how often the cloud's API lists each booking as completed."""
    listed: list[str] = []
    for fleet in {visit.fleet for visit in visits}:
        stays = stack.cloud.sessions(fleet)
        listed.extend([stay.id async for stay in stays if stay.state is SessionState.COMPLETED])
    return {visit.session.id: listed.count(visit.session.id) for visit in visits}


def _stay(visit: Visit | None) -> Stay:
    if visit is None:
        return Stay()
    space = visit.session.entry_instructions.assigned_space
    return Stay(plate=visit.plate, space=space, currency=visit.session.currency)


def _plates(chance: random.Random) -> Iterator[str]:
    """Yield plates of three letters and four digits, none twice."""
    given: set[str] = set()
    while True:
        letters = "".join(chance.choice(_LETTERS) for _ in range(3))
        plate = f"{letters}{chance.randrange(1000, 10000)}"
        if plate not in given:
            given.add(plate)
            yield plate
