"""Runs a program at a terminal of its own and keeps what it writes."""

import os
import pty
import select
import subprocess
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import ProgramError

COLUMNS: Final = 100
ROWS: Final = 50


def record(command: Sequence[str], *, folder: Path, within_seconds: float) -> str:
    """Run `command` in `folder` to its end and return what it wrote, colours and all.

    Raises:
        ProgramError: it failed, or did not end in time; nothing of it runs any more.
    """
    terminal, its_end = pty.openpty()
    termios.tcsetwinsize(its_end, (ROWS, COLUMNS))
    process = subprocess.Popen(
        command, cwd=folder, stdin=its_end, stdout=its_end, stderr=its_end, start_new_session=True
    )
    os.close(its_end)
    try:
        written = _read(terminal, until=time.monotonic() + within_seconds)
        status = process.wait(timeout=10)
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    if status:
        raise ProgramError(f"{command[0]} ended with {status}: {written[-500:]}")
    return written


def _read(terminal: int, *, until: float) -> str:
    written = b""
    while select.select([terminal], [], [], max(0.0, until - time.monotonic()))[0]:
        try:
            written += os.read(terminal, 65536)
        except OSError:  # how a terminal says that nobody writes any more. Source: pty(7)
            return written.decode()
    raise ProgramError(f"not at its end in time: {written[-500:].decode(errors='replace')}")
