"""A car and how it is driven along a lane. x is in metres, the boom at 0, forward is +x."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Literal

SPAWN_X: Final = -16.0
STOP_LINE_X: Final = -1.0
LAST_STOP_X: Final = -0.1
PAST_X: Final = 6.0
ACCELERATION: Final = 3.0
BRAKING: Final = 4.0
EMERGENCY_BRAKING: Final = 8.0
REVERSE_M_S: Final = 1.5
AT_LINE_M: Final = 0.3
STANDS_M_S: Final = 0.1
NEAR_ENOUGH_M: Final = 0.005
STANDING_GAP_M: Final = 1.5
HEADWAY_SECONDS: Final = 1.0
REVERSE_GAP_M: Final = 0.5
DRIVER_DELAY_SECONDS: Final = 0.4
BOOM_LOOKS_OPEN_DEGREES: Final = 80.0
BOOM_CLEARS_ROOF_DEGREES: Final = 60.0

Style = Literal["eu", "us"]


class Where(StrEnum):
    """Where a car is, in the words of the side door."""

    APPROACHING = "approaching"
    AT_BOOM = "at_boom"
    PASSING = "passing"
    INSIDE = "inside"
    SPACE = "space"
    GONE = "gone"


@dataclass(slots=True)
class Car:
    """One car. `painted_plate` is what stands on its plate, whatever the side door called it."""

    id: str
    painted_plate: str
    length_m: float
    cruise_m_s: float
    style: Style
    look: int
    """Seed of its colour and dirt."""
    tailgates: bool = False
    """Drives on whenever the boom is up, also on the order for the car before."""
    where: Where = Where.APPROACHING
    lane: str | None = None
    space: str | None = None
    drive_left_seconds: float = 0.0
    front_x: float = SPAWN_X
    speed_m_s: float = 0.0
    is_backing: bool = False
    clear_seconds: float = 0.0
    """For how long its driver has seen the way through the boom clear."""

    @property
    def rear_x(self) -> float:
        """Where its body ends."""
        return self.front_x - self.length_m

    def covers(self, begin_x: float, end_x: float) -> bool:
        """Whether its body is above any of the stretch from `begin_x` to `end_x`."""
        return self.rear_x <= end_x and self.front_x >= begin_x

    def enter(self, lane: str, front_x: float) -> None:
        """Come into `lane`, rolling."""
        self.lane, self.space = lane, None
        self.where, self.front_x, self.speed_m_s = Where.APPROACHING, front_x, self.cruise_m_s
        self.is_backing, self.clear_seconds = False, 0.0

    def leave_lane(self, where: Where) -> None:
        """Be out of the lane, at `where`."""
        self.lane, self.where, self.speed_m_s, self.is_backing = None, where, 0.0, False
        if where is Where.GONE:
            self.space = None

    def drive(
        self, seconds: float, *, ahead: "Car | None", boom_degrees: float, may_go: bool
    ) -> None:
        """Drive forward for `seconds` as its driver sees fit; `may_go` is the lamp, or daring."""
        is_clear = may_go and boom_degrees >= BOOM_LOOKS_OPEN_DEGREES
        self.clear_seconds = self.clear_seconds + seconds if is_clear else 0.0
        wanted = min(self.cruise_m_s, self.speed_m_s + ACCELERATION * seconds)
        stop_x = self._stop_x(boom_degrees)
        if stop_x is not None:
            wanted = min(wanted, _speed_to_stop_within(stop_x - self.front_x))
        if ahead is not None:
            gap = ahead.rear_x - STANDING_GAP_M - self.front_x
            wanted = min(wanted, max(0.0, gap / HEADWAY_SECONDS), _speed_to_stop_within(gap))
        self.speed_m_s = max(0.0, wanted, self.speed_m_s - EMERGENCY_BRAKING * seconds)
        self.front_x += self.speed_m_s * seconds
        self.where = self._where_in_lane()

    def back(self, seconds: float, *, behind: "Car | None") -> None:
        """Reverse for `seconds`, and wait where the car behind is in the way."""
        wanted = max(-REVERSE_M_S, self.speed_m_s - ACCELERATION * seconds)
        if behind is not None:
            room = self.rear_x - behind.front_x - REVERSE_GAP_M
            wanted = max(wanted, -_speed_to_stop_within(room))
        self.speed_m_s = wanted
        self.front_x += self.speed_m_s * seconds
        self.where = self._where_in_lane()

    def _stop_x(self, boom_degrees: float) -> float | None:
        if self.front_x <= STOP_LINE_X:
            return None if self.clear_seconds >= DRIVER_DELAY_SECONDS else STOP_LINE_X
        if self.front_x <= LAST_STOP_X and boom_degrees < BOOM_CLEARS_ROOF_DEGREES:
            return LAST_STOP_X
        return None

    def _where_in_lane(self) -> Where:
        if self.front_x > STOP_LINE_X + 0.1:
            return Where.PASSING
        has_stopped = abs(self.speed_m_s) < STANDS_M_S and self.front_x > STOP_LINE_X - AT_LINE_M
        return Where.AT_BOOM if has_stopped else Where.APPROACHING


def _speed_to_stop_within(distance_m: float) -> float:
    """The speed in m/s from which braking ends within `distance_m`; 0 when near enough."""
    return math.sqrt(2 * BRAKING * distance_m) if distance_m > NEAR_ENOUGH_M else 0.0
