"""Time, as a thing that is passed in. No other module of the programs reads a clock."""

import ctypes
import functools
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
# Larger than `struct timex` anywhere; all zero, it asks and changes nothing.
_TIMEX_BYTES: Final = 512
_TIME_ERROR: Final = 5


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

    def boot_id(self) -> str:
        """Which run of the machine `boot_seconds` counts: no two have the same."""
        ...

    def is_trusted(self) -> bool:
        """Whether the wall clock is known to be right; False where nobody can tell."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def boot_seconds(self) -> float:
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot_id(self) -> str:
        return _boot_id()

    def is_trusted(self) -> bool:
        """Ask the kernel, which knows from NTP, PTP or GNSS; who sets the clock by hand ends it.

        Source: adjtimex(2): TIME_ERROR is returned while the clock is not synchronised.
        """
        adjtimex = _adjtimex()
        if adjtimex is None:
            return False
        return 0 <= adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) < _TIME_ERROR


@functools.cache
def _boot_id() -> str:
    return _BOOT_ID.read_text().strip()


@functools.cache
def _adjtimex() -> Callable[[Any], int] | None:
    call: Callable[[Any], int] | None = getattr(ctypes.CDLL(None), "adjtimex", None)
    return call
