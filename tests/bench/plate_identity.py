"""Who is let in by a plate: the expected one, a stranger, a stranger that is one character off."""

import random
import string
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from pydantic import BaseModel

from parkgraph.model.plates import fold
from parkgraph_edge.rules.identity import Alternative, identify, may_say
from parkgraph_edge.vision.detector import Box, overlap
from parkgraph_edge.vision.frames import Pixels
from parkgraph_edge.vision.labels import Label, judge
from parkgraph_edge.vision.plates import Looked, PlateReading
from parkgraph_edge.vision.spelling import Alternatives, agreed
from parkgraph_edge.vision.votes import Ballot, count

EXPECTED: Final = 500
ONE_OFF_EACH: Final = 20
DRAWN: Final = 20_000


class Identity(BaseModel):
    """How often who was let in; `how` says by what of the frames."""

    reader: str
    how: str
    plates: int
    right: int
    another: int
    strangers: int
    stranger_trials: int
    one_off: int
    one_off_trials: int


@dataclass(frozen=True, slots=True)
class Look:
    """A picture as another frame would have it; `moved` takes a box of the picture into it."""

    pixels: Pixels
    moved: Callable[[Box], Box]


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate, what was read of it on the picture, and on other looks at it; None where nothing."""

    text: str
    read: PlateReading | None
    looks: Sequence[PlateReading | None]

    @classmethod
    def of(cls, label: Label, looked: Looked, again: Sequence[tuple[Looked, Look]]) -> "Plate":
        """Find a label's plate in what was read."""
        looks = [_of(Label(look.moved(label.box), label.text), found) for found, look in again]
        return cls(label.text, _of(label, looked), looks)


def two_looks(pixels: Pixels, *, seed: int) -> list[Look]:
    """Return the picture as two other frames may have it: farther, moved, noisier, compressed."""
    chance = np.random.default_rng(seed)
    return [_look(pixels, chance) for _ in range(2)]


def identities(reader: str, plates: Sequence[Plate], *, trials: int) -> list[Identity]:
    """Measure each way to say who stands there."""
    ways = {"one frame": _one_frame, "two frames": _two_frames, "as the gateway, two": _gateway}
    return [_identity(reader, how, way, plates, trials) for how, way in ways.items()]


def _identity(
    reader: str,
    how: str,
    way: Callable[[Plate], Sequence[Alternative]],
    plates: Sequence[Plate],
    trials: int,
) -> Identity:
    chance = random.Random(1)
    texts = [plate.text for plate in plates]
    known = sorted({fold(text) for text in texts})
    drawn = [fold(_of_syntax(chance.choice(texts), chance)) for _ in range(DRAWN)]
    sums = dict.fromkeys(("right", "another", "strangers", "one_off"), 0)
    each = -(-trials // len(plates))
    for plate in plates:
        read, true = way(plate), fold(plate.text)
        found = identify(read, {true, *_others(known, drawn, true, chance)})
        sums["right"] += found == true
        sums["another"] += found is not None and found != true
        for _ in range(each):
            sums["strangers"] += identify(read, _others(known, drawn, true, chance)) is not None
        others = _others(known, drawn, true, chance)
        for _ in range(ONE_OFF_EACH):
            near = fold(_one_off(plate.text, chance))
            sums["one_off"] += identify(read, {near, *others}) is not None
    return Identity(
        reader=reader,
        how=how,
        plates=len(plates),
        stranger_trials=each * len(plates),
        one_off_trials=ONE_OFF_EACH * len(plates),
        **sums,
    )


def _one_frame(plate: Plate) -> Sequence[Alternative]:
    return _as_alternatives(plate.read.alternatives if plate.read else ())


def _two_frames(plate: Plate) -> Sequence[Alternative]:
    return _as_alternatives(agreed([one.alternatives if one else () for one in plate.looks]))


def _gateway(plate: Plate) -> Sequence[Alternative]:
    """Vote and count as the gateway does; nothing where no frames agree."""
    ballots = [Ballot(one, float(at)) for at, one in enumerate(plate.looks) if one]
    vote = count(ballots) if ballots else None
    if vote is None:
        return ()
    return may_say(fold(vote.text), _as_alternatives(vote.alternatives), vote.frames)


def _as_alternatives(said: Alternatives) -> list[Alternative]:
    return [Alternative(text, nats) for text, nats in said]


def _of(label: Label, looked: Looked) -> PlateReading | None:
    """Return the reading of a label's plate, by the rule of `judge`."""
    (judged,) = judge([label], looked)
    same = [one for one in looked.readings if one.text == judged.text]
    return max(same, key=lambda one: overlap(one.box, label.box), default=None)


def _others(
    known: Sequence[str], drawn: Sequence[str], true: str, chance: random.Random
) -> set[str]:
    """Draw the other expected plates: half from the labels, as far as they go, the rest made up."""
    half = min(len(known), EXPECTED // 2)
    others = set(chance.sample(known, half)) | set(chance.choices(drawn, k=EXPECTED - half))
    return others - {true}


def _of_syntax(text: str, chance: random.Random) -> str:
    return "".join(_like(character, chance) for character in text)


def _one_off(text: str, chance: random.Random) -> str:
    """Change one character into another letter or digit that no camera confuses with it."""
    while True:
        place = chance.randrange(len(text))
        other = text[:place] + _like(text[place], chance) + text[place + 1 :]
        if fold(other) != fold(text):
            return other


def _like(character: str, chance: random.Random) -> str:
    return chance.choice(string.digits if character.isdigit() else string.ascii_uppercase)


def _look(pixels: Pixels, chance: np.random.Generator) -> Look:
    height, width = pixels.shape[:2]
    scale = chance.uniform(0.88, 1.0)
    across, down = chance.uniform(-6, 6, 2)
    how = np.array([[scale, 0, across], [0, scale, down]])
    size = (round(width * scale), round(height * scale))
    moved = cv2.warpAffine(
        pixels, how, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    noisy = moved * chance.uniform(0.8, 1.15) + chance.normal(0, 4, moved.shape)
    encoded = cv2.imencode(
        ".jpg",
        np.clip(noisy, 0, 255).astype(np.uint8),
        [cv2.IMWRITE_JPEG_QUALITY, int(chance.integers(60, 90))],
    )[1]
    again = cv2.imdecode(encoded, cv2.IMREAD_COLOR)
    assert again is not None
    shift = np.array([across, down, across, down])

    def move(box: Box) -> Box:
        x0, y0, x1, y1 = (np.array(box) * scale + shift).tolist()
        return (x0, y0, x1, y1)

    return Look(again.astype(np.uint8, copy=False), move)
