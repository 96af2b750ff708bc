"""How well plates are read: ours beside other weights, on folders of labelled pictures.

    make bench-plates ARGS="--data FOLDER --peers FOLDER"

FOLDER of --data, or folders below it, hold PICTURE.jpg with PICTURE.txt: for each plate a line of
file, x, y, width, height, TEXT with tabs between; TEXT is X where only the place is known. FOLDER
of --peers holds a YOLO detector exported end to end (.onnx) and a CCT reader (NAME.onnx with
NAME_plate_config.yaml). Both read every picture in turns, in one process on one core.

Found: a box lies on the plate, read or rejected, intersection over union at least 0.5. Exact,
folded (O, Q, D, 0 and I, L, 1 are alike) and CER judge what was read in the box that lies best on
the plate. Milliseconds are those of the call alone, on pictures fitted into 1280x720. In brackets:
Wilson's 95 % interval.

Identity: the plate is one of 500 expected ones; its stranger is not; a stranger that is one off
differs from one expected plate in one character that no camera confuses. Strangers are drawn anew
for each trial; the trials of one plate are not independent, so their intervals are too narrow.
"""

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from pydantic import BaseModel

from parkgraph.runtime.errors import RefusedError
from parkgraph_edge.vision import brought
from parkgraph_edge.vision.detector import Detector
from parkgraph_edge.vision.frames import IMAGES, Pixels
from parkgraph_edge.vision.labels import Label, Score, judge, labels_of
from parkgraph_edge.vision.network import MODELS
from parkgraph_edge.vision.plates import Looked, PlateReading
from parkgraph_edge.vision.reader import Reader
from tests.bench.machine import Resident, describe, resident
from tests.bench.plate_identity import Identity, Plate, identities, two_looks
from tests.bench.tables import table

TIMED_SIZE: Final = (1280, 720)
WARM_UP: Final = 3
Read = Callable[[Pixels], Looked]


class Figures(BaseModel):
    """What one reader came to on one folder."""

    reader: str
    folder: str
    pictures: int
    plates: int
    known: int
    found: int
    exact: int
    folded: int
    cer: float | None
    p50_ms: float
    p95_ms: float


class Results(BaseModel):
    """All that was measured, as `--json` writes it."""

    machine: str
    figures: list[Figures] = []
    identity: list[Identity] = []
    memory: list[Resident] = []
    weights_mib: dict[str, float] = {}


@dataclass
class Entrant:
    """A reader of whole pictures, its weights, and what it came to."""

    name: str
    read: Read
    weights: Sequence[Path]
    scores: dict[str, Score] = field(default_factory=dict)
    times: dict[str, list[float]] = field(default_factory=dict)
    plates: list[Plate] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Picture:
    """A labelled picture of a folder."""

    folder: str
    path: Path
    labels: Sequence[Label]


class Alone:
    """A detector and a reader as their makers use them: no air around a box, nothing rejected."""

    def __init__(self, detector: Detector, reader: Reader) -> None:
        self._detector = detector
        self._reader = reader

    def read_plates(self, frame: Pixels) -> Looked:
        """Return what is read in each box."""
        looked = Looked()
        for detection in self._detector.detect(frame):
            x0, y0, x1, y1 = (int(side) for side in detection.box)
            crop = frame[y0:y1, x0:x1]
            line = self._reader.read(crop) if crop.size else None
            if line is not None:
                chances = tuple(one.chance for one in line.characters)
                looked.readings.append(
                    PlateReading(
                        line.text,
                        line.confidence,
                        chances,
                        (x0, y0, x1, y1),
                        detection.score,
                        line.alternatives,
                    )
                )
        return looked


def main() -> int:
    """Run the command line; return the exit status: 0 measured, 2 what was given cannot be."""
    arguments = _parse()
    try:
        if arguments.resident:
            return _be_resident(arguments)
        pictures = _pictures(arguments)
        core = max(os.sched_getaffinity(0))
        results = Results(machine=describe(Path.cwd()))
        os.sched_setaffinity(0, {core})
        cv2.setNumThreads(1)
        print(results.machine, f"pinned to core {core}", sep="; ")
        entrants = _entrants(arguments.peers)
    except RefusedError as error:
        sys.stderr.write(f"bench-plates: {error}\n")
        return 2
    measure(pictures, entrants, trials=arguments.trials, roll=arguments.roll)
    for one in entrants:
        results.figures += figures(one)
        if one.plates and arguments.trials:
            results.identity += identities(one.name, one.plates, trials=arguments.trials)
        results.weights_mib[one.name] = sum(path.stat().st_size for path in one.weights) / 2**20
    results.memory = [_memory(one, arguments, pictures) for one in entrants]
    print("\n".join(["", *shown(results)]))
    if arguments.json:
        arguments.json.write_text(results.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.plates",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data", type=Path, action="append", required=True, metavar="FOLDER", help="again for more"
    )
    parser.add_argument("--peers", type=Path, metavar="FOLDER", help="without it ours alone")
    parser.add_argument(
        "--roll",
        type=float,
        default=0.0,
        metavar="DEGREES",
        help="turn the pictures clockwise, as cameras that hang askew see",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="each Nth picture")
    parser.add_argument(
        "--trials",
        type=int,
        default=10_000,
        help="strangers at least, 0 for no identities (%(default)s)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures as JSON")
    parser.add_argument("--resident", choices=("ours", "peer"), help=argparse.SUPPRESS)
    return parser.parse_args()


