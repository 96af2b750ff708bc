"""Commands of the cloud: its directives, taken in the transaction that stores them."""

import sqlite3
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.codes import issue_code
from parkgraph.model.errors import CallRefusedError
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.loans import CLASSES_FOR
from parkgraph.model.plates import parse_plate
from parkgraph.model.records import (
    AllotmentGranted,
    AllotmentReclaimed,
    AllotmentReturned,
    AllotmentsAsked,
    AllotmentSold,
    AllotmentsRenewed,
    AnyRecord,
    BookingTaken,
    CancelAsked,
    ConflictFound,
    EndAsked,
    EpochBegan,
    ExtensionAsked,
    KeyAccepted,
    KeyBarred,
    KeyIssued,
    KeyRevoked,
    Personal,
    RatesChanged,
    RatesSet,
    SessionCancelled,
    SessionReserved,
    SessionVoided,
    SpaceReassigned,
)
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph_edge.rules.allotments import Sale, count_to_lend, meet_sale
from parkgraph_edge.rules.spaces import assign
from parkgraph_edge.store.bookings import End, Extend
from parkgraph_edge.store.facts import Allotment, LotFacts
from parkgraph_edge.store.terms import LotTerms

MOST_LENT_AT_ONCE: Final = 64
_ENDED: Final = frozenset(SessionState) - OPEN_STATES | {SessionState.LEAVING}


class NoDirectiveError(ValueError):
    """The record is none that a lot takes from the cloud."""


@dataclass(frozen=True, slots=True)
class TakeDirective:
    """Do what the cloud decided, as far as the lot's own facts allow; they have the last word.

    Unless it `may_promise`, nothing is lent; what was sold is taken.
    """

    terms: LotTerms
    directive: AnyRecord
    occupied: frozenset[str]
    actor: str = "cloud"
    may_promise: bool = True

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[None]:
        """Return the records that come of it.

        Raises:
            NoDirectiveError: it is a record of another kind.
        """
        facts = LotFacts(connection, self.terms.lot)
        return Decision(None, self._records(facts, moment))

    def _records(self, facts: LotFacts, moment: Moment) -> Sequence[AnyRecord]:
        match self.directive:
            case AllotmentsAsked() if not self.may_promise:
                return ()
            case AllotmentsAsked():
                return _lend(self.terms, self.directive, facts, self.occupied, moment)
            case AllotmentSold():
                return _take_sale(self.directive, facts, self.occupied, facts.steady_time(moment))
            case AllotmentReturned() | CancelAsked() | ExtensionAsked() | EndAsked():
                return _change(self.directive, facts, self.actor, moment)
            case KeyIssued() | KeyRevoked() | RatesChanged():
                return _keep(self.directive, facts)
            case EpochBegan():
                return ()
            case _:
                raise NoDirectiveError(f"{self.directive.type} is no directive")


@dataclass(frozen=True, slots=True)
class ReclaimAllotments:
    """Take back lent spaces whose time is over. `due` are ids with the asking that they are due to.

    One that was renewed meanwhile has another asking and stays lent.
    """

    lot: str
    due: Mapping[str, str]
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many were taken back."""
        records = [
            AllotmentReclaimed(session=lent.session, why="expired")
            for lent in LotFacts(connection, self.lot).allotments()
            if self.due.get(lent.session) == lent.asked_at
        ]
        return Decision(len(records), records)


@dataclass(frozen=True, slots=True)
class ReplaceLostSpaces:
    """Give awaited vehicles another space of the class where theirs is lost; never silently.

    A space is lost when the lot's description has it no more. One where a sensor sees somebody else
    stays promised, as its buyer may be on the way to it: a person is told.
    """

    lot: str
    occupied: frozenset[str]
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many spaces were lost."""
        facts = LotFacts(connection, self.lot)
        records: list[AnyRecord] = []
        taken: set[str] = set(self.occupied)
        for lost in facts.in_lost_spaces(self.occupied, limit=MOST_LENT_AT_ONCE):
            stay = lost.session
            if lost.is_listed:
                what = f"somebody else stands in {stay.space}, which is held for it"
                records.append(ConflictFound(session=stay.session, kind="space_blocked", what=what))
                continue
            free = facts.free_spaces(lost.space_class, limit=1 + len(taken))
            other = next((space for space in free if space.space not in taken), None)
            if other:
                taken.add(other.space)
                records.append(
                    SpaceReassigned(session=stay.session, space=other.space, before=stay.space)
                )
            else:
                records += [
                    SessionVoided(session=stay.session),
                    ConflictFound(
                        session=stay.session,
                        kind="space_lost",
                        what=f"{stay.space} is gone and no other of its class is free: refund",
                    ),
                ]
        return Decision(len(records), records)


