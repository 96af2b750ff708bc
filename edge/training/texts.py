"""What stands on plates: the syntaxes of many countries.

Twins (0 and O, 1 and I) look alike on most plates and only the syntax tells them apart, so a reader
that learns from random text forgets what it knew. Each pattern below therefore has its country's
places for letters and digits. Where those places are fixed, O and I stand among the letters as
often as others do, or the reader learns to see D and T in them; where they vary from number to
number, O, I and Q are left out, as they are on such plates.

In a pattern, small letters stand for a class of characters (`CLASSES`), capitals and digits for
themselves, a blank or a hyphen parts groups, and a slash parts the two rows of a plate.

Source: the countries' articles in Wikipedia, "Vehicle registration plates of ...".
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np

from training.paint import pick, weighted

LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CLASSES: Final = {
    # O twice: next to D and Q, what is rarer is read too seldom.
    "a": LETTERS + "O",
    "l": "ABCDEFGHJKLMNPRSTUVWXYZ",  # without I, O and Q
    "f": "ABCDEFGHJKLMNPRSTVWXYZ",  # without I, O, Q and U: France, Italy
    "u": "ABCDEFGHJKLMNOPRSTUVWXYZ",  # without I and Q: the United Kingdom
    "v": "BCDFGHJKLMNPRSTVWXYZ",  # without vowels and Q: Spain, the Netherlands, Chile
    "c": "ABEKMHOPCTYX",  # those that Cyrillic and Latin share: Russia, Ukraine
    "d": "0123456789",
    "n": "123456789",
}
VOWELS: Final = "AEIOU"
CONSONANTS: Final = "BCDFGHJKLMNPRSTVWXYZ"


class Region(StrEnum):
    """Whose plates these are like: their proportions, colours and trimmings."""

    AMERICAN = "american"
    EUROPEAN = "european"
    BRITISH = "british"
    BRAZILIAN = "brazilian"
    MERCOSUR = "mercosur"
    ARGENTINE = "argentine"
    ASIAN = "asian"


REGIONS: Final = {
    Region.AMERICAN: 0.42,
    Region.EUROPEAN: 0.24,
    Region.BRITISH: 0.05,
    Region.BRAZILIAN: 0.09,
    Region.MERCOSUR: 0.07,
    Region.ARGENTINE: 0.05,
    Region.ASIAN: 0.08,
}
# How often a number of several groups stands in two rows.
TWO_ROWS: Final = {
    Region.AMERICAN: 0.02,
    Region.EUROPEAN: 0.14,
    Region.BRITISH: 0.12,
    Region.BRAZILIAN: 0.1,
    Region.MERCOSUR: 0.1,
    Region.ARGENTINE: 0.05,
    Region.ASIAN: 0.4,
}
PATTERNS: Final[dict[Region, dict[str, float]]] = {
    Region.AMERICAN: {
        "aaa dddd": 14,
        "aaa-dddd": 4,
        "aaa ddd": 10,
        "aaa-ddd": 4,
        "ddd aaa": 8,
        "ddd-aaa": 3,
        "dddaaa": 2,
        "naaaddd": 8,
        "ldd lll": 2,
        "ldd-lll": 2,
        "llldd l": 2,
        "lll ddl": 3,
        "lll ldd": 2,
        "nlll dd": 1,
        "ndd lll": 1,
        "aa ddddd": 3,
        "aadddd": 2,
        "aa-dddd": 1,
        "dllddd": 3,
        "ddd-ddd": 2,
        "dddddd": 2,
        "ddd dddd": 3,
        "dll dddd": 1,
        "lldddl": 1,
        "l ddddd": 1,
        "l dd dddd": 2,
        "ldd dddd": 1,
        "lld ldl": 3,  # Missouri
        "lld lddd": 2,  # Texas
        "lll-ldd": 1,  # Colorado
        "dddd aa": 2,
        "dddlld": 1,
        "ddl-ddd": 1,  # Nevada
        "ldd-ddl": 1,  # Tennessee
        "lddddl": 0.5,
        "nlldddd": 2,  # Maryland
        "dd-ddddd": 1,  # Wyoming
        "ddd ll": 0.5,
        "lldd ld": 1,
        "llld ll": 1,
        "n-dddddl": 1,
        "nldlddd": 1,
        "ddll dd": 1,
        "dlldl": 1,
        "llddl": 1,
        "lldl dd": 1,
        "lll-dd-dd": 1,
        "lll-ddd-l": 1,
        "llll ddd": 1,
        "word": 4,
        "word dd": 1,
    },
    Region.EUROPEAN: {
        "aa dd aaa": 2,  # Romania before its letters were restricted, and alike
        "ll dd lll": 3,
        "B ddd lll": 2,
        "B dd lll": 1,
        "a aa dddd": 2,  # Germany
        "aa aa ddd": 2,
        "aa a dddd": 2,
        "aaa aa ddd": 1,
        "a a ddd": 1,
        "ff-ddd-ff": 4,  # France
        "dddd fff": 1,
        "ff dddff": 4,  # Italy
        "dddd vvv": 3,  # Spain
        "nld dddd": 3,  # Czechia
        "aa dddaa": 3,  # Slovakia
        "aaa-ddd": 3,  # Hungary, Lithuania, Sweden
        "aaa ddl": 1,
        "aa ddddd": 2,  # Norway, Poland
        "aaa ddddd": 1,
        "llddddl": 1,
        "aa dd ddd": 2,  # Denmark
        "d-aaa-ddd": 2,  # Belgium
        "vv-ddd-v": 2,  # the Netherlands
        "d-vvv-dd": 1,
        "vv-vv-dd": 1,
        "dd-vv-vv": 1,
        "dd-ll-dd": 1,  # Portugal
        "ll-dd-ll": 1,
        "l ddddl": 1,  # Austria
        "ll ddd ll": 1,
        "aa dddddd": 1,  # Switzerland
        "aa-ddddd": 1,
        "cc dddd cc": 2,  # Ukraine, Bulgaria
        "c dddd cc": 1,
        "cdddccdd": 1,  # Russia
        "dd ll ddd": 1,  # Turkey
        "dd lll ddd": 1,
        "ddd-l-ddddd": 1,  # Ireland
        "aaa dddd": 1,  # Greece
    },
    Region.BRITISH: {"uldd uuu": 8, "uuddlll": 1, "lddd uuu": 2, "lll ddd": 0.5, "lll dddd": 0.5},
    # The latest series start with N, O, P and Q.
    Region.BRAZILIAN: {
        "aaa-dddd": 6,
        "aaa dddd": 6,
        "Naa-dddd": 1,
        "Oaa-dddd": 2.5,
        "Paa-dddd": 2.5,
        "Qaa dddd": 1,
    },
    Region.MERCOSUR: {
        "aaadadd": 5,
        "aa ddd aa": 2,
        "Aa ddd aa": 2,
        "aaa dddd": 1,
        "aa ddd lll": 0.3,
    },
    Region.ARGENTINE: {"aaa ddd": 1},
    Region.ASIAN: {
        "ll dd ll dddd": 4,
        "ll dd l dddd": 1,
        "ll-dd-ll-dddd": 1,
        "l ddddd": 1,
        "ll ddddd": 1,
        "ddddd": 0.5,
        "ddd-dd-ddd": 0.5,
        "lll dddd": 1,
        "ldddddd": 0.5,
        "dlldll": 0.5,
        "lll-ddd": 0.5,
        "vvvv-dd": 0.5,
        "dddd": 0.4,
    },
}


@dataclass(frozen=True, slots=True)
class PlateText:
    """A number as it stands on a plate: rows from the top, groups from the left."""

    rows: tuple[tuple[str, ...], ...]
    region: Region

    @property
    def text(self) -> str:
        """All of it: A-Z and 0-9."""
        return "".join("".join(row) for row in self.rows)


def listed(text: str) -> tuple[str, ...]:
    """What stands between the slashes of `text`."""
    return tuple(text.split("/"))


def plate_text(rng: np.random.Generator) -> PlateText:
    """A number such as some country gives out, in one row or two."""
    region = weighted(rng, REGIONS)
    pattern = weighted(rng, PATTERNS[region])
    groups = tuple(_written(rng, group) for group in pattern.replace("-", " ").split())
    if len(groups) > 1 and rng.random() < TWO_ROWS[region]:
        split = 1 if len(groups) == 2 or rng.random() < 0.3 else len(groups) // 2
        return PlateText((groups[:split], groups[split:]), region)
    return PlateText((groups,), region)


def _written(rng: np.random.Generator, group: str) -> str:
    if group == "word":
        return _word(rng)
    return "".join(pick(rng, CLASSES[symbol]) if symbol in CLASSES else symbol for symbol in group)


def _word(rng: np.random.Generator) -> str:
    """A word to be pronounced, such as people pay for; 3 to 7 letters."""
    length = int(rng.integers(3, 8))
    starts_open = rng.random() < 0.3
    letters = [
        pick(rng, VOWELS if (place % 2 == 0) == starts_open else CONSONANTS)
        for place in range(length)
    ]
    return "".join(letters)
