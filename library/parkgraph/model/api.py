"""The bodies of `/api/v1`. Source: the public API document."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainSerializer, field_validator

from parkgraph.model.money import from_minor
from parkgraph.model.plates import LONGEST_PLATE, parse_plate
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

    autonomous: bool = Field(
        default=False,
        description="true where nobody drives: it may get a space that is kept for such vehicles",
    )
    fleet_id: Identifier | None = Field(
        default=None,
        description="fleet that the stay is counted for; a key of one fleet books for that fleet"
        " only, and fills this in where it is left out",
    )
    vin: Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")] | None = Field(
        default=None,
        description="vehicle identification number: 17 capitals and digits without I, O and Q;"
        " its check digit is not looked at",
    )


class SessionRequest(Body):
    """Ask for a space at a lot, for a vehicle known by plate, VIN or both."""

    lot_id: Identifier = Field(description="lot to park at; a lot books for itself only")
    plate: str | None = Field(
        default=None,
        description=f"licence plate, in any script: at most {LONGEST_PLATE} letters and digits;"
        " spaces, hyphens and dots do not count. Leave it out only where `vehicle.vin` is given",
    )
    vehicle: Vehicle = Field(default=Vehicle(), description="what is known of the vehicle")
    expected_duration_minutes: Annotated[int, Field(ge=1, le=60 * 24 * 30)] | None = Field(
        default=None,
        description="how long the stay is likely to last, in minutes; it makes"
        " `estimated_amount` and binds nobody."
        f" {DEFAULT_STAY // timedelta(minutes=1)} where it is left out",
    )

    @field_validator("plate")
    @classmethod
    def _is_a_plate(cls, text: str | None) -> str | None:
        return None if text is None else parse_plate(text).raw


class SessionsQuery(Body):
    """Whose stays to list."""

    fleet_id: str | None = Field(
        default=None,
        description="fleet whose stays to list; a key of one fleet may leave it out",
        examples=["fleet_waymo_sf"],
    )


class EntryInstructions(Body):
    """What the vehicle needs to come in and go out."""

    gate_code: str | None = Field(
        description="nine digits that open the entry and the exit at the keypad, should the plate"
        " not be read; null where there is none"
    )
    assigned_space: str | None = Field(description="space that is kept for the vehicle")
    entry_lane: str | None = Field(description="lane to enter by")
    exit_procedure: str = Field(description="how to get out, for people")
    notes: str = Field(
        description="the same for people; nothing in it is needed beside the other fields"
    )


class SessionBody(Body):
    """A stay: one vehicle, one space, from the booking until the vehicle has left. Times are UTC.

    `state` is more precise than `status`; of two amounts, the one in minor units counts.
    """

    id: str = Field(description="id of the stay, the same at lot and cloud, for good")
    session_code: str = Field(description="the same as `id`")
    short_code: str = Field(description="last eight characters of `id`, to show to people")
    lot_id: str = Field(description="lot that the stay is at")
    status: str = Field(
        description="`active` from the booking until the stay is over",
        json_schema_extra={"enum": list(dict.fromkeys(STATUS.values()))},
    )
    state: SessionState = Field(
        description="where the stay is: `reserved`, `arriving` (let in, not through yet), `parked`,"
        " `leaving` (ended or let out, not through yet), `completed`; `no_show` where nobody came"
        " in time, `cancelled`, `void` where another booking of the vehicle counts or the space was"
        " taken back; `allotted` where the space is lent to the cloud and not sold"
    )
    plate: str | None = Field(
        description="licence plate as it was written in the request; null where none is known"
    )
    vehicle: Vehicle = Field(description="what is known of the vehicle")
    currency: str = Field(description="ISO 4217 code of all amounts", examples=["USD"])
    rate: Money = Field(
        description="price of one `rate_unit` in `currency`, as of the booking; started minutes"
        " are charged"
    )
    rate_unit: str = Field(description="what `rate` is the price of: always `hour`")
    estimated_amount: Money = Field(
        description="what the expected duration costs at `rate`, in `currency`"
    )
    amount: Money | None = Field(
        description="what the stay costs, in `currency`; null until it was ended or the vehicle has"
        " left. Once told it never rises"
    )
    amount_minor: int | None = Field(
        description="the same in minor units of `currency`: 350 is 3.50 USD; this one counts"
    )
    reserved_at: AwareDatetime = Field(description="when it was booked")
    hold_until: AwareDatetime = Field(
        description="until when the space is held for a vehicle that is on its way"
    )
    entered_at: AwareDatetime | None = Field(
        description="when the vehicle came in; null until then"
    )
    ended_at: AwareDatetime | None = Field(
        description="when the stay was ended or the vehicle has left; null until then"
    )
    entry_instructions: EntryInstructions = Field(
        description="what the vehicle needs to come in and go out"
    )


class SessionAnswer(Body):
    """One stay."""

    session: SessionBody = Field(description="the stay as it is now")


class SessionsAnswer(Body):
    """Stays, newest first."""

    sessions: tuple[SessionBody, ...] = Field(description="at most 200 stays, newest first")


class Availability(Body):
    """How many spaces of a lot are free now. Accessible ones are counted, but not booked here."""

    lot_id: str = Field(description="lot that this is about")
    as_of: AwareDatetime = Field(description="when it was counted, in UTC")
    spaces: int = Field(description="number of spaces that the lot has")
    free: int = Field(description="number of spaces that are neither booked nor lent nor in use")
    free_by_class: dict[str, int] = Field(
        description="`free` by the class of the spaces: `standard`, `autonomous`, `accessible`"
    )


class FieldFault(Body):
    """What is wrong with one part of a request."""

    field: str = Field(description="part of the request at fault")
    message: str = Field(description="what is wrong with it, for people")


class ErrorBody(Body):
    """What went wrong. `request_id` finds the call in the logs."""

    code: str = Field(description="what went wrong, for programs")
    message: str = Field(description="what went wrong and what to do, for people")
    request_id: str = Field(description="id of this request; the logs have it too")
    field: str | None = Field(
        default=None, description="part of the request at fault; left out where it is no one part"
    )
    fields: tuple[FieldFault, ...] | None = Field(
        default=None,
        description="all parts at fault, `field` first, at most 20; left out where it is one part",
    )


class ErrorAnswer(Body):
    """The envelope of every error."""

    error: ErrorBody = Field(description="what went wrong")


class Problem(Body):
    """An `ErrorBody` for who asks for `application/problem+json`. Source: RFC 9457."""

    type: str = Field(
        default="about:blank", description="no more than the status; `code` tells more"
    )
    title: str = Field(description="the status in words")
    status: int = Field(description="the HTTP status")
    detail: str = Field(description="`message` of the other form")
    code: str = Field(description="what went wrong, for programs")
    request_id: str = Field(description="id of this request; the logs have it too")
    field: str | None = Field(default=None, description="part of the request at fault")
    fields: tuple[FieldFault, ...] | None = Field(default=None, description="all faults")


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
