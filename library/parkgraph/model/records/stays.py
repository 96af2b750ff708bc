"""Records of a stay while its vehicle is away, and of its end."""

from typing import Literal

from pydantic import AwareDatetime

from parkgraph.model.rates import Rate, RateCard
from parkgraph.model.records.parts import Record


class SessionReserved(Record):
    """A space was promised to one vehicle until `hold_until`.

    `request` is the digest of the caller's key and Idempotency-Key, where he sent one.
    """

    type: Literal["session_reserved"] = "session_reserved"
    session: str
    fleet: str | None
    autonomous: bool
    space: str
    entry_lane: str
    rate: Rate
    expected_minutes: int
    estimated_minor: int
    hold_until: AwareDatetime
    request: str | None = None


class SessionEnded(Record):
    """The buyer ended the stay: priced, but the space is free only when the vehicle has left.

    The time that the amount is for is until `boot_ms` after a boot, else as `Crossed` has it.
    """

    type: Literal["session_ended"] = "session_ended"
    session: str
    amount_minor: int
    request: str | None = None
    boot: str | None = None
    boot_ms: int | None = None
    elapsed_seconds: int | None = None
    is_in_doubt: bool | None = None


class NoShowDeclared(Record):
    """The vehicle did not come before `hold_until`; its space is free again."""

    type: Literal["no_show_declared"] = "no_show_declared"
    session: str


class AllotmentGranted(Record):
    """A space was lent to the cloud to sell, with the id and the code that the stay will have.

    `asked_at` is the time of the cloud's clock when it asked, `lasts_seconds` counts from then; the
    lot counts it from its own commit. Which of `rates` counts is known with the buyer.
    """

    type: Literal["allotment_granted"] = "allotment_granted"
    session: str
    space: str
    entry_lane: str
    rates: RateCard
    asked_at: AwareDatetime
    lasts_seconds: int


class AllotmentsRenewed(Record):
    """What the cloud has not sold yet it may sell for longer."""

    type: Literal["allotments_renewed"] = "allotments_renewed"
    sessions: tuple[str, ...]
    asked_at: AwareDatetime
    lasts_seconds: int


class AllotmentReclaimed(Record):
    """The lot has a lent space back: the loan is over, or the cloud returned it."""

    type: Literal["allotment_reclaimed"] = "allotment_reclaimed"
    session: str
    why: Literal["expired", "returned"]


class BookingTaken(Record):
    """The lot has read who bought an allotment, and when. `twin` is the vehicle's other open stay.

    Whichever of the two is presented first is kept; until then the plate is the other's.
    """

    type: Literal["booking_taken"] = "booking_taken"
    session: str
    fleet: str | None
    autonomous: bool
    rate: Rate
    expected_minutes: int
    estimated_minor: int
    hold_until: AwareDatetime
    request: str | None = None
    twin: str | None = None
    sold_at: AwareDatetime | None = None


class SessionCancelled(Record):
    """The buyer cancelled before his vehicle came."""

    type: Literal["session_cancelled"] = "session_cancelled"
    session: str


class SessionVoided(Record):
    """The stay is void and costs nothing: its vehicle came under `kept`, or its space is lost."""

    type: Literal["session_voided"] = "session_voided"
    session: str
    kept: str | None = None


class HoldExtended(Record):
    """The space is held until another time.

    Its vehicle came before its booking did, or the wall clock was set, and the hold moves with it.
    """

    type: Literal["hold_extended"] = "hold_extended"
    session: str
    hold_until: AwareDatetime


class SpaceReassigned(Record):
    """The space `before` is lost, so the stay has `space` of the same class."""

    type: Literal["space_reassigned"] = "space_reassigned"
    session: str
    space: str
    before: str


class SessionExtended(Record):
    """The buyer comes later, until `hold_until`, or stays longer; either has a new estimate."""

    type: Literal["session_extended"] = "session_extended"
    session: str
    hold_until: AwareDatetime | None
    expected_minutes: int
    estimated_minor: int
