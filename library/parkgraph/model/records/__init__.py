"""Records: what was decided or confirmed. A closed union, read by `match`."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from parkgraph.model.records.directives import (
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    CancelAsked,
    ExtensionAsked,
    KeyRevoked,
)
from parkgraph.model.records.lanes import (
    AdmissionGranted,
    AdmissionLapsed,
    Crossed,
    CrossedUnadmitted,
    PresentationRefused,
    VendFinished,
    VendOrdered,
)
from parkgraph.model.records.lots import (
    ConflictFound,
    EpochBegan,
    KeyBarred,
    LotDescribed,
    SessionTold,
)
from parkgraph.model.records.parts import (
    Direction,
    LaneDescription,
    Means,
    Personal,
    Place,
    Reason,
    Record,
    SpaceClass,
    SpaceDescription,
    VendOutcome,
)
from parkgraph.model.records.stays import (
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentsRenewed,
    BookingTaken,
    HoldExtended,
    NoShowDeclared,
    SessionCancelled,
    SessionEnded,
    SessionReserved,
    SessionVoided,
    SpaceReassigned,
)

__all__ = [
    "AdmissionGranted",
    "AdmissionLapsed",
    "AllotmentGranted",
    "AllotmentReclaimed",
    "AllotmentReturned",
    "AllotmentSold",
    "AllotmentsAsked",
    "AllotmentsRenewed",
    "AnyRecord",
    "BookingTaken",
    "CancelAsked",
    "ConflictFound",
    "Crossed",
    "CrossedUnadmitted",
    "Direction",
    "EpochBegan",
    "ExtensionAsked",
    "HoldExtended",
    "KeyBarred",
    "KeyRevoked",
    "LaneDescription",
    "LotDescribed",
    "Means",
    "NoShowDeclared",
    "Personal",
    "Place",
    "PresentationRefused",
    "Reason",
    "Record",
    "SessionCancelled",
    "SessionEnded",
    "SessionReserved",
    "SessionTold",
    "SessionVoided",
    "SpaceClass",
    "SpaceDescription",
    "SpaceReassigned",
    "VendFinished",
    "VendOrdered",
    "VendOutcome",
    "parse_record",
    "subject_of",
]

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
