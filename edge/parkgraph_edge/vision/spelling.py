"""From the chances of a network to letters and digits. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from parkgraph.model.plates import fold

DIGITS: Final = "0123456789"
LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
ALPHABET: Final = DIGITS + LETTERS
BLANK: Final = 0

FOLDED: Final = "".join(dict.fromkeys(fold(ALPHABET)))
_FOLD: Final = np.array([BLANK, *(1 + FOLDED.index(character) for character in fold(ALPHABET))])

MOST_ALTERNATIVES: Final = 32
LEAST_NATS: Final = -9.0  # More than `rules.identity` accepts and its margin together.
INDEPENDENT_FRAMES: Final = 2
# What is so unlikely at one step cannot lift a text above LEAST_NATS.
_LEAST_CHANCE: Final = math.exp(LEAST_NATS - 2)
# Of a plate that can be read, few characters are possible at a step and few texts in all: of one
# that cannot, nobody needs to know more.
_MOST_A_STEP: Final = 6
_BEAM: Final = 48

# A character stays as it was read unless the other is at least so likely, of it: a syntax settles
# what the picture leaves open, and never contradicts it.
LEAST_SHARE: Final = 0.01
_IS_DIGIT: Final = np.array([character in DIGITS for character in ALPHABET])

Chances = NDArray[np.float32]
Alternatives = tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Character:
    """One character as read: how sure, 0 to 1, and what else it may be, 0 to 1 for ALPHABET."""

    text: str
    chance: float
    chances: NDArray[np.float32]


def characters(chances: Chances) -> list[Character]:
    """Read `chances` greedily by CTC: natural logarithms, shape (steps, 37), class 0 the blank."""
    best = chances.argmax(axis=1)
    read: list[Character] = []
    before = BLANK
    for step, index in enumerate(best):
        row = np.exp(chances[step, 1:])
        if index not in (BLANK, before):
            read.append(Character(ALPHABET[index - 1], float(row[index - 1]), row))
        elif index != BLANK and float(row[index - 1]) > read[-1].chance:
            read[-1] = Character(ALPHABET[index - 1], float(row[index - 1]), row)
        before = index
    return read


def alternatives(chances: Chances) -> Alternatives:
    """Return what `chances` may say, folded, with the nats each is less likely than the best.

    The likeliest first, at most MOST_ALTERNATIVES, none below LEAST_NATS. By prefix beam search:
    the chance of a text is that of all the ways to spell it (Hannun et al. 2014, algorithm 1).
    """
    folded = np.zeros((len(chances), 1 + len(FOLDED)))
    np.add.at(folded.T, _FOLD, np.exp(chances.astype(np.float64)).T)
    # For each text: the chance that it ends in a blank, and that it does not.
    beam: dict[str, tuple[float, float]] = {"": (1.0, 0.0)}
    for row in folded:
        beam = _extend(beam, row)
    ranked = sorted(((sum(ends), text) for text, ends in beam.items() if text), reverse=True)
    if not ranked:
        return ()
    best = ranked[0][0]
    nats = ((text, math.log(chance / best)) for chance, text in ranked[:MOST_ALTERNATIVES])
    return tuple((text, less) for text, less in nats if less >= LEAST_NATS)


def _extend(
    beam: dict[str, tuple[float, float]], row: NDArray[np.float64]
) -> dict[str, tuple[float, float]]:
    """Read one step more, and keep the texts that are still likely."""
    likeliest = 1 + np.argsort(-row[1:])[:_MOST_A_STEP]
    likely = {FOLDED[i - 1]: float(row[i]) for i in likeliest if row[i] > _LEAST_CHANCE}
    blank = float(row[BLANK])
    longer: dict[str, tuple[float, float]] = {}
    for text, (in_blank, in_character) in beam.items():
        last = text[-1:]
        ended, open_ended = longer.get(text, (0.0, 0.0))
        ended += (in_blank + in_character) * blank
        longer[text] = ended, open_ended + in_character * likely.get(last, 0.0)
        for character, chance in likely.items():
            # A character twice in a row needs a blank between.
            before = in_blank if character == last else in_blank + in_character
            ended, open_ended = longer.get(text + character, (0.0, 0.0))
            longer[text + character] = ended, open_ended + before * chance
    ranked = sorted(longer.items(), key=lambda item: -sum(item[1]))[:_BEAM]
    least = sum(ranked[0][1]) * _LEAST_CHANCE
    return {text: ends for text, ends in ranked if sum(ends) >= least}


def joined(upper: Alternatives, lower: Alternatives) -> Alternatives:
    """Return what two lines of one plate may say together, the upper first."""
    both = [(a + b, nats_a + nats_b) for a, nats_a in upper for b, nats_b in lower]
    likely = sorted((one for one in both if one[1] >= LEAST_NATS), key=lambda one: -one[1])
    return tuple(likely[:MOST_ALTERNATIVES])


def agreed(frames: Sequence[Alternatives]) -> Alternatives:
    """Return what several readings of one plate may say together.

    What a frame does not name is as unlikely there as the least that it may name. Frames of one
    car see the same dirt and the same light, so however many there are, they count as
    INDEPENDENT_FRAMES.
    """
    texts = {text for frame in frames for text, _ in frame}
    sums = {text: sum(dict(frame).get(text, LEAST_NATS) for frame in frames) for text in texts}
    best = max(sums.values(), default=0.0)
    share = min(1.0, INDEPENDENT_FRAMES / max(1, len(frames)))
    less = sorted(((text, (nats - best) * share) for text, nats in sums.items()), key=_likeliest)
    return tuple(one for one in less[:MOST_ALTERNATIVES] if one[1] >= LEAST_NATS)


def _likeliest(alternative: tuple[str, float]) -> tuple[float, str]:
    return -alternative[1], alternative[0]


def settled(read: Sequence[Character], syntaxes: Iterable[str]) -> Sequence[Character]:
    """Return the characters with letters and digits where the likeliest of `syntaxes` has them.

    As they were read when none fits.
    """
    fitting = [fit for syntax in syntaxes if (fit := _fit(read, syntax))]
    return max(fitting, key=lambda fit: math.prod(one.chance for one in fit), default=read)


def _fit(read: Sequence[Character], syntax: str) -> list[Character] | None:
    if len(read) != len(syntax):
        return None
    fitted = [
        _as_class(one, is_digit=place == "9") for one, place in zip(read, syntax, strict=True)
    ]
    return [one for one in fitted if one] if all(fitted) else None


def _as_class(read: Character, *, is_digit: bool) -> Character | None:
    allowed = np.where(is_digit == _IS_DIGIT, read.chances, 0.0)
    index = int(allowed.argmax())
    if allowed[index] < LEAST_SHARE * read.chance:
        return None
    return replace(read, text=ALPHABET[index], chance=float(allowed[index]))
