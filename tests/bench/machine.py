"""What the kernel says about this machine and its processes. Source: proc(5)."""

import os
import platform
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Final

from pydantic import BaseModel

_PROC: Final = Path("/proc")
SYNCS: Final = 200
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")
# File systems that forget everything: a sync on them costs nothing, and proves nothing.
IN_MEMORY: Final = frozenset({"tmpfs", "ramfs"})


class Resident(BaseModel):
    """The memory of one process in MiB: now, and the most it had."""

    name: str
    now_mib: float
    peak_mib: float


def describe(folder: Path) -> str:
    """Say in one line on what is measured; `folder` is where the databases lie."""
    load = os.getloadavg()[0]
    return (
        f"{len(os.sched_getaffinity(0))} cores of {_processor()}, load {load:.1f};"
        f" Python {platform.python_version()}, SQLite {sqlite3.sqlite_version},"
        f" Linux {platform.release()}; databases on {file_system(folder)}"
    )


def _processor() -> str:
    for line in (_PROC / "cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return platform.machine()


def file_system(folder: Path) -> str:
    """Return the kind of file system that holds `folder`, such as `ext4`."""
    device = folder.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in (_PROC / "self" / "mountinfo").read_text(encoding="utf-8").splitlines():
        if line.split()[2] == wanted:
            return line.partition(" - ")[2].split()[0]
    return "an unknown file system"


def sync_ms(folder: Path) -> float:
    """Return what it takes to write 4 KiB in `folder` and have them on the disk: the median."""
    took = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        for _ in range(SYNCS):
            start = time.perf_counter()
            os.pwrite(file.fileno(), bytes(4096), 0)
            os.fdatasync(file.fileno())
            took.append((time.perf_counter() - start) * 1000)
    return statistics.median(took)


def cpu_seconds(pid: int) -> float:
    """Return how long process `pid` has computed, in user mode and in the kernel, all threads."""
    utime, stime = _after_name(pid)[11:13]
    return (int(utime) + int(stime)) / _TICKS_A_SECOND


def family(pid: int) -> list[int]:
    """Return `pid` and the processes that it started, and they, eldest first."""
    parents = {int(path.name): _parent(int(path.name)) for path in _PROC.glob("[0-9]*")}
    found = [pid]
    for one in found:  # it grows while it is read, until nobody has children
        found.extend(sorted(child for child, parent in parents.items() if parent == one))
    return found


def resident(pid: int, name: str) -> Resident:
    """Return what process `pid` has in memory, under `name`."""
    text = (_PROC / str(pid) / "status").read_text(encoding="utf-8")
    fields = dict(line.split(":", 1) for line in text.splitlines())
    now, peak = (int(fields[which].split()[0]) / 1024 for which in ("VmRSS", "VmHWM"))
    return Resident(name=name, now_mib=now, peak_mib=peak)


def _parent(pid: int) -> int:
    try:
        return int(_after_name(pid)[1])
    except FileNotFoundError:  # it has ended since it was listed
        return 0


def _after_name(pid: int) -> list[str]:
    """Return the fields of a process after its name, which may hold spaces and brackets itself."""
    text = (_PROC / str(pid) / "stat").read_text(encoding="utf-8")
    return text.rpartition(")")[2].split()
