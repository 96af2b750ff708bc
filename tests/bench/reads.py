"""How many reads of a stay a second: the gateway beside a bare server with the same answer."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import httpx
from pydantic import BaseModel

from parkgraph_demo.programs import Program, free_port
from tests.bench.bookings import KEY, gateway, listens, round_seconds
from tests.bench.load import LONGEST_WAIT_SECONDS, LOT, Load
from tests.bench.processes import output_of
from tests.bench.progress import Progress

CONNECTIONS: Final = 64


class ReadRound(BaseModel):
    """Both servers under one load, one after the other."""

    gateway: Load
    bare: Load


def plan(count: int, seconds: float) -> list[float]:
    """Return about how long each step takes."""
    return [round_seconds(seconds)] * 2 * count


async def rounds(
    folder: Path, progress: Progress, *, count: int, seconds: float
) -> AsyncIterator[ReadRound]:
    """Measure both servers `count` times; both run all the while, and are called in turns."""
    place = folder / "reads"
    place.mkdir()
    port, bare_port, log = free_port(), free_port(), place / "log"
    program = Program("gateway", gateway(place, port), log)
    answer = place / "answer.json"
    command = [sys.executable, "-m", "tests.bench.bare", str(bare_port), str(answer)]
    bare = Program("bare", command, place / "bare.log")
    try:
        await program.start()
        await listens(program, port)
        path, body = await _book(port)
        answer.write_bytes(body)
        await bare.start()
        await listens(bare, bare_port)
        for number in range(1, count + 1):
            progress.step(f"round {number}: gateway, {CONNECTIONS} reading")
            own = await _load(port, path, log, seconds)
            progress.step(f"round {number}: bare Starlette, {CONNECTIONS} reading")
            yield ReadRound(gateway=own, bare=await _load(bare_port, path, log, seconds))
    finally:
        await bare.stop()
        await program.stop()


async def _book(port: int) -> tuple[str, bytes]:
    """Book a stay; return where it is read, and what that answers."""
    sessions = f"http://127.0.0.1:{port}/api/v1/sessions"
    vehicle = {"autonomous": True, "fleet_id": "fleet_bench"}
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {KEY}"}) as caller:
        request = {"lot_id": LOT, "plate": "READ1", "vehicle": vehicle}
        booked = (await caller.post(sessions, json=request)).raise_for_status()
        url = f"{sessions}/{booked.json()['session']['id']}"
        read = (await caller.get(url)).raise_for_status()
    return httpx.URL(url).path, read.content


async def _load(port: int, path: str, log: Path, seconds: float) -> Load:
    options = {
        "port": port,
        "key": KEY,
        "connections": CONNECTIONS,
        "seconds": seconds,
        "get": path,
    }
    output = await output_of(
        [sys.executable, "-m", "tests.bench.load", *(f"--{n}={v}" for n, v in options.items())],
        log=log,
        within_seconds=round_seconds(seconds) + 2 * LONGEST_WAIT_SECONDS,
    )
    return Load.model_validate_json(output)
