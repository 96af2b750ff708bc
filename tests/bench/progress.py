"""Says on stderr what is being measured and about how much time is left."""

import sys
import time
from typing import Final, TextIO


class Progress:
    """A line for each step, with the time that is left by what was planned."""

    def __init__(self, steps_seconds: list[float], *, out: TextIO = sys.stderr) -> None:
        """Plan steps of so many seconds each."""
        self._left = list(steps_seconds)
        self._count: Final = len(steps_seconds)
        self._out = out
        self._planned = 0.0
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        """Begin the next step."""
        spent = time.monotonic() - self._began
        # A slow machine is slow to its end.
        slowness = max(spent / self._planned, 1.0) if self._planned else 1.0
        left = sum(self._left) * slowness
        self._planned += self._left.pop(0)
        at = self._count - len(self._left)
        self._out.write(f"[{at}/{self._count}] {what} · about {left:.0f} s left\n")
        self._out.flush()