@dataclass(frozen=True, slots=True)
class _Codes:
    """The codes of open stays, and those issued in this decision."""

    facts: Container[str]
    issued: set[str] = field(default_factory=set)

    def __contains__(self, code: object) -> bool:
        return code in self.issued or code in self.facts


def _lend(
    terms: LotTerms,
    asked: AllotmentsAsked,
    facts: LotFacts,
    occupied: frozenset[str],
    moment: Moment,
) -> list[AnyRecord]:
    """Renew what is lent and unsold, and lend more where a class has less than it may."""
    lent = facts.allotments()
    asked_at, seconds = asked.asked_at, int(terms.loan.total_seconds())
    records: list[AnyRecord] = []
    if ids := _renewable(terms, asked, lent):
        records.append(AllotmentsRenewed(sessions=ids, asked_at=asked_at, lasts_seconds=seconds))
    codes, rates = _Codes(facts), facts.rates(terms.rates)
    for space_class, most in sorted(terms.allotments.items()):
        free = [
            space
            for space in facts.free_spaces(space_class, limit=MOST_LENT_AT_ONCE + len(occupied))
            if space.space not in occupied
        ]
        held = sum(allotment.space_class is space_class for allotment in lent)
        for space in free[: count_to_lend(most, lent=held, free=min(len(free), MOST_LENT_AT_ONCE))]:
            session = new_id("sess", at=moment.at, random=moment.random(RANDOM_BYTES))
            code = issue_code(terms.code_key, session, live=codes)
            codes.issued.add(code)
            records.append(
                AllotmentGranted(
                    session=session,
                    space=space.space,
                    entry_lane=terms.entry_lane,
                    rates=rates,
                    asked_at=asked_at,
                    lasts_seconds=seconds,
                    personal=Personal(gate_code=code),
                )
            )
    return records


def _renewable(
    terms: LotTerms, asked: AllotmentsAsked, lent: Sequence[Allotment]
) -> tuple[str, ...]:
    """Return what stays lent: of each class at most what may be, and nothing the cloud gave up."""
    known = None if asked.unsold is None else frozenset(asked.unsold)
    ids: list[str] = []
    for space_class in sorted({allotment.space_class for allotment in lent}):
        of_class = [a.session for a in lent if a.space_class is space_class]
        wanted = [session for session in of_class if known is None or session in known]
        ids += wanted[: terms.allotments.get(space_class, 0)]
    return tuple(ids)


def _take_sale(  # noqa: PLR0911 (one case an outcome)
    sold: AllotmentSold, facts: LotFacts, occupied: frozenset[str], now: datetime
) -> list[AnyRecord]:
    stay = facts.session(sold.session)
    if stay is None or _is_anothers(stay, sold):
        return _take_unknown_sale(sold, stay, facts, occupied, now)
    twin = _twin(sold, facts)
    taken = _taken(sold, now)
    match meet_sale(stay.state, twin.state if twin else None):
        case Sale.TOO_LATE:
            return []
        case Sale.TAKE:
            return [taken]
        case Sale.VOID:
            return [SessionVoided(session=sold.session, kept=twin.session if twin else None)]
        case Sale.TAKE_AND_VOID_TWIN:
            assert twin is not None
            return [SessionVoided(session=twin.session, kept=sold.session), taken]
        case Sale.TAKE_BESIDE_TWIN:
            assert twin is not None
            return [taken.model_copy(update={"twin": twin.session})]
        case Sale.TAKE_AND_TELL:
            assert twin is not None
            what = f"{twin.session} has the same vehicle, and both came"
            return [
                taken.model_copy(update={"twin": twin.session}),
                ConflictFound(session=sold.session, kind="same_vehicle_twice", what=what),
            ]


def _is_anothers(stay: Session, sold: AllotmentSold) -> bool:
    """Say whether the stay has a buyer who is another: a cloud that was restored sold it twice."""
    personal = sold.personal or Personal()
    letters = parse_plate(personal.plate).letters if personal.plate else None
    buyer = (stay.plate_letters, stay.vin)
    return any(buyer) and buyer != (letters, personal.vin)


def _twin(sold: AllotmentSold, facts: LotFacts) -> Session | None:
    """Return another stay at the lot: an open one of the vehicle, or made by the same request."""
    personal = sold.personal or Personal()
    plate = parse_plate(personal.plate) if personal.plate else None
    other = facts.open_session_of_vehicle(plate, personal.vin)
    twin = facts.session(other) if other else facts.session_by_request(sold.request)
    return twin if twin and twin.session != sold.session else None


