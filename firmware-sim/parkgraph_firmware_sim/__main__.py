"""The program `parkgraph-firmware-sim`: a parking lot's hardware on real wires, on loopback."""

import argparse
import json
import sys
from collections.abc import Coroutine
from dataclasses import asdict
from pathlib import Path
from typing import Any

from parkgraph.runtime import program
from parkgraph.runtime.loops import run
from parkgraph_firmware_sim import settings
from parkgraph_firmware_sim.hardware import listening


def main() -> int:
    """Run the command line; return the exit status: 0 ended by a signal, 2 wrong from the start."""
    asked = _parser().parse_args()

    def start() -> Coroutine[Any, Any, None]:
        return _run(settings.read(asked.config), asked)

    return program.run("parkgraph-firmware-sim", start, log=None)


async def _run(lot: settings.Settings, asked: argparse.Namespace) -> None:
    speed = 0.0 if asked.paused else asked.speed
    async with listening(lot, seed=asked.seed, speed=speed) as hardware:
        sys.stdout.write(json.dumps({"ready": True} | asdict(hardware.addresses)) + "\n")
        sys.stdout.flush()
        await run(hardware.loops)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="parkgraph-firmware-sim", description=__doc__)
    parser.add_argument("--version", action="version", version=program.version())
    command = parser.add_subparsers(required=True, metavar="run").add_parser(
        "run", help="run the lot that a file describes"
    )
    command.add_argument("--config", type=Path, required=True, help="TOML, see README section 2")
    command.add_argument("--seed", type=int, default=0, help="of all that is random")
    command.add_argument("--speed", type=_speed, default=1.0, help="world seconds a second")
    command.add_argument("--paused", action="store_true", help="time stands still but for /step")
    return parser


def _speed(text: str) -> float:
    speed = float(text)
    if not 0.0 <= speed <= 100.0:
        raise argparse.ArgumentTypeError("between 0 and 100")
    return speed


if __name__ == "__main__":
    sys.exit(main())
