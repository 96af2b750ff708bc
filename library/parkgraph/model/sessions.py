"""A stay: its states, the ways between them, and how `/api/v1` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    Crossed,
    NoShowDeclared,
    Record,
    SessionEnded,
)


class SessionState(StrEnum):
    """Where a stay is. `model/api.py` maps it to the public document's `status`."""

    RESERVED = "reserved"
    ARRIVING = "arriving"
    PARKED = "parked"
    LEAVING = "leaving"
    COMPLETED = "completed"
    NO_SHOW = "no_show"


# What indexes and queries list as open; a test compares them.
OPEN_STATES: Final = frozenset(
    {SessionState.RESERVED, SessionState.ARRIVING, SessionState.PARKED, SessionState.LEAVING}
)

TRANSITIONS: Final[Mapping[tuple[SessionState, type[Record]], SessionState]] = {
    (SessionState.RESERVED, AdmissionGranted): SessionState.ARRIVING,
    (SessionState.RESERVED, NoShowDeclared): SessionState.NO_SHOW,
    (SessionState.ARRIVING, Crossed): SessionState.PARKED,
    (SessionState.ARRIVING, AdmissionLapsed): SessionState.RESERVED,
    (SessionState.PARKED, SessionEnded): SessionState.LEAVING,
    (SessionState.PARKED, AdmissionGranted): SessionState.LEAVING,
    (SessionState.LEAVING, AdmissionGranted): SessionState.LEAVING,
    (SessionState.LEAVING, AdmissionLapsed): SessionState.PARKED,
    (SessionState.LEAVING, Crossed): SessionState.COMPLETED,
}


class UnexpectedRecordError(Exception):
    """No way leads out of this state by this record."""

    def __init__(self, session: str, state: SessionState, record: Record) -> None:
        super().__init__(f"session {session} is {state}: no way leads on by {record.type}")


def next_state(session: str, state: SessionState, record: Record) -> SessionState:
    """Return the state after `record`.

    Raises:
        UnexpectedRecordError: no way leads out of this state by this record.
    """
    after = TRANSITIONS.get((state, type(record)))
    if after is None:
        raise UnexpectedRecordError(session, state, record)
    return after


@dataclass(frozen=True, slots=True)
class Session:
    """One stay, as the facts have it. Times are UTC, money is in minor units."""

    lot: str
    session: str
    state: SessionState
    fleet: str | None
    autonomous: bool
    vin: str | None
    plate: str | None
    plate_letters: str | None
    plate_folded: str | None
    gate_code: str
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
    estimated_minor: int
    reserved_at: datetime
    hold_until: datetime
    entered_at: datetime | None
    ended_at: datetime | None
    amount_minor: int | None
