"""Samples composed ahead of training by a process of their own, in memory that both share."""

import multiprocessing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.synchronize import Semaphore
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self

import cv2
import numpy as np
from numpy.typing import NDArray

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a folder of the run's own is made in it
HALVES: Final = 2
PATIENCE_SECONDS: Final = 600.0

# What a sample is made of: the kind of number and the shape of each of its arrays.
Layout = tuple[tuple[type[np.generic], tuple[int, ...]], ...]
Arrays = tuple[NDArray[Any], ...]
# Fills block k: arrays of the layout, each with one more dimension in front, of samples.
Compose = Callable[[int, Arrays], None]


class Source(Protocol):
    """Where samples come from; sent to the process that composes them."""

    @property
    def layout(self) -> Layout: ...

    def composer(self) -> Compose:
        """Load what is needed. Block k must depend on `self` and k alone."""
        ...


@dataclass(frozen=True, slots=True)
class StockPlan:
    """What to compose: `block` samples at a time, from block `first` on, in the folder `memory`."""

    source: Source
    memory: Path
    block: int
    first: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Samples of the source's layout, in the order they were composed."""

    number: int
    arrays: Arrays


class Stock:
    """Composes one block of samples while another is used; a context manager.

    Since a block depends on its number alone, a training can be repeated and resumed.
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
        halves = _open(self._plan, "r")
        number = self._plan.first
        while True:
            waited = 0.0
            while not self._ready.acquire(timeout=5.0):
                waited += 5.0
                if waited > PATIENCE_SECONDS or not self._process.is_alive():
                    raise RuntimeError("no samples come; see the composing process's error above")
            yield Block(number, tuple(half[number % HALVES] for half in halves))
            self._free.release()
            number += 1


def _compose_blocks(plan: StockPlan, ready: Semaphore, free: Semaphore) -> None:
    cv2.setNumThreads(1)
    compose = plan.source.composer()
    halves = _open(plan, "r+")
    number = plan.first
    while _wait_for_room(plan, free):
        compose(number, tuple(half[number % HALVES] for half in halves))
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
    for place in range(len(plan.source.layout)):
        _file(plan, place).unlink(missing_ok=True)
    plan.memory.rmdir()


def _file(plan: StockPlan, place: int) -> Path:
    return plan.memory / str(place)


def _open(plan: StockPlan, mode: str) -> Arrays:
    how: Any = mode
    return tuple(
        np.memmap(_file(plan, place), kind, how, shape=(HALVES, plan.block, *shape))
        for place, (kind, shape) in enumerate(plan.source.layout)
    )
