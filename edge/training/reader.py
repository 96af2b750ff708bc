r"""Train the reader: fine-tune the end of PP-OCRv6's recogniser on drawn plates.

    export PYTHONPATH=edge:library OMP_NUM_THREADS=1
    python -m training.reader train --base PP-OCRv6_rec_small.onnx --work runs/reader \
        --data data/plates --fonts /usr/share/fonts
    python -m training.reader average --base PP-OCRv6_rec_small.onnx --work runs/reader \
        --data data/plates
    python -m training.reader average --base PP-OCRv6_rec_small.onnx --work runs/reader \
        --share 0.8 --out reader.onnx
    python -m training.reader evaluate reader.onnx PP-OCRv6_rec_small.onnx \
        --data data/plates

The base is in the rapidocr wheel, folder `models`. `train` goes on where it was stopped. `average`
mixes the trained weights with the base's: training alone forgets what the base knew of 0 and O, 1
and I. Scores are exact/folded/edits in per cent; folded takes O, Q, D as 0 and I, L as 1.
"""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
import onnx
import torch

from parkgraph.runtime.clock import SystemClock
from parkgraph_edge.vision.network import Network
from parkgraph_edge.vision.reader import PlateLineReader
from training.glyphs import fonts_in
from training.lines import LineSource, Pixels, drawn_crops, find_teachers
from training.reader_net import (
    BASE_INPUT,
    Tail,
    blend,
    halve,
    put_weights,
    reader_model,
    weights_of,
)
from training.reader_run import Course, train
from training.reading import (
    DevSet,
    ReadLines,
    Score,
    joined,
    load_dev_sets,
    plate_lines,
    runner,
    score,
    spelled,
    summary,
    texts_of,
)
from training.stock import SHARED_MEMORY

