"""Windows composed ahead of training by a process of their own, in memory that both share."""

import multiprocessing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import cv2
import numpy as np

from training.photos import Floats, LabelledPhoto, Pixels, load_photos, split_photos
from training.plates import draw_plate
from training.scenes import (
    LABEL_VALUES,
    MOST_LABELS,
    WINDOW,
    PlatePool,
    SceneComposer,
)

HALVES: Final = 2
POOL_PLATES: Final = 600
HELD_BACK_ONE_IN: Final = 10
HELD_BACK_SEED: Final = 20
PATIENCE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class StockPlan:
    """What to compose: `block` windows at a time from `folders`, from block `first` on."""

    folders: tuple[Path, ...]
    memory: Path
    block: int
    seed: int
    first: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Windows (n, height, width, 3), BGR, and their labels as `Window.rows` writes them."""

    number: int
    windows: Pixels
    labels: Floats


class WindowStock:
    """Composes one block of windows while another is used; a context manager.

    Block k depends on the seed, k and the photos alone, so a training can be repeated and resumed.
    """

    def __init__(self, plan: StockPlan) -> None:
        self._plan = plan
        plan.memory.mkdir(parents=True, exist_ok=True)
        context = multiprocessing.get_context("spawn")
        self._ready, self._free = context.Semaphore(0), context.Semaphore(HALVES)
        self._process = context.Process(
            target=_compose_blocks, args=(plan, self._ready, self._free), daemon=True
        )

    def __enter__(self) -> Self:
        _open(self._plan, "w+")
        self._process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        self._process.join()
        _remove(self._plan)

    def blocks(self) -> Iterator[Block]:
        """Yield block after block without end; one may be used until the next is asked for.

        Raises:
            RuntimeError: the composing process ended or hangs; its error is on stderr.
        """
        windows, labels = _open(self._plan, "r")
        number = self._plan.first
        while True:
            waited = 0.0
            while not self._ready.acquire(timeout=5.0):
                waited += 5.0
                if waited > PATIENCE_SECONDS or not self._process.is_alive():
                    raise RuntimeError("no windows come; see the composing process's error above")
            yield Block(number, windows[number % HALVES], labels[number % HALVES])
            self._free.release()
            number += 1


def load_split(
    folders: Sequence[Path],
) -> tuple[list[list[LabelledPhoto]], list[list[LabelledPhoto]]]:
    """Load each of `folders`; the photos to train on and those held back, folder by folder."""
    pairs = [split_photos(load_photos(folder), one_in=HELD_BACK_ONE_IN) for folder in folders]
    return [kept for kept, _ in pairs], [held_back for _, held_back in pairs]


def compose_held_back(
    folders: Sequence[Path], size: tuple[int, int], count: int
) -> list[tuple[Pixels, Floats]]:
    """Compose `count` pictures of `size` from held-back photos, with label rows, for measuring.

    They are the same for every training, whatever its seed, so that trainings can be compared.
    """
    rng = np.random.default_rng(HELD_BACK_SEED)
    _, held_back = load_split(folders)
    composer = SceneComposer(held_back, PlatePool(draw_plate, POOL_PLATES), rng, size)
    windows = [composer.compose(rng) for _ in range(count)]
    return [(window.pixels, window.rows()) for window in windows]


def _compose_blocks(plan: StockPlan, ready: Semaphore, free: Semaphore) -> None:
    cv2.setNumThreads(1)
    photos, _ = load_split(plan.folders)
    composer = SceneComposer(
        photos, PlatePool(draw_plate, POOL_PLATES), np.random.default_rng(plan.seed)
    )
    windows, labels = _open(plan, "r+")
    number = plan.first
    while True:
        if not _wait_for_room(plan, free):
            return
        rng = np.random.default_rng((plan.seed, number))
        composer.change_plates(PlatePool(draw_plate, POOL_PLATES))
        for index in range(plan.block):
            window = composer.compose(rng)
            windows[number % HALVES, index] = window.pixels
            labels[number % HALVES, index] = window.rows()
        ready.release()
        number += 1


def _wait_for_room(plan: StockPlan, free: Semaphore) -> bool:
    """Wait until a block may be composed; False once nobody is left to use it, files removed."""
    training = multiprocessing.parent_process()
    while not free.acquire(timeout=5.0):
        if training is None or not training.is_alive():
            _remove(plan)
            return False
    return True


def _remove(plan: StockPlan) -> None:
    for file in _files(plan):
        file.unlink(missing_ok=True)
    plan.memory.rmdir()


def _files(plan: StockPlan) -> tuple[Path, Path]:
    return plan.memory / "windows.u8", plan.memory / "labels.f4"


def _open(plan: StockPlan, mode: str) -> tuple[Pixels, Floats]:
    width, height = WINDOW
    windows, labels = _files(plan)
    shape = (HALVES, plan.block)
    how: Any = mode
    return (
        np.memmap(windows, np.uint8, how, shape=(*shape, height, width, 3)),
        np.memmap(labels, np.float32, how, shape=(*shape, MOST_LABELS, LABEL_VALUES)),
    )
