"""Vehicle identification numbers. Source: ISO 3779; the check digit is of 49 CFR 565.15."""

from typing import Final

_VALUES: Final = {
    **{digit: int(digit) for digit in "0123456789"},
    **dict(zip("ABCDEFGH", range(1, 9), strict=True)),
    **dict(zip("JKLMN", range(1, 6), strict=True)),
    "P": 7,
    "R": 9,
    **dict(zip("STUVWXYZ", range(2, 10), strict=True)),
}
_WEIGHTS: Final = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)


def has_right_check_digit(vin: str) -> bool:
    """Say whether the ninth of the 17 characters fits the others. Many countries use none."""
    rest = sum(_VALUES[c] * weight for c, weight in zip(vin, _WEIGHTS, strict=True)) % 11
    return vin[8] == "0123456789X"[rest]
