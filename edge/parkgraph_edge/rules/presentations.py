"""Who may go through: by plate, by gate code, or, at an exit, by standing there."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from parkgraph.model.codes import is_well_formed
from parkgraph.model.records import Direction, Reason
from parkgraph.model.sessions import Session, SessionState
from parkgraph_edge.rules.identity import Alternative, contenders

FREE_GUESSES: Final = 3
FIRST_LOCK: Final = timedelta(seconds=20)
LONGEST_LOCK: Final = timedelta(minutes=10)

# Whom a lane lets through: at an entry those who are expected, at an exit those who are inside. Who
# has the code of an allotment came before the booking did: the link to the cloud may be cut.
EXPECTED: Final = {
    Direction.ENTRY: frozenset({SessionState.RESERVED, SessionState.ALLOTTED}),
    Direction.EXIT: frozenset({SessionState.PARKED, SessionState.LEAVING}),
}


@dataclass(frozen=True, slots=True)
class Keypad:
    """What a keypad remembers of wrong guesses."""

    wrong_codes: int = 0
    locked_until: datetime | None = None


def match_plate(
    read: Sequence[Alternative],
    candidates: Sequence[Session],
    direction: Direction,
    *,
    now: datetime,
) -> Session | Reason:
    """Return the one stay among `candidates` whose plate was read, or why there is none.

    `read` is what the plate may say, as `may_say` returns it: the reading itself is the first. What
    else it may say lets through or asks for a second means; whom it does not, hears what the
    reading alone comes to.
    """
    expected = [session for session in candidates if session.state in EXPECTED[direction]]
    plates = contenders(read, {session.plate_folded or "" for session in expected})
    those = [session for session in expected if session.plate_folded in plates]
    found = _only(those, direction, now=now, none=Reason.NOT_EXPECTED)
    is_itself = bool(read) and read[0].folded in plates
    if found is Reason.TOO_EARLY_OR_LATE and not is_itself:
        return Reason.NOT_EXPECTED
    return found


def match_code(
    digits: str,
    candidates: Sequence[Session],
    keypad: Keypad,
    direction: Direction,
    *,
    now: datetime,
) -> Session | Reason:
    """Return the one stay among `candidates` (all with the code `digits`) or why there is none.

    A locked keypad hears nothing, not even the right code; a mistyped code is no guess.
    """
    if keypad.locked_until and now < keypad.locked_until:
        return Reason.KEYPAD_LOCKED
    if not is_well_formed(digits):
        return Reason.MISTYPED_CODE
    return _only(candidates, direction, now=now, none=Reason.WRONG_CODE)


def lock_after(keypad: Keypad, *, now: datetime) -> datetime | None:
    """Return until when the keypad is locked after one more wrong guess: three are free."""
    doublings = keypad.wrong_codes + 1 - FREE_GUESSES
    if doublings < 0:
        return None
    lock: timedelta = min(FIRST_LOCK * 2 ** min(doublings, 10), LONGEST_LOCK)
    return now + lock


def _only(
    candidates: Sequence[Session], direction: Direction, *, now: datetime, none: Reason
) -> Session | Reason:
    expected = [session for session in candidates if session.state in EXPECTED[direction]]
    if not expected:
        return none
    if len(expected) > 1:
        return Reason.TWIN_PLATE
    is_reserved = expected[0].state is SessionState.RESERVED
    if direction is Direction.ENTRY and is_reserved and now > expected[0].hold_until:
        return Reason.TOO_EARLY_OR_LATE
    return expected[0]
