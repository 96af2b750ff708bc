"""One lane: its loops, its boom, the cars in it, and what is wrong with it."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from parkgraph_firmware_sim.barrier import Barrier
from parkgraph_firmware_sim.boom import Motor
from parkgraph_firmware_sim.cars import (
    BOOM_CLEARS_ROOF_DEGREES,
    PAST_X,
    SPAWN_X,
    STANDING_GAP_M,
    Car,
    Where,
)

ARMING_LOOP_X: Final = (-4.0, -0.8)
CLOSING_LOOP_X: Final = (-0.3, 2.2)


class Fault(StrEnum):
    """What can be made to go wrong, in the words of the side door."""

    CAMERA_AWAY = "camera_away"
    CAMERA_FROZEN = "camera_frozen"
    CAMERA_DARK = "camera_dark"
    PLATE_DIRTY = "plate_dirty"
    CONTROLLER_SILENT = "controller_silent"
    CONTROLLER_EXCEPTION = "controller_exception"
    CONTROLLER_SLOW = "controller_slow"
    BOOM_JAMMED = "boom_jammed"
    ARMING_STUCK = "arming_stuck"
    TAMPER = "tamper"
    FIRE = "fire"
    REBOOT = "reboot"


@dataclass(slots=True)
class Lane:
    """Cars come in at one end, wait for the boom, and leave at the other."""

    name: str
    direction: Literal["entry", "exit"]
    barrier: Barrier = field(default_factory=Barrier)
    cars: list[Car] = field(default_factory=list)
    """The first to pass stands first."""
    faults: set[Fault] = field(default_factory=set)
    answer_delay_seconds: float = 0.0
    collisions: int = 0
    _touching: set[str] = field(default_factory=set)

    def let_in(self, car: Car) -> None:
        """Put `car` at the far end, behind those that are there."""
        last = self.cars[-1].rear_x - STANDING_GAP_M if self.cars else SPAWN_X
        car.enter(self.name, min(SPAWN_X, last))
        self.cars.append(car)

    def step(self, seconds: float) -> None:
        """Move the cars, then let the controller see the loops and act."""
        self._drive(seconds)
        barrier = self.barrier
        barrier.inputs.arming = Fault.ARMING_STUCK in self.faults or self._is_on(ARMING_LOOP_X)
        barrier.inputs.closing = self._is_on(CLOSING_LOOP_X)
        barrier.inputs.fire = Fault.FIRE in self.faults
        barrier.inputs.tamper = Fault.TAMPER in self.faults
        barrier.boom.is_jammed = Fault.BOOM_JAMMED in self.faults
        barrier.step(seconds)
        self._note_collisions()

    def _drive(self, seconds: float) -> None:
        degrees = self.barrier.boom.angle_degrees
        shows_go = self.barrier.shows_go or self.barrier.inputs.fire
        for place, car in enumerate(self.cars):
            if car.is_backing:
                car.back(seconds, behind=next(iter(self.cars[place + 1 :]), None))
                continue
            car.drive(
                seconds,
                ahead=self.cars[place - 1] if place else None,
                boom_degrees=degrees,
                may_go=shows_go or car.tailgates,
            )
        for car in list(self.cars):
            where = self._left_to(car)
            if where is not None:
                self.cars.remove(car)
                car.leave_lane(where)

    def _left_to(self, car: Car) -> Where | None:
        if car.rear_x > PAST_X:
            return Where.INSIDE if self.direction == "entry" else Where.GONE
        if car.is_backing and car.front_x < SPAWN_X:
            return Where.GONE if self.direction == "entry" else Where.INSIDE
        return None

    def _is_on(self, loop: tuple[float, float]) -> bool:
        return any(car.covers(*loop) for car in self.cars)

    def _note_collisions(self) -> None:
        boom = self.barrier.boom
        comes_down = boom.is_moving and boom.motor is Motor.DOWN
        is_low = boom.angle_degrees < BOOM_CLEARS_ROOF_DEGREES
        below = {car.id for car in self.cars if car.covers(0.0, 0.0)} if is_low else set()
        if comes_down:
            self.collisions += len(below - self._touching)
            self._touching |= below
        self._touching &= below
