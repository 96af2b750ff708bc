"""Programs of ours as processes: started, killed, started again, and never left behind."""

import asyncio
import contextlib
import ctypes
import itertools
import os
import signal
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Final

STOP_WITHIN_SECONDS: Final = 6.0
_PR_SET_PDEATHSIG: Final = 1  # source: prctl(2)
# Below those that the kernel gives to whoever connects (ip_local_port_range, ip(7)): one that is
# free now stays free until it is listened on. Two processes begin at different ones.
_LISTENED: Final = range(18_000, 32_000)
_PORTS: Final = itertools.islice(itertools.cycle(_LISTENED), os.getpid() % len(_LISTENED), None)


class ProgramError(Exception):
    """A program did not come up or ended by itself; says which and where its log is."""


class Program:
    """One process. Its errors and logs go to the end of a file."""

    def __init__(self, name: str, command: Sequence[str], log: Path) -> None:
        """Be ready to start `command`."""
        self.name = name
        self._command = command
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        """The id of the running process."""
        if self._process is None:
            raise ProgramError(f"{self.name} does not run")
        return self._process.pid

    async def start(self) -> asyncio.StreamReader:
        """Start it and return what it prints."""
        with self._log.open("ab") as log:
            self._process = await self._spawn(log)
        if self._process.stdout is None:
            raise ProgramError(f"{self.name} has no output")
        return self._process.stdout

    async def _spawn(self, log: IO[bytes]) -> asyncio.subprocess.Process:
        # A group of its own, so that Ctrl-C reaches the story alone, which then ends all in order.
        return await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def check(self) -> None:
        """Raise `ProgramError` when it has ended by itself."""
        if self._process and self._process.returncode is not None:
            raise ProgramError(
                f"{self.name} ended with {self._process.returncode}: see the end of {self._log}"
            )

    async def stop(self) -> None:
        """Ask it to end; kill it when it does not in time."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_WITHIN_SECONDS):
                await process.wait()
        except TimeoutError:
            await self.kill()

    async def kill(self) -> None:
        """End it as a power cut would: nothing of it runs any more when this returns."""
        process, self._process = self._process, None
        if process and process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


def free_port() -> int:
    """Return a TCP port of the loopback that nobody uses now, and that was not returned before."""
    while True:
        port = next(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os.kill(os.getpid(), signal.SIGKILL)
