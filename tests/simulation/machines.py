"""Machines: a disk, clocks, and one program that a supervisor starts again."""

import signal
import sqlite3
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Final, TypeAlias

from tests.simulation.database import DirectReader, open_database
from tests.simulation.disk import Disk, Snapshot
from tests.simulation.loop import SimulatedLoop
from tests.simulation.mounts import Mount, PlainFile
from tests.simulation.processes import Failure, Process

BEGINNING: Final = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)
# A machine that gets its power back has started its programs so much later.
BOOT_SECONDS: Final = 15.0
# As `RestartSec` in systemd/*.service.
RESTART_SECONDS: Final = 1.0

Program: TypeAlias = Callable[["Machine"], Coroutine[Any, Any, None]]


class MachineClock:
    """A `parkgraph.runtime.clock.Clock`: the wall clock may be wrong, the boot clock never is."""

    def __init__(self, loop: SimulatedLoop) -> None:
        """Be right, and count from now."""
        self._loop = loop
        self._began_at = loop.time()
        self._powered_at = loop.time()
        self._offset = timedelta()
        self._boots = 1

    def now(self) -> datetime:
        passed = timedelta(seconds=self._loop.time() - self._began_at)
        return min(max(BEGINNING + passed + self._offset, _EARLIEST), _LATEST)

    def boot_seconds(self) -> float:
        return self._loop.time() - self._powered_at

    def boot_id(self) -> str:
        return f"boot-{self._boots}"

    def is_trusted(self) -> bool:
        """Whether nobody has set the wall clock since it was right."""
        return not self._offset

    @property
    def offset_seconds(self) -> float:
        """By how much the wall clock is wrong."""
        return self._offset.total_seconds()

    def jump(self, by: timedelta) -> None:
        """Let the wall clock be so much later, or earlier, than it was; years if need be."""
        self._offset += by

    def set_right(self) -> None:
        """Let the wall clock be right."""
        self._offset = timedelta()

    def power_on(self) -> None:
        """Count the boot clock from now, of another boot."""
        self._powered_at = self._loop.time()
        self._boots += 1


class Machine:
    """One computer of the world, which runs one program at a time."""

    def __init__(self, name: str, number: int, loop: SimulatedLoop, random: Random) -> None:
        """Be powered on and run nothing yet. `number` stands for it in the trace."""
        self.name = name
        self.loop = loop
        self.disk = Disk(random)
        self.clock = MachineClock(loop)
        self.is_powered = True
        # None: nobody starts the program again.
        self.restart_seconds: float | None = RESTART_SECONDS
        self.starts = 0
        # How each incarnation ended by an error of its own.
        self.crashes: list[Failure] = []
        self._number = number
        self._random = random
        self._program: Program | None = None
        self._disk_slowness = 1.0
        self.process = Process(name, number, self)
        self.process.is_alive = False
        self._mount: Mount | None = None

    @property
    def is_up(self) -> bool:
        """Whether its program runs; a frozen one does."""
        return self.process.is_alive

    def random(self, count: int) -> bytes:
        """Return so many random bytes, of this machine's own sequence."""
        return self._random.randbytes(count)

    # What its program uses.

    def open_database(self, path: str) -> sqlite3.Connection:
        """Open the database `path` of the disk, for this incarnation of the program."""
        return open_database(self.mount, path)

    def reader(self, connection: sqlite3.Connection) -> DirectReader:
        """Return a reader beside the writer on `connection`."""
        return DirectReader(connection, self._random)

    def file(self, name: str) -> PlainFile:
        """Return the plain file `name` of the disk, for this incarnation of the program."""
        return self.mount.file(name)

    @property
    def mount(self) -> Mount:
        """The disk as the running incarnation has it, or an observer while nothing runs."""
        if self._mount is None:
            self._mount = Mount(self.disk, self.loop.trace.note)
        return self._mount

    # What the world does to it.

    def start(self, program: Program | None = None) -> None:
        """Run `program`, or the last one anew; nothing happens without power or when it runs."""
        self._program = program or self._program
        if self._program is None or self.is_up or not self.is_powered:
            return
        self._unmount()
        self.starts += 1
        self.process = process = Process(self.name, self._number, self)
        process.disk_slowness = self._disk_slowness
        process.main = task = self.loop.create_task(
            self._program(self), name=self.name, context=process.context
        )
        task.add_done_callback(lambda ended: self._ended(process, ended), context=process.context)

    def kill(self) -> None:
        """End the program as by kill -9; the supervisor starts it again."""
        self._end()
        self._restart_later()

    def stop(self) -> None:
        """Ask the program to end, as by SIGTERM."""
        self.loop.terminate(self.process, signal.SIGTERM)

    def cut_power(self, *, seconds: float | None = None) -> None:
        """Take the power away, for so long or until `power_on`; what was not synced may be lost."""
        if not self.is_powered:
            return
        self.is_powered = False
        self._end()
        self.disk.power_cut()
        if seconds is not None:
            self._in_the_world(seconds, self.power_on)

    def power_on(self) -> None:
        """Give the power back; the program starts when the machine has booted."""
        if not self.is_powered:
            self.is_powered = True
            self.clock.power_on()
            self._in_the_world(BOOT_SECONDS, self.start)

    def light_fuse(self, operations: int, *, seconds: float = 30.0) -> None:
        """Cut the power for `seconds`, inside the n-th write or sync of the disk from now."""
        self.disk.light_fuse(operations, lambda: self.cut_power(seconds=seconds))

    def freeze(self, seconds: float) -> None:
        """Halt the program as by SIGSTOP for so long."""
        process = self.process
        self.loop.freeze(process)
        self._in_the_world(seconds, lambda: self.loop.thaw(process))

    def slow_disk(self, factor: float) -> None:
        """Let all that runs on other threads take `factor` times as long; 1 is as usual."""
        self._disk_slowness = self.process.disk_slowness = factor

    def restore(self, snapshot: Snapshot) -> None:
        """Put an old backup of the disk in place; the program is started on it."""
        self._end()
        self.disk.restore(snapshot)
        self._restart_later()

    def _end(self) -> None:
        self._unmount()
        self.loop.kill(self.process)

    def _unmount(self) -> None:
        if self._mount is not None:
            self._mount.detach()
            self._mount = None

    def _ended(self, process: Process, task: Any) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            what = f"{type(error).__name__}: {error}"
            self.crashes.append(Failure(self.loop.time(), self.name, what, error))
        if process is self.process:
            self._end()
            self._restart_later()

    def _restart_later(self) -> None:
        if self.restart_seconds is not None:
            self._in_the_world(self.restart_seconds, self.start)

    def _in_the_world(self, seconds: float, call: Callable[[], object]) -> None:
        self.loop.call_later(seconds, call, context=self.loop.world.context)
