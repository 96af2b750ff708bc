"""Load on one lot, and what was acknowledged of it until a moment that is known exactly."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tests.faults.caller import Answer, Caller, HungUpError

# One call in so many ends a stay, while there are parked ones.
_ONE_END_IN = 5


@dataclass(frozen=True, slots=True)
class Booking:
    """What a vehicle was promised."""

    space: str
    code: str


@dataclass(slots=True)
class Promises:
    """Everything that was acknowledged: these the ledger must hold, whatever happened since."""

    bookings: dict[str, Booking] = field(default_factory=dict)
    ends: dict[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.bookings) + len(self.ends)

    def so_far(self) -> "Promises":
        """Return what there is now, which later answers do not change."""
        return Promises(dict(self.bookings), dict(self.ends))

    def take(self, answer: Answer) -> None:
        """Keep what a 201 or 200 says."""
        session = answer.session
        if answer.status == 201:
            entry = session["entry_instructions"]
            self.bookings[session["id"]] = Booking(entry["assigned_space"], entry["gate_code"])
        else:
            self.ends[session["id"]] = session["amount_minor"]


class Called(Protocol):
    """Whoever books for one lot: its gateway, or the cloud."""

    lot: str

    async def caller(self) -> Caller:
        """Return a new connection. Raises: HungUpError."""
        ...


class Load:
    """Callers that book and end as fast as they are answered, until `is_over`.

    Whoever breaks something sets `is_over` first, on the same thread: an answer that is read later
    does not count. A sync that was under way when the power went may report success, so counting
    such answers would show losses where nothing was promised.
    """

    def __init__(
        self,
        called: Called,
        parked: Sequence[str],
        *,
        seed: int,
        pause_seconds: float = 0.0,
        plates: str = "F",
    ) -> None:
        """Call `called`, where `parked` are stays inside; each caller pauses after each call.

        `plates` is what all plates begin with.
        """
        self._called = called
        self._plates = plates
        self._parked = list(parked)
        self._random = random.Random(seed)
        self._pause_seconds = pause_seconds
        self._numbers = 0
        self.promises = Promises()
        self.refusals: Counter[int] = Counter()
        self.without_retry_after = 0
        self.is_over = False

    async def run(self, connections: int, *, most_calls: int | None = None) -> None:
        """Call over so many connections until nobody answers, or each has called so often."""
        async with asyncio.TaskGroup() as group:
            for _ in range(connections):
                group.create_task(self._call_on(most_calls))

    async def _call_on(self, most_calls: int | None) -> None:
        try:
            caller = await self._called.caller()
        except HungUpError:
            return
        calls = 0
        try:
            while not self.is_over and (most_calls is None or calls < most_calls):
                answer = await self._one(caller)
                calls += 1
                if not self.is_over:
                    self._count(answer)
                await asyncio.sleep(self._pause_seconds)
        except HungUpError:
            return
        finally:
            caller.close()

    async def _one(self, caller: Caller) -> Answer:
        if self._parked and self._random.randrange(_ONE_END_IN) == 0:
            return await caller.end(self._parked.pop())
        self._numbers += 1
        return await caller.book(self._called.lot, f"{self._plates}{self._numbers:09}")

    def _count(self, answer: Answer) -> None:
        if answer.status in {200, 201}:
            self.promises.take(answer)
        else:
            self.refusals[answer.status] += 1
            self.without_retry_after += answer.status == 503 and not answer.retry_after
