"""Programs that are run to their end for what they print, and disks that sync slowly."""

import asyncio
import shutil
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import ProgramError

# By how many ms syncs are to be slower: a virtual disk may answer one from a cache in 0.1 ms. With
# 1.3 more it is as the one on which the aims were set: 719 syncs a second.
SLOWER_MS: Final = 1.3
SLOW_MS: Final = 4.0


def sync_delays(*slower: float) -> tuple[float, ...]:
    """Return 0, for this machine's own disk, and what is in `slower` where strace is to be had."""
    return (0, *slower) if shutil.which("strace") else (0,)


def slowed(command: Sequence[str], added_ms: float) -> list[str]:
    """Return `command` with `added_ms` added to each of its syncs, under its own process id."""
    if not added_ms:
        return list(command)
    inject = f"inject=fsync,fdatasync:delay_exit={round(added_ms * 1000)}"
    strace = ["strace", "-D", "-f", "-qq", "--seccomp-bpf", "-o", "/dev/null"]
    return [*strace, "-e", "trace=fsync,fdatasync", "-e", inject, *command]


async def output_of(command: Sequence[str], *, log: Path, within_seconds: float) -> str:
    """Run `command` and return what it prints; its errors go to the end of `log`.

    Raises:
        ProgramError: it failed, or did not end in time; nothing of it runs any more.
    """
    with log.open("ab") as errors:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=DEVNULL, stdout=PIPE, stderr=errors, start_new_session=True
        )
    try:
        async with asyncio.timeout(within_seconds):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise ProgramError(f"{command[2]} took over {within_seconds:.0f} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise ProgramError(
            f"{command[2]} ended with {process.returncode}: {output.decode()[-500:]} (log: {log})"
        )
    return output.decode()
