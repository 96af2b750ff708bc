"""`python -m tests.simulation`: histories of many seeds, or of one."""

import argparse
import dataclasses
import multiprocessing
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.simulation.options import draw
from tests.simulation.run import Result, simulate
from tests.simulation.shrink import keep, read_regressions, shrink

KINDS: Final = ("lost", "duplicated", "oversold", "trapped")


@dataclasses.dataclass(slots=True)
class Totals:
    """The sum of all histories so far."""

    seeds: int = 0
    hours: float = 0.0
    acked: int = 0
    faults: int = 0
    real_seconds: float = 0.0
    violations: int = 0
    kinds: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys(KINDS, 0))

    def add(self, result: Result) -> None:
        """Count one more history."""
        self.seeds += 1
        self.hours += result.hours
        self.acked += result.acked
        self.faults += result.applied
        self.real_seconds += result.real_seconds
        self.violations += len(result.violations)
        for kind in KINDS:
            self.kinds[kind] += result.count(kind)

    def line(self) -> str:
        """Return the last line of a run."""
        speed = self.hours * 3600 / self.real_seconds if self.real_seconds else 0.0
        kinds = " ".join(f"{kind}={count}" for kind, count in self.kinds.items())
        return (
            f"seeds={self.seeds} hours={self.hours:g} acked={self.acked} faults={self.faults}"
            f" {kinds} violations={self.violations} speed={speed:.0f}x"
        )


def main() -> int:
    """Run what the command line asks for; 1 where something was violated."""
    # Programs that are killed leave coroutines behind, as kill -9 does.
    warnings.filterwarnings("ignore", message="coroutine .* was never awaited")
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10, metavar="N", help="so many histories")
    parser.add_argument("--first", type=int, default=1, metavar="K", help="the first seed")
    parser.add_argument("--seed", type=int, metavar="K", help="one history, told in full")
    parser.add_argument("--hours", type=float, metavar="H", help="simulated hours of each")
    parser.add_argument("--jobs", type=int, default=1, metavar="J", help="so many at a time")
    parser.add_argument("--record", type=Path, metavar="FILE", help="append the result to FILE")
    parser.add_argument("--until-violation", action="store_true", help="end at the first, unshrunk")
    parser.add_argument("--no-shrink", action="store_true", help="keep no regression")
    parser.add_argument("--regressions", action="store_true", help="replay what was violated once")
    arguments = parser.parse_args()
    if arguments.seed is not None:
        return _tell(simulate(arguments.seed, draw(arguments.seed, hours=arguments.hours)))
    if arguments.regressions:
        again = read_regressions()
        return _run((simulate(r.seed, r.options, r.faults) for r in again), len(again), arguments)
    seeds = range(arguments.first, arguments.first + arguments.seeds)
    return _run(_results(seeds, arguments), len(seeds), arguments)


def _tell(result: Result) -> int:
    print(f"options {result.options.line()}")
    for fault in result.faults:
        print(f"fault {tuple(fault)}")
    for violation in result.violations:
        print(f"violation {tuple(violation)}")
    print(f"counts {result.counts}")
    print(f"digest {result.digest}")
    totals = Totals()
    totals.add(result)
    print(totals.line())
    return 1 if result.violations else 0


def _results(seeds: Iterable[int], arguments: argparse.Namespace) -> Iterator[Result]:
    tasks = [(seed, arguments.hours) for seed in seeds]
    if arguments.jobs == 1:
        yield from map(_one, tasks)
        return
    context = multiprocessing.get_context("fork")  # nothing else runs here yet
    with context.Pool(arguments.jobs, _ignore_interrupts, maxtasksperchild=8) as pool:
        # In order, so that what an interrupted run tells of its seeds is true.
        yield from pool.imap(_one, tasks)


def _one(task: tuple[int, float | None]) -> Result:
    seed, hours = task
    return simulate(seed, draw(seed, hours=hours))


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run(results: Iterator[Result], count: int, arguments: argparse.Namespace) -> int:
    totals, violated = Totals(), []
    began = time.monotonic()
    try:
        for result in results:
            totals.add(result)
            for violation in result.violations[:5]:
                print(f"\rseed {result.seed}: {tuple(violation)}")
            if result.violations:
                violated.append(result)
            left = (time.monotonic() - began) / totals.seeds * (count - totals.seeds)
            progress = f"{totals.seeds}/{count} seeds, {totals.acked} acked, {left:.0f} s left   "
            print(f"\r{progress}", end="", flush=True, file=sys.stderr)
            if violated and arguments.until_violation:
                break
    except KeyboardInterrupt:
        print(f"\ninterrupted in seed {arguments.first + totals.seeds}; before it:")
    print(file=sys.stderr)
    if not (arguments.no_shrink or arguments.until_violation or arguments.regressions):
        _keep_for_ever(violated)
    if arguments.record:
        _record(arguments.record, totals, arguments)
    print(totals.line(), flush=True)
    return 1 if totals.violations else 0


def _keep_for_ever(violated: Iterable[Result]) -> None:
    for result in violated:
        regression = shrink(result, lambda said: print(f"\r{said}   ", end="", file=sys.stderr))
        print(file=sys.stderr)
        keep(regression, f"{result.violations[0].kind}: {result.violations[0].what}")
        print(f"seed {result.seed}: {len(regression.faults)} faults are enough")


def _record(path: Path, totals: Totals, arguments: argparse.Namespace) -> None:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not path.exists():
        path.write_text("# Runs of the simulation\n\n", encoding="utf-8")
    today = datetime.now(UTC).date()
    seeds = f"{arguments.first}-{arguments.first + totals.seeds - 1}"
    with path.open("a", encoding="utf-8") as file:
        file.write(f"- {today}, {commit or 'no commit'}, seeds {seeds}: {totals.line()}\n")


if __name__ == "__main__":
    sys.exit(main())
