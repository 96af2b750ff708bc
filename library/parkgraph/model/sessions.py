"""A stay: its states, the ways between them, and how `/api/v1` shows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from parkgraph.model.elapsed import BootTime, Instant
from parkgraph.model.rates import Rate
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentSold,
    BookingTaken,
    CancelAsked,
    Crossed,
    NoShowDeclared,
    Record,
    SessionCancelled,
    SessionEnded,
    SessionVoided,
)


class SessionState(StrEnum):
    """Where a stay is, precisely. `status` of `/api/v1` is a coarser word for it."""

    ALLOTTED = "allotted"
    RESERVED = "reserved"
    ARRIVING = "arriving"
    PARKED = "parked"
    LEAVING = "leaving"
    COMPLETED = "completed"
    NO_SHOW = "no_show"
    CANCELLED = "cancelled"
    VOID = "void"


# What indexes and queries list as open; a test compares them.
OPEN_STATES: Final = frozenset(
    {
        SessionState.ALLOTTED,
        SessionState.RESERVED,
        SessionState.ARRIVING,
        SessionState.PARKED,
        SessionState.LEAVING,
    }
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
    # An allotment is a stay before its buyer is known.
    (SessionState.ALLOTTED, AllotmentSold): SessionState.RESERVED,
    (SessionState.ALLOTTED, BookingTaken): SessionState.RESERVED,
    (SessionState.ALLOTTED, AdmissionGranted): SessionState.ARRIVING,  # before its booking came
    (SessionState.ALLOTTED, AllotmentReclaimed): SessionState.VOID,
    (SessionState.ALLOTTED, AllotmentReturned): SessionState.VOID,
    (SessionState.ALLOTTED, SessionVoided): SessionState.VOID,
    (SessionState.RESERVED, SessionVoided): SessionState.VOID,
    (SessionState.RESERVED, SessionCancelled): SessionState.CANCELLED,
    (SessionState.RESERVED, CancelAsked): SessionState.CANCELLED,
    # Only in the cloud, which may be ahead of what the lot has read.
    (SessionState.RESERVED, AllotmentReclaimed): SessionState.NO_SHOW,
    (SessionState.VOID, AllotmentReclaimed): SessionState.VOID,
    (SessionState.VOID, SessionVoided): SessionState.VOID,
    (SessionState.VOID, AdmissionGranted): SessionState.ARRIVING,  # returned, and its buyer came
    (SessionState.CANCELLED, AllotmentReclaimed): SessionState.CANCELLED,
    (SessionState.CANCELLED, SessionCancelled): SessionState.CANCELLED,
    (SessionState.CANCELLED, NoShowDeclared): SessionState.CANCELLED,
    (SessionState.CANCELLED, SessionVoided): SessionState.VOID,
    (SessionState.CANCELLED, AdmissionGranted): SessionState.ARRIVING,  # it was inside already
    # The buyer's fields merge in any state.
    **{
        (state, BookingTaken): state for state in SessionState if state is not SessionState.ALLOTTED
    },
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
    """One stay, as the facts have it. Times are UTC, money is in minor units.

    `elapsed_seconds` is what was charged when it ended; the vehicle may have been there for longer
    where that `is_in_doubt`.
    `rate` is a whole `RateCard` while nobody here knows who bought the space.
    """

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
    rate: Rate
    expected_minutes: int
    estimated_minor: int
    reserved_at: datetime
    hold_until: datetime
    entered_at: datetime | None
    ended_at: datetime | None
    amount_minor: int | None
    request: str | None = None
    twin: str | None = None
    end_request: str | None = None
    lent_asked_at: datetime | None = None
    lent_seconds: int | None = None
    entered_boot: str | None = None
    entered_boot_ms: int | None = None
    elapsed_seconds: int | None = None
    is_in_doubt: bool | None = None

    @property
    def entered(self) -> Instant | None:
        """When its vehicle came in, by both clocks."""
        if self.entered_at is None:
            return None
        if self.entered_boot is None or self.entered_boot_ms is None:
            return Instant(self.entered_at, None)
        return Instant(self.entered_at, BootTime(self.entered_boot, self.entered_boot_ms))

    @property
    def currency(self) -> str:
        """The money of all its amounts."""
        return self.rate.currency
