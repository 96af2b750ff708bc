"""How many durable bookings a second: the gateway beside a naive application, round by round."""

import asyncio
import json
import shutil
import sqlite3
import statistics
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph_demo.programs import Program, ProgramError, free_port
from tests.bench.load import CREATED, LONGEST_WAIT_SECONDS, LOT, WARM_UP_SECONDS, Load
from tests.bench.machine import cpu_seconds, resident
from tests.bench.naive import DATABASE
from tests.bench.processes import SLOW_MS, SLOWER_MS, output_of, slowed, sync_delays
from tests.bench.progress import Progress

CONNECTIONS: Final = (1, 16, 64)
# So many also with slower syncs: the naive application waits for one each time.
CONNECTIONS_SLOWED: Final = 64
SPACES: Final = 20_000
KEY: Final = "pk_live_" + "bench" * 4
UP_WITHIN_SECONDS: Final = 30.0
# Roughly what starting and stopping a server takes, to say how long all will take.
AROUND_A_ROUND_SECONDS: Final = 3.0

# No cameras, and barriers at ports where nobody listens: the lanes try to reach them now and then.
_EDGE: Final = """\
[lot]
id = "{lot}"
name = "Bench"
time_zone = "America/Los_Angeles"
currency = "USD"
rate_per_hour = "3.50"
synthetic = true
live_keys = true
spaces = {spaces}
[api]
listen = "127.0.0.1:{port}"
key_file = "api.key"
requests_per_minute = 1000000
[state]
directory = "state"
[lanes.north-in]
direction = "entry"
barrier = "127.0.0.1:1"
[lanes.south-out]
direction = "exit"
barrier = "127.0.0.1:2"
"""


class LostError(Exception):
    """A booking was acknowledged and is not in the database."""


@dataclass(frozen=True, slots=True)
class Server:
    """One of the two that are measured: how it is started, and where its sessions are."""

    name: str
    command: Callable[[Path, int], list[str]]
    database: str


class Round(BaseModel):
    """One server, started with an empty database, under one load.

    `added_ms` is by how much each sync of the disk was slower than this machine's.
    """

    server: str
    connections: int
    added_ms: float = 0
    load: Load
    sessions_found: int
    commits: int
    per_cpu_second: float
    resident_mib: float


class Summary(BaseModel):
    """All rounds of one server at one number of connections: medians, and the range of the rate.

    `to_naive` and `p99_to_naive` are medians of the ratios to the naive rounds beside them.
    """

    server: str
    connections: int
    added_ms: float
    per_second: float
    lowest: float
    highest: float
    p50_ms: float
    p99_ms: float
    to_naive: float | None
    p99_to_naive: float | None
    commits_each: float
    per_cpu_second: float
    resident_mib: float
    refused: dict[str, int]


def gateway(place: Path, port: int) -> list[str]:
    spaces = json.dumps([f"S-{number:05}" for number in range(SPACES)])
    config = place / "edge.toml"
    config.write_text(_EDGE.format(lot=LOT, spaces=spaces, port=port), encoding="utf-8")
    key = place / "api.key"
    key.touch(mode=0o600)
    key.write_text(KEY, encoding="utf-8")
    return [sys.executable, "-m", "parkgraph_edge", "run", "--config", str(config)]


def _naive(place: Path, port: int) -> list[str]:
    return [sys.executable, "-m", "tests.bench.naive", str(place), str(port), KEY, str(SPACES)]


GATEWAY: Final = Server("gateway", gateway, "state/ledger.db")
NAIVE: Final = Server("naive", _naive, DATABASE)


async def rounds(
    folder: Path, progress: Progress, *, count: int, seconds: float
) -> AsyncIterator[Round]:
    """Measure both servers `count` times at each number of connections, in turns the first.

    Raises:
        LostError: an acknowledged booking is missing.
        ProgramError: a server did not come up.
    """
    for number in range(1, count + 1):
        for connections, added_ms in loads():
            pair = (GATEWAY, NAIVE) if number % 2 else (NAIVE, GATEWAY)
            for server in pair:
                slow = f", syncs {added_ms:g} ms slower" if added_ms else ""
                progress.step(f"round {number}: {server.name}, {connections} connections{slow}")
                yield await _measure(
                    server, folder, connections=connections, added_ms=added_ms, seconds=seconds
                )


def loads() -> list[tuple[int, float]]:
    """Return what is measured: so many connections, and by how many ms each sync is slower."""
    as_it_is, *slower = sync_delays(SLOWER_MS, SLOW_MS)
    return [
        *((connections, as_it_is) for connections in CONNECTIONS),
        *((CONNECTIONS_SLOWED, added) for added in slower),
    ]


