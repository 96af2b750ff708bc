"""How often and when a call is tried: full jitter, and what the answers ask for."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from email.utils import mktime_tz, parsedate_tz
from typing import Final

MOST_TRIES: Final = 4
# In time limits of one try: all tries and pauses of a call together.
LONGEST_CALL: Final = 6
FIRST_PAUSE_SECONDS: Final = 0.5
LONGEST_PAUSE_SECONDS: Final = 8.0
LONGEST_TOLD: Final = timedelta(days=365)
# Any larger `X-RateLimit-Reset` is a time since 1970, not from now.
_LARGEST_DELTA_SECONDS: Final = 1_000_000
_NUMBER: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?", re.ASCII)


class Tries:
    """The tries of one call, wherever they go. Times are seconds of one clock."""

    def __init__(self, *, timeout_seconds: float, now: float, random: Callable[[], float]) -> None:
        """Allow tries of so long each; `random` draws from 0 up to 1."""
        self._timeout_seconds = timeout_seconds
        self._deadline = now + LONGEST_CALL * timeout_seconds
        self._random = random
        self._made = 0

    def may_go_on(self, now: float, *, keep: int = 0) -> bool:
        """Say whether another try may be made such that `keep` more are left after it."""
        return self._made + keep < MOST_TRIES and now < self._deadline

    def begin(self, now: float) -> float:
        """Count a try; return how many seconds it may take."""
        self._made += 1
        return max(0.0, min(self._timeout_seconds, self._deadline - now))

    def pause_seconds(
        self, now: float, told: timedelta | None = None, *, keep: int = 0
    ) -> float | None:
        """Return how long to wait for the next try: `told` at least; None where none is due.

        Source: Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015: full jitter.
        """
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** max(0, self._made - 1))
        pause = (told.total_seconds() if told else 0.0) + self._random() * longest
        return pause if self.may_go_on(now + pause, keep=keep) else None


def told_pause(status: int, headers: Mapping[str, str]) -> timedelta | None:
    """Return for how long an answer asks to be left alone; None where it does not say.

    That is `Retry-After`; of a 429 without one `X-RateLimit-Reset`. Dates count from the answer's
    own `Date`, so that a wrong clock here does no harm. Names in `headers` are in lower case.

    Source: RFC 9110, 10.2.3; the public API document.
    """
    asked = headers.get("retry-after")
    seconds = _seconds(asked)
    if seconds is None:
        seconds = _since_sent(_date(asked), headers)
    if seconds is None and status == 429:
        seconds = _seconds(headers.get("x-ratelimit-reset"))
        if seconds is not None and seconds > _LARGEST_DELTA_SECONDS:
            seconds = _since_sent(seconds, headers)
    if seconds is None:
        return None
    return timedelta(seconds=min(max(0.0, seconds), LONGEST_TOLD.total_seconds()))


def _seconds(text: str | None) -> float | None:
    return float(text) if text and _NUMBER.fullmatch(text.strip()) else None


def _date(text: str | None) -> float | None:
    """Return the seconds from 1970 to an HTTP date; None where it is none."""
    try:
        parts = parsedate_tz(text or "")
        return None if parts is None else float(mktime_tz(parts))
    except (ValueError, OverflowError, IndexError):
        return None


def _since_sent(at: float | None, headers: Mapping[str, str]) -> float | None:
    sent = _date(headers.get("date"))
    return None if at is None or sent is None else at - sent
