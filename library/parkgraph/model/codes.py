"""Gate codes: eight digits that nobody guesses and one that catches a slip of the finger."""

import hashlib
import hmac
from collections.abc import Container
from typing import Final

DIGITS: Final = 8
# A totally anti-symmetric quasigroup of order 10: it catches every single wrong digit and every
# swap of neighbours. Source: H. M. Damm, dissertation, Marburg 2004.
_DAMM: Final = (
    "0317598642", "7092154863", "4206871359", "1750983426", "6123045978",
    "3674209581", "5869720134", "8945362017", "9438617205", "2581436790",
)  # fmt: skip


def check_digit(digits: str) -> str:
    """Return the digit that, put after `digits`, makes a well-formed code."""
    interim = "0"
    for digit in digits:
        interim = _DAMM[int(interim)][int(digit)]
    return interim


def is_well_formed(code: str) -> bool:
    """Say whether `code` has the right length and check digit. A slip is no guess."""
    return (
        len(code) == DIGITS + 1
        and code.isascii()
        and code.isdigit()
        and check_digit(code[:-1]) == code[-1]
    )


def issue_code(key: bytes, session: str, *, live: Container[str]) -> str:
    """Return the gate code of `session` under the lot's `key`, other than those in `live`."""
    counter = 0
    while True:
        mac = hmac.digest(key, f"{session}/{counter}".encode(), hashlib.sha256)
        digits = f"{int.from_bytes(mac[:8], 'big') % 10**DIGITS:0{DIGITS}d}"
        code = digits + check_digit(digits)
        if code not in live:
            return code
        counter += 1
