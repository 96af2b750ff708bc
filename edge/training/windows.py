"""What the detector learns from: composed windows, and pictures held back to measure by."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from training.photos import Floats, LabelledPhoto, Pixels, load_photos, split_photos
from training.plates import draw_plate
from training.scenes import LABEL_VALUES, MOST_LABELS, WINDOW, PlatePool, SceneComposer
from training.stock import Arrays, Compose, Layout

POOL_PLATES: Final = 600
HELD_BACK_ONE_IN: Final = 10
HELD_BACK_SEED: Final = 20


@dataclass(frozen=True, slots=True)
class WindowSource:
    """Windows (height, width, 3), BGR, and their labels as `Window.rows` writes them."""

    folders: tuple[Path, ...]
    seed: int

    @property
    def layout(self) -> Layout:
        width, height = WINDOW
        return (np.uint8, (height, width, 3)), (np.float32, (MOST_LABELS, LABEL_VALUES))

    def composer(self) -> Compose:
        photos, _ = load_split(self.folders)
        composer = SceneComposer(
            photos, PlatePool(draw_plate, POOL_PLATES), np.random.default_rng(self.seed)
        )

        def compose(number: int, arrays: Arrays) -> None:
            rng = np.random.default_rng((self.seed, number))
            composer.change_plates(PlatePool(draw_plate, POOL_PLATES))
            for pixels, labels in zip(*arrays, strict=True):
                window = composer.compose(rng)
                pixels[:] = window.pixels
                labels[:] = window.rows()

        return compose


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
