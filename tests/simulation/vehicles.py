"""Vehicles: they book, come, park and leave, and seldom do all of it as they should."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from random import Random
from typing import Final, TypeVar

from pydantic import TypeAdapter

from parkgraph.front.contract import Principal
from parkgraph.journal.answers import Seal, Told
from parkgraph.model.api import SessionRequest
from parkgraph.model.api import Vehicle as VehicleBody
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.scopes import Scope
from parkgraph.model.sessions import Session
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph_firmware_sim.cars import Car, Where
from tests.simulation.clouds import CloudSite
from tests.simulation.lots import LotSite
from tests.simulation.machines import Machine
from tests.simulation.network import Network
from tests.simulation.options import Options
from tests.simulation.oracle import Oracle, Promise
from tests.simulation.streets import Street

KEY: Final = Principal("simulated000", None, frozenset(Scope))
_SIGN: Final = (
    "SELECT session, space FROM sessions"
    " WHERE plate = ? AND state IN ('arriving', 'parked', 'leaving')"
)
DRIVE_SECONDS: Final = 15.0
TYPE_AFTER_SECONDS: Final = 8.0
TYPE_AGAIN_SECONDS: Final = 14.0
_STAY: Final = TypeAdapter(Session)
_LETTERS: Final = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789OQI"

T = TypeVar("T")


@dataclass(slots=True)
class Town:
    """What vehicles find around them."""

    network: Network
    phone: Machine
    cloud: CloudSite
    lots: list[LotSite]
    oracle: Oracle
    options: Options
    # From then on nobody comes any more and all leave.
    closing: asyncio.Event = field(default_factory=asyncio.Event)


class Vehicle:
    """One vehicle and its one visit to a lot."""

    def __init__(self, town: Town, number: int, seed: int) -> None:
        self.random = random = Random(f"{seed}/vehicle {number}")
        letters = "".join(random.choice(_LETTERS) for _ in range(4))
        self.plate = f"{letters}{number}"
        self.number = number
        self.town = town
        self.lot = random.choice(town.lots)
        options = town.options
        self.autonomous = random.random() < options.autonomous_share
        self.vin = f"{number:017}" if self.autonomous and random.random() < 0.5 else None
        self.promises: list[Promise] = []
        self.car: Car | None = None
        self.text_read: str | None = None
        self.space: str | None = None
        self.is_inside = False
        self.came_in_at = 0.0
        self.left_at: float | None = None
        self.where = "away"
        self._left: asyncio.Future[Where] | None = None
        self._calls = 0

    @property
    def inside_seconds(self) -> float:
        """For how long it was, or is, inside."""
        left_at = self.lot.machine.loop.time() if self.left_at is None else self.left_at
        return left_at - self.came_in_at

    # Called by the street that it is in.

    def has_left(self, where: Where) -> None:
        """Be out of the lane."""
        if self._left and not self._left.done():
            self._left.set_result(where)

    # Its life.

    async def live(self) -> None:
        """Book, come, park, leave."""
        await self._book()
        if not self.promises:
            self.where = "never booked"
            return
        draw = self.random.random()
        options = self.town.options
        if draw < options.never_share:
            self.where = "never came"
            return
        is_late = draw < options.never_share + options.late_share
        await asyncio.sleep(self._travel_seconds(is_late=is_late))
        if self.town.closing.is_set() or not await self._come_in():
            self.where = "turned away"
            return
        await self._park()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._stay_seconds()):
                await self.town.closing.wait()
        await self._leave()

    def _travel_seconds(self, *, is_late: bool) -> float:
        if is_late:
            return self.random.uniform(1700, 2400)
        return 5 + self.random.expovariate(1 / 50)

    def _stay_seconds(self) -> float:
        if self.random.random() < self.town.options.long_stay_share:
            return self.random.uniform(1800, 5400)
        return 30 + self.random.expovariate(1 / 100)

    # Calls.

    async def _book(self) -> None:
        options, random = self.town.options, self.random
        digest = random.randbytes(32).hex()
        if random.random() < options.both_share:
            other = digest if random.random() < options.same_digest_share else None
            await self.book_at(random.choice(("lot", "cloud")), digest)
            sides = {promise.side for promise in self.promises}
            second = "cloud" if "lot" in sides else "lot"
            await self.book_at(second, other or random.randbytes(32).hex())
            return
        side = "cloud" if random.random() < options.cloud_share else "lot"
        refused = await self.book_at(side, digest)
        if refused and random.random() < 0.4:
            await self.book_at("lot" if side == "cloud" else "cloud", digest)

    async def book_at(self, side: str, digest: str) -> ErrorCode | None:
        lot, cloud = self.lot, self.town.cloud
        request = SessionRequest(
            lot_id=lot.name,
            plate=self.plate,
            vehicle=VehicleBody(autonomous=self.autonomous, vin=self.vin),
            expected_duration_minutes=60,
        )

        async def reserve() -> Session:
            site = lot if side == "lot" else cloud
            return _stay(await site.front_door().reserve(KEY, request, _seal(digest)))

        machine = lot.machine if side == "lot" else cloud.machine
        tries = 2 + int(self.random.expovariate(1 / 6))
        answer = await self._ask(machine, reserve, tries=tries)
        if isinstance(answer, Session):
            self.town.oracle.now = lot.machine.loop.time()
            self.town.oracle.booked(self, lot, side, digest, answer)
            return None
        if answer is ErrorCode.CONFLICT:
            ledger = lot.connection if side == "lot" else cloud.connection
            self.town.oracle.refused_as_known(lot, side, digest, ledger)
        return answer

    async def _ask(
        self, server: Machine, function: Callable[[], Awaitable[T]], *, tries: int
    ) -> T | ErrorCode | None:
        """Return the answer, why it was refused, or None where none came."""
        town = self.town
        for _ in range(tries):
            try:
                return await town.network.call(
                    town.phone, server, function, timeout_seconds=self.random.choice((3, 8))
                )
            except UnavailableError:
                await asyncio.sleep(self.random.uniform(0.5, 9))
            except CallRefusedError as refusal:
                return refusal.code
            except RefusedError:
                return None
        return None

    # In the lanes.

    async def _come_in(self) -> bool:
        for visit in range(3):
            if visit:
                await asyncio.sleep(self.random.uniform(20, 90))
            if self.town.closing.is_set():
                return False
            backs = self.random.random() < self.town.options.back_out_share
            patience = self.random.uniform(2, 14) if backs else self.random.uniform(40, 100)
            where = await self._pass(self.lot.entry, patience=patience)
            if where is Where.INSIDE:
                self.is_inside = True
                self.came_in_at = self.lot.machine.loop.time()
                self.where = "inside"
                return True
        return False

    async def _pass(self, street: Street, *, patience: float) -> Where:
        """Stand in a lane until it is left, one way or the other."""
        while not street.has_room():
            await asyncio.sleep(2)
            if street is self.lot.entry and self.town.closing.is_set():
                return Where.GONE
        loop = street.loop
        length = self.random.uniform(4.0, 5.2)
        self.car = car = Car(self.plate, self.plate, length, self.random.uniform(3, 4), "eu", 0)
        self.text_read = self._read_as()
        self._left = left = loop.create_future()
        self.where = street.lane.name
        street.let_in(self, car)
        began = loop.time()
        next_typing = began + TYPE_AFTER_SECONDS
        typed = 0
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(3.0, patience)):
                    return await asyncio.shield(left)
            now = loop.time()
            if now - began > patience and not car.is_backing and car.where is not Where.PASSING:
                street.back_out(car)
            is_first = street.lane.cars and street.lane.cars[0] is car
            may_type = typed < 3 and is_first and car.where is Where.AT_BOOM
            if may_type and now > next_typing and not car.is_backing:
                codes = [promise.code for promise in self.promises] or ["000000000"]
                street.press(codes[typed % len(codes)])
                typed += 1
                next_typing = now + TYPE_AGAIN_SECONDS

    def _read_as(self) -> str | None:
        """Return how the camera reads the plate this time; None: not at all."""
        draw = self.random.random() / (self.town.options.misread_share + 1e-9)
        if draw < 0.4:
            return None
        if draw < 1:
            at = self.random.randrange(len(self.plate))
            other = self.random.choice(_LETTERS)
            return self.plate[:at] + other + self.plate[at + 1 :]
        return self.plate

    async def _park(self) -> None:
        promise = await self._learn_space()
        await asyncio.sleep(DRIVE_SECONDS * self.random.uniform(0.6, 1.4))
        self.town.oracle.now = self.lot.machine.loop.time()
        space = promise.space
        self.town.oracle.parked(self, self.lot, space, promise)
        if self.lot.spaces.get(space) is None:
            self.lot.put(space, self.plate)
            self.space = space

    async def _learn_space(self) -> Promise:
        """Read at the lane where to go, or ask: it may have come in by a booking it never heard of.

        Whoever made one booking knows; whoever made two asks until somebody answers.
        """
        if signed := self._read_sign():
            return signed
        for promise in self.promises * (1 if len(self.promises) == 1 else 60):
            lot, name = self.lot, promise.session

            async def look(lot: LotSite = lot, name: str = name) -> Session | None:
                return await lot.front_door().session(name)

            found = await self._ask(lot.machine, look, tries=2)
            if isinstance(found, Session):
                promise.space = found.space
                if found.state in {"parked", "arriving", "leaving"}:
                    return promise
        return self._read_sign() or self.promises[0]

    def _read_sign(self) -> Promise | None:
        """Return where the lane sends it; None while the lot has no ledger that knows."""
        first, ledger = self.promises[0], self.lot.connection
        row = ledger.execute(_SIGN, (self.plate,)).fetchone() if ledger else None
        if row is None:
            return None
        for promise in self.promises:
            if promise.session == row["session"]:
                promise.space = row["space"]
                return promise
            promise.is_over = True
        return replace(first, space=row["space"])

    async def _leave(self) -> None:
        if self.random.random() < self.town.options.end_share:
            await self._end()
            await asyncio.sleep(self.random.expovariate(1 / 20))
        lot = self.lot
        while True:
            is_hesitant = self.random.random() < self.town.options.back_out_share
            patience = self.random.uniform(2, 14) if is_hesitant else 1e9
            if self.space:
                lot.put(self.space, None)
            where = await self._pass(lot.exit, patience=patience)
            if where is Where.GONE:
                break
            if self.space:
                lot.put(self.space, self.plate)
            await asyncio.sleep(self.random.uniform(10, 60))
        self.is_inside, self.where = False, "gone"
        self.left_at = lot.machine.loop.time()
        for promise in self.promises:
            promise.is_over = True

    async def _end(self) -> None:
        lot = self.lot
        for promise in self.promises:
            digest = self.random.randbytes(32).hex()

            async def end(name: str = promise.session, digest: str = digest) -> Session:
                door = lot.front_door()
                stay = await door.session(name)
                if stay is None:
                    raise RefusedError("the lot does not know it")
                return _stay(await door.end(KEY, stay, _seal(digest)))

            answer = await self._ask(lot.machine, end, tries=4)
            if isinstance(answer, Session):
                self.town.oracle.now = lot.machine.loop.time()
                self.town.oracle.ended(lot, digest, answer)
                return


def _seal(digest: str) -> Seal[Session]:
    """Return how a vehicle is answered: with the stay as it was when the request came first."""
    return Seal(digest, "", lambda stay: _STAY.dump_json(stay).decode())


def _stay(told: Told) -> Session:
    return _STAY.validate_json(told.text)
