"""Stays, as `/api/v1` takes and shows them. Source: the public API document."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Final, Literal

from pydantic import AwareDatetime, Field, field_validator

from parkgraph.model.api.parts import Asked, Body, Identifier, Money, Page, Warned
from parkgraph.model.ids import short_code
from parkgraph.model.money import from_minor
from parkgraph.model.plates import LONGEST_PLATE, parse_plate
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph.model.vins import has_right_check_digit

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
Status = Literal["active", "completed", "no_show", "cancelled", "void"]
DEFAULT_STAY: Final = timedelta(hours=2)
LONGEST_STAY: Final = timedelta(days=30)
LONGEST_EXTENSION: Final = timedelta(days=7)
EXIT_PROCEDURE: Final = "Automatic via plate recognition"
_MINUTE: Final = timedelta(minutes=1)


class Vehicle(Body):
    """Who comes."""

    autonomous: Annotated[bool, Field(strict=True)] = Field(
        default=False,
        description="true where nobody drives: it may get a space that is kept for such vehicles,"
        " and what such vehicles pay",
    )
    fleet_id: Identifier | None = Field(
        default=None,
        description="fleet that the stay is counted for; a key of one fleet books for that fleet"
        " only, and fills this in where it is left out",
    )
    vin: Annotated[str, Field(pattern=r"^[A-HJ-NPR-Z0-9]{17}$")] | None = Field(
        default=None,
        description="vehicle identification number: 17 capitals and digits without I, O and Q;"
        " a wrong check digit is a warning",
    )


class SessionRequest(Asked):
    """Ask for a space at a lot, for a vehicle known by plate, VIN or both."""

    lot_id: Identifier = Field(description="lot to park at; a lot books for itself only")
    plate: str | None = Field(
        default=None,
        description=f"licence plate, in any script: at most {LONGEST_PLATE} letters and digits;"
        " spaces, hyphens and dots do not count. Leave it out only where `vehicle.vin` is given",
    )
    vehicle: Vehicle = Field(default=Vehicle(), description="what is known of the vehicle")
    expected_duration_minutes: Annotated[int, Field(ge=1, le=LONGEST_STAY // _MINUTE)] | None = (
        Field(
            default=None,
            description="how long the stay is likely to last, in minutes; it makes"
            " `estimated_amount` and binds nobody."
            f" {DEFAULT_STAY // _MINUTE} where it is left out",
        )
    )

    @field_validator("plate")
    @classmethod
    def _is_a_plate(cls, text: str | None) -> str | None:
        return None if text is None else parse_plate(text).raw

    @property
    def expected_minutes(self) -> int:
        """How long the stay is likely to last."""
        return self.expected_duration_minutes or DEFAULT_STAY // _MINUTE


class ExtensionRequest(Asked):
    """Ask to come later, or to stay longer."""

    minutes: Annotated[int, Field(ge=1, le=LONGEST_EXTENSION // _MINUTE)] = Field(
        description="minutes more: the space is held so much longer where the vehicle has not come"
        " yet; the expected duration grows by as much"
    )


class SessionsQuery(Page):
    """Which stays to list."""

    fleet_id: Identifier | None = Field(
        default=None,
        description="fleet whose stays to list; a key of one fleet may leave it out",
        examples=["fleet_waymo_sf"],
    )
    lot_id: Identifier | None = Field(default=None, description="only those at this lot")
    status: Status | None = Field(
        default=None, description="only those with this status", examples=["active"]
    )
    since: AwareDatetime | None = Field(
        default=None,
        description="only those booked at that time or later: ISO 8601 with its offset from UTC",
        examples=["2026-11-28T00:00:00Z"],
    )
    until: AwareDatetime | None = Field(
        default=None, description="only those booked before that time"
    )


class ExitBody(Body):
    """How the vehicle gets out: any one of these opens the exit."""

    methods: tuple[str, ...] = Field(
        description="`plate`: drive up, the plate is read; `gate_code`: enter it at the keypad;"
        " `presence`: wait at the exit, which opens for whoever stands there long enough"
    )


_EXIT: Final = ExitBody(methods=("plate", "gate_code", "presence"))


class EntryInstructions(Body):
    """What the vehicle needs to come in and go out. What is null says why in its `…_reason`."""

    gate_code: str | None = Field(
        description="nine digits that open the entry and the exit at the keypad, should the plate"
        " not be read; null where the stay is over"
    )
    gate_code_reason: str | None = Field(
        description="why there is no gate code: `stay_over`, or null where there is one"
    )
    assigned_space: str | None = Field(description="space that is kept for the vehicle")
    assigned_space_reason: str | None = Field(description="why there is none, else null")
    entry_lane: str | None = Field(description="lane to enter by")
    entry_lane_reason: str | None = Field(description="why there is none, else null")
    exit_procedure: str = Field(description="how to get out, for people")
    exit: ExitBody = Field(description="how to get out, for machines")
    notes: str = Field(
        description="the same for people; nothing in it is needed beside the other fields"
    )


class SessionBody(Body):
    """A stay: one vehicle, one space, from the booking until the vehicle has left. Times are UTC.

    `state` is more precise than `status`; of two amounts, the one in minor units counts.
    """

    id: str = Field(description="id of the stay, the same at lot and cloud, for good")
    session_code: str = Field(description="the same as `id`")
    short_code: str = Field(
        description="eight characters and a check character, to show to people; no key to anything"
    )
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
        description="price of one `rate_unit` in `currency`, as of the booking; what is added to"
        " it, and how time is counted, is in the lot's rates of that version"
    )
    rate_minor: int = Field(description="the same in minor units: 350 is 3.50 USD; this one counts")
    rate_unit: str = Field(description="what `rate` is the price of: `hour` or `day`")
    rate_version: str = Field(description="version of the lot's rates that the stay was booked at")
    expected_duration_minutes: int = Field(description="what the estimate is for, in minutes")
    estimated_amount: Money = Field(
        description="what the expected duration costs, with tax, in `currency`"
    )
    estimated_minor: int = Field(description="the same in minor units; this one counts")
    amount: Money | None = Field(
        description="what the stay costs, with tax, in `currency`; null until it was ended or the"
        " vehicle has left. Once told it never rises"
    )
    amount_minor: int | None = Field(description="the same in minor units; this one counts")
    charged_seconds: int | None = Field(
        default=None,
        description="the time that `amount` is for: what passed, whatever a clock was set to",
    )
    in_doubt: bool | None = Field(
        default=None,
        description="true where a restart of the lot's gateway left doubt how much time passed;"
        " then only what is proven is charged; null where there is no amount",
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
    warnings: tuple[Warned, ...] = Field(
        default=(), description="what looks wrong in the request and was taken all the same"
    )


class SessionsAnswer(Body):
    """Stays, newest first."""

    sessions: tuple[SessionBody, ...] = Field(description="newest first")
    scope: Literal["lot", "cloud"] = Field(
        description="`lot`: only what this lot knows; `cloud`: of all lots"
    )
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")


class SessionEvent(Body):
    """What happened to a stay: the data of one event of its stream. Times are UTC."""

    event: str = Field(
        description="`snapshot` at first; later `reserved`, `extended`, `reassigned`,"
        " `arriving`, `parked`, `backed_out`, `ended`, `leaving`, `completed`, `cancelled`,"
        " `no_show`, `void`"
    )
    at: AwareDatetime = Field(description="when it happened")
    session: SessionBody = Field(description="the stay as it is now, which may be newer")


def show_session(session: Session) -> SessionBody:
    """Return `session` as `/api/v1` shows it."""
    rate, amount = session.rate, session.amount_minor
    currency = rate.currency
    is_open = session.state in OPEN_STATES
    return SessionBody(
        id=session.session,
        session_code=session.session,
        short_code=short_code(session.session),
        lot_id=session.lot,
        status=STATUS[session.state],
        state=session.state,
        plate=session.plate,
        vehicle=Vehicle.model_construct(
            autonomous=session.autonomous, fleet_id=session.fleet, vin=session.vin
        ),
        currency=currency,
        rate=from_minor(rate.unit_minor, currency),
        rate_minor=rate.unit_minor,
        rate_unit=rate.unit,
        rate_version=rate.version,
        expected_duration_minutes=session.expected_minutes,
        estimated_amount=from_minor(session.estimated_minor, currency),
        estimated_minor=session.estimated_minor,
        amount=None if amount is None else from_minor(amount, currency),
        amount_minor=amount,
        charged_seconds=session.elapsed_seconds,
        in_doubt=session.is_in_doubt,
        reserved_at=session.reserved_at,
        hold_until=session.hold_until,
        entered_at=session.entered_at,
        ended_at=session.ended_at,
        entry_instructions=EntryInstructions(
            gate_code=session.gate_code if is_open else None,
            gate_code_reason=None if is_open else "stay_over",
            assigned_space=session.space,
            assigned_space_reason=None,
            entry_lane=session.entry_lane,
            entry_lane_reason=None,
            exit_procedure=EXIT_PROCEDURE,
            exit=_EXIT,
            notes=f"Enter by lane {session.entry_lane}, park in space {session.space}",
        ),
    )


def warnings_of(request: SessionRequest) -> tuple[Warned, ...]:
    """Return what looks wrong in `request` and is taken all the same."""
    vin = request.vehicle.vin
    if vin is None or has_right_check_digit(vin):
        return ()
    return (
        Warned(
            code="VIN_CHECK_DIGIT",
            field="vehicle.vin",
            message="position 9 is not the check digit of this VIN; it was taken as it is",
        ),
    )