def _pictures(arguments: argparse.Namespace) -> list[Picture]:
    pictures = [one for folder in arguments.data for one in labelled(folder)]
    if not pictures:
        raise RefusedError("--data: no labelled pictures there; see --help for their layout")
    return pictures[:: arguments.every]


def labelled(folder: Path) -> Iterator[Picture]:
    """Yield the labelled pictures in `folder` and below it, folder by folder."""
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() in IMAGES and (labels := labels_of(path)):
            where = Path(folder.resolve().name) / path.parent.relative_to(folder)
            yield Picture(str(where), path, labels)


def _entrants(peers: Path | None) -> list[Entrant]:
    return [_ours(), *([_peer(peers)] if peers else [])]


def _ours() -> Entrant:
    weights = [MODELS / "detector.onnx", MODELS / "reader.onnx"]
    return Entrant("ours", brought.plate_reader().read_plates, weights)


def _peer(folder: Path) -> Entrant:
    detector, reader = _pair(folder)
    alone = Alone(brought.plate_detector(detector), brought.line_reader(reader))
    return Entrant("peer", alone.read_plates, [detector, reader])


def _pair(folder: Path) -> tuple[Path, Path]:
    """Tell detector and reader of a folder apart: a configuration lies beside the reader."""
    networks = sorted(folder.glob("*.onnx"))
    readers = [
        path
        for path in networks
        if any(path.with_name(name.format(path.stem)).is_file() for name in brought.CONFIGURATIONS)
    ]
    others = [path for path in networks if path not in readers]
    if len(readers) != 1 or len(others) != 1:
        raise RefusedError(
            f"{folder}: has {len(others)} detectors and {len(readers)} readers; put there one"
            " DETECTOR.onnx, one READER.onnx and READER_plate_config.yaml"
        )
    return others[0], readers[0]


def measure(
    pictures: Sequence[Picture], entrants: Sequence[Entrant], *, trials: int, roll: float
) -> None:
    """Have every entrant read every picture, turned by `roll` degrees, in turns."""
    began = time.monotonic()
    for number, picture in enumerate(pictures):
        frame = cv2.imread(str(picture.path), cv2.IMREAD_COLOR)
        if frame is None:
            sys.stderr.write(f"\n{picture.path}: cannot be decoded; left out\n")
            continue
        pixels, labels = rolled(frame.astype(np.uint8, copy=False), picture.labels, roll)
        timed = brought.letterboxed(pixels, *TIMED_SIZE)[0]
        looks = two_looks(pixels, seed=number) if trials else ()
        # Who is second finds the picture in the caches; so they take turns.
        for one in entrants if number % 2 else reversed(entrants):
            looked = one.read(pixels)
            score = one.scores.setdefault(picture.folder, Score())
            for judged in judge(labels, looked):
                score.add(judged)
            for _ in range(WARM_UP if number == 0 else 0):
                one.read(timed)
            start = time.perf_counter()
            one.read(timed)
            spent = (time.perf_counter() - start) * 1000
            one.times.setdefault(picture.folder, []).append(spent)
            again = [(one.read(look.pixels), look) for look in looks]
            one.plates += [Plate.of(label, looked, again) for label in labels if label.text]
        if not sys.stderr.isatty():
            continue
        left = (time.monotonic() - began) / (number + 1) * (len(pictures) - number - 1)
        sys.stderr.write(f"\r\x1b[K{number + 1} of {len(pictures)} pictures, {left:.0f} s left")
        sys.stderr.flush()
    sys.stderr.write("\r\x1b[K" if sys.stderr.isatty() else "")


