"""Time, as a thing that is passed in. No other module of the programs reads a clock."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """What a program knows of time."""

    def now(self) -> datetime:
        """The wall clock, aware and in UTC: for people and records. It may jump."""
        ...

    def boot_seconds(self) -> float:
        """Seconds since the machine booted, sleep included: for durations and deadlines.

        All processes of one machine share it, so a frame's time can cross a pipe.
        """
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_seconds(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)
