"""What is known to stand on the plates of a picture, and how well they were read. Pure but for one.

Source of the layout and of the rules: the end-to-end benchmark of OpenALPR.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from parkgraph.model.plates import fold
from parkgraph.runtime.errors import CorruptError
from parkgraph_edge.vision.detector import Box, overlap
from parkgraph_edge.vision.plates import Looked

FIELDS: Final = 6
# Intersection over union from which a plate counts as found, and its reading as one of it.
FOUND_FROM: Final = 0.5
READ_FROM: Final = 0.1
# The text of a plate of which only the place is known.
NOT_KNOWN: Final = "X"


@dataclass(frozen=True, slots=True)
class Label:
    """One plate: x0, y0, x1, y1 in pixels, and A-Z and 0-9, empty where only the place is known."""

    box: Box
    text: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A plate, and what was read of it: nothing where no box lies on it.

    `overlap`, 0 to 1, is the intersection over union of it with the box that was read.
    """

    label: Label
    text: str
    confidence: float
    overlap: float

    @property
    def is_found(self) -> bool:
        """A box lies on it."""
        return self.overlap >= FOUND_FROM

    @property
    def is_exact(self) -> bool:
        """Every character is right."""
        return self.text == self.label.text

    @property
    def is_folded(self) -> bool:
        """Every character is right but for those that many plates print alike."""
        return fold(self.text) == fold(self.label.text)


@dataclass
class Score:
    """How well the plates of a folder were read. Of those in `known` the text is known."""

    plates: int = 0
    found: int = 0
    known: int = 0
    exact: int = 0
    folded: int = 0
    edits: int = 0
    characters: int = 0

    def add(self, judged: Judged) -> None:
        """Count one plate."""
        self.plates += 1
        self.found += judged.is_found
        if judged.label.text:
            self.known += 1
            self.exact += judged.is_exact
            self.folded += judged.is_folded
            length = len(judged.label.text)
            self.edits += min(edits(judged.text, judged.label.text), length)
            self.characters += length

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.plates + other.plates,
            self.found + other.found,
            self.known + other.known,
            self.exact + other.exact,
            self.folded + other.folded,
            self.edits + other.edits,
            self.characters + other.characters,
        )


def labels_of(picture: Path) -> list[Label] | None:
    """Read the labels beside `picture`, or return None where there are none.

    PICTURE.txt has for each plate a line: file, x, y, width, height, text, with tabs between; other
    files' lines are left out. The text "X" says that only the place is known.

    Raises:
        CorruptError: the file is of another form.
    """
    path = picture.with_suffix(".txt")
    if not path.is_file():
        return None
    labels = []
    for number, line in enumerate(path.read_text("utf-8", errors="replace").splitlines(), start=1):
        fields = line.split("\t")
        if not line.strip():
            continue
        try:
            x, y, width, height = map(float, fields[1:5])
            text = re.sub(r"[^A-Z0-9]", "", fields[5].upper())
        except (ValueError, IndexError) as error:
            raise CorruptError(
                f"{path}:{number}: is no label; write file, x, y, width, height, text with tabs"
                " between"
            ) from error
        if fields[0] == picture.name:
            box = (x, y, x + width, y + height)
            labels.append(Label(box, "" if text == NOT_KNOWN else text))
    return labels


def judge(labels: Sequence[Label], looked: Looked) -> list[Judged]:
    """Compare what was read with `labels`: of each the box that lies best on it, read or not."""
    seen = [(one.box, one.confidence, one.text) for one in looked.readings]
    seen += [(one.box, 0.0, "") for one in looked.rejected]
    judged = []
    for label in labels:
        ranked = ((overlap(box, label.box), sure, box, text) for box, sure, text in seen)
        best = max(ranked, key=lambda one: one[:2], default=None)
        if best is None:
            judged.append(Judged(label, "", 0.0, 0.0))
            continue
        share, sure, box, text = best
        is_of_it = share >= READ_FROM or _has_its_middle_in(box, label.box)
        judged.append(Judged(label, text if is_of_it else "", sure if is_of_it else 0.0, share))
    return judged


def edits(one: str, other: str) -> int:
    """Return how many characters to change, add or remove make `other` of `one` (Levenshtein)."""
    row = list(range(len(other) + 1))
    for number, character in enumerate(one, start=1):
        last, row = row, [number]
        for place, wanted in enumerate(other, start=1):
            row.append(min(last[place] + 1, row[-1] + 1, last[place - 1] + (character != wanted)))
    return row[-1]


def _has_its_middle_in(one: Box, other: Box) -> bool:
    x, y = (one[0] + one[2]) / 2, (one[1] + one[3]) / 2
    return other[0] <= x <= other[2] and other[1] <= y <= other[3]
