"""The attackers: a process of its own that holds connections half-open and tries bad keys.

`python -m tests.bench.attackers --port 8080 --half-open 400 --bad-keys 1000 --seconds 10` prints a
line when all has begun, and an `Attack` in JSON so many seconds later.
"""

import argparse
import asyncio
import itertools
import time
from collections import Counter
from contextlib import closing, suppress
from dataclasses import dataclass, field
from typing import Final

import uvloop
from pydantic import BaseModel

from tests.bench.load import read_status

BEGUN: Final = "attacking"
BEGIN_WITHIN_SECONDS: Final = 20.0
DRIP_EVERY_SECONDS: Final = 1.0
GUESSERS: Final = 40
LOST: Final = "connection lost"
# What a half-open connection begins with, and what it drips.
_SLOW: Final = (
    (b"", b""),
    (b"GET /api/v1/sessions HTTP/1.1\r\nHost: lot\r\nX-Slow: ", b"x"),
    (b"", b"\r\n"),
    (b"POST /api/v1/sessions HTTP/1.1\r\nHost: lot\r\nContent-Length: 100000\r\n\r\n{", b" "),
)


class Attack(BaseModel):
    """What the attackers did: `cut_off` counts half-open connections that had to be begun anew."""

    half_open: int
    cut_off: int
    bad_keys_per_second: float
    statuses: dict[str, int]


@dataclass(slots=True)
class Tally:
    """What the attackers saw so far."""

    is_over: bool = False
    half_open: int = 0
    cut_off: int = 0
    statuses: Counter[str] = field(default_factory=Counter)


async def attack(*, port: int, half_open: int, bad_keys: int, seconds: float) -> Attack:
    """Attack for so long, with so many half-open connections and bad keys a second."""
    tally = Tally()
    async with asyncio.TaskGroup() as group:
        for number in range(half_open):
            group.create_task(_hold(tally, number / half_open, *_SLOW[number % 4], port=port))
        for number in range(GUESSERS):
            group.create_task(_guess(tally, number, port=port, every=GUESSERS / bad_keys))
        async with asyncio.timeout(BEGIN_WITHIN_SECONDS):
            while tally.half_open < half_open:  # noqa: ASYNC110 (counts signal nothing)
                await asyncio.sleep(0.01)
        print(BEGUN, flush=True)
        before, began = tally.statuses.copy(), time.monotonic()
        await asyncio.sleep(seconds)
        statuses = tally.statuses - before
        found = Attack(
            half_open=tally.half_open,
            cut_off=tally.cut_off,
            bad_keys_per_second=statuses.total() / (time.monotonic() - began),
            statuses=dict(statuses),
        )
        tally.is_over = True
    return found


async def _hold(tally: Tally, after: float, begin: bytes, drip: bytes, *, port: int) -> None:
    while not tally.is_over:
        # Each at its own moment of a second: drips make up a steady load, not a burst.
        await asyncio.sleep(after * DRIP_EVERY_SECONDS)
        with suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            tally.half_open += 1
            try:
                with closing(writer):
                    writer.write(begin)
                    await _drip(tally, reader, writer, drip)
            finally:
                tally.half_open -= 1
                tally.cut_off += 1


async def _drip(
    tally: Tally, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drip: bytes
) -> None:
    """Send `drip` now and then, until the other side hangs up."""
    while not (tally.is_over or reader.at_eof()):
        # Reading shows the end; what comes before it is a refusal.
        with suppress(TimeoutError):
            async with asyncio.timeout(DRIP_EVERY_SECONDS):
                await reader.read(1000)
        writer.write(drip)


async def _guess(tally: Tally, number: int, *, port: int, every: float) -> None:
    due = time.monotonic() + every * number / GUESSERS
    guesses = itertools.count()
    while not tally.is_over:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with closing(writer):
                while not tally.is_over:
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    due += every
                    writer.write(
                        b"GET /api/v1/sessions/sess_1 HTTP/1.1\r\nHost: lot\r\n"
                        b"Authorization: Bearer pk_live_guess_%d_%d\r\n\r\n"
                        % (number, next(guesses))
                    )
                    tally.statuses[await read_status(reader)] += 1
        except (OSError, EOFError):
            tally.statuses[LOST] += 1
            await asyncio.sleep(every)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.attackers")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--half-open", type=int, required=True)
    parser.add_argument("--bad-keys", type=int, required=True, help="a second")
    parser.add_argument("--seconds", type=float, required=True)
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(attack(**vars(arguments))).model_dump_json())


if __name__ == "__main__":
    main()
