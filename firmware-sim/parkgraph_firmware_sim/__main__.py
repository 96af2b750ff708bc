"""The program `parkgraph-firmware-sim`: a parking lot's hardware on real wires, on loopback."""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from parkgraph.runtime import logs
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.loops import StopRequestedError, run
from parkgraph_firmware_sim import settings
from parkgraph_firmware_sim.hardware import listening

PARENT_LOOK_SECONDS = 0.2


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the lot until a signal comes. Exit 0 then, 2 for what is wrong from the start."""
    asked = _parser().parse_args(arguments)
    logs.set_up()
    try:
        lot = settings.read(asked.config)
        asyncio.run(_run(lot, asked))
    except RefusedError as error:
        sys.stderr.write(f"parkgraph-firmware-sim: {error}\n")
        sys.exit(2)


async def _run(lot: settings.Settings, asked: argparse.Namespace) -> None:
    speed = 0.0 if asked.paused else asked.speed
    async with listening(lot, seed=asked.seed, speed=speed) as hardware:
        loops = dict(hardware.loops)
        if asked.exit_with_parent:
            loops["parent"] = _stop_with_parent(os.getppid())
        sys.stdout.write(json.dumps({"ready": True} | asdict(hardware.addresses)) + "\n")
        sys.stdout.flush()
        await run(loops)


async def _stop_with_parent(parent: int) -> None:
    while os.getppid() == parent:  # noqa: ASYNC110  nothing tells of it
        await asyncio.sleep(PARENT_LOOK_SECONDS)
    raise StopRequestedError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parkgraph-firmware-sim", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="run").add_parser(
        "run", help="run the lot that a file describes"
    )
    command.add_argument("--config", type=Path, required=True, help="TOML, see README section 2")
    command.add_argument("--seed", type=int, default=0, help="of all that is random")
    command.add_argument("--speed", type=_speed, default=1.0, help="world seconds a second")
    command.add_argument("--paused", action="store_true", help="time stands still but for /step")
    command.add_argument("--exit-with-parent", action="store_true", help="stop when it dies")
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.0 <= speed <= 100.0:
        raise argparse.ArgumentTypeError("between 0 and 100")
    return speed


if __name__ == "__main__":
    main()
