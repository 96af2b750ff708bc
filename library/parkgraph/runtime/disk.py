"""Folders, the room that a disk has left, and a ballast to throw off when there is none."""

import asyncio
import os
from collections.abc import Callable
from enum import IntEnum
from pathlib import Path
from typing import Final, Protocol

import structlog

from parkgraph.runtime.errors import UnavailableError

log = structlog.get_logger(__name__)

MEBIBYTE: Final = 1024 * 1024
LOOK_EVERY_SECONDS: Final = 5.0
LOOK_AGAIN_SECONDS: Final = 1.0  # while there is little room
BALLAST_NAME: Final = "ballast"
# On a small disk no more than this part of it is kept, so that most of it can be used.
MOST_RESERVED_PART: Final = 8
MOST_BALLAST_PART: Final = 16
SHORT_TIMES_RESERVE: Final = 4


def make_folder(directory: Path) -> None:
    """Make `directory`, for its owner alone, if it is not there.

    Raises:
        UnavailableError: it cannot be made.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UnavailableError(f"{directory}: {error.strerror}; check folder and owner") from error


class Level(IntEnum):
    """How much room there is, and what goes on with it."""

    PLENTY = 0
    SHORT = 1  # less is told
    RESERVED = 2  # nothing new is promised; what was promised is kept


class Room(Protocol):
    """What others have to know of a disk."""

    @property
    def may_promise(self) -> bool:
        """Say whether there is room to promise anything new."""
        ...

    @property
    def is_short(self) -> bool:
        """Say whether what need not be told is better not told."""
        ...


class _Plenty:
    may_promise = True
    is_short = False


PLENTY: Final[Room] = _Plenty()


class DiskBudget:
    """Watches the disk of one folder, and keeps a ballast in it: a file with nothing in it.

    Room is counted as if the ballast were there. Percentages of the whole disk say nothing: one
    twentieth of a large one holds the records of years.
    """

    def __init__(
        self,
        directory: Path,
        *,
        reserve_bytes: int,
        ballast_bytes: int,
        on_level: Callable[[Level], None] = lambda _: None,
    ) -> None:
        """Keep `reserve_bytes` of the disk of `directory` for what was promised.

        `on_level` is told each new level.
        """
        self._directory = directory
        self._ballast = directory / BALLAST_NAME
        self._reserve_bytes = reserve_bytes
        self._ballast_bytes = ballast_bytes
        self._on_level = on_level
        self._is_unknown = False
        self.level = Level.PLENTY
        self.trouble: str | None = None

    @property
    def may_promise(self) -> bool:
        """See `Room.may_promise`."""
        return self.level < Level.RESERVED

    @property
    def is_short(self) -> bool:
        """See `Room.is_short`."""
        return self.level > Level.PLENTY

    def look(self) -> None:
        """Measure, and make the ballast where it is missing and twice its room is free.

        Where the disk cannot be asked, the level stays: whoever writes will hear of it.
        """
        try:
            found = os.statvfs(self._directory)
        except OSError as error:
            if not self._is_unknown:
                log.warning("disk_not_measured", folder=str(self._directory), reason=str(error))
            self._is_unknown = True
            return
        self._is_unknown = False
        total, free = found.f_blocks * found.f_frsize, found.f_bavail * found.f_frsize
        ballast = min(self._ballast_bytes, total // MOST_BALLAST_PART)
        if not self._ballast.exists():
            if free >= 2 * ballast:
                self._make_ballast(ballast)
            free -= ballast  # as if, or as from now on
        reserve = min(self._reserve_bytes, total // MOST_RESERVED_PART)
        self._set_level(max(0, free), reserve)

    def make_room(self) -> bool:
        """Throw the ballast off, as the disk is full; say whether there was one.

        May be called on any thread.
        """
        try:
            self._ballast.unlink()
        except OSError:
            return False
        self._tell(Level.RESERVED, "the disk is full")
        log.error("ballast_thrown_off", folder=str(self._directory))
        return True

    async def run(self) -> None:
        """Look now and then until cancelled, on a thread: a disk that hangs holds nobody up."""
        while True:
            await asyncio.to_thread(self.look)
            await asyncio.sleep(LOOK_AGAIN_SECONDS if self.level else LOOK_EVERY_SECONDS)

    def _set_level(self, free: int, reserve: int) -> None:
        level = Level.PLENTY
        if free < reserve:
            level = Level.RESERVED
        elif free < SHORT_TIMES_RESERVE * reserve:
            level = Level.SHORT
        self._tell(level, f"{free // MEBIBYTE} MiB free")

    def _tell(self, level: Level, what: str) -> None:
        self.trouble = {
            Level.PLENTY: None,
            Level.SHORT: f"filling up: {what}; make room on {self._directory}",
            Level.RESERVED: f"nearly full: {what}, nothing new is booked; make room on"
            f" {self._directory}",
        }[level]
        if level is not self.level:
            self.level = level
            tell = log.warning if level else log.info
            tell("disk_level", folder=str(self._directory), level=level.name.lower(), why=what)
            self._on_level(level)

    def _make_ballast(self, size: int) -> None:
        """Allocate it really: blocks that are only promised are none."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
        try:
            descriptor = os.open(self._ballast, flags, 0o600)
        except OSError as error:
            log.warning("no_ballast", folder=str(self._directory), reason=str(error))
            return
        try:
            os.posix_fallocate(descriptor, 0, size)
            os.fsync(descriptor)
        except OSError as error:
            self._ballast.unlink(missing_ok=True)
            log.warning("no_ballast", folder=str(self._directory), reason=str(error))
        finally:
            os.close(descriptor)
