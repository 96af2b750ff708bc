"""What the demo's programs take of memory, and how fast its barriers answer."""

import asyncio
import sys
import time
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from parkgraph.model.api import SessionRequest, Vehicle
from parkgraph.model.sessions import SessionState
from parkgraph_demo.programs import ProgramError
from parkgraph_demo.report import Report, Spread
from parkgraph_demo.stack import LOT, Stack, running
from tests.bench.machine import Resident, family, resident
from tests.bench.processes import output_of

PLATE: Final = "KDX4821"
ENTRY: Final = "north-in"
LOOK_AFTER_SECONDS: Final = 20.0
COMES_WITHIN_SECONDS: Final = 60.0
STORY_SECONDS: Final = 75.0
LONGEST_STORY_SECONDS: Final = 300.0


class Reaction(BaseModel):
    """How long a plate takes to be decided on, and a decided barrier to move."""

    frame_to_decision_ms: Spread
    decision_to_boom_ms: Spread


async def memory(folder: Path) -> list[Resident]:
    """Return what each program of the demo holds, after some time and one car.

    Raises:
        ProgramError: a program did not come up, or the car did not get in.
    """
    began = time.monotonic()
    async with running(folder, folder / "log") as stack:
        await _let_in(stack)
        await asyncio.sleep(max(0.0, LOOK_AFTER_SECONDS - (time.monotonic() - began)))
        found = []
        for name, program in stack.programs.items():
            eldest, *children = family(program.pid)
            found.append(resident(eldest, name))
            # Only the gateway has a child, which sees.
            found.extend(resident(child, f"{name}, vision") for child in children)
        return found


async def _let_in(stack: Stack) -> None:
    booked = await stack.lot.create_session(
        SessionRequest(lot_id=LOT, plate=PLATE, vehicle=Vehicle(autonomous=True, fleet_id="bench"))
    )
    await stack.side_door.tell("/cars", plate=PLATE, lane=ENTRY, style="us")
    try:
        async with asyncio.timeout(COMES_WITHIN_SECONDS):
            while True:
                session = await stack.lot.session(booked.id)
                if session.state is SessionState.PARKED:
                    return
                await asyncio.sleep(0.2)
    except TimeoutError as error:
        raise ProgramError(f"the car did not get in within {COMES_WITHIN_SECONDS:.0f} s") from error


def reported(report: Path) -> Reaction:
    """Return the times that a run of the demo reported."""
    told = Report.model_validate_json(report.read_bytes())
    return Reaction(
        frame_to_decision_ms=told.frame_to_decision_ms, decision_to_boom_ms=told.decision_to_boom_ms
    )


async def tell_story(folder: Path) -> Reaction:
    """Run the demo's story once and return the times that it reports.

    Raises:
        ProgramError: it did not come to its end.
    """
    report = folder / "report.json"
    options = ["--once", "--report", str(report), "--folder", str(folder / "demo")]
    await output_of(
        [sys.executable, "-m", "parkgraph_demo", *options],
        log=folder / "log",
        within_seconds=LONGEST_STORY_SECONDS,
    )
    return reported(report)