def rolled(
    pixels: Pixels, labels: Sequence[Label], degrees: float
) -> tuple[Pixels, Sequence[Label]]:
    """Turn a picture around its middle, and draw the boxes of its plates around them anew."""
    if not degrees:
        return pixels, labels
    height, width = pixels.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), -degrees, 1)
    turned = cv2.warpAffine(pixels, turn, (width, height), borderMode=cv2.BORDER_REFLECT_101)
    moved = []
    for label in labels:
        x0, y0, x1, y1 = label.box
        corners = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1]])
        across, down = (corners @ turn[:, :2].T + turn[:, 2]).T.tolist()
        moved.append(Label((min(across), min(down), max(across), max(down)), label.text))
    return turned.astype(np.uint8, copy=False), moved


def figures(entrant: Entrant) -> list[Figures]:
    """Sum up an entrant by folder, and over all where there are several."""
    by_folder = {name: (score, entrant.times[name]) for name, score in entrant.scores.items()}
    if len(by_folder) > 1:
        score = sum(entrant.scores.values(), Score())
        by_folder["all"] = (score, [one for times in entrant.times.values() for one in times])
    return [
        Figures(
            reader=entrant.name,
            folder=name,
            pictures=len(times),
            plates=score.plates,
            known=score.known,
            found=score.found,
            exact=score.exact,
            folded=score.folded,
            cer=score.edits / score.characters if score.characters else None,
            p50_ms=statistics.median(times),
            p95_ms=float(np.percentile(times, 95)),
        )
        for name, (score, times) in by_folder.items()
    ]


def shown(results: Results) -> list[str]:
    """Return all figures as tables."""
    columns = ("plates", "", "n", "found %", "exact %", "folded %", "CER %", "p50 ms", "p95 ms")
    rows = [
        (
            one.folder, one.reader, str(one.plates), interval(one.found, one.plates),
            interval(one.exact, one.known), interval(one.folded, one.known),
            "-" if one.cer is None else f"{100 * one.cer:.1f}",
            f"{one.p50_ms:.1f}", f"{one.p95_ms:.1f}",
        )
        for one in sorted(results.figures, key=lambda one: (one.folder == "all", one.folder))
    ]  # fmt: skip
    lines = table(columns, rows)
    if results.identity:
        head = ("among 500 expected", "", "n", "right %", "another %", "stranger %", "one off %")
        identity = [
            (
                one.how, one.reader, str(one.plates), interval(one.right, one.plates),
                interval(one.another, one.plates), interval(one.strangers, one.stranger_trials, 2),
                interval(one.one_off, one.one_off_trials),
            )
            for one in results.identity
        ]  # fmt: skip
        lines += ["", *table(head, identity)]
    weights = results.weights_mib
    memory = [
        (one.name, f"{weights[one.name]:.1f}", f"{one.now_mib:.0f}", f"{one.peak_mib:.0f}")
        for one in results.memory
    ]
    return [*lines, "", *table(("MiB", "weights", "resident", "peak"), memory)]


def interval(part: int, whole: int, digits: int = 1) -> str:
    """Return a share in percent with its 95 % interval (Wilson 1927)."""
    if not whole:
        return "-"
    z, share = 1.96, part / whole
    middle = share + z * z / (2 * whole)
    aside = z * math.sqrt(share * (1 - share) / whole + z * z / (4 * whole * whole))
    low, high = ((middle + side) / (1 + z * z / whole) for side in (-aside, aside))
    bounds = (max(0.0, low), share, min(1.0, high))
    least, told, most = (f"{100 * one:.{digits}f}" for one in bounds)
    return f"{told} [{least}-{most}]"


def _memory(
    entrant: Entrant, arguments: argparse.Namespace, pictures: Sequence[Picture]
) -> Resident:
    """Let a process of its own read some pictures, and ask what it then holds."""
    command = [sys.executable, "-m", "tests.bench.plates", "--resident", entrant.name]
    command += ["--peers", str(arguments.peers)] if arguments.peers else []
    for one in pictures[:20]:
        command += ["--data", str(one.path)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return Resident.model_validate_json(done.stdout)


def _be_resident(arguments: argparse.Namespace) -> int:
    """Read the pictures of `--data` as frames of a camera, and say what this process holds."""
    cv2.setNumThreads(1)
    read = (_ours() if arguments.resident == "ours" else _peer(arguments.peers)).read
    for path in arguments.data:
        frame = cv2.imread(str(path), cv2.IMREAD_COLOR)
        if frame is not None:
            read(brought.letterboxed(frame.astype(np.uint8, copy=False), *TIMED_SIZE)[0])
    print(json.dumps(resident(os.getpid(), arguments.resident).model_dump()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