def _taken(sold: AllotmentSold, now: datetime) -> BookingTaken:
    return BookingTaken(
        session=sold.session,
        fleet=sold.fleet,
        autonomous=sold.autonomous,
        rate=sold.rate,
        expected_minutes=sold.expected_minutes,
        estimated_minor=sold.estimated_minor,
        hold_until=now + timedelta(seconds=sold.arrive_within_seconds),
        request=sold.request,
        sold_at=sold.sold_at,
        personal=sold.personal,
    )


def _take_unknown_sale(
    sold: AllotmentSold,
    stay: Session | None,
    facts: LotFacts,
    occupied: frozenset[str],
    now: datetime,
) -> list[AnyRecord]:
    """Keep a promise whose allotment the lot has lost: in its space, or in another."""
    if stay:
        return [_refused(sold.session, "it was sold to another vehicle before: refund")]
    if _twin(sold, facts):
        return [_refused(sold.session, "the lot lost the allotment; the vehicle has another stay")]
    free = [
        space
        for space_class in CLASSES_FOR[sold.autonomous]
        for space in facts.free_spaces(space_class, limit=-1)
    ]
    same = [space for space in free if space.space == sold.space]
    space = assign(same or free, autonomous=sold.autonomous, occupied=occupied)
    if space is None or (sold.personal and sold.personal.gate_code in facts):
        return [_refused(sold.session, "the lot lost the allotment, and no space is free: refund")]
    return [
        SessionReserved(
            session=sold.session,
            fleet=sold.fleet,
            autonomous=sold.autonomous,
            space=space.space,
            entry_lane=sold.entry_lane,
            rate=sold.rate,
            expected_minutes=sold.expected_minutes,
            estimated_minor=sold.estimated_minor,
            hold_until=now + timedelta(seconds=sold.arrive_within_seconds),
            request=sold.request,
            personal=sold.personal,
        )
    ]


def _change(
    directive: AllotmentReturned | CancelAsked | ExtensionAsked | EndAsked,
    facts: LotFacts,
    actor: str,
    moment: Moment,
) -> Sequence[AnyRecord]:
    """Do to a stay what its buyer, or the cloud, wants; a vehicle that came is stronger."""
    stay = facts.session(directive.session)
    state = stay.state if stay else None
    match directive:
        case AllotmentReturned() if state is SessionState.ALLOTTED:
            return [AllotmentReclaimed(session=directive.session, why="returned")]
        case CancelAsked() if state is SessionState.RESERVED:
            return [SessionCancelled(session=directive.session)]
        case EndAsked() if state in _ENDED:
            return []  # it has what its buyer wants
        case ExtensionAsked() | EndAsked():
            return _heed(directive, facts, actor, moment)
        case _:
            return []


def _heed(
    asked: ExtensionAsked | EndAsked, facts: LotFacts, actor: str, moment: Moment
) -> Sequence[AnyRecord]:
    """Do what the same call at the lot would; tell a person where it would be refused."""
    command: End | Extend = (
        End(facts.lot, actor, asked.session, asked.request)
        if isinstance(asked, EndAsked)
        else Extend(facts.lot, actor, asked.session, asked.minutes)
    )
    try:
        return command.decide(facts.connection, moment).records
    except CallRefusedError as error:
        what = f"the end that was asked for in the cloud was refused: {error.message}"
        if isinstance(asked, ExtensionAsked):
            what = f"extension void, refund what was paid for it: {error.message}"
        return [_refused(asked.session, what)]


def _keep(ruled: KeyIssued | KeyRevoked | RatesChanged, facts: LotFacts) -> list[AnyRecord]:
    """Take over what the cloud owns."""
    match ruled:
        case KeyIssued():
            return [KeyAccepted(key=ruled.key, terms=ruled.terms)]
        case KeyRevoked():
            return _bar(ruled, facts)
        case RatesChanged():
            return [RatesSet(card=ruled.card)]


def _bar(revoked: KeyRevoked, facts: LotFacts) -> list[AnyRecord]:
    """Take no more from a key; show what it booked when nobody here knew of the revocation."""
    late = facts.reserved_with(revoked.key, revoked.known)
    what = "booked with a key that was revoked; it stands and is billed"
    return [
        KeyBarred(key=revoked.key),
        *(ConflictFound(session=session, kind="revoked_key", what=what) for session in late),
    ]


def _refused(session: str, what: str) -> ConflictFound:
    return ConflictFound(session=session, kind="directive_refused", what=what)
