"""One training of the reader's tail: lines made in a process of their own, steps, checkpoints."""

import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter, process_time
from typing import Final

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from training.glyphs import ALPHABET
from training.lines import MOST_CHARACTERS, LineSource
from training.reader_net import SEEN_SHAPE, Tail, seeing_model, weights_of
from training.reading import DevSet, score, session, summary, texts_of
from training.stock import Arrays, Block, Compose, Layout, Stock, StockPlan

BLOCK: Final = 2048
BATCH: Final = 32
WARM_UP_STEPS: Final = 60
LEAST_RATE: Final = 0.03
LONGEST_MEMORY: Final = 0.998
MOST_GRADIENT: Final = 3.0
CHECKPOINT: Final = "checkpoint.pt"
AVERAGED: Final = "averaged.pt"


@dataclass(frozen=True, slots=True)
class Course:
    """How long and how fast to train, and by which chance."""

    samples: int
    rate: float
    seed: int


@dataclass(frozen=True, slots=True)
class SeenLines:
    """Lines as the network's fixed part sees them, and their texts as classes, 0 after the end."""

    lines: LineSource
    seeing: bytes
    seed: int

    @property
    def layout(self) -> Layout:
        return (np.float16, SEEN_SHAPE), (np.uint8, (MOST_CHARACTERS,))

    def composer(self) -> Compose:
        eyes = session(self.seeing)

        def compose(number: int, arrays: Arrays) -> None:
            rng = np.random.default_rng((self.seed, number))
            for seen, labels in zip(*arrays, strict=True):
                line, text = self.lines.draw(rng)
                seen[:] = eyes.run(None, {"line": line[None]})[0][0]
                labels[:] = 0
                labels[: len(text)] = [1 + ALPHABET.index(character) for character in text]

        return compose


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
        self.next_block = 0
        self.seconds = 0.0
        self.loss = math.nan

    @property
    def progress(self) -> float:
        """How much of the course is done, 0 to 1 and over."""
        return self.steps * BATCH / self._course.samples

    def learn(self, block: Block) -> None:
        """Take a step for each BATCH of the block's lines, until the course is done."""
        began, before = perf_counter(), self.seconds
        # Of what is left to chance, the dropout: a training that was stopped goes on as it would.
        torch.manual_seed(self._course.seed * 1_000_003 + block.number)
        seen, labels = block.arrays
        for first in range(0, len(seen) - BATCH + 1, BATCH):
            if self.progress >= 1:
                break
            classes = labels[first : first + BATCH].astype(np.int64)
            self._step(
                torch.from_numpy(seen[first : first + BATCH].astype(np.float32)),
                torch.from_numpy(classes[classes > 0]),
                torch.from_numpy((classes > 0).sum(1)),
            )
        self.next_block = block.number + 1
        self.seconds = before + perf_counter() - began

    def _step(self, seen: Tensor, labels: Tensor, lengths: Tensor) -> None:
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
            "so_far": (self.steps, self.next_block, self.seconds, self.loss),
        }
        for name, content in ((CHECKPOINT, state), (AVERAGED, self.average.named_weights())):
            torch.save(content, work / f"{name}.part")
            (work / f"{name}.part").replace(work / name)

    def load(self, work: Path) -> None:
        state = torch.load(work / CHECKPOINT, map_location=self._device)
        self.tail.load_state_dict(state["tail"])
        self.average.load_state_dict(state["average"])
        self._optimiser.load_state_dict(state["optimiser"])
        self.steps, self.next_block, self.seconds, self.loss = state["so_far"]


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
    lines: LineSource,
    course: Course,
    folders: tuple[Path, Path],
    dev_sets: list[DevSet],
    say: Callable[[str], None],
) -> None:
    """Train until `course` ends, from the checkpoint if there is one.

    `folders` are where checkpoints are kept, and where memory is that processes share.
    """
    torch.set_num_threads(1)
    work, shared = folders
    work.mkdir(parents=True, exist_ok=True)
    training = Training(model, course)
    if (work / CHECKPOINT).exists():
        training.load(work)
    seeing = seeing_model(model).SerializeToString()
    exam = Exam.of(dev_sets, seeing)
    say(f"start {exam.result(training.chances)}")
    source = SeenLines(lines, seeing, course.seed)
    memory = shared / f"lines-{os.getpid()}"
    with Stock(StockPlan(source, memory, BLOCK, training.next_block)) as stock:
        for block in stock.blocks():
            training.learn(block)
            training.save(work)
            say(f"{_progress(training)}, {exam.result(training.chances)}")
            if training.progress >= 1:
                return


def _progress(training: Training) -> str:
    left = training.seconds * max(0.0, 1 / training.progress - 1)
    return (
        f"{training.seconds:.0f} s (cpu {process_time():.0f}) lines {training.steps * BATCH} "
        f"loss {training.loss:.3f} eta {left / 60:.1f} min"
    )
