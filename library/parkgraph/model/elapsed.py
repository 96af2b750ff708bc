"""How long a stay lasted, whatever the wall clock did meanwhile."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

_NOTHING: Final = timedelta(0)
_SECOND: Final = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class BootTime:
    """A time of the boot clock: in which run of the machine, and how long after its beginning."""

    boot: str
    ms: int


@dataclass(frozen=True, slots=True)
class Instant:
    """A time by both clocks; rows of older programs have no boot clock."""

    at: datetime
    boot: BootTime | None


@dataclass(frozen=True, slots=True)
class Anchor:
    """The time `at` of a wall clock that was right, `ms` after a boot."""

    at: datetime
    ms: int


@dataclass(frozen=True, slots=True)
class Boot:
    """One run of the machine: the lot's `number`th, which lasted for `last_ms` at least."""

    number: int
    last_ms: int
    anchor: Anchor | None


@dataclass(frozen=True, slots=True)
class Elapsed:
    """The time that passed, in whole seconds; in doubt, that part of it which is proven."""

    duration: timedelta
    is_in_doubt: bool

    @property
    def seconds(self) -> int:
        """The duration, as the journal keeps it."""
        return self.duration // _SECOND


def elapsed(entered: Instant, now: Instant, boots: Mapping[str, Boot]) -> Elapsed:
    """Return how long after `entered` it is `now`. `boots` are the lot's, by their ids.

    Never negative, and never more than what passed, so that a doubt costs the customer nothing:

    - Within one boot its clock alone counts: nobody can set it, and it goes on in sleep.
    - Between two boots that were each tied to the right time, that time counts.
    - Otherwise only the time for which the machine is known to have run counts: how long it was off
      nobody knows, so that is given away. Where the wall clock says less, that counts: the customer
      can hold it against us.
    - Without a boot clock, as older programs wrote, there is nothing but the wall clock.

    Part of a second is given away too.
    """
    wall = max(now.at - entered.at, _NOTHING)
    if entered.boot is None or now.boot is None:
        return _whole(wall, is_in_doubt=True)
    if entered.boot.boot == now.boot.boot:
        return _whole(_milliseconds(now.boot.ms - entered.boot.ms), is_in_doubt=False)
    began, ended = _right_time(entered.boot, boots), _right_time(now.boot, boots)
    if began and ended:
        return _whole(ended - began, is_in_doubt=False)
    proven = _proven(entered.boot, now.boot, boots)
    return _whole(min(proven, wall) if wall else proven, is_in_doubt=True)


def _right_time(time: BootTime, boots: Mapping[str, Boot]) -> datetime | None:
    boot = boots.get(time.boot)
    if boot is None or boot.anchor is None:
        return None
    return boot.anchor.at + _milliseconds(time.ms - boot.anchor.ms)


def _proven(entered: BootTime, now: BootTime, boots: Mapping[str, Boot]) -> timedelta:
    """Return for how long the machine surely ran between two times of different boots."""
    first, last = boots.get(entered.boot), boots.get(now.boot)
    milliseconds = now.ms  # a vehicle that entered in another boot was there in all of this one
    if first:
        milliseconds += max(first.last_ms - entered.ms, 0)
        milliseconds += sum(
            boot.last_ms
            for boot in boots.values()
            if boot.number > first.number and (last is None or boot.number < last.number)
        )
    return _milliseconds(milliseconds)


def _milliseconds(count: int) -> timedelta:
    return timedelta(milliseconds=count)


def _whole(duration: timedelta, *, is_in_doubt: bool) -> Elapsed:
    return Elapsed(max(duration, _NOTHING) // _SECOND * _SECOND, is_in_doubt)
