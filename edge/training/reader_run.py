"""One training of the reader's tail: lines made in a process of their own, steps, checkpoints."""

import math
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from parkgraph.runtime.clock import SystemClock
from training.glyphs import ALPHABET
from training.lines import MOST_CHARACTERS, LineSource
from training.reader_net import SEEN_SHAPE, Tail, seeing_model, weights_of
from training.reading import DevSet, score, session, summary, texts_of

BATCH: Final = 32
# Lines kept to draw batches from; the oldest is replaced by the newest.
POOL_LINES: Final = 16_000
FEWEST_LINES: Final = 600
WARM_UP_STEPS: Final = 60
LEAST_RATE: Final = 0.03
LONGEST_MEMORY: Final = 0.998
MOST_GRADIENT: Final = 3.0
REPORT_SECONDS: Final = 150.0
CHECKPOINT: Final = "checkpoint.pt"
AVERAGED: Final = "averaged.pt"


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast to train; whatever ends first ends it."""

    seconds: float
    samples: int
    rate: float
    seed: int


class Pool:
    """Lines as the network's fixed part sees them, and their texts, shared by two processes."""

    def __init__(self, folder: Path, *, is_new: bool) -> None:
        mode: Any = "w+" if is_new else "r+"
        self.seen = np.memmap(folder / "seen", np.float16, mode, shape=(POOL_LINES, *SEEN_SHAPE))
        self.labels = np.memmap(
            folder / "labels", np.uint8, mode, shape=(POOL_LINES, MOST_CHARACTERS)
        )
        self._made = np.memmap(folder / "made", np.int64, mode, shape=(1,))

    @property
    def made(self) -> int:
        """How many lines have been put in so far."""
        return int(self._made[0])

    def put(self, seen: NDArray[np.float32], text: str) -> None:
        place = self.made % POOL_LINES
        self.seen[place] = seen
        self.labels[place] = 0
        self.labels[place, : len(text)] = [1 + ALPHABET.index(character) for character in text]
        self._made[0] += 1

    def batch(self, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """What was seen, (BATCH, *SEEN_SHAPE); all labels in a row; how many each line has."""
        places = np.sort(rng.integers(0, min(self.made, POOL_LINES), BATCH))
        seen = torch.from_numpy(self.seen[places].astype(np.float32))
        labels = self.labels[places].astype(np.int64)
        return seen, torch.from_numpy(labels[labels > 0]), torch.from_numpy((labels > 0).sum(1))


def fill(folder: Path, seeing: bytes, source: LineSource, seed: int) -> None:
    """Put lines into the pool in `folder` until the process that started this one is gone."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(seed)
    pool = Pool(folder, is_new=False)
    eyes = session(seeing)
    parent = multiprocessing.parent_process()
    while parent is None or parent.is_alive():
        line, text = source.draw(rng)
        pool.put(eyes.run(None, {"line": line[None]})[0][0], text)


class Training:
    """The tail, its running average and its optimiser: what a checkpoint holds."""

    def __init__(self, model: onnx.ModelProto, course: Course) -> None:
        self._course = course
        self._device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        torch.manual_seed(course.seed)
        weights = weights_of(model)
        self.tail = Tail(weights).to(self._device)
        self.average = Tail(weights).to(self._device).eval()
        self._optimiser = torch.optim.AdamW(self.tail.parameters(), course.rate, weight_decay=1e-4)
        self.steps = 0
        self.seconds = 0.0
        self.loss = math.nan

    @property
    def progress(self) -> float:
        """How much of the course is done, 0 to 1 and over."""
        course = self._course
        return max(self.seconds / course.seconds, self.steps * BATCH / course.samples)

    def step(self, seen: Tensor, labels: Tensor, lengths: Tensor) -> None:
        rate = self._course.rate * min(1.0, (self.steps + 1) / WARM_UP_STEPS)
        fall = 0.5 * (1 + math.cos(math.pi * min(1.0, self.progress)))
        for group in self._optimiser.param_groups:
            group["lr"] = rate * (LEAST_RATE + (1 - LEAST_RATE) * fall)
        self.tail.train()
        chances = self.tail(seen.to(self._device)).permute(1, 0, 2)
        given = torch.full((chances.shape[1],), chances.shape[0], dtype=torch.long)
        loss = functional.ctc_loss(
            chances, labels.to(self._device), given, lengths, zero_infinity=True
        )
        self._optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.tail.parameters(), MOST_GRADIENT)
        self._optimiser.step()
        self.steps += 1
        now = float(loss.detach())
        self.loss = now if math.isnan(self.loss) else 0.98 * self.loss + 0.02 * now
        self._remember()

    def _remember(self) -> None:
        keep = min(LONGEST_MEMORY, self.steps / (self.steps + 6))
        pairs = zip(self.average.parameters(), self.tail.parameters(), strict=True)
        for average, weight in pairs:
            average.data.lerp_(weight.data, 1 - keep)

    def chances(self, seen: NDArray[np.float16]) -> NDArray[np.float32]:
        """What the average reads in lines already seen."""
        parts = [
            self._read(torch.from_numpy(part.astype(np.float32)).to(self._device)).cpu().numpy()
            for part in np.array_split(seen, max(1, len(seen) // BATCH))
        ]
        return np.concatenate(parts)

    def _read(self, seen: Tensor) -> Tensor:
        with torch.no_grad():
            return self.average(seen)

    def save(self, work: Path) -> None:
        state = {
            "tail": self.tail.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self._optimiser.state_dict(),
            "so_far": (self.steps, self.seconds, self.loss),
        }
        for name, content in ((CHECKPOINT, state), (AVERAGED, self.average.named_weights())):
            torch.save(content, work / f"{name}.part")
            (work / f"{name}.part").replace(work / name)

    def load(self, work: Path) -> None:
        state = torch.load(work / CHECKPOINT, map_location=self._device)
        self.tail.load_state_dict(state["tail"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps, self.seconds, self.loss = state["so_far"]


@dataclass(frozen=True, slots=True)
class Exam:
    """The development sets as the fixed part of the network sees them."""

    dev_sets: list[DevSet]
    seen: list[NDArray[np.float16]]

    @classmethod
    def of(cls, dev_sets: list[DevSet], seeing: bytes) -> "Exam":
        eyes = session(seeing)
        seen = [
            np.concatenate([eyes.run(None, {"line": line[None]})[0] for line in dev.lines])
            for dev in dev_sets
        ]
        return cls(dev_sets, [one.astype(np.float16) for one in seen])

    def result(self, chances: Callable[[NDArray[np.float16]], NDArray[np.float32]]) -> str:
        return summary(
            {
                dev.name: score(texts_of(dev, chances(seen)), dev.texts)
                for dev, seen in zip(self.dev_sets, self.seen, strict=True)
            }
        )


def train(
    model: onnx.ModelProto,
    source: LineSource,
    course: Course,
    work: Path,
    dev_sets: list[DevSet],
    say: Callable[[str], None],
) -> None:
    """Train until `course` ends, from the checkpoint in `work` if there is one; save there."""
    torch.set_num_threads(1)
    work.mkdir(parents=True, exist_ok=True)
    training = Training(model, course)
    if (work / CHECKPOINT).exists():
        training.load(work)
    seeing = seeing_model(model).SerializeToString()
    exam = Exam.of(dev_sets, seeing)
    say(f"start {exam.result(training.chances)}")
    shared = "/dev/shm" if Path("/dev/shm").exists() else None  # noqa: S108 - memory, not a file
    with tempfile.TemporaryDirectory(prefix="parkgraph-reader-", dir=shared) as name:
        pool = Pool(Path(name), is_new=True)
        # A seed of its own after each resumption, or the same lines would come again.
        seed = course.seed * 1_000_003 + training.steps
        maker = multiprocessing.get_context("spawn").Process(
            target=fill, args=(Path(name), seeing, source, seed), daemon=True
        )
        maker.start()
        try:
            _run(training, pool, exam, work, say)
        finally:
            maker.terminate()
            maker.join()


def _run(
    training: Training, pool: Pool, exam: Exam, work: Path, say: Callable[[str], None]
) -> None:
    clock = SystemClock()
    while pool.made < FEWEST_LINES:
        time.sleep(0.2)
    rng = np.random.default_rng((pool.made, training.steps))
    began = clock.boot_seconds() - training.seconds
    reported = training.seconds
    while training.progress < 1:
        training.step(*pool.batch(rng))
        training.seconds = clock.boot_seconds() - began
        if training.seconds - reported >= REPORT_SECONDS or training.progress >= 1:
            reported = training.seconds
            training.save(work)
            left = training.seconds * (1 / training.progress - 1)
            say(
                f"{training.seconds:.0f} s, cpu {time.process_time():.0f} s, "
                f"{training.steps * BATCH} samples of {pool.made} lines, "
                f"loss {training.loss:.3f}, {exam.result(training.chances)}, {left:.0f} s left"
            )
