"""Train the plate detector on labelled photos and drawn plates, and measure what came out.

    python -m training.detector train --photos FOLDER... --out FOLDER
    python -m training.detector evaluate WEIGHTS.onnx FOLDER...

Run from `edge/`; needs PyTorch, ONNX and onnxruntime beside the project's own packages. A training
that was stopped goes on where it was when started again with the same `--out`.
"""

import argparse
import copy
import math
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import cv2
import numpy as np
import torch
from torch import Tensor

from training.detector_eval import Finder, Search, measure
from training.detector_loss import losses
from training.detector_net import DetectorNet, export, normalised
from training.photos import Floats, PhotoError, Pixels, load_photos
from training.stock import SHARED_MEMORY, Block, Stock, StockPlan
from training.windows import WindowSource, compose_held_back

SAMPLES: Final = 180_224
BLOCK: Final = 2048
USES: Final = 2  # times that each window is trained on
BATCH: Final = 32
RATE: Final = 3e-3
LAST_RATE: Final = 0.02
WARM_UP_STEPS: Final = 150
DECAY: Final = 2e-3
LARGEST_STEP: Final = 5.0
AVERAGED: Final = 0.998
DEVELOPMENT_PICTURES: Final = 200
DEVELOPMENT_SIZE: Final = (640, 384)
MEASURE_EVERY: Final = 5
LINE_EVERY: Final = 25
DRAWN: Final = "drawn plates, held-back photos"


class Training:
    """A network, its running average and its optimiser; saved to and resumed from one file."""

    def __init__(self, out: Path, seed: int, all_samples: int, device: torch.device) -> None:
        torch.manual_seed(seed)
        self.out = out
        self.device = device
        self.net = DetectorNet().to(device=device, memory_format=torch.channels_last)
        self.average = copy.deepcopy(self.net)
        self.optimiser = torch.optim.AdamW(self.net.parameters(), RATE, weight_decay=DECAY)
        self.seed = seed
        self.all_samples = all_samples
        self.steps = 0
        self.samples = 0
        self.seconds = 0.0
        self.next_block = 0
        self.smooth: Any = None

    @property
    def spent(self) -> float:
        """The share of the samples that it has seen, 0 to 1."""
        return min(1.0, self.samples / self.all_samples)

    @property
    def _file(self) -> Path:
        return self.out / "checkpoint.pt"

    def resume(self) -> bool:
        """Go on from the checkpoint, if there is one; say whether there was.

        Raises:
            ValueError: the checkpoint was made with another seed.
        """
        if not self._file.exists():
            return False
        state = torch.load(self._file, map_location=self.device, weights_only=True)
        if state["seed"] != self.seed:
            raise ValueError(f"{self._file}: seed {state['seed']}; give it, or another --out")
        self.net.load_state_dict(state["net"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        for name in ("steps", "samples", "seconds", "next_block"):
            setattr(self, name, state[name])
        return True

    def save(self) -> None:
        """Write the checkpoint and the averaged network as ONNX, each in one step."""
        state = {
            "net": self.net.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }
        for name in ("seed", "steps", "samples", "seconds", "next_block"):
            state[name] = getattr(self, name)
        unfinished = self._file.with_suffix(".unfinished")
        torch.save(state, unfinished)
        unfinished.replace(self._file)
        plain = DetectorNet()
        plain.load_state_dict(self.average.state_dict())
        export(plain, self.out / "detector.onnx")

    def learn(self, windows: Tensor, labels: Tensor) -> None:
        """Take one step; the rate falls with the share that is spent."""
        warm = min(1.0, (self.steps + 1) / WARM_UP_STEPS)
        falling = 0.5 * (1 + math.cos(math.pi * self.spent))
        for group in self.optimiser.param_groups:
            group["lr"] = RATE * warm * (falling * (1 - LAST_RATE) + LAST_RATE)
        self.net.train()
        pictures = normalised(windows.to(self.device))
        pictures = pictures.contiguous(memory_format=torch.channels_last)
        with torch.autocast(self.device.type, torch.bfloat16):
            values = self.net(pictures)
        parts = losses(values.float(), labels.to(self.device))
        self.optimiser.zero_grad()
        parts.total.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), LARGEST_STEP)
        self.optimiser.step()
        self.steps += 1
        self.samples += len(windows)
        self._follow()
        now = np.array([float(part.detach()) for part in (parts.heat, parts.box, parts.corners)])
        self.smooth = now if self.smooth is None else 0.98 * self.smooth + 0.02 * now

    def _follow(self) -> None:
        """Move the average towards the network; counts of batches are taken as they are."""
        keep = min(AVERAGED, self.steps / (self.steps + 20))
        mine = self.average.state_dict()
        with torch.no_grad():
            for name, value in self.net.state_dict().items():
                if value.dtype.is_floating_point:
                    mine[name].lerp_(value, 1 - keep)
                else:
                    mine[name].copy_(value)


