"""How well a reader reads the development sets: plates cut at their labelled boxes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from parkgraph_edge.vision.reader import SHORTEST_LINE, as_line, bands
from parkgraph_edge.vision.spelling import characters
from training.lines import Pixels, labelled_boxes, padded_crop

# Below the folder of plates: name and folder.
DEV_SETS: Final = {
    "us-text": "text-us-dev",
    "ar-text": "text-ar-dev",
    "us": "stills-dev/us",
    "eu": "stills-dev/eu",
    "br": "stills-dev/br",
}
STILLS: Final = ("us", "eu", "br")
TWINS: Final = str.maketrans("OQDIL", "00011")
# Lines, uint8 (n, 48, 160), to logarithms of chances, (n, steps, 37).
ReadLines = Callable[[NDArray[np.uint8]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class DevSet:
    """Lines as the product cuts them; `owners` says which plate each belongs to."""

    name: str
    lines: NDArray[np.uint8]
    owners: tuple[int, ...]
    texts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Score:
    """Shares of plates, 0 to 1; `errors` is edits for each character of the labels."""

    plates: int
    exact: float
    folded: float
    errors: float

    def __str__(self) -> str:
        return f"{100 * self.exact:.1f}/{100 * self.folded:.1f}/{100 * self.errors:.2f}"


def load_dev_sets(plates: Path) -> list[DevSet]:
    """Cut all development plates, padded as the product pads a detector's box."""
    return [_load(name, plates / folder) for name, folder in DEV_SETS.items()]


def _load(name: str, folder: Path) -> DevSet:
    lines: list[Pixels] = []
    owners: list[int] = []
    texts: list[str] = []
    for path, box, text in labelled_boxes(folder):
        photo = np.asarray(cv2.imread(str(path)), np.uint8)
        cut = plate_lines(padded_crop(photo, box))
        lines += cut
        owners += [len(texts)] * len(cut)
        texts.append(text)
    return DevSet(name, np.stack(lines), tuple(owners), tuple(texts))


def plate_lines(crop: Pixels) -> list[Pixels]:
    """The lines of a plate as the product gives them to the network, from the top."""
    grey = np.asarray(cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY), np.uint8)
    return [as_line(band) for band in bands(grey)]


def spelled(chances: NDArray[np.float32]) -> str:
    """What one line says."""
    return "".join(character.text for character in characters(chances))


def joined(lines: Sequence[str]) -> str:
    """What the lines of one plate say together, by the product's rule."""
    return "".join([line for line in lines if len(line) >= SHORTEST_LINE] or lines[:1])


def texts_of(dev: DevSet, chances: NDArray[np.float32]) -> list[str]:
    """What was read on each plate of `dev`, given its lines' chances."""
    read: list[list[str]] = [[] for _ in dev.texts]
    for owner, steps in zip(dev.owners, chances, strict=True):
        read[owner].append(spelled(steps))
    return [joined(lines) for lines in read]


def score(texts: Sequence[str], labels: Sequence[str]) -> Score:
    pairs = list(zip(texts, labels, strict=True))
    exact = np.mean([text == label for text, label in pairs])
    folded = np.mean([text.translate(TWINS) == label.translate(TWINS) for text, label in pairs])
    edits = sum(edit_distance(text, label) for text, label in pairs)
    return Score(len(pairs), float(exact), float(folded), edits / sum(map(len, labels)))


def pooled(scores: Sequence[Score]) -> Score:
    """The score of several sets taken as one (errors weighed by plates)."""
    plates = np.array([one.plates for one in scores])
    shares = np.array([(one.exact, one.folded, one.errors) for one in scores])
    exact, folded, errors = (plates[:, None] * shares).sum(axis=0) / plates.sum()
    return Score(int(plates.sum()), float(exact), float(folded), float(errors))


def summary(scores: dict[str, Score]) -> str:
    """One line for all sets, and for the photos of stopped cars together."""
    parts = [f"{name} {one}" for name, one in scores.items()]
    stills = [scores[name] for name in STILLS if name in scores]
    return " | ".join([*parts, f"stills {pooled(stills)}"] if stills else parts)


def edit_distance(one: str, other: str) -> int:
    """The fewest insertions, deletions and replacements between two texts."""
    before = list(range(len(other) + 1))
    for row, left in enumerate(one, 1):
        now = [row]
        for column, right in enumerate(other, 1):
            replaced = before[column - 1] + (left != right)
            now.append(min(before[column] + 1, now[-1] + 1, replaced))
        before = now
    return before[-1]


def session(model: str | bytes) -> Any:
    """An onnxruntime session on one thread that does not spin."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def runner(model: str | bytes) -> ReadLines:
    """Run a reader's file, one line at a time: that is both how it is used and fastest here."""
    loaded = session(model)
    (name,) = (given.name for given in loaded.get_inputs())

    def read(lines: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.concatenate([loaded.run(None, {name: line[None]})[0] for line in lines])

    return read
