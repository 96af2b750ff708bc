"""What a barrier tells, and what it can be told."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BarrierState:
    """One look at a barrier controller.

    `is_armed` and `is_occupied` are the arming and the closing loop. `angle_degrees` is 0 when
    closed. `passages` counts vehicles that went all the way through since the controller was made;
    `token` and `last_order` are the newest fencing token and order id that it accepted. `asked_at`
    is when it was asked, in seconds of the boot clock: what it says may be as old as that.
    """

    is_armed: bool
    is_occupied: bool
    is_open: bool
    is_closed: bool
    has_fire: bool
    has_tamper: bool
    has_fault: bool
    angle_degrees: float
    passages: int
    token: int
    last_order: int
    keypad_entries: int
    keypad_digits: str
    asked_at: float


@dataclass(frozen=True, slots=True)
class VendOrder:
    """One order to let one admission through. `deadline` is by the boot clock, in seconds."""

    token: int
    order: int
    open_seconds: float
    deadline: float