def round_seconds(seconds: float) -> float:
    """Return about how long one round takes."""
    return seconds + WARM_UP_SECONDS + AROUND_A_ROUND_SECONDS


async def _measure(
    server: Server, folder: Path, *, connections: int, added_ms: float, seconds: float
) -> Round:
    place = folder / server.name
    place.mkdir()
    port = free_port()
    log = place / "log"
    program = Program(server.name, slowed(server.command(place, port), added_ms), log)
    try:
        await program.start()
        await listens(program, port)
        before = cpu_seconds(program.pid)
        load = await _load(port, log, connections=connections, seconds=seconds)
        spent = cpu_seconds(program.pid) - before
        resident_mib = resident(program.pid, server.name).now_mib
    finally:
        await program.stop()
    found = _sessions_in(place / server.database)
    commits = commits_in(log.read_text(encoding="utf-8"))
    shutil.rmtree(place)
    if found < load.acknowledged:
        raise LostError(f"{server.name}: {load.acknowledged} acknowledged, {found} in the database")
    return Round(
        server=server.name,
        connections=connections,
        added_ms=added_ms,
        load=load,
        sessions_found=found,
        commits=commits,
        per_cpu_second=load.acknowledged / max(spent, 0.01),
        resident_mib=resident_mib,
    )


async def listens(program: Program, port: int) -> None:
    """Wait until `program` listens on `port`."""
    try:
        async with asyncio.timeout(UP_WITHIN_SECONDS):
            while True:
                program.check()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                except ConnectionRefusedError:
                    await asyncio.sleep(0.05)
                else:
                    writer.close()
                    return
    except TimeoutError as error:
        raise ProgramError(f"{program.name} does not listen") from error


async def _load(port: int, log: Path, *, connections: int, seconds: float) -> Load:
    options = {"port": port, "key": KEY, "connections": connections, "seconds": seconds}
    output = await output_of(
        [sys.executable, "-m", "tests.bench.load", *(f"--{n}={v}" for n, v in options.items())],
        log=log,
        within_seconds=round_seconds(seconds) + 2 * LONGEST_WAIT_SECONDS,
    )
    return Load.model_validate_json(output)


def _sessions_in(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        count: int = connection.execute("SELECT COUNT(*) FROM sessions").fetchone()[0]
        return count


def commits_in(log: str) -> int:
    """Return how many commits a server counted, as the last line about it in its `log` says.

    Raises:
        ProgramError: there is no such line: it did not end in order.
    """
    for line in reversed(log.splitlines()):
        if '"ledger_closed"' in line:
            return int(json.loads(line)["commits"])
    raise ProgramError(f"a server did not close its ledger; the end of its log: {log[-500:]}")


def summaries(measured: Sequence[Round]) -> list[Summary]:
    """Return what the rounds come to, by connections and server."""
    found: list[Summary] = []
    for load in sorted({(one.added_ms, one.connections) for one in measured}):
        for server in (GATEWAY.name, NAIVE.name):
            own = _of(measured, server, load)
            if own:
                found.append(_summary(own, _of(measured, NAIVE.name, load)))
    return found


def _of(measured: Sequence[Round], server: str, load: tuple[float, int]) -> list[Round]:
    return [r for r in measured if r.server == server and (r.added_ms, r.connections) == load]


def _summary(own: Sequence[Round], naive: Sequence[Round]) -> Summary:
    rates = [each.load.per_second for each in own]
    # An interrupted run may have one of the last pair only.
    ratios = [
        ours / theirs.load.per_second
        for ours, theirs in zip(rates, naive, strict=False)
        if theirs.load.per_second
    ]
    waits = [
        ours.load.p99_ms / theirs.load.p99_ms
        for ours, theirs in zip(own, naive, strict=False)
        if theirs.load.p99_ms
    ]
    refused = {
        status: sum(each.load.statuses.get(status, 0) for each in own)
        for status in sorted({status for each in own for status in each.load.statuses})
        if status != CREATED
    }
    acknowledged = sum(each.load.acknowledged for each in own)
    return Summary(
        server=own[0].server,
        connections=own[0].connections,
        added_ms=own[0].added_ms,
        per_second=statistics.median(rates),
        lowest=min(rates),
        highest=max(rates),
        p50_ms=statistics.median(each.load.p50_ms for each in own),
        p99_ms=statistics.median(each.load.p99_ms for each in own),
        to_naive=statistics.median(ratios) if ratios else None,
        p99_to_naive=statistics.median(waits) if waits else None,
        commits_each=sum(each.commits for each in own) / max(acknowledged, 1),
        per_cpu_second=statistics.median(each.per_cpu_second for each in own),
        resident_mib=max(each.resident_mib for each in own),
        refused=refused,
    )
