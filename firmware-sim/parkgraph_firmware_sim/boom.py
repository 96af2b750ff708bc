"""The boom of a lane as a machine: an arm, a motor, two limit switches. It decides nothing."""

from dataclasses import dataclass
from enum import Enum
from typing import Final

OPEN_DEGREES: Final = 90.0
OPENING_DEGREES_PER_SECOND: Final = 60.0
CLOSING_DEGREES_PER_SECOND: Final = 45.0
LIMIT_SWITCH_DEGREES: Final = 0.5


class Motor(Enum):
    """What the controller's outputs tell the motor."""

    OFF = "off"
    UP = "up"
    DOWN = "down"


@dataclass(slots=True)
class Boom:
    """An arm between 0° (closed, level) and 90° (open, upright)."""

    angle_degrees: float = 0.0
    motor: Motor = Motor.OFF
    is_jammed: bool = False
    is_moving: bool = False

    @property
    def is_open(self) -> bool:
        """The open limit switch."""
        return self.angle_degrees >= OPEN_DEGREES - LIMIT_SWITCH_DEGREES

    @property
    def is_closed(self) -> bool:
        """The closed limit switch."""
        return self.angle_degrees <= LIMIT_SWITCH_DEGREES

    @property
    def is_stalled(self) -> bool:
        """The motor pulls and the arm does not follow."""
        at_its_end = self.is_open if self.motor is Motor.UP else self.is_closed
        return self.motor is not Motor.OFF and self.is_jammed and not at_its_end

    def step(self, seconds: float) -> None:
        """Let the motor turn the arm for `seconds`."""
        before = self.angle_degrees
        if not self.is_jammed:
            if self.motor is Motor.UP:
                turned = before + OPENING_DEGREES_PER_SECOND * seconds
                self.angle_degrees = min(OPEN_DEGREES, turned)
            elif self.motor is Motor.DOWN:
                self.angle_degrees = max(0.0, before - CLOSING_DEGREES_PER_SECOND * seconds)
        self.is_moving = self.angle_degrees != before
