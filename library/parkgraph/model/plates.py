"""What a licence plate is, and when two readings of one may be the same."""

import unicodedata
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

LONGEST_PLATE: Final = 16
_SEPARATORS: Final = frozenset(" -.·\N{EN DASH}\N{BULLET}")
# What cameras cannot tell apart: the round ones and the straight ones.
_FOLD: Final = str.maketrans("OQDIL", "00011")


class PlateError(ValueError):
    """What was given is no plate; the message names the rule that it breaks."""


@dataclass(frozen=True, slots=True)
class Plate:
    """A plate as it was written (`raw`), as it is registered, and without what cameras confuse.

    `letters` is without separators and in capitals: two vehicles never share it. `folded` makes O,
    Q, D and 0 one, and I, L and 1: two vehicles may.
    """

    raw: str
    letters: str
    folded: str


# A booking reads its plate where it comes in, where it is decided and where it is kept.
@lru_cache(maxsize=256)
def parse_plate(text: str) -> Plate:
    """Read `text` as a plate: letters and digits of any script, at most 16, separators aside.

    Raises:
        PlateError: empty, too long, or holds something that is neither letter nor digit.
    """
    raw = text.strip()
    letters = "".join(c for c in unicodedata.normalize("NFKC", raw) if c not in _SEPARATORS).upper()
    if not letters:
        raise PlateError("a plate has at least one letter or digit")
    for character in letters:
        # Marks belong to letters in scripts such as Thai and Devanagari.
        if unicodedata.category(character)[0] not in "LNM":
            raise PlateError(
                f"a plate is letters and digits; {character!a} is neither: leave it out"
            )
    if len(letters) > LONGEST_PLATE or len(raw) > 2 * LONGEST_PLATE:
        raise PlateError(f"a plate has at most {LONGEST_PLATE} letters and digits")
    return Plate(raw=raw, letters=letters, folded=fold(letters))


def fold(letters: str) -> str:
    """Return `letters` with those that many plates print alike made one."""
    return letters.translate(_FOLD)
