"""Records: what was decided or confirmed. A closed union, read by `match`."""

from typing import Annotated

from pydantic import Field, TypeAdapter

from parkgraph.model.records.directives import (
    AgentRegistered,
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    CancelAsked,
    EndAsked,
    ExtensionAsked,
    KeyIssued,
    KeyRevoked,
    RatesChanged,
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
    BootTold,
    ClockAnchored,
    ConflictFound,
    EpochBegan,
    KeyAccepted,
    KeyBarred,
    LotDescribed,
    RatesSet,
    SessionTold,
)
from parkgraph.model.records.parts import (
    Direction,
    KeyTerms,
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
    SessionExtended,
    SessionReserved,
    SessionVoided,
    SpaceReassigned,
)

__all__ = [
    "AdmissionGranted",
    "AdmissionLapsed",
    "AgentRegistered",
    "AllotmentGranted",
    "AllotmentReclaimed",
    "AllotmentReturned",
    "AllotmentSold",
    "AllotmentsAsked",
    "AllotmentsRenewed",
    "AnyRecord",
    "BookingTaken",
    "BootTold",
    "CancelAsked",
    "ClockAnchored",
    "ConflictFound",
    "Crossed",
    "CrossedUnadmitted",
    "Direction",
    "EndAsked",
    "EpochBegan",
    "ExtensionAsked",
    "HoldExtended",
    "KeyAccepted",
    "KeyBarred",
    "KeyIssued",
    "KeyRevoked",
    "KeyTerms",
    "LaneDescription",
    "LotDescribed",
    "Means",
    "NoShowDeclared",
    "Personal",
    "Place",
    "PresentationRefused",
    "RatesChanged",
    "RatesSet",
    "Reason",
    "Record",
    "SessionCancelled",
    "SessionEnded",
    "SessionExtended",
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
    | ClockAnchored
    | BootTold
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
    | SessionExtended
    | SpaceReassigned
    | ConflictFound
    | KeyBarred
    | RatesSet
    | KeyAccepted
    | AllotmentsAsked
    | AllotmentSold
    | AllotmentReturned
    | CancelAsked
    | ExtensionAsked
    | KeyRevoked
    | AgentRegistered
    | RatesChanged
    | KeyIssued
    | EndAsked
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
        case KeyAccepted() | KeyIssued() | KeyBarred() | KeyRevoked():
            return record.key
        case AgentRegistered():
            return record.agent
        case (
            LotDescribed()
            | EpochBegan()
            | ClockAnchored()
            | BootTold()
            | AllotmentsAsked()
            | AllotmentsRenewed()
            | RatesSet()
            | RatesChanged()
        ):
            return "lot"
        case _:
            return record.session
