"""What a record says, as a sentence for people."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, tzinfo
from typing import Final, assert_never

from parkgraph.model.money import AmountError, from_minor
from parkgraph.model.rates import RateCard
from parkgraph.model.records import (
    AdmissionGranted,
    AdmissionLapsed,
    AgentRegistered,
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    AllotmentsRenewed,
    AnyRecord,
    BookingTaken,
    BootTold,
    CancelAsked,
    ClockAnchored,
    ConflictFound,
    Crossed,
    CrossedUnadmitted,
    Direction,
    EndAsked,
    EpochBegan,
    ExtensionAsked,
    HoldExtended,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    LotDescribed,
    NoShowDeclared,
    PresentationRefused,
    RatesChanged,
    RatesSet,
    SessionCancelled,
    SessionEnded,
    SessionExtended,
    SessionReserved,
    SessionTold,
    SessionVoided,
    SpaceReassigned,
    VendFinished,
    VendOrdered,
    VendOutcome,
)

_OUTCOMES: Final[Mapping[VendOutcome, str]] = {
    VendOutcome.OPENED: "boom moved",
    VendOutcome.REFUSED: "the barrier refused",
    VendOutcome.FAILED: "the boom did not move",
    VendOutcome.TOO_LATE: "too late, not carried out",
}


@dataclass(frozen=True, slots=True)
class Stay:
    """What is known of the stay that a record is about; nothing where there is none."""

    plate: str | None = None
    vin: str | None = None
    space: str | None = None
    currency: str | None = None


def sentence(  # noqa: C901, PLR0911, PLR0912 (one case a record)
    record: AnyRecord, stay: Stay, zone: tzinfo
) -> str:
    """Return who did what, with times in `zone`. Never a gate code."""
    match record:
        case LotDescribed():
            return f"lot described: {len(record.spaces)} spaces, {len(record.lanes)} lanes"
        case SessionReserved() | SessionEnded() | NoShowDeclared():
            return _booked(record, stay, zone)
        case AdmissionGranted() | Crossed() | AdmissionLapsed():
            return _passed(record, stay)
        case VendOrdered() | VendFinished():
            return _vended(record)
        case CrossedUnadmitted() | PresentationRefused():
            return _unwanted(record, zone)
        case (
            AllotmentGranted()
            | AllotmentReclaimed()
            | SpaceReassigned()
            | HoldExtended()
            | SessionExtended()
        ):
            return _held(record, stay, zone)
        case BookingTaken() | SessionCancelled() | SessionVoided() | SessionTold():
            return _settled(record, stay)
        case EpochBegan() | AllotmentsRenewed() | ConflictFound():
            return _kept(record)
        case ClockAnchored() | BootTold():
            return _timed(record, zone)
        case KeyAccepted() | KeyBarred() | RatesSet():
            return _heeded(record)
        case KeyIssued() | KeyRevoked() | RatesChanged() | AgentRegistered():
            return _governed(record)
        case (
            AllotmentsAsked()
            | AllotmentSold()
            | AllotmentReturned()
            | CancelAsked()
            | ExtensionAsked()
            | EndAsked()
        ):
            return _directed(record, stay)
        case _:
            assert_never(record)


def wants_attention(record: AnyRecord) -> bool:
    """Say whether something went another way than planned."""
    match record:
        case VendFinished():
            return record.outcome is not VendOutcome.OPENED
        case AdmissionLapsed():
            return record.why == "timed_out"
        case CrossedUnadmitted() | PresentationRefused() | ConflictFound():
            return True
        case EpochBegan():
            return record.why != "compaction"
        case _:
            return False


def _who(record: AnyRecord, stay: Stay) -> str:
    personal = record.personal
    known = stay.plate or stay.vin or (personal and (personal.plate or personal.vin))
    session = getattr(record, "session", None)
    return known or (f"session {session}" if session else "an unknown vehicle")


def _booked(
    record: SessionReserved | SessionEnded | NoShowDeclared, stay: Stay, zone: tzinfo
) -> str:
    who = _who(record, stay)
    match record:
        case SessionReserved():
            return f"{record.space} reserved for {who} until {_clock(record.hold_until, zone)}"
        case SessionEnded():
            return f"stay of {who} ended: {_bill(record, stay)}"
        case NoShowDeclared():
            return f"{who} did not come; {stay.space or 'its space'} is free again"


def _passed(record: AdmissionGranted | Crossed | AdmissionLapsed, stay: Stay) -> str:
    who = _who(record, stay)
    match record:
        case AdmissionGranted():
            sure = f" ({record.confidence:.2f})" if record.confidence is not None else ""
            done = "admitted" if record.direction is Direction.ENTRY else "let out"
            return f"{who} {done} at {record.lane} by {record.means}{sure}{_misread(record, stay)}"
        case Crossed():
            return f"{who} crossed {record.lane} → {_where_to(record, stay)}"
        case AdmissionLapsed(why="backed_out"):
            return f"{who} backed out of {record.lane}"
        case AdmissionLapsed():
            return f"{who} did not go through {record.lane} in time"


def _misread(record: AdmissionGranted, stay: Stay) -> str:
    """Return what the camera read where that is not the plate of the stay."""
    read = record.personal.plate if record.personal else None
    if not read or not stay.plate or _characters(read) == _characters(stay.plate):
        return ""
    return f", read as {read}"


def _characters(plate: str) -> str:
    return "".join(filter(str.isalnum, plate)).upper()


def _where_to(record: Crossed, stay: Stay) -> str:
    if record.direction is Direction.ENTRY:
        return f"parked in {stay.space}" if stay.space else "inside"
    if record.amount_minor is None:
        return "left"
    late = f", {_hours(record.over_seconds)} after its end" if record.over_seconds else ""
    return f"left{late}, {_bill(record, stay)}"


def _bill(record: SessionEnded | Crossed, stay: Stay) -> str:
    amount = _amount(record.amount_minor or 0, stay.currency)
    if not record.is_in_doubt:
        return amount
    return f"{amount} for the {_hours(record.elapsed_seconds or 0)} that are proven"


def _vended(record: VendOrdered | VendFinished) -> str:
    if isinstance(record, VendOrdered):
        return f"order {record.order}: {record.lane} to open for {record.open_seconds:g} s"
    after = record.decision_to_boom_ms
    late = f" after {after} ms" if after is not None else ""
    return f"order {record.order}: {_OUTCOMES[record.outcome]}{late}"


def _unwanted(record: CrossedUnadmitted | PresentationRefused, zone: tzinfo) -> str:
    if isinstance(record, CrossedUnadmitted):
        vehicles = "1 vehicle" if record.vehicles == 1 else f"{record.vehicles} vehicles"
        return f"{vehicles} crossed {record.lane} without an admission"
    why = record.reason.replace("_", " ")
    locked = record.locked_until
    until = f"; keypad locked until {_clock(locked, zone)}" if locked else ""
    return f"refused at {record.lane} by {record.means}: {why}{until}"


def _held(
    record: AllotmentGranted
    | AllotmentReclaimed
    | SpaceReassigned
    | HoldExtended
    | SessionExtended,
    stay: Stay,
    zone: tzinfo,
) -> str:
    match record:
        case AllotmentGranted():
            return f"{record.space} lent to the cloud for {_hours(record.lasts_seconds)}"
        case AllotmentReclaimed():
            why = "the loan is over" if record.why == "expired" else "the cloud returned it"
            return f"{stay.space or 'a lent space'} is the lot's again: {why}"
        case SpaceReassigned():
            return f"{_who(record, stay)} gets {record.space} for {record.before}, which is lost"
        case HoldExtended():
            return f"space of {_who(record, stay)} held until {_clock(record.hold_until, zone)}"
        case SessionExtended():
            estimate = _amount(record.estimated_minor, stay.currency)
            return f"stay of {_who(record, stay)} extended, {estimate} expected"


def _settled(
    record: BookingTaken | SessionCancelled | SessionVoided | SessionTold, stay: Stay
) -> str:
    who = _who(record, stay)
    match record:
        case BookingTaken():
            twin = f"; it has {record.twin} too, the first to come counts" if record.twin else ""
            return f"booking of {who} for {stay.space or 'its space'} came from the cloud{twin}"
        case SessionCancelled():
            return f"booking of {who} cancelled"
        case SessionVoided():
            why = f"it came under {record.kept}" if record.kept else "its space is lost"
            return f"booking of {who} is void: {why}"
        case SessionTold():
            return f"told again: {who} in {record.space}, {record.state}"


def _kept(record: EpochBegan | AllotmentsRenewed | ConflictFound) -> str:
    match record:
        case EpochBegan():
            return f"the journal goes on under a new epoch ({record.why})"
        case AllotmentsRenewed():
            count = len(record.sessions)
            return f"{count} lent spaces lent for {_hours(record.lasts_seconds)} more"
        case ConflictFound():
            return f"please look, session {record.session}: {record.what}"


def _timed(record: ClockAnchored | BootTold, zone: tzinfo) -> str:
    match record:
        case ClockAnchored():
            known = "is right" if record.is_trusted else "may be wrong"
            return f"the clock {known}, {_hours(record.boot_ms // 1000)} after a boot"
        case BootTold():
            lasted = _hours(record.last_ms // 1000)
            return f"told again: a boot that lasted {lasted}, until {_clock(record.last_at, zone)}"


def _heeded(record: KeyAccepted | KeyBarred | RatesSet) -> str:
    match record:
        case KeyAccepted():
            return f"key {record.key} is known here"
        case KeyBarred():
            return f"key {record.key} books here no more"
        case RatesSet():
            return f"rates are {_card(record.card)} now"


def _governed(record: KeyIssued | KeyRevoked | RatesChanged | AgentRegistered) -> str:
    match record:
        case KeyIssued():
            return f"key {record.key} issued to {record.terms.fleet or 'the operator'}"
        case KeyRevoked():
            return f"key {record.key} revoked"
        case RatesChanged():
            return f"rates to be {_card(record.card)}"
        case AgentRegistered():
            return f"agent {record.name} registered"


def _card(card: RateCard) -> str:
    return f"{_amount(card.unit_minor, card.currency)} per {card.unit} ({card.version})"


def _directed(
    record: AllotmentsAsked
    | AllotmentSold
    | AllotmentReturned
    | CancelAsked
    | ExtensionAsked
    | EndAsked,
    stay: Stay,
) -> str:
    match record:
        case AllotmentsAsked():
            return "the cloud asks for spaces to sell"
        case AllotmentSold():
            return f"{record.space} sold to {_who(record, stay)} in the cloud"
        case AllotmentReturned():
            return f"the cloud returns {stay.space or 'a space'}"
        case CancelAsked():
            return f"{_who(record, stay)} cancelled in the cloud"
        case ExtensionAsked():
            return f"{_who(record, stay)} asks for {_hours(record.minutes * 60)} more"
        case EndAsked():
            return f"{_who(record, stay)} ends the stay in the cloud"


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:.3g} h"


def _amount(minor: int, currency: str | None) -> str:
    try:
        return f"{from_minor(minor, currency or '')} {currency}"
    except AmountError:
        return f"{minor} minor units"


def _clock(at: datetime, zone: tzinfo) -> str:
    return f"{at.astimezone(zone):%H:%M:%S}"