DATA: Final = Path("data/plates")
SAMPLES: Final = 163_840
DRAWN_SEED: Final = 11
TEACHER_FOLDERS: Final = ("boxes-ro-train", "boxes-cc0-train")
SHARES: Final = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 1.0)


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    cv2.setNumThreads(1)
    options.run(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="training.reader", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    commands = parser.add_subparsers(required=True)
    for name, run, arguments in (
        ("train", _train, _train_arguments),
        ("average", _average, _average_arguments),
        ("evaluate", _evaluate, _evaluate_arguments),
        ("sheet", _sheet, _sheet_arguments),
    ):
        command = commands.add_parser(name, help=run.__doc__, description=run.__doc__)
        command.add_argument("--data", type=Path, default=DATA, help="photos and crops with labels")
        arguments(command)
        command.set_defaults(run=run)
    return parser


def _train_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", type=Path, required=True, help="PP-OCRv6_rec_small.onnx")
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument(
        "--samples", type=int, default=SAMPLES, help="lines to learn from, in all (%(default)s)"
    )
    parser.add_argument("--rate", type=float, default=1e-4, help="highest learning rate")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders of fonts")
    parser.add_argument("--real", type=float, default=0.12, help="share of real plates, 0 to 1")
    parser.add_argument(
        "--memory", type=Path, default=SHARED_MEMORY, help="for 190 MB of lines (%(default)s)"
    )


def _train(options: argparse.Namespace) -> None:
    """Train until the samples are used up; go on from the checkpoint if there is one."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    model = reader_model(options.base)
    read = _whole_plates(runner(model.SerializeToString()))
    folders = [options.data / name for name in TEACHER_FOLDERS if options.real > 0]
    teachers = find_teachers([folder for folder in folders if folder.exists()], read)
    fonts = fonts_in(options.fonts)
    _say(f"{len(teachers)} real plates, {len(fonts)} fonts")
    course = Course(options.samples, options.rate, options.seed)
    source = LineSource(fonts, teachers, options.real)
    places = options.work, options.memory
    train(model, source, course, places, _dev_sets(options.data), _say)


def _average_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--base", type=Path, required=True, help="PP-OCRv6_rec_small.onnx")
    parser.add_argument("--work", type=Path, required=True, help="folder of the checkpoint")
    parser.add_argument("--share", type=float, help="of the trained weights; else try several")
    parser.add_argument("--out", type=Path, help="where the ONNX file goes")


def _average(options: argparse.Namespace) -> None:
    """Mix trained and base weights; score the mixtures, or write one of them to a file."""
    model = reader_model(options.base)
    old = Tail(weights_of(model)).named_weights()
    new = torch.load(options.work / "averaged.pt")
    dev_sets = _dev_sets(options.data)
    for share in SHARES if options.share is None else (options.share,):
        put_weights(model, blend(old, new, share))
        halved = halve(model)
        _say(f"{share:4.2f} {_scores(runner(halved.SerializeToString()), dev_sets)}")
        if options.out and options.share is not None:
            unfinished = options.out.with_suffix(".part")
            onnx.save(halved, str(unfinished))
            unfinished.replace(options.out)


def _evaluate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("models", type=Path, nargs="+", help="reader files, or the base")
    parser.add_argument("--errors", action="store_true", help="also list what was misread")
    parser.add_argument(
        "--drawn",
        type=int,
        default=0,
        help="also so many drawn plates, each of one line and of two",
    )


def _evaluate(options: argparse.Namespace) -> None:
    """Score reader files on the development sets: exact/folded/edits in per cent, and the time."""
    dev_sets = load_dev_sets(options.data)
    for path in options.models:
        read = runner(_as_reader(path))
        pace = _milliseconds(read, dev_sets[0])
        _say(f"{path.name}: {path.stat().st_size / 1e6:.1f} MB, {pace:.2f} ms a line")
        _say(_scores(read, dev_sets))
        for rows in (1, 2) if options.drawn and not _is_base(path) else ():
            _say(f"drawn, of {rows} lines: {_drawn_score(path, rows, options.drawn)}")
        for dev in dev_sets if options.errors else ():
            for text, label in zip(texts_of(dev, read(dev.lines)), dev.texts, strict=True):
                if text != label:
                    _say(f"  {dev.name} {label} read as {text}")


def _drawn_score(path: Path, rows: int, count: int) -> Score:
    """How the product reads drawn plates by the network in `path`, whole and line by line."""
    reader = PlateLineReader(Network(path))
    crops = drawn_crops(DRAWN_SEED, rows, count)
    return score([reader.read(crop).text for crop, _ in crops], [text for _, text in crops])


def _as_reader(path: Path) -> str | bytes:
    return reader_model(path).SerializeToString() if _is_base(path) else str(path)


def _is_base(path: Path) -> bool:
    return [given.name for given in onnx.load(str(path)).graph.input] == [BASE_INPUT]


def _milliseconds(read: ReadLines, dev: DevSet) -> float:
    """The median time of a line, the network alone, one thread."""
    clock, times = SystemClock(), []
    for place in range(min(100, len(dev.lines))):
        before = clock.boot_seconds()
        read(dev.lines[place : place + 1])
        times.append(clock.boot_seconds() - before)
    return float(np.median(times)) * 1000


def _scores(read: ReadLines, dev_sets: Sequence[DevSet]) -> str:
    return summary({dev.name: score(texts_of(dev, read(dev.lines)), dev.texts) for dev in dev_sets})


def _dev_sets(data: Path) -> list[DevSet]:
    """None where there is no data: it is no part of the repository."""
    return load_dev_sets(data) if data.exists() else []


def _whole_plates(read: ReadLines) -> Callable[[Pixels], str]:
    def read_plate(crop: Pixels) -> str:
        return joined([spelled(steps) for steps in read(np.stack(plate_lines(crop)))])

    return read_plate


def _sheet_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("out", type=Path, help="where the picture goes, a PNG")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fonts", type=Path, nargs="*", default=[], help="folders of fonts")


def _sheet(options: argparse.Namespace) -> None:
    """Draw 200 training lines with their texts below, to be looked at."""
    rng = np.random.default_rng(options.seed)
    source = LineSource(fonts_in(options.fonts))
    tiles = []
    for _ in range(200):
        line, text = source.draw(rng)
        tile = np.zeros((64, 164), np.uint8)
        tile[:48, :160] = line
        cv2.putText(tile, text, (2, 62), cv2.FONT_HERSHEY_SIMPLEX, 0.45, 255)
        tiles.append(tile)
    rows = [np.hstack(tiles[start : start + 10]) for start in range(0, len(tiles), 10)]
    cv2.imwrite(str(options.out), np.vstack(rows))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
