"""Identifiers that sort by the time they were made. Source: the ULID specification."""

from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 10
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_SHIFTS = range(120, -1, -10)


def new_id(prefix: str, *, at: datetime, random: bytes) -> str:
    """Return `prefix`, `_` and 26 characters: 48 bits of milliseconds, 80 bits of `random`.

    `random` is `RANDOM_BYTES` bytes.
    """
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    number = (milliseconds << 80) | int.from_bytes(random[:RANDOM_BYTES], "big")
    return f"{prefix}_" + "".join([_PAIRS[number >> shift & 1023] for shift in _SHIFTS])


def short_code(identifier: str) -> str:
    """Return eight characters of the random part of `identifier`, and one that checks them.

    For people: it is not unique, and opens nothing. The last one shows each wrong character and
    each swap of two. Source: arithmetic in GF(32), polynomial x^5 + x^2 + 1.
    """
    characters = identifier[-8:]
    check = 0
    for character in characters:
        check ^= _ALPHABET.find(character) & 31
        check = check << 1 ^ (0b100101 if check & 0b10000 else 0)
    return characters + _ALPHABET[check]
