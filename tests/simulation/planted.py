"""Planted bugs: the simulation must find every one of them, or it proves nothing.

Each is a patch in `tests/simulation/bugs`, applied to a copy of the tree; no line of the product
knows of them. `python -m tests.simulation.planted` runs the simulation on each copy until it sees a
violation, and fails when it sees none. Names choose some of them.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
BUGS: Final = Path(__file__).parent / "bugs"
COPIED: Final = ("library", "edge", "cloud", "firmware-sim", "tests", "pyproject.toml")
LONGEST_SECONDS: Final = 900.0
_LAST_LINE: Final = re.compile(r"^seeds=(\d+) .*violations=(\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Hunt:
    """How one bug was looked for. `seeds` is how many it took, or how many were in vain."""

    name: str
    is_found: bool
    seeds: int
    seconds: float
    what: str


def names() -> list[str]:
    """Return the names of all planted bugs."""
    return sorted(path.stem for path in BUGS.glob("*.patch"))


def hunt(name: str, *, seeds: int, first: int = 0) -> Hunt:
    """Plant the bug `name` in a copy of the tree and let the simulation look for it.

    Raises:
        RuntimeError: the patch does not apply, or the simulation broke without a result.
    """
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"planted-{name}-") as folder:
        copy = Path(folder)
        _copy(copy)
        _apply(BUGS / f"{name}.patch", copy)
        ended = subprocess.run(
            [
                sys.executable, "-m", "tests.simulation", "--seeds", str(seeds),
                "--first", str(first), "--until-violation",
            ],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(str(copy / top) for top in COPIED[:4])},
            capture_output=True,
            text=True,
            timeout=LONGEST_SECONDS,
            check=False,
        )  # fmt: skip
    found = _LAST_LINE.search(ended.stdout)
    if found is None:
        raise RuntimeError(f"{name}: no result: {ended.stdout[-300:]} {ended.stderr[-700:]}")
    is_found = int(found[2]) > 0
    return Hunt(name, is_found, int(found[1]), time.monotonic() - began, _first_violation(ended))


def main() -> int:
    """Hunt all bugs, or those that are named; return 1 when one was not found."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.simulation.planted",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", nargs="*", choices=[[], *names()], help="which (default all)")
    parser.add_argument("--seeds", type=int, default=40, help="at most for each (default 40)")
    parser.add_argument("--jobs", type=int, default=2, help="at a time (default 2)")
    arguments = parser.parse_args()
    wanted: Sequence[str] = arguments.names or names()
    missed, began = [], time.monotonic()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        hunts = [pool.submit(hunt, name, seeds=arguments.seeds) for name in wanted]
        for count, one in enumerate(as_completed(hunts), start=1):
            result = one.result()
            word = f"after {result.seeds} seeds" if result.is_found else "NOT FOUND"
            took = f"{result.seconds:5.0f} s"
            print(f"{result.name:<40} {word:<15} {took}  {result.what}", flush=True)
            left = (time.monotonic() - began) / count * (len(wanted) - count)
            sys.stderr.write(f"[{count}/{len(wanted)}] about {left:.0f} s left\n")
            missed += [] if result.is_found else [result.name]
    found = len(wanted) - len(missed)
    print(f"planted={len(wanted)} found={found} missed={','.join(sorted(missed)) or 0}")
    return 1 if missed else 0


def _copy(to: Path) -> None:
    ignored = shutil.ignore_patterns("__pycache__", "*.pyc", "pictures", ".venv")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=ignored)
        else:
            shutil.copy2(source, to / name)


def _apply(patch: Path, copy: Path) -> None:
    ended = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-p1", str(patch)],
        cwd=copy,
        env=os.environ | {"GIT_CEILING_DIRECTORIES": str(copy.parent)},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise RuntimeError(f"{patch.name} does not apply; make it anew: {ended.stderr}")


def _first_violation(ended: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in ended.stdout.splitlines() if "violat" in line.lower()]
    return lines[0].strip()[:90] if lines else ""


if __name__ == "__main__":
    sys.exit(main())
