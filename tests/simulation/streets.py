"""One lane of a simulated lot: the real firmware's lane, stepped only while something is there."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import TYPE_CHECKING, Final, Literal

from parkgraph_edge.rules.sightings import Sighting
from parkgraph_firmware_sim.barrier import Order, Refusal
from parkgraph_firmware_sim.boom import Motor
from parkgraph_firmware_sim.cars import (
    NEAR_ENOUGH_M,
    SPAWN_X,
    STANDING_GAP_M,
    STOP_LINE_X,
    Car,
    Where,
)
from parkgraph_firmware_sim.lane import ARMING_LOOP_X, Lane
from tests.simulation.loop import SimulatedLoop

if TYPE_CHECKING:
    from tests.simulation.vehicles import Vehicle

STEP_SECONDS: Final = 0.1
FINE_STEPS: Final = 4
# A reader whose lane does not change is answered after so many steps, and at rest so late.
STEPS_UNANSWERED: Final = 3
IDLE_SECONDS: Final = 4.0
QUIET_STEPS: Final = 12
VISION_SECONDS: Final = 0.5
MOST_CARS: Final = 2


class Street:
    """The cars of one lane, its boom, and who waits for a look at it. It outlives the gateway."""

    def __init__(
        self, name: str, direction: Literal["entry", "exit"], loop: SimulatedLoop, random: Random
    ) -> None:
        self.lane = Lane(name, direction)
        self.random = random
        self.loop = loop
        self.vehicles: dict[str, Vehicle] = {}
        # Faults, by the time until which they last.
        self.silent_until = 0.0
        self.mute_until = 0.0
        self.slow_until = 0.0
        self.slow_seconds = 0.0
        self.blind_until = 0.0
        self.stepped: Callable[[Street], None] = lambda _: None
        self._visible: tuple[object, ...] = ()
        self._is_stepping = False
        self._quiet = QUIET_STEPS
        self._unanswered = 0
        self._readers: list[asyncio.Future[None]] = []
        self._first: Car | None = None
        self._first_since = 0.0

    @property
    def is_at_fault(self) -> bool:
        """Whether the gateway cannot be expected to open it."""
        now = self.loop.time()
        until = max(self.silent_until, self.mute_until, self.slow_until)
        return now < until or not self.lane.barrier.is_powered or self.lane.barrier.has_fault

    def has_room(self) -> bool:
        """Say whether one more car may come in."""
        cars = self.lane.cars
        if not cars:
            return True
        if any(car.is_backing for car in cars):
            return False
        return len(cars) < MOST_CARS and cars[-1].rear_x - STANDING_GAP_M > SPAWN_X

    def let_in(self, vehicle: "Vehicle", car: Car) -> None:
        """Put `car` of `vehicle` at the far end."""
        self.vehicles[car.id] = vehicle
        self.lane.let_in(car)
        self.wake()

    def back_out(self, car: Car) -> None:
        """Let `car` reverse out, and those behind it before."""
        if car in self.lane.cars:
            for other in self.lane.cars[self.lane.cars.index(car) :]:
                other.is_backing = True
            self.wake()

    def press(self, digits: str) -> None:
        """Type at the keypad, if it has power."""
        if self.lane.barrier.is_powered:
            self.lane.barrier.press(digits)
            self.wake()

    def accept(self, order: Order) -> Refusal | None:
        """Let the controller take an order."""
        refusal = self.lane.barrier.accept(order)
        self.wake()
        return refusal

    def reboot(self) -> None:
        """Cut the power of the controller for a moment."""
        self.lane.barrier.reboot()
        self.wake()

    def wake(self) -> None:
        """Go on stepping."""
        self._quiet = 0
        if not self._is_stepping:
            self._is_stepping = True
            self.loop.call_later(STEP_SECONDS, self._step, context=self.loop.world.context)

    def next_look(self) -> "asyncio.Future[None]":
        """Return what is done when the gateway's next look is to be answered."""
        look: asyncio.Future[None] = self.loop.create_future()
        if self._is_stepping:
            self._readers.append(look)
        else:
            timer = self.loop.call_later(IDLE_SECONDS, _settle, look)
            look.add_done_callback(lambda _: timer.cancel())
            self._readers.append(look)
        return look

    def sees(self, boot_seconds: float) -> Sighting | None:
        """Return what a camera at the stop line reads now."""
        now = self.loop.time()
        if self._first is None or now < self.blind_until:
            return None
        if now - self._first_since < VISION_SECONDS:
            return None
        text = self.vehicles[self._first.id].text_read
        if not text:
            return None
        return Sighting(self.lane.name, text, 0.93, 5, boot_seconds, (0, 0, 9, 9))

    def _step(self) -> None:
        lane = self.lane
        self._move_cars()
        self._find_first()
        self.stepped(self)
        visible = self._what_is_visible()
        if visible == self._visible:
            self._quiet += 1
            self._unanswered += 1
        else:
            self._visible = visible
            self._quiet, self._unanswered = 0, STEPS_UNANSWERED
        if self._readers and self._unanswered >= STEPS_UNANSWERED:
            self._unanswered = 0
            readers, self._readers = self._readers, []
            for look in readers:
                _settle(look)
        if lane.cars or self._quiet < QUIET_STEPS or self._is_moving():
            self.loop.call_later(STEP_SECONDS, self._step, context=self.loop.world.context)
        else:
            self._is_stepping = False

    def _move_cars(self) -> None:
        lane = self.lane
        before = list(lane.cars)
        steps = FINE_STEPS if any(map(_is_near_boom, before)) else 1
        for _ in range(steps):
            lane.step(STEP_SECONDS / steps)
        if len(before) != len(lane.cars):
            for car in before:
                if car.lane is None:
                    self.vehicles.pop(car.id).has_left(car.where)

    def _find_first(self) -> None:
        cars = self.lane.cars
        first = cars[0] if cars and cars[0].covers(*ARMING_LOOP_X) else None
        if first is None and len(cars) > 1 and cars[1].covers(*ARMING_LOOP_X):
            first = cars[1]
        if first is not self._first:
            self._first, self._first_since = first, self.loop.time()

    def _is_moving(self) -> bool:
        barrier = self.lane.barrier
        is_up = barrier.boom.motor is Motor.UP or not barrier.boom.is_closed
        return is_up or barrier.hold_seconds > 0 or not barrier.is_powered

    def _what_is_visible(self) -> tuple[object, ...]:
        barrier = self.lane.barrier
        return (
            barrier.inputs.arming,
            barrier.inputs.closing,
            barrier.boom.is_closed,
            barrier.boom.is_open,
            barrier.memory.passages,
            barrier.keypad_entries,
            barrier.is_powered,
        )


def _is_near_boom(car: Car) -> bool:
    """Say whether a long step could take `car` over the line where it has to stop."""
    stands = car.speed_m_s == 0 and abs(car.front_x - STOP_LINE_X) <= 2 * NEAR_ENOUGH_M
    return -3.0 < car.front_x < 0.05 and not stands


def _settle(look: "asyncio.Future[None]") -> None:
    if not look.done():
        look.set_result(None)


__all__ = ["STEP_SECONDS", "Street", "Where"]
