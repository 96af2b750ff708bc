"""Samples composed ahead of training, by a process of their own."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from training.stock import Arrays, Compose, Layout, Stock, StockPlan

SAMPLES = 3


@dataclass(frozen=True)
class Counted:
    """Each sample says its block and its place there."""

    layout: Layout = ((np.uint8, (2,)), (np.float32, ()))
    fails_at: int | None = None

    def composer(self) -> Compose:
        def compose(number: int, arrays: Arrays) -> None:
            if number == self.fails_at:
                raise ValueError("this block cannot be composed")
            numbers, places = arrays
            numbers[:] = number
            places[:] = np.arange(len(places))

        return compose


def test_blocks_come_in_order_each_as_its_number_says(tmp_path: Path) -> None:
    with Stock(StockPlan(Counted(), tmp_path / "memory", SAMPLES)) as stock:
        blocks = stock.blocks()
        for number in range(5):
            block = next(blocks)
            assert (block.number, block.arrays[0].tolist()) == (number, [[number] * 2] * SAMPLES)


def test_a_stock_goes_on_from_the_block_it_is_told(tmp_path: Path) -> None:
    with Stock(StockPlan(Counted(), tmp_path / "memory", SAMPLES, first=7)) as stock:
        block = next(stock.blocks())

        assert (block.number, block.arrays[1].tolist()) == (7, [0.0, 1.0, 2.0])


def test_the_shared_memory_is_gone_afterwards(tmp_path: Path) -> None:
    with Stock(StockPlan(Counted(), tmp_path / "memory", SAMPLES)) as stock:
        next(stock.blocks())

    assert not (tmp_path / "memory").exists()


def test_a_block_that_cannot_be_composed_ends_the_training(tmp_path: Path) -> None:
    with Stock(StockPlan(Counted(fails_at=1), tmp_path / "memory", SAMPLES)) as stock:
        blocks = stock.blocks()
        next(blocks)

        with pytest.raises(RuntimeError, match="composing process"):
            next(blocks)
