"""Records: what was decided or confirmed at a lot. A closed union, read by `match`."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter


class Direction(StrEnum):
    """Which way a lane leads."""

    ENTRY = "entry"
    EXIT = "exit"


class Means(StrEnum):
    """How a vehicle was presented."""

    PLATE = "plate"
    CODE = "code"
    PRESENCE = "presence"


class SpaceClass(StrEnum):
    """For whom a space is."""

    STANDARD = "standard"
    AUTONOMOUS = "autonomous"
    ACCESSIBLE = "accessible"


class Reason(StrEnum):
    """Why a presentation was refused."""

    NOT_EXPECTED = "not_expected"
    TWIN_PLATE = "twin_plate"
    WRONG_CODE = "wrong_code"
    MISTYPED_CODE = "mistyped_code"
    KEYPAD_LOCKED = "keypad_locked"
    TOO_EARLY_OR_LATE = "too_early_or_late"


class VendOutcome(StrEnum):
    """How an order to a barrier ended."""

    OPENED = "opened"
    REFUSED = "refused"
    FAILED = "failed"
    TOO_LATE = "too_late"


class Personal(BaseModel):
    """The part of a record that can be removed without breaking the chain.

    A gate code is no personal datum, but it lets somebody in, so it goes the same way.
    """

    model_config = ConfigDict(frozen=True)

    plate: str | None = None
    vin: str | None = None
    gate_code: str | None = None


class Record(BaseModel):
    """What all records have; `type` names the kind."""

    model_config = ConfigDict(frozen=True)

    type: str
    personal: Personal | None = Field(default=None, exclude=True)


class SpaceDescription(BaseModel):
    """One space and for whom it is."""

    model_config = ConfigDict(frozen=True)

    space: str
    space_class: SpaceClass


class LaneDescription(BaseModel):
    """One lane and which way it leads."""

    model_config = ConfigDict(frozen=True)

    lane: str
    direction: Direction


class LotDescribed(Record):
    """The lot's configuration changed; also the first record of every journal."""

    type: Literal["lot_described"] = "lot_described"
    name: str
    time_zone: str
    currency: str
    spaces: tuple[SpaceDescription, ...]
    lanes: tuple[LaneDescription, ...]


class SessionReserved(Record):
    """A space was promised to one vehicle until `hold_until`."""

    type: Literal["session_reserved"] = "session_reserved"
    session: str
    fleet: str | None
    autonomous: bool
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
    estimated_minor: int
    hold_until: AwareDatetime


class AdmissionGranted(Record):
    """One presence may cross once. `session` is None where an exit opens for whoever stands there.

    `passages_before` is the barrier's passage counter at that time. `frame_to_decision_ms` is from
    the arrival of the newest frame that was read to this decision; None for other means.
    """

    type: Literal["admission_granted"] = "admission_granted"
    admission: str
    session: str | None
    lane: str
    direction: Direction
    presence: str
    means: Means
    passages_before: int
    confidence: float | None = None
    frame_to_decision_ms: int | None = None


class VendOrdered(Record):
    """A barrier was to be told to let one admission through, `before` a time, or not at all.

    An exit counts the same while from the commit: slow disks must not keep it shut.
    """

    type: Literal["vend_ordered"] = "vend_ordered"
    order: int
    token: int
    admission: str
    lane: str
    open_seconds: Annotated[float, Field(gt=0, le=60)]
    before: AwareDatetime


class VendFinished(Record):
    """How the order ended; `decision_to_boom_ms` is until the boom that was down rose."""

    type: Literal["vend_finished"] = "vend_finished"
    order: int
    lane: str
    outcome: VendOutcome
    decision_to_boom_ms: int | None = None


class Crossed(Record):
    """The loops confirmed that the admitted vehicle went through; an exit tells the amount."""

    type: Literal["crossed"] = "crossed"
    admission: str
    session: str | None
    lane: str
    direction: Direction
    amount_minor: int | None = None


class AdmissionLapsed(Record):
    """The admitted vehicle did not go through."""

    type: Literal["admission_lapsed"] = "admission_lapsed"
    admission: str
    session: str | None
    lane: str
    why: Literal["backed_out", "timed_out"]


class CrossedUnadmitted(Record):
    """Vehicles went through that no admission covers: tailgaters, or a boom held open."""

    type: Literal["crossed_unadmitted"] = "crossed_unadmitted"
    lane: str
    direction: Direction
    vehicles: int


class PresentationRefused(Record):
    """A vehicle was not let through. Wrong guesses lock the keypad, until `locked_until`."""

    type: Literal["presentation_refused"] = "presentation_refused"
    lane: str
    presence: str
    means: Means
    reason: Reason
    locked_until: AwareDatetime | None = None


class SessionEnded(Record):
    """The buyer ended the stay: priced, but the space is free only when the vehicle has left."""

    type: Literal["session_ended"] = "session_ended"
    session: str
    amount_minor: int


class NoShowDeclared(Record):
    """The vehicle did not come before `hold_until`; its space is free again."""

    type: Literal["no_show_declared"] = "no_show_declared"
    session: str


AnyRecord = (
    LotDescribed
    | SessionReserved
    | AdmissionGranted
    | VendOrdered
    | VendFinished
    | Crossed
    | AdmissionLapsed
    | CrossedUnadmitted
    | PresentationRefused
    | SessionEnded
    | NoShowDeclared
)

_adapter: TypeAdapter[AnyRecord] = TypeAdapter(Annotated[AnyRecord, Field(discriminator="type")])


def parse_record(body: str, personal: str | None) -> AnyRecord:
    """Read a record back from the two texts that the journal keeps.

    Raises:
        pydantic.ValidationError: the text is no record that this program knows.
    """
    record = _adapter.validate_json(body)
    if personal is None:
        return record
    return record.model_copy(update={"personal": Personal.model_validate_json(personal)})


def subject_of(record: AnyRecord) -> str:
    """Return what the record is about: a session where there is one, else a lane or the lot."""
    match record:
        case LotDescribed():
            return "lot"
        case SessionReserved() | SessionEnded() | NoShowDeclared():
            return record.session
        case AdmissionGranted() | Crossed() | AdmissionLapsed():
            return record.session or record.lane
        case VendOrdered() | VendFinished() | CrossedUnadmitted() | PresentationRefused():
            return record.lane
