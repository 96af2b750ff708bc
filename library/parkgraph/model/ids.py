"""Identifiers that sort by the time they were made. Source: the ULID specification."""

from datetime import datetime

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_BYTES = 10


def new_id(prefix: str, *, at: datetime, random: bytes) -> str:
    """Return `prefix`, `_` and 26 characters: 48 bits of milliseconds, 80 bits of `random`.

    `random` is `RANDOM_BYTES` bytes.
    """
    milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
    number = (milliseconds << 80) | int.from_bytes(random[:RANDOM_BYTES], "big")
    return f"{prefix}_" + "".join(_ALPHABET[(number >> shift) & 31] for shift in range(125, -1, -5))
