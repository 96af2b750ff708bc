"""The controller of one boom: orders, interlock, counters, and what it keeps over a reboot."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from parkgraph_firmware_sim.boom import Boom, Motor
from parkgraph_firmware_sim.passages import Passage, follow

SHORTEST_OPEN_SECONDS: Final = 0.1
LONGEST_OPEN_SECONDS: Final = 60.0
REBOOT_SECONDS: Final = 3.0
STALL_IS_A_FAULT_SECONDS: Final = 1.0
LONGEST_KEYPAD_ENTRY: Final = 12


@dataclass(frozen=True, slots=True)
class Order:
    """Open for `open_seconds`. The pair of fencing token and id must be larger than any before."""

    token: int
    id: int
    open_seconds: float


class Refusal(Enum):
    """Why an order is not carried out."""

    OUT_OF_RANGE = "out of range"
    FAULT = "fault"
    SEEN_BEFORE = "seen before"


@dataclass(slots=True)
class Memory:
    """What is kept while the power is away."""

    token: int = 0
    order_id: int = 0
    passages: int = 0
    boots: int = 1


@dataclass(slots=True)
class Inputs:
    """What is wired to the controller's inputs."""

    arming: bool = False
    closing: bool = False
    fire: bool = False
    tamper: bool = False


@dataclass(slots=True)
class Barrier:
    """A boom with its controller. Nothing moves but in `step`."""

    boom: Boom = field(default_factory=Boom)
    inputs: Inputs = field(default_factory=Inputs)
    memory: Memory = field(default_factory=Memory)
    hold_seconds: float = 0.0
    """How long the current order still holds the boom open."""
    shows_go: bool = False
    """The lamp at the stop line: from an order until the rear of its car is past the boom."""
    keypad_entries: int = 0
    last_entry: str = ""
    passage: Passage = Passage.NONE
    orders_accepted: int = 0
    orders_refused: int = 0
    boom_openings: int = 0
    _off_seconds: float = 0.0
    _stalled_seconds: float = 0.0

    @property
    def is_powered(self) -> bool:
        """Whether the controller runs, and not just boots."""
        return self._off_seconds <= 0.0

    @property
    def has_fault(self) -> bool:
        """The controller has noticed that the boom does not follow its motor."""
        return self._stalled_seconds >= STALL_IS_A_FAULT_SECONDS

    def accept(self, order: Order) -> Refusal | None:
        """Take `order` and begin to open, or say why not; a refused order changes nothing."""
        refusal = self._why_not(order)
        if refusal is not None:
            self.orders_refused += 1
            return refusal
        self.memory.token, self.memory.order_id = order.token, order.id
        self.hold_seconds = order.open_seconds
        self.shows_go = True
        self.orders_accepted += 1
        return None

    def press(self, digits: str) -> None:
        """Take what was typed at the keypad: 1 to 12 ASCII characters."""
        self.last_entry = digits
        self.keypad_entries = (self.keypad_entries + 1) & 0xFFFF

    def reboot(self) -> None:
        """Cut the power for `REBOOT_SECONDS`. Outputs are off then, and stay off until an order."""
        self._off_seconds = REBOOT_SECONDS
        self._stalled_seconds = self.hold_seconds = 0.0
        self.shows_go = False
        self.passage = Passage.NONE
        self.keypad_entries, self.last_entry = 0, ""
        self.boom.motor = Motor.OFF
        self.memory.boots = (self.memory.boots + 1) & 0xFFFF

    def step(self, seconds: float) -> None:
        """Read the inputs, decide about the motor, and let it run for `seconds`."""
        if not self.is_powered:
            self._off_seconds -= seconds
            self.boom.is_moving = False
            return
        self._count()
        self._drive()
        self.boom.step(seconds)
        is_on_its_way_up = self.boom.motor is Motor.UP and self.boom.is_moving
        if not is_on_its_way_up:
            self.hold_seconds = max(0.0, self.hold_seconds - seconds)
        self._stalled_seconds = self._stalled_seconds + seconds if self.boom.is_stalled else 0.0

    def _why_not(self, order: Order) -> Refusal | None:
        if not SHORTEST_OPEN_SECONDS <= order.open_seconds <= LONGEST_OPEN_SECONDS:
            return Refusal.OUT_OF_RANGE
        if self.has_fault:
            return Refusal.FAULT
        if (order.token, order.id) <= (self.memory.token, self.memory.order_id):
            return Refusal.SEEN_BEFORE
        return None

    def _count(self) -> None:
        self.passage, has_ended = follow(
            self.passage, arming=self.inputs.arming, closing=self.inputs.closing
        )
        if has_ended:
            self.memory.passages = (self.memory.passages + 1) & 0xFFFF_FFFF
            if not self.shows_go:  # one order, one car; a newer order is for the next one
                self.hold_seconds = 0.0
        if self.passage is Passage.COMMITTED:
            self.shows_go = False

    def _drive(self) -> None:
        before = self.boom.motor
        if self.inputs.fire or self.hold_seconds > 0.0:
            self.boom.motor = Motor.UP
        elif before is not Motor.OFF:
            is_in_the_way = self.inputs.closing and not self.boom.is_closed
            self.boom.motor = Motor.UP if is_in_the_way else Motor.DOWN
            self.shows_go = self.shows_go and is_in_the_way
        if self.boom.motor is Motor.UP and before is not Motor.UP and not self.boom.is_open:
            self.boom_openings += 1
