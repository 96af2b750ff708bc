"""The load generator: a process of its own that calls as fast as it is answered.

`python -m tests.bench.load --port 8080 --key pk_live_… --connections 64 --seconds 3` books spaces,
each with an Idempotency-Key, and prints a `Load` in JSON; with `--get PATH` it reads that. Only a
201 counts as acknowledged, with `--get` only a 200.
"""

import argparse
import asyncio
import itertools
import re
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final

import uvloop
from pydantic import BaseModel

LOT: Final = "bench"
WARM_UP_SECONDS: Final = 0.5
LONGEST_WAIT_SECONDS: Final = 10.0
CREATED: Final = "201"
READ: Final = "200"
LOST: Final = "connection lost"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_BODY: Final = (
    '{{"lot_id":"{lot}","plate":"{plate}","vehicle":{{"autonomous":true,"fleet_id":"fleet_bench"}},'
    '"expected_duration_minutes":60}}'
)


class Load(BaseModel):
    """What one run of the generator saw. Rate and latencies: of what counts, after the warm-up."""

    acknowledged: int
    per_second: float
    p50_ms: float
    p99_ms: float
    statuses: dict[str, int]


@dataclass(slots=True)
class Tally:
    """What the connections saw so far; times are of the monotonic clock."""

    warm_at: float
    until: float
    counts: str = CREATED
    statuses: Counter[str] = field(default_factory=Counter)
    latencies_ms: list[float] = field(default_factory=list)

    def add(self, status: str, *, began: float, ended: float) -> None:
        """Count one answer."""
        self.statuses[status] += 1
        if status == self.counts and began >= self.warm_at and ended <= self.until:
            self.latencies_ms.append((ended - began) * 1000)

    def load(self) -> Load:
        """Return it as the figures of the run."""
        return Load(
            acknowledged=self.statuses[self.counts],
            per_second=len(self.latencies_ms) / (self.until - self.warm_at),
            p50_ms=statistics.median(self.latencies_ms) if self.latencies_ms else 0.0,
            p99_ms=percentile_99(self.latencies_ms),
            statuses=dict(self.statuses),
        )


def percentile_99(values: Sequence[float]) -> float:
    """Return what 99 of 100 stay under or at; 0 where there is nothing."""
    if not values:
        return 0.0
    return sorted(values)[min(len(values) - 1, len(values) * 99 // 100)]


def booking(connection: int, number: int, *, port: int, key: str) -> bytes:
    """Return a whole request for a plate that no other has."""
    plate = f"B{connection:03}{number:07}"
    body = _BODY.format(lot=LOT, plate=plate).encode()
    head = (
        "POST /api/v1/sessions HTTP/1.1\r\n"
        f"Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n"
        f"Content-Type: application/json\r\nIdempotency-Key: {plate}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def bookings(connection: int, *, port: int, key: str) -> Iterator[bytes]:
    """Yield whole requests for plates that no other connection has."""
    for number in itertools.count():
        yield booking(connection, number, port=port, key=key)


def reading(path: str, *, port: int, key: str) -> bytes:
    """Return a whole request for what stands at `path`."""
    return (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {key}\r\n\r\n"
    ).encode()


async def load(
    *, port: int, key: str, connections: int, seconds: float, get: str | None = None
) -> Load:
    """Call on each connection, one call after the other, for `seconds` after a warm-up."""
    warm_at = time.monotonic() + WARM_UP_SECONDS
    tally = Tally(warm_at, warm_at + seconds, CREATED if get is None else READ)
    async with asyncio.TaskGroup() as group:
        for connection in range(connections):
            calls = (
                bookings(connection, port=port, key=key)
                if get is None
                else itertools.repeat(reading(get, port=port, key=key))
            )
            group.create_task(_call(calls, tally, port=port))
    return tally.load()


async def _call(calls: Iterable[bytes], tally: Tally, *, port: int) -> None:
    try:
        async with asyncio.timeout(tally.until - time.monotonic() + LONGEST_WAIT_SECONDS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            with closing(writer):
                for call in calls:
                    if (began := time.monotonic()) >= tally.until:
                        return
                    writer.write(call)
                    status = await read_status(reader)
                    tally.add(status, began=began, ended=time.monotonic())
    except (OSError, EOFError, TimeoutError):
        tally.statuses[LOST] += 1


async def read_status(reader: asyncio.StreamReader) -> str:
    """Read one whole answer and return its status."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    await reader.readexactly(int(length[1]) if length else 0)
    return head[9:12].decode()


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.load")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--key", required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--get", metavar="PATH")
    arguments = parser.parse_args()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(load(**vars(arguments))).model_dump_json())


if __name__ == "__main__":
    main()