def train(training: Training, folders: tuple[Path, ...], memory: Path) -> None:
    """Train until all samples are used; saves after each block and measures after some."""
    pictures = compose_held_back(folders, DEVELOPMENT_SIZE, DEVELOPMENT_PICTURES)
    source = WindowSource(folders, training.seed)
    with Stock(StockPlan(source, memory, BLOCK, training.next_block)) as stock:
        for block in stock.blocks():
            _learn_block(training, block)
            training.next_block = block.number + 1
            training.save()
            if training.spent >= 1 or training.next_block % MEASURE_EVERY == 0:
                finder = Finder(training.out / "detector.onnx")
                _say(measure(finder, pictures, Search()).line(DRAWN))
            if training.spent >= 1:
                return


def _learn_block(training: Training, block: Block) -> None:
    windows, labels = block.arrays
    order = np.random.default_rng((training.seed, block.number, 1))
    picks = np.concatenate([order.permutation(len(windows)) for _ in range(USES)])
    started, before = perf_counter(), training.seconds
    for first in range(0, len(picks) - BATCH + 1, BATCH):
        pick = np.sort(picks[first : first + BATCH])
        training.learn(torch.from_numpy(windows[pick]), torch.from_numpy(labels[pick]))
        training.seconds = before + perf_counter() - started
        if training.steps % LINE_EVERY == 0:
            _say(_progress(training))
        if training.spent >= 1:
            return


def _progress(training: Training) -> str:
    heat, box, corners = training.smooth
    left = training.seconds / max(training.spent, 1e-9) - training.seconds
    return (
        f"{training.seconds:.0f} s (cpu {process_time():.0f}) samples {training.samples} "
        f"heat {heat:.3f} box {box:.3f} corners {corners:.3f} eta {left / 60:.1f} min"
    )


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _train_command(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    training = Training(options.out, options.seed, options.samples, device)
    has_resumed = training.resume()
    state = f"resumed at {training.samples} samples" if has_resumed else "from nothing"
    weights = sum(value.numel() for value in training.net.parameters())
    _say(f"{weights} parameters on {device}, seed {options.seed}, {state}")
    memory = options.memory / f"plates-{os.getpid()}"
    train(training, tuple(options.photos), memory)


def _evaluate_command(options: argparse.Namespace) -> None:
    finder = Finder(options.weights)
    sets: dict[str, list[tuple[Pixels, Floats]]] = {}
    for folder in options.folders:
        sets[folder.name] = [(photo.pixels, photo.boxes) for photo in load_photos(folder)]
    if options.drawn:
        sets[DRAWN] = compose_held_back(options.drawn, DEVELOPMENT_SIZE, DEVELOPMENT_PICTURES)
    for name, pictures in sets.items():
        for longest in options.size:
            for threshold in options.threshold:
                report = measure(finder, pictures, Search(longest, threshold, options.overlap))
                _say(report.line(f"{name}, {longest} px, threshold {threshold:g}"))


def _parser() -> argparse.ArgumentParser:
    shape = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="training.detector", description=__doc__, formatter_class=shape
    )
    parser.add_argument("--threads", type=int, default=1, help="threads of the CPU (%(default)s)")
    commands = parser.add_subparsers(required=True)
    fit = commands.add_parser("train", help="train and export; goes on where a stopped one was")
    fit.add_argument(
        "--photos",
        type=Path,
        nargs="+",
        required=True,
        metavar="FOLDER",
        help="labelled photos; each folder is drawn from as often as another",
    )
    fit.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="for checkpoint.pt and detector.onnx, kept up to date",
    )
    fit.add_argument(
        "--samples", type=int, default=SAMPLES, help="windows to learn from, in all (%(default)s)"
    )
    fit.add_argument("--seed", type=int, default=1, help="of all chance (%(default)s)")
    fit.add_argument(
        "--memory",
        type=Path,
        default=SHARED_MEMORY,
        metavar="FOLDER",
        help="for 1.2 GB of windows (%(default)s)",
    )
    fit.set_defaults(run=_train_command)
    look = commands.add_parser("evaluate", help="recall and false boxes on labelled folders")
    look.add_argument("weights", type=Path, help="an exported detector")
    look.add_argument("folders", type=Path, nargs="*", metavar="FOLDER")
    look.add_argument(
        "--drawn",
        type=Path,
        nargs="+",
        metavar="FOLDER",
        help="also drawn plates on the photos that training on these folders holds back",
    )
    look.add_argument("--size", type=int, nargs="+", default=[640], help="longer side in pixels")
    look.add_argument("--threshold", type=float, nargs="+", default=[0.3])
    look.add_argument("--overlap", type=float, default=0.4, help="more is one plate (%(default)s)")
    look.set_defaults(run=_evaluate_command)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 2 says that what was given cannot be used."""
    parser = _parser()
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    try:
        options.run(options)
    except (PhotoError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
