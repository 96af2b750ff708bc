"""The lot: lanes, spaces, cars. `World.step` is the only source of time; no clock, no tasks."""

import random
from typing import Final

from parkgraph.runtime.errors import RefusedError
from parkgraph_firmware_sim.barrier import LONGEST_KEYPAD_ENTRY
from parkgraph_firmware_sim.cars import Car, Style, Where
from parkgraph_firmware_sim.lane import Fault, Lane
from parkgraph_firmware_sim.scene import CarView, Scene
from parkgraph_firmware_sim.settings import Settings

TICK_SECONDS: Final = 0.01
GONE_CARS_REMEMBERED: Final = 200


class World:
    """Everything there is, and the truth about it.

    Time goes in ticks of `TICK_SECONDS`, however long the steps are, so that the same acts at the
    same world times give the same world. What may not be asked for raises `RefusedError`; the
    message begins with the name of the field that is to blame.
    """

    def __init__(self, settings: Settings, *, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._drive_seconds = settings.lot.drive_seconds
        self._ticks = 0
        self._owed_seconds = 0.0
        self._spawned = 0
        self.is_night = settings.lot.night
        self.lanes = {name: Lane(name, lane.direction) for name, lane in settings.lanes.items()}
        self.cars: dict[str, Car] = {}
        self.spaces: dict[str, Car | None] = dict.fromkeys(settings.lot.spaces)

    @property
    def seconds(self) -> float:
        """World time since the start."""
        return self._ticks * TICK_SECONDS

    def step(self, seconds: float) -> None:
        """Let `seconds` go by; what is less than a tick is kept for the next step."""
        self._owed_seconds += seconds
        while self._owed_seconds >= TICK_SECONDS - 1e-9:
            self._owed_seconds -= TICK_SECONDS
            self._ticks += 1
            for lane in self.lanes.values():
                lane.step(TICK_SECONDS)
            for car in self.cars.values():
                if car.where is Where.INSIDE and car.space is not None:
                    self._drive_to_space(car, car.space)

    def spawn(  # noqa: PLR0913  a car is that much
        self,
        *,
        lane: str,
        painted_plate: str,
        car_id: str | None = None,
        length_m: float = 4.6,
        speed_m_s: float = 4.0,
        style: Style = "eu",
        tailgates: bool = False,
    ) -> Car:
        """Let a new car come into `lane`."""
        into = self.lane(lane)
        self._spawned += 1
        name = car_id or f"car-{self._spawned}"
        if name in self.cars:
            raise RefusedError(f"car: there is one called {name} already")
        look = self._random.getrandbits(31)
        car = Car(name, painted_plate, length_m, speed_m_s, style, look, tailgates)
        self._forget_one_long_gone()
        self.cars[name] = car
        into.let_in(car)
        return car

    def park(self, car_id: str, space: str) -> None:
        """Tell a car where to park. It goes there once it is inside."""
        car = self._car(car_id)
        if space not in self.spaces:
            raise RefusedError(f"space: there is none called {space}")
        if any(other.space == space for other in self.cars.values() if other is not car):
            raise RefusedError(f"space: {space} is taken")
        if car.where in {Where.SPACE, Where.GONE} or self._is_in_an_exit(car):
            raise RefusedError(f"car: {car_id} is not on its way in")
        car.space, car.drive_left_seconds = space, self._drive_seconds

    def leave(self, car_id: str, lane: str) -> None:
        """Let a car that is inside come into the exit `lane`."""
        car = self._car(car_id)
        into = self.lane(lane)
        if into.direction != "exit":
            raise RefusedError(f"lane: {lane} is no exit")
        if car.where not in {Where.INSIDE, Where.SPACE}:
            raise RefusedError(f"car: {car_id} is not inside")
        if car.where is Where.SPACE and car.space is not None:
            self.spaces[car.space] = None
        into.let_in(car)

    def back_away(self, car_id: str) -> None:
        """Let a car reverse out of its lane: away from an entry, back into the lot from an exit."""
        car = self._car(car_id)
        if car.lane is None:
            raise RefusedError(f"car: {car_id} is in no lane")
        car.is_backing = True

    def press(self, lane: str, digits: str) -> None:
        """Type `digits` at the keypad of `lane`."""
        barrier = self.lane(lane).barrier
        is_short = len(digits) <= LONGEST_KEYPAD_ENTRY
        if not (digits.isascii() and digits.isdigit() and is_short):
            raise RefusedError(f"digits: 1 to {LONGEST_KEYPAD_ENTRY} digits are needed")
        if not barrier.is_powered:
            raise RefusedError(f"lane: the controller of {lane} is rebooting")
        barrier.press(digits)

    def set_fault(self, lane: str, fault: Fault, *, is_on: bool, seconds: float = 2.0) -> None:
        """Make something go wrong, or right again. `seconds` are those of a slow controller."""
        at = self.lane(lane)
        if fault is Fault.REBOOT:
            if is_on:
                at.barrier.reboot()
            return
        if is_on:
            at.faults.add(fault)
        else:
            at.faults.discard(fault)
        if fault is Fault.CONTROLLER_SLOW:
            at.answer_delay_seconds = seconds if is_on else 0.0

    def lane(self, name: str) -> Lane:
        """The lane called `name`."""
        if name not in self.lanes:
            raise RefusedError(f"lane: there is none called {name}")
        return self.lanes[name]

    def scene(self, lane: str) -> Scene:
        """What the camera of `lane` has before it."""
        at = self.lane(lane)
        return Scene(
            seconds=self.seconds,
            cars=tuple(
                CarView(
                    plate=car.painted_plate,
                    style=car.style,
                    look=car.look,
                    front_x=car.front_x,
                    length_m=car.length_m,
                    speed_m_s=car.speed_m_s,
                )
                for car in at.cars
            ),
            boom_degrees=at.barrier.boom.angle_degrees,
            shows_go=at.barrier.shows_go,
            is_night=self.is_night,
            is_dark=Fault.CAMERA_DARK in at.faults,
            has_dirty_plates=Fault.PLATE_DIRTY in at.faults,
        )

    def _car(self, car_id: str) -> Car:
        if car_id not in self.cars:
            raise RefusedError(f"car: there is none called {car_id}")
        return self.cars[car_id]

    def _forget_one_long_gone(self) -> None:
        gone = [name for name, car in self.cars.items() if car.where is Where.GONE]
        if len(gone) >= GONE_CARS_REMEMBERED:
            del self.cars[gone[0]]

    def _is_in_an_exit(self, car: Car) -> bool:
        return car.lane is not None and self.lanes[car.lane].direction == "exit"

    def _drive_to_space(self, car: Car, space: str) -> None:
        car.drive_left_seconds -= TICK_SECONDS
        if car.drive_left_seconds <= 0.0:
            car.where = Where.SPACE
            self.spaces[space] = car
