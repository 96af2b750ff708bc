"""Calls of /api/v1 that nobody would think of, made up from the document that is served.

Lot and cloud run on real sockets and real databases and replicate to each other, while cars come
and go. Each is called with what its document allows and with what it does not, and with what it
answered before. Wrong are: a status of 5xx but 503, a status, header, content type or body that the
document does not have, what it forbids and is not refused, and what it allows and is refused, but
for what it cannot say. Schemathesis makes up the calls; a seed makes up the same ones again, as far
as the answers are the same.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import structlog

from tests.fuzz.campaign import campaign
from tests.fuzz.tables import show
from tests.fuzz.tally import Tally

SIDES: Final = ("lot", "cloud")
TELL_EVERY_SECONDS: Final = 5.0


class Progress:
    """Says now and then how far it is."""

    def __init__(self, cases: int) -> None:
        self._cases = cases
        self._began = self._told = time.monotonic()

    def __call__(self, tally: Tally) -> None:
        now = time.monotonic()
        if now - self._told >= TELL_EVERY_SECONDS:
            self._told = now
            each = tally.cases / (now - self._began)
            ways = f", {len(tally.failures)} ways to fail" if tally.failures else ""
            print(f"  {tally.side}: {tally.cases} of {self._cases}, {each:.0f}/s{ways}", flush=True)


def main() -> int:
    """Run the command line; return the exit status: 0 nothing wrong, 1 something."""
    arguments = _parse()
    # What is broken here is told with its cause.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    sides = (arguments.side,) if arguments.side else SIDES
    cases = -(-arguments.cases // len(sides))
    tallies = []
    for side in sides:
        print(f"{side}: {cases} cases, seed {arguments.seed}", flush=True)
        with tempfile.TemporaryDirectory(prefix="parkgraph-fuzz-") as folder:
            tell = Progress(cases)
            tallies.append(
                campaign(side, Path(folder), cases=cases, seed=arguments.seed, tell=tell)
            )
    for tally in tallies:
        print("\n".join(["", *show(tally)]))
    return 0 if all(tally.is_clean for tally in tallies) else 1


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.fuzz",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--cases", type=int, default=4_000, help="calls of both sides together (default 4000)"
    )
    parser.add_argument("--seed", type=int, default=1, help="of the calls (default 1)")
    parser.add_argument("--side", choices=SIDES, help="call this one alone")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
