"""One vehicle's stay from booking to exit, at simulated barriers, through deaths of the gateway."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from parkgraph_demo.programs import Program, ProgramError
from parkgraph_demo.stack import SideDoor
from tests.faults.caller import Answer, Caller, HungUpError
from tests.faults.gateway import Gateway
from tests.faults.load import Promises

UP_WITHIN_SECONDS: Final = 30.0
EACH_STEP_SECONDS: Final = 60.0
CODE_AGAIN_SECONDS: Final = 1.5
LOOK_AGAIN_SECONDS: Final = 0.05
SPEED: Final = 10.0
ENTRY: Final = "north-in"
EXIT: Final = "south-out"

_SIMULATOR: Final = """\
[lot]
spaces = ["S-00000"]
night = false
drive_seconds = 0.5
[ports]
side_door = 0
cameras = 0
space_sensors = 0
[lanes.north-in]
direction = "entry"
port = 0
[lanes.south-out]
direction = "exit"
port = 0
"""

T = TypeVar("T")


class Hardware:
    """The simulated barriers of one lot. They outlive every gateway, as real ones do."""

    def __init__(self, folder: Path) -> None:
        """Put configuration and log into `folder`."""
        config = folder / "lot-sim.toml"
        config.write_text(_SIMULATOR)
        command = [
            sys.executable, "-m", "parkgraph_firmware_sim", "run", "--config", str(config),
        ]  # fmt: skip
        self._program = Program("firmware-sim", command, folder / "firmware-sim.log")
        self.barriers = ("", "")

    async def start(self) -> SideDoor:
        """Start it and return its side door. Raises: ProgramError."""
        output = await self._program.start()
        try:
            async with asyncio.timeout(UP_WITHIN_SECONDS):
                where = json.loads(await output.readline())
        except (TimeoutError, json.JSONDecodeError) as error:
            raise ProgramError("firmware-sim does not say where it listens") from error
        self.barriers = (where["barriers"][ENTRY], where["barriers"][EXIT])
        side_door = SideDoor(where["side_door"])
        await side_door.tell("/run", speed=SPEED)
        return side_door

    async def stop(self) -> None:
        """End it."""
        await self._program.kill()


class Stay:
    """Drives one vehicle through a lot. Where the gateway is gone it is started again."""

    def __init__(self, gateway: Gateway, side_door: SideDoor, plate: str) -> None:
        """Drive the vehicle with `plate`."""
        self._gateway = gateway
        self._side_door = side_door
        self._plate = plate
        self._session: dict[str, Any] = {}
        self.promises = Promises()
        self.status: int | None = None
        self.is_revived = False

    async def live(self) -> None:
        """Book, come in, end, and go. Raises: ProgramError: a step was not reached in time."""
        await self._book()
        car = (await self._side_door.tell("/cars", plate=self._plate, lane=ENTRY))["car"]
        await self._present_until(ENTRY, "parked")
        await self._until("is clear of the entry", lambda: self._is(car, "inside"))
        await self._end()
        await self._side_door.tell(f"/cars/{car}/leave", lane=EXIT)
        await self._present_until(EXIT, "completed")
        await self._until("is gone", lambda: self._is(car, "gone"))

    @property
    def session(self) -> str:
        """The id of the stay that was acknowledged."""
        session: str = self._session["id"]
        return session

    async def _book(self) -> None:
        answer = await self._call(lambda caller: caller.book(self._gateway.lot, self._plate))
        while answer.status == 409:  # recorded, and killed before it was acknowledged
            self._plate += "X"
            answer = await self._call(lambda caller: caller.book(self._gateway.lot, self._plate))
        if answer.status != 201:
            raise ProgramError(f"a booking was answered {answer.status}")
        self.promises.take(answer)
        self._session = dict(answer.session)

    async def _end(self) -> None:
        answer = await self._call(lambda caller: caller.end(self.session))
        if answer.status == 200:
            self.promises.take(answer)
        elif answer.status != 409:  # 409: recorded, and killed before it was acknowledged
            raise ProgramError(f"an end was answered {answer.status}")

    async def _present_until(self, lane: str, state: str) -> None:
        """Give the code at the keypad of `lane`, now and then, until the stay is in `state`."""
        code = self._session["entry_instructions"]["gate_code"]
        next_at = 0.0

        async def is_there() -> bool:
            nonlocal next_at
            now = asyncio.get_running_loop().time()
            if now >= next_at and (await self._side_door.truth())["lanes"][lane]["arming"]:
                next_at = now + CODE_AGAIN_SECONDS
                with contextlib.suppress(httpx.HTTPStatusError):
                    await self._side_door.tell(f"/lanes/{lane}/keypad", digits=code)
            path = f"/api/v1/sessions/{self.session}"
            answer = await self._call(lambda caller: caller.call("GET", path))
            return answer.status == 200 and answer.session["state"] == state

        await self._until(state, is_there)

    async def _is(self, car: str, where: str) -> bool:
        cars = (await self._side_door.truth())["cars"]
        return any(c["car"] == car and c["where"] == where for c in cars)

    async def _until(self, what: str, condition: Callable[[], Awaitable[bool]]) -> None:
        try:
            async with asyncio.timeout(EACH_STEP_SECONDS):
                while not await condition():
                    await self._revive_if_dead()
                    await asyncio.sleep(LOOK_AGAIN_SECONDS)
        except TimeoutError as error:
            raise ProgramError(f"the vehicle waits in vain: {what}") from error

    async def _call(self, ask: Callable[[Caller], Awaitable[Answer]]) -> Answer:
        """Call the gateway; where it is gone, start it again and call once more."""
        for _ in range(2):
            try:
                caller = await self._gateway.caller()
                try:
                    return await ask(caller)
                finally:
                    caller.close()
            except HungUpError:
                await asyncio.sleep(LOOK_AGAIN_SECONDS)
                await self._revive_if_dead()
        raise ProgramError("the gateway hangs up and lives")

    async def _revive_if_dead(self) -> None:
        status = await self._gateway.until_it_ends(within_seconds=0)
        if status is None:
            return
        if self.is_revived:
            raise ProgramError(f"the gateway ended with {status} once more")
        self.status, self.is_revived = status, True
        await self._gateway.start()
        await self._gateway.until_it_answers()
