"""The side door: tests and demos change the world through it, and ask it for the truth."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, TypeVar

from pydantic import Field, ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from parkgraph.runtime.errors import RefusedError
from parkgraph_firmware_sim.cars import Style
from parkgraph_firmware_sim.lane import Fault
from parkgraph_firmware_sim.pace import Pace
from parkgraph_firmware_sim.settings import Model, Name, in_one_line
from parkgraph_firmware_sim.truth import truth

ABOUT = """Park Graph Edge: the side door of a simulated parking lot.
A test or a demo lets cars come and faults happen here, and reads the truth at /truth.
No program that works for a lot may use it. Documented in firmware-sim/README.md, section 5.
"""

Plate = Annotated[str, Field(pattern=r"^[A-Z0-9][A-Z0-9 -]{0,9}$")]
Json = dict[str, Any]
Asked = TypeVar("Asked", bound=Model)


class CarSent(Model):
    """POST /cars."""

    car: Name | None = None
    plate: Plate
    painted_plate: Plate | None = None
    lane: str
    length_m: Annotated[float, Field(ge=2, le=20)] = 4.6
    speed_m_s: Annotated[float, Field(ge=0.2, le=15)] = 4.0
    style: Style = "eu"
    tailgates: bool = False


class ParkTold(Model):
    """POST /cars/{car}/park."""

    space: str


class LeaveTold(Model):
    """POST /cars/{car}/leave."""

    lane: str


class Nothing(Model):
    """POST /cars/{car}/back-away."""


class KeysPressed(Model):
    """POST /lanes/{lane}/keypad."""

    digits: str


class FaultSet(Model):
    """POST /faults."""

    lane: str
    fault: Fault
    on: bool
    seconds: Annotated[float, Field(gt=0, le=600)] = 2.0


class NightSet(Model):
    """POST /night."""

    on: bool


class Step(Model):
    """POST /step."""

    seconds: Annotated[float, Field(gt=0, le=600)]


class Run(Model):
    """POST /run."""

    speed: Annotated[float, Field(ge=0, le=100)]


class SideDoor:
    """What can be asked of the world from outside it."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._world = pace.world

    def app(self) -> Starlette:
        """The web server."""
        return Starlette(
            routes=[
                Route("/", self._about),
                Route("/truth", self._truth),
                _post("/cars", CarSent, self._send_car),
                _post("/cars/{car}/park", ParkTold, self._park),
                _post("/cars/{car}/leave", LeaveTold, self._leave),
                _post("/cars/{car}/back-away", Nothing, self._back_away),
                _post("/lanes/{lane}/keypad", KeysPressed, self._press),
                _post("/faults", FaultSet, self._set_fault),
                _post("/night", NightSet, self._set_night),
                _post("/step", Step, self._step),
                _post("/run", Run, self._run),
            ],
            exception_handlers={RefusedError: _refuse},
        )

    async def _about(self, _request: Request) -> Response:
        return PlainTextResponse(ABOUT)

    async def _truth(self, _request: Request) -> Response:
        return JSONResponse(truth(self._world))

    async def _send_car(self, _request: Request, asked: CarSent) -> Json:
        car = self._world.spawn(
            lane=asked.lane,
            painted_plate=asked.painted_plate or asked.plate,
            car_id=asked.car,
            length_m=asked.length_m,
            speed_m_s=asked.speed_m_s,
            style=asked.style,
            tailgates=asked.tailgates,
        )
        return {"car": car.id}

    async def _park(self, request: Request, asked: ParkTold) -> Json:
        self._world.park(request.path_params["car"], asked.space)
        return {}

    async def _leave(self, request: Request, asked: LeaveTold) -> Json:
        self._world.leave(request.path_params["car"], asked.lane)
        return {}

    async def _back_away(self, request: Request, _asked: Nothing) -> Json:
        self._world.back_away(request.path_params["car"])
        return {}

    async def _press(self, request: Request, asked: KeysPressed) -> Json:
        self._world.press(request.path_params["lane"], asked.digits)
        return {}

    async def _set_fault(self, _request: Request, asked: FaultSet) -> Json:
        self._world.set_fault(asked.lane, asked.fault, is_on=asked.on, seconds=asked.seconds)
        self._pace.nudge()
        return {}

    async def _set_night(self, _request: Request, asked: NightSet) -> Json:
        self._world.is_night = asked.on
        return {}

    async def _step(self, _request: Request, asked: Step) -> Json:
        await self._pace.step(asked.seconds)
        return {"seconds": self._world.seconds}

    async def _run(self, _request: Request, asked: Run) -> Json:
        self._pace.speed = asked.speed
        return {}


def _post(path: str, model: type[Asked], act: Callable[[Request, Asked], Awaitable[Json]]) -> Route:
    async def answer(request: Request) -> Response:
        try:
            asked = model.model_validate_json(await request.body() or b"{}")
        except ValidationError as error:
            raise RefusedError(in_one_line(error)) from error
        return JSONResponse(await act(request, asked))

    return Route(path, answer, methods=["POST"])


async def _refuse(_request: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)
