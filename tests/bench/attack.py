"""What honest callers of the real gateway notice of attackers: slow ones, and those without a key.

One honest caller in five connects anew for each call. They call at fixed times, and a call counts
from when it was due, so that a gateway that stands still is not measured by one call.
"""

import asyncio
import statistics
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph_demo.programs import Program, ProgramError
from tests.bench.attackers import BEGIN_WITHIN_SECONDS, BEGUN, Attack
from tests.bench.load import percentile_99
from tests.bench.progress import Progress
from tests.faults.caller import Caller, HungUpError
from tests.faults.gateway import Gateway

HALF_OPEN: Final = 400
BAD_KEYS_PER_SECOND: Final = 1000
# Longer than a half-open connection lasts.
SECONDS: Final = 12.0
CALLS_PER_SECOND: Final = 50
# So many share the honest calls; each of the last ones connects anew for each call.
CALLERS: Final = 5
CONNECTING_ANEW: Final = 1
HUNG_UP: Final = "hung up"
ANSWERED: Final = 200
_AROUND_SECONDS: Final = 6.0


class Calls(BaseModel):
    """What honest callers saw. `refused` counts all that was not a 200."""

    when: str
    answered: int
    p50_ms: float
    p99_ms: float
    longest_ms: float
    refused: dict[str, int]


class Siege(BaseModel):
    """Honest calls before and under an attack; the rest is as the attackers saw it."""

    calls: list[Calls] = []
    attack: Attack | None = None


@dataclass(slots=True)
class _Tally:
    until: float
    latencies_ms: list[float] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)


def plan() -> list[float]:
    """Return about how long each step takes."""
    return [SECONDS + _AROUND_SECONDS, SECONDS + _AROUND_SECONDS]


async def measure(found: Siege, folder: Path, progress: Progress) -> None:
    """Fill in `found`, so that what was measured is there whenever it ends.

    Raises:
        ProgramError: the gateway or the attackers did not come up.
    """
    gateway = Gateway(folder / "siege", folder / "siege" / "state", spaces=20)
    try:
        progress.step("honest calls alone")
        await gateway.start()
        await gateway.until_it_answers()
        session = await _book(gateway)
        found.calls.append(await _call(gateway, session, "alone"))
        progress.step(f"honest calls beside {HALF_OPEN} half-open ones and bad keys")
        await _attacked(found, gateway, session, folder / "siege" / "attackers.log")
    finally:
        await gateway.stop()


async def _attacked(found: Siege, gateway: Gateway, session: str, log: Path) -> None:
    options = {
        "port": gateway.door.port,
        "half-open": HALF_OPEN,
        "bad-keys": BAD_KEYS_PER_SECOND,
        "seconds": SECONDS,
    }
    command = [sys.executable, "-m", "tests.bench.attackers"]
    attackers = Program("attackers", [*command, *(f"--{n}={v}" for n, v in options.items())], log)
    try:
        output = await attackers.start()
        await _says(output, BEGUN, log)
        found.calls.append(await _call(gateway, session, "attacked"))
        found.attack = Attack.model_validate_json(await _says(output, "{", log))
    finally:
        await attackers.stop()


async def _says(output: asyncio.StreamReader, begin: str, log: Path) -> str:
    try:
        async with asyncio.timeout(BEGIN_WITHIN_SECONDS):
            line = (await output.readline()).decode()
    except TimeoutError:
        line = ""
    if not line.startswith(begin):
        raise ProgramError(f"the attackers do not attack: see {log}")
    return line


async def _book(gateway: Gateway) -> str:
    caller = await gateway.caller()
    try:
        answer = await caller.book(gateway.lot, "HONEST1")
    finally:
        caller.close()
    session: str = answer.session["id"]
    return session


async def _call(gateway: Gateway, session: str, when: str) -> Calls:
    began = time.monotonic()
    tally = _Tally(began + SECONDS)
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(
                _ask(
                    gateway,
                    session,
                    tally,
                    due=began + number / CALLS_PER_SECOND,
                    is_kept=number < CALLERS - CONNECTING_ANEW,
                )
            )
    return Calls(
        when=when,
        answered=len(tally.latencies_ms),
        p50_ms=statistics.median(tally.latencies_ms) if tally.latencies_ms else 0.0,
        p99_ms=percentile_99(tally.latencies_ms),
        longest_ms=max(tally.latencies_ms, default=0.0),
        refused=dict(tally.refused),
    )


async def _ask(gateway: Gateway, session: str, tally: _Tally, *, due: float, is_kept: bool) -> None:
    caller: Caller | None = None
    try:
        while due < tally.until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                caller = caller or await gateway.caller()
                answer = await caller.call("GET", f"/api/v1/sessions/{session}")
            except HungUpError:
                tally.refused[HUNG_UP] += 1
                caller = None
            else:
                if answer.status == ANSWERED:
                    tally.latencies_ms.append((time.monotonic() - due) * 1000)
                else:
                    tally.refused[str(answer.status)] += 1
            if caller and not is_kept:
                caller.close()
                caller = None
            due += CALLERS / CALLS_PER_SECOND
    finally:
        if caller:
            caller.close()
