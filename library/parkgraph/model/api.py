"""The bodies of `/api/v1`. Source: the public API document."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, field_validator

from parkgraph.model.money import from_minor
from parkgraph.model.plates import parse_plate
from parkgraph.model.sessions import Session, SessionState

# The document's word for each precise state.
STATUS: Final[Mapping[SessionState, str]] = {
    SessionState.RESERVED: "active",
    SessionState.ARRIVING: "active",
    SessionState.PARKED: "active",
    SessionState.LEAVING: "active",
    SessionState.COMPLETED: "completed",
    SessionState.NO_SHOW: "no_show",
    SessionState.CANCELLED: "cancelled",
    SessionState.VOID: "void",
    SessionState.ALLOTTED: "active",
}
DEFAULT_STAY: Final = timedelta(hours=2)
EXIT_PROCEDURE: Final = "Automatic via plate recognition"

Money = Annotated[Decimal, PlainSerializer(float, return_type=float, when_used="json")]
Identifier = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:-]+$")]


class Body(BaseModel):
    """What all bodies share. Unknown fields of a request are ignored: clients may be newer."""

    model_config = ConfigDict(frozen=True)


class Vehicle(Body):
    """Who comes."""

    autonomous: bool = False
    fleet_id: Identifier | None = None
    vin: Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")] | None = None


class SessionRequest(Body):
    """Ask for a space at a lot, for a vehicle known by plate, VIN or both."""

    lot_id: Identifier
    plate: str | None = None
    vehicle: Vehicle = Vehicle()
    expected_duration_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 30)] | None = None

    @field_validator("plate")
    @classmethod
    def _is_a_plate(cls, text: str | None) -> str | None:
        return None if text is None else parse_plate(text).raw


class EntryInstructions(Body):
    """What the vehicle needs to come in and go out."""

    gate_code: str | None
    assigned_space: str | None
    entry_lane: str | None
    exit_procedure: str
    notes: str


class SessionBody(Body):
    """A stay. `status` is the document's word, `state` the precise one; `*_minor` counts."""

    id: str
    session_code: str
    short_code: str
    lot_id: str
    status: str
    state: SessionState
    plate: str | None
    vehicle: Vehicle
    currency: str
    rate: Money
    rate_unit: str
    estimated_amount: Money
    amount: Money | None
    amount_minor: int | None
    reserved_at: AwareDatetime
    hold_until: AwareDatetime
    entered_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    entry_instructions: EntryInstructions


class SessionAnswer(Body):
    """One stay."""

    session: SessionBody


class SessionsAnswer(Body):
    """Stays, newest first."""

    sessions: tuple[SessionBody, ...]


class Availability(Body):
    """How many spaces of a lot one can book now."""

    lot_id: str
    as_of: AwareDatetime
    spaces: int
    free: int
    free_by_class: dict[str, int]


class ErrorBody(Body):
    """What went wrong. `request_id` finds the call in the logs."""

    code: str
    message: str
    request_id: str
    field: str | None = None


class ErrorAnswer(Body):
    """The envelope of every error."""

    error: ErrorBody


def show_session(session: Session) -> SessionBody:
    """Return `session` as `/api/v1` shows it."""
    currency = session.currency
    amount = session.amount_minor
    return SessionBody(
        id=session.session,
        session_code=session.session,
        short_code=session.session[-8:],
        lot_id=session.lot,
        status=STATUS[session.state],
        state=session.state,
        plate=session.plate,
        vehicle=Vehicle.model_construct(
            autonomous=session.autonomous, fleet_id=session.fleet, vin=session.vin
        ),
        currency=currency,
        rate=from_minor(session.rate_minor_per_hour, currency),
        rate_unit="hour",
        estimated_amount=from_minor(session.estimated_minor, currency),
        amount=None if amount is None else from_minor(amount, currency),
        amount_minor=amount,
        reserved_at=session.reserved_at,
        hold_until=session.hold_until,
        entered_at=session.entered_at,
        ended_at=session.ended_at,
        entry_instructions=EntryInstructions(
            gate_code=session.gate_code,
            assigned_space=session.space,
            entry_lane=session.entry_lane,
            exit_procedure=EXIT_PROCEDURE,
            notes=f"Enter by lane {session.entry_lane}, park in space {session.space}",
        ),
    )
