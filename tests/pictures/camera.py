"""A frame of the simulated camera, with what the gateway reads on it drawn in."""

import asyncio
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import httpx

from parkgraph_demo.programs import Program, ProgramError
from parkgraph_demo.stack import SideDoor
from tests.pictures import PROJECT
from tests.pictures.png import shrink

LANE: Final = "north-in"
PLATE: Final = "KDX 4821"
FRAME: Final = "north-in.jpg"
WIDEST: Final = 1000
COMES_WITHIN_SECONDS: Final = 60.0
READS_WITHIN_SECONDS: Final = 60.0
SEED: Final = 3


def annotated_plate(folder: Path, to: Path) -> None:
    """Let a car come to the barrier, and write to `to` what is read there.

    Raises:
        ProgramError: the simulator or the reader failed.
    """
    frame = asyncio.run(_take_frame(folder))
    (folder / FRAME).write_bytes(frame)
    command = [sys.executable, "-m", "parkgraph_edge", "read", "--show", "drawn.png", FRAME]
    try:
        # In the folder, so that the picture names the frame by its name alone.
        subprocess.run(command, cwd=folder, timeout=READS_WITHIN_SECONDS, check=True)
    except subprocess.SubprocessError as error:
        raise ProgramError(str(error)) from error
    shrink(folder / "drawn.png", to, widest=WIDEST)


async def _take_frame(folder: Path) -> bytes:
    config = folder / "lot-sim.toml"
    shutil.copyfile(PROJECT / "config" / "lot-sim.toml", config)
    command = [
        sys.executable, "-m", "parkgraph_firmware_sim", "run",
        "--config", str(config), "--seed", str(SEED),
    ]  # fmt: skip
    simulator = Program("firmware-sim", command, folder / "log")
    try:
        where = json.loads(await (await simulator.start()).readline() or "{}")
        simulator.check()
        side_door = SideDoor(where["side_door"])
        await side_door.tell("/cars", plate=PLATE, lane=LANE, style="us")
        await _stands_at_boom(side_door)
        await side_door.close()
        camera = where["cameras"][LANE].removesuffix("/stream.mjpg")
        async with httpx.AsyncClient() as http:
            still = await http.get(f"{camera}/frame.jpg")
        return still.raise_for_status().content
    finally:
        await simulator.stop()


async def _stands_at_boom(side_door: SideDoor) -> None:
    try:
        async with asyncio.timeout(COMES_WITHIN_SECONDS):
            while True:
                cars = (await side_door.truth())["cars"]
                if any(car["where"] == "at_boom" for car in cars):
                    return
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise ProgramError("the car did not come to the barrier") from error
