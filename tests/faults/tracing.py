"""strace as a fault: a signal or an error at the n-th of some system calls of a thread."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import Program

ATTACHES_WITHIN_SECONDS: Final = 5.0
# With a question mark, a call that this processor does not have is no mistake.
WRITES: Final = ("?pwrite64", "?pwritev")
SYNCS: Final = ("?fsync", "?fdatasync")
NAMES: Final = (
    "?rename", "?renameat", "?renameat2", "?unlink", "?unlinkat", "?ftruncate", "?mkdir",
)  # fmt: skip
ANSWERS: Final = ("?write", "?writev", "?sendto", "?sendmsg")
_INJECTED: Final = re.compile(r"^\d+ +(\d+\.\d+) .*\(INJECTED\)$", re.MULTILINE)


def killed_at(number: int, calls: Sequence[str]) -> list[str]:
    """Return the command under which a program dies at the `number`-th of one of `calls`.

    strace counts each call of each thread by itself; whichever comes first, kills. It counts wrong
    with `--seccomp-bpf` (6.1: a thread then lives on), so here every call stops, and a start takes
    a second longer.
    """
    return _strace(calls, f"signal=KILL:when={number}", Path("/dev/null"))


@contextlib.asynccontextmanager
async def killing_at(
    number: int, calls: Sequence[str], pid: int, *, log: Path
) -> AsyncIterator[None]:
    """Let the running process `pid` die at the `number`-th of one of `calls` from now on."""
    _, *options = _strace(calls, f"signal=KILL:when={number}", Path("/dev/null"))
    options.remove("-D")
    tracer = Program("strace", ["strace", "-p", str(pid), *options], log)
    await tracer.start()
    try:
        async with asyncio.timeout(ATTACHES_WITHIN_SECONDS):
            while not _is_traced(pid):
                tracer.check()
                await asyncio.sleep(0.01)
        yield
    finally:
        await tracer.kill()


def _is_traced(pid: int) -> bool:
    threads = Path(f"/proc/{pid}/task").glob("*/status")
    return all("\nTracerPid:\t0\n" not in thread.read_text() for thread in threads)


def failing_from(number: int, calls: Sequence[str], trace: Path) -> list[str]:
    """Return the command under which `calls` fail with EIO from a thread's `number`-th on."""
    return _strace(calls, f"error=EIO:when={number}+", trace, "--seccomp-bpf")


def first_failure(trace: Path) -> float | None:
    """Return when the first call failed, as seconds since 1970, or None when none did."""
    found = _INJECTED.search(trace.read_text(encoding="utf-8")) if trace.exists() else None
    return float(found[1]) if found else None


def _strace(calls: Sequence[str], fault: str, trace: Path, *more: str) -> list[str]:
    # -D: the program is our own child, so it ends with us and its exit status is its own.
    return [
        "strace", "-D", "-f", "-qq", *more, "-ttt", "-o", str(trace),
        "-e", f"trace={','.join(calls)}", "-e", f"inject={','.join(calls)}:{fault}",
    ]  # fmt: skip
