"""Records: what was decided or confirmed. A closed union, read by `match`.

The last six are the cloud's: directives, which a lot takes as commands.
"""

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


class Place(BaseModel):
    """A row of a stream that another record points at."""

    model_config = ConfigDict(frozen=True)

    epoch: int
    seq: int
    hash: str


class EpochBegan(Record):
    """The stream goes on under another epoch, after the row `predecessor`; None: after nothing.

    Whatever came after that row in a copy is superseded. At a lot the facts follow it: its
    description and a `SessionTold` for each stay in `open_sessions`; no other is open.
    """

    type: Literal["epoch_began"] = "epoch_began"
    why: Literal["fork", "lost", "compaction"]
    predecessor: Place | None
    is_of_cloud: bool = False
    open_sessions: tuple[str, ...] = ()


class SessionTold(Record):
    """A stay as the facts had it when an epoch began. Times are UTC, money in minor units."""

    type: Literal["session_told"] = "session_told"
    session: str
    state: str
    fleet: str | None
    autonomous: bool
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
    estimated_minor: int
    reserved_at: AwareDatetime
    hold_until: AwareDatetime
    entered_at: AwareDatetime | None
    ended_at: AwareDatetime | None
    amount_minor: int | None
    request: str | None = None
    twin: str | None = None
    end_request: str | None = None
    lent_asked_at: AwareDatetime | None = None
    lent_seconds: int | None = None


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
    currency: str
    rate_minor_per_hour: int
    estimated_minor: int
    hold_until: AwareDatetime
    request: str | None = None


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
    request: str | None = None


class NoShowDeclared(Record):
    """The vehicle did not come before `hold_until`; its space is free again."""

    type: Literal["no_show_declared"] = "no_show_declared"
    session: str


class AllotmentGranted(Record):
    """A space was lent to the cloud to sell, with the id and the code that the stay will have.

    `asked_at` is the time of the cloud's clock when it asked, `lasts_seconds` counts from then; the
    lot counts it from its own commit.
    """

    type: Literal["allotment_granted"] = "allotment_granted"
    session: str
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
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
    """The lot has read who bought an allotment. `twin` is the same vehicle's other open stay.

    Whichever of the two is presented first is kept; until then the plate is the other's.
    """

    type: Literal["booking_taken"] = "booking_taken"
    session: str
    fleet: str | None
    autonomous: bool
    estimated_minor: int
    hold_until: AwareDatetime
    request: str | None = None
    twin: str | None = None


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
    """The space is held for longer."""

    type: Literal["hold_extended"] = "hold_extended"
    session: str
    hold_until: AwareDatetime


class SpaceReassigned(Record):
    """The space `before` is lost, so the stay has `space` of the same class."""

    type: Literal["space_reassigned"] = "space_reassigned"
    session: str
    space: str
    before: str


class ConflictFound(Record):
    """Something that no rule can mend, for a person to look at."""

    type: Literal["conflict_found"] = "conflict_found"
    session: str
    kind: Literal[
        "same_vehicle_twice",
        "space_lost",
        "revoked_key",
        "directive_refused",
        "unproved",
        "space_blocked",
    ]
    what: str


class KeyBarred(Record):
    """The lot knows that a key was revoked: nothing new is booked with it."""

    type: Literal["key_barred"] = "key_barred"
    key: str


class AllotmentsAsked(Record):
    """The cloud asks for spaces to sell, and for more time for those it has: `unsold`.

    None: an older cloud, which wants more time for whatever it has.
    """

    type: Literal["allotments_asked"] = "allotments_asked"
    asked_at: AwareDatetime
    unsold: tuple[str, ...] | None = None


class AllotmentSold(Record):
    """The cloud sold an allotment to a vehicle that comes within `arrive_within_seconds`."""

    type: Literal["allotment_sold"] = "allotment_sold"
    session: str
    space: str
    entry_lane: str
    currency: str
    rate_minor_per_hour: int
    fleet: str | None
    autonomous: bool
    estimated_minor: int
    arrive_within_seconds: int
    hold_until: AwareDatetime
    request: str | None = None


class AllotmentReturned(Record):
    """The cloud will not sell this allotment."""

    type: Literal["allotment_returned"] = "allotment_returned"
    session: str


class CancelAsked(Record):
    """The buyer cancelled in the cloud. The lot has the last word: the vehicle may be inside."""

    type: Literal["cancel_asked"] = "cancel_asked"
    session: str


class ExtensionAsked(Record):
    """The buyer wants his space to be held for `seconds` more."""

    type: Literal["extension_asked"] = "extension_asked"
    session: str
    seconds: Annotated[int, Field(gt=0, le=7 * 86400)]


class KeyRevoked(Record):
    """A key was revoked when the cloud had the lot's stream up to `known`: what came later is late.

    So two clocks need not be compared.
    """

    type: Literal["key_revoked"] = "key_revoked"
    key: str
    known: Place | None


AnyRecord = (
    LotDescribed
    | EpochBegan
    | SessionTold
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
    | AllotmentGranted
    | AllotmentsRenewed
    | AllotmentReclaimed
    | BookingTaken
    | SessionCancelled
    | SessionVoided
    | HoldExtended
    | SpaceReassigned
    | ConflictFound
    | KeyBarred
    | AllotmentsAsked
    | AllotmentSold
    | AllotmentReturned
    | CancelAsked
    | ExtensionAsked
    | KeyRevoked
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
        case AdmissionGranted() | Crossed() | AdmissionLapsed():
            return record.session or record.lane
        case VendOrdered() | VendFinished() | CrossedUnadmitted() | PresentationRefused():
            return record.lane
        case KeyBarred() | KeyRevoked():
            return record.key
        case LotDescribed() | EpochBegan() | AllotmentsAsked() | AllotmentsRenewed():
            return "lot"
        case _:
            return record.session
