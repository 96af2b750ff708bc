"""From a violated history to a small one: the fewest faults that still violate, and its record."""

import contextlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.simulation.faults import Fault
from tests.simulation.options import Options
from tests.simulation.run import Result, simulate

REGRESSIONS: Final = Path(__file__).with_name("regressions.txt")
LONGEST_SECONDS: Final = 120.0


class Regression(NamedTuple):
    """A history that was violated once and must never be again."""

    seed: int
    options: Options
    faults: tuple[Fault, ...]

    def line(self) -> str:
        """Return it as one line of JSON."""
        faults = [list(fault) for fault in self.faults]
        options = json.loads(self.options.line())
        return json.dumps({"seed": self.seed, "options": options, "faults": faults})


def read_regressions(path: Path = REGRESSIONS) -> list[Regression]:
    """Return all that were kept."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    found = []
    for line in lines:
        if not line or line.startswith("#"):
            continue
        values = json.loads(line)
        options = Options.from_line(json.dumps(values["options"]))
        faults = tuple(Fault(*fault) for fault in values["faults"])
        found.append(Regression(values["seed"], options, faults))
    return found


def shrink(
    result: Result, tell: Callable[[str], None], *, seconds: float = LONGEST_SECONDS
) -> Regression:
    """Drop faults while a violation of the same kind is left, for at most about `seconds`.

    Ctrl-C ends it with what is left by then. `tell` hears how far it is.
    """
    kind = result.violations[0].kind
    give_up_at = time.monotonic() + seconds

    def is_violated(faults: Sequence[Fault]) -> bool:
        left = give_up_at - time.monotonic()
        tell(f"seed {result.seed}: are {len(faults)} faults enough? {left:.0f} s left at most")
        again = simulate(result.seed, result.options, faults)
        return any(violation.kind == kind for violation in again.violations)

    # What came after the first violation did not cause it, unless only the end tells.
    first = result.violations[0].at_seconds - 1000.0
    faults = list(result.faults)
    before = [fault for fault in faults if fault.at <= first]
    with contextlib.suppress(KeyboardInterrupt):
        if len(before) < len(faults) and is_violated(before):
            faults = before
        for fewer in _ever_fewer(faults, is_violated, give_up_at):
            faults = fewer
    return Regression(result.seed, result.options, tuple(faults))


def _ever_fewer(
    faults: list[Fault], is_violated: Callable[[Sequence[Fault]], bool], give_up_at: float
) -> Iterator[list[Fault]]:
    """Yield ever shorter lists of faults that are enough. Source: Zeller's delta debugging."""
    parts = 2
    while len(faults) > 1 and time.monotonic() < give_up_at:
        size = max(1, len(faults) // parts)
        chunks = [faults[at : at + size] for at in range(0, len(faults), size)]
        for chunk in chunks:
            if time.monotonic() >= give_up_at:
                break
            rest = [fault for fault in faults if fault not in chunk]
            if is_violated(rest):
                faults, parts = rest, max(2, parts - 1)
                yield faults
                break
        else:
            if size == 1:
                break
            parts = min(len(faults), 2 * parts)


def keep(regression: Regression, why: str, path: Path = REGRESSIONS) -> None:
    """Append a violated history to those that a test replays."""
    with path.open("a", encoding="utf-8") as file:
        file.write(f"# {why}\n{regression.line()}\n")
