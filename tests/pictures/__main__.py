"""Make the pictures of the documentation anew, from programs that really run on this machine."""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

from parkgraph_demo.programs import ProgramError
from tests.pictures import PROJECT
from tests.pictures.camera import annotated_plate
from tests.pictures.console import NoBrowserError, console_cut_off
from tests.pictures.recording import record
from tests.pictures.terminal import lines_of, svg

STORY_WITHIN_SECONDS: Final = 300.0
MOST_BYTES: Final = 500_000


def _story(folder: Path, to: Path) -> None:
    command = [sys.executable, "-m", "parkgraph_demo", "--once"]
    written = record(command, folder=folder, within_seconds=STORY_WITHIN_SECONDS)
    lines = lines_of("$ parkgraph-demo --once\n" + written)
    to.write_text(svg(lines, title="The demo at a terminal"), encoding="utf-8")


PICTURES: Final[dict[str, Callable[[Path, Path], None]]] = {
    "story.svg": _story,
    "plate.png": annotated_plate,
    "console.png": console_cut_off,
}


def main() -> int:
    """Run the command line; return the exit status: 0 made, 1 not all of them."""
    parser = argparse.ArgumentParser(prog="python -m tests.pictures", description=__doc__)
    parser.add_argument("--only", choices=PICTURES, help="make this one alone")
    parser.add_argument("--folder", type=Path, default=PROJECT / "firmware-sim" / "pictures")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    status = 0
    for name in [arguments.only] if arguments.only else PICTURES:
        try:
            _make(name, folder / name)
        except (NoBrowserError, ProgramError) as error:
            sys.stderr.write(f"{name}: not made: {error}\n")
            status = 1
        except KeyboardInterrupt:
            return 130
    total = sum(path.stat().st_size for path in folder.iterdir())
    if total > MOST_BYTES:
        sys.stderr.write(f"{folder} has {total} bytes; at most {MOST_BYTES} are meant to be kept\n")
        status = 1
    return status


def _make(name: str, to: Path) -> None:
    sys.stderr.write(f"{name} …\n")
    with tempfile.TemporaryDirectory(prefix="parkgraph-pictures-") as place:
        PICTURES[name](Path(place), to)
    sys.stderr.write(f"{to}: {to.stat().st_size} bytes\n")


if __name__ == "__main__":
    sys.exit(main())
