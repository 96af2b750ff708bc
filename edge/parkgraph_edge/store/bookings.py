"""Commands of a caller: book a space, extend, cancel or end a stay; and of time: no-shows."""

import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from parkgraph.journal.facts import same_request
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.journal.observations import recently_occupied
from parkgraph.model.api import DEFAULT_STAY, LONGEST_EXTENSION, LONGEST_STAY
from parkgraph.model.codes import issue_code
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.loans import CLASSES_FOR, HOLD
from parkgraph.model.plates import Plate
from parkgraph.model.records import (
    NoShowDeclared,
    Personal,
    SessionCancelled,
    SessionEnded,
    SessionExtended,
    SessionReserved,
)
from parkgraph.model.sessions import OPEN_STATES, Session, SessionState
from parkgraph_edge.rules.bills import bill
from parkgraph_edge.rules.spaces import assign
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.terms import LotTerms

MOST_NO_SHOWS: Final = 64
_MINUTE: Final = timedelta(minutes=1)
_EXTENSIBLE: Final = frozenset({SessionState.RESERVED, SessionState.ARRIVING, SessionState.PARKED})


@dataclass(frozen=True, slots=True)
class Reserve:
    """Promise a space to a vehicle. `occupied` are the spaces where a sensor sees somebody.

    Unless it `may_promise`, as the disk is nearly full, only what was promised is answered.
    """

    terms: LotTerms
    key: str
    plate: Plate | None
    vin: str | None
    fleet: str | None
    autonomous: bool
    stay: timedelta | None
    occupied: frozenset[str]
    request: str | None = None
    may_promise: bool = True

    @property
    def actor(self) -> str:
        """Who wishes, for the journal."""
        return f"key:{self.key}"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the new stay.

        Raises:
            CallRefusedError: the key was revoked, the vehicle has an open stay here, or no space
                is free; there is no room on the disk for new promises.
        """
        facts = LotFacts(connection, self.terms.lot)
        if facts.is_barred(self.key):
            raise CallRefusedError(ErrorCode.UNAUTHORIZED, "this key was revoked; use another")
        if made := facts.session_by_request(self.request):
            return Decision(same_request(made, self.plate, self.vin))
        if not self.may_promise:
            raise CallRefusedError(
                ErrorCode.UNAVAILABLE,
                "the disk of the lot's gateway is nearly full: nothing new is booked until there is"
                " room; stays go on, and exits open",
            )
        if open_session := facts.open_session_of_vehicle(self.plate, self.vin):
            raise CallRefusedError(
                ErrorCode.CONFLICT, f"this vehicle has the open session {open_session} here"
            )
        # What callers saw may be wrong: such a space is promised when no other is left.
        seen = self.occupied | recently_occupied(connection, self.terms.lot, moment.at)
        free = [
            space
            for space_class in CLASSES_FOR[self.autonomous]
            for space in facts.free_spaces(space_class, limit=1 + len(seen))
        ]
        space = assign(free, autonomous=self.autonomous, occupied=seen) or assign(
            free, autonomous=self.autonomous, occupied=self.occupied
        )
        if space is None:
            raise CallRefusedError(ErrorCode.LOT_FULL, "no space for this vehicle is free")
        rate = facts.rates(self.terms.rates).rate_for(autonomous=self.autonomous)
        stay = self.stay or DEFAULT_STAY
        session = new_id("sess", at=moment.at, random=moment.random(RANDOM_BYTES))
        record = SessionReserved(
            session=session,
            fleet=self.fleet,
            autonomous=self.autonomous,
            space=space.space,
            entry_lane=self.terms.entry_lane,
            rate=rate,
            expected_minutes=stay // _MINUTE,
            estimated_minor=rate.price(stay).total_minor,
            hold_until=facts.steady_time(moment) + HOLD,
            request=self.request,
            personal=Personal(
                plate=self.plate.raw if self.plate else None,
                vin=self.vin,
                gate_code=issue_code(self.terms.code_key, session, live=facts),
            ),
        )
        return Decision(_reserved(record, self.terms.lot, self.plate, moment.at), [record])


def _reserved(record: SessionReserved, lot: str, plate: Plate | None, at: datetime) -> Session:
    personal = record.personal or Personal()
    return Session(
        lot=lot,
        session=record.session,
        state=SessionState.RESERVED,
        fleet=record.fleet,
        autonomous=record.autonomous,
        vin=personal.vin,
        plate=plate.raw if plate else None,
        plate_letters=plate.letters if plate else None,
        plate_folded=plate.folded if plate else None,
        gate_code=personal.gate_code or "",
        space=record.space,
        entry_lane=record.entry_lane,
        rate=record.rate,
        expected_minutes=record.expected_minutes,
        estimated_minor=record.estimated_minor,
        reserved_at=at,
        hold_until=record.hold_until,
        entered_at=None,
        ended_at=None,
        amount_minor=None,
        request=record.request,
    )


@dataclass(frozen=True, slots=True)
class End:
    """End a stay: price it and let its vehicle out; the crossing frees the space.

    Before the vehicle has come it is cancelled, and costs nothing.
    """

    lot: str
    actor: str
    session: str
    request: str | None = None

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay as it is then; also to the same request, sent once more.

        Raises:
            CallRefusedError: there is no such stay, its vehicle is in the entry, or it has ended.
        """
        session = _known(connection, self.lot, self.session)
        if self.request and session.end_request == self.request:
            return Decision(session)
        if session.state is SessionState.RESERVED:
            cancelled = replace(session, state=SessionState.CANCELLED)
            return Decision(cancelled, [SessionCancelled(session=session.session)])
        if self.request and session.state is SessionState.CANCELLED:
            return Decision(session)
        facts = LotFacts(connection, self.lot)
        owed = bill(session, moment.instant, facts.boots())
        if session.state is not SessionState.PARKED or owed is None:
            raise CallRefusedError(
                ErrorCode.CONFLICT,
                f"a session ends while it is awaited or parked; this one is {session.state}",
            )
        record = SessionEnded(
            session=session.session,
            amount_minor=owed.amount_minor,
            request=self.request,
            boot=moment.boot,
            boot_ms=moment.boot_ms,
            elapsed_seconds=owed.elapsed_seconds,
            is_in_doubt=owed.is_in_doubt,
        )
        return Decision(_ended(session, record, moment.at), [record])


def _ended(session: Session, record: SessionEnded, at: datetime) -> Session:
    """Return the stay as it is then; what was charged at its first end stays."""
    is_first = session.ended_at is None
    return replace(
        session,
        state=SessionState.LEAVING,
        ended_at=at if is_first else session.ended_at,
        elapsed_seconds=record.elapsed_seconds if is_first else session.elapsed_seconds,
        is_in_doubt=record.is_in_doubt if is_first else session.is_in_doubt,
        amount_minor=record.amount_minor,
        end_request=record.request,
    )


@dataclass(frozen=True, slots=True)
class Cancel:
    """Take back a booking whose vehicle has not come; it costs nothing."""

    lot: str
    actor: str
    session: str

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay, cancelled.

        Raises:
            CallRefusedError: there is no such stay, or its vehicle has come, or it is over.
        """
        session = _known(connection, self.lot, self.session)
        if session.state is not SessionState.RESERVED:
            instead = "; end it instead" if session.state in OPEN_STATES else ", which is final"
            raise CallRefusedError(
                ErrorCode.CONFLICT,
                f"only a session whose vehicle is awaited is cancelled; this one is {session.state}"
                f"{instead}",
            )
        cancelled = replace(session, state=SessionState.CANCELLED)
        return Decision(cancelled, [SessionCancelled(session=session.session)])


@dataclass(frozen=True, slots=True)
class Extend:
    """Hold the space longer for who is on the way; expect whoever is there to stay longer.

    Either has a new estimate at the rate of the booking. What is expected binds nobody.
    """

    lot: str
    actor: str
    session: str
    minutes: int

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[Session]:
        """Return the stay as it is then.

        Raises:
            CallRefusedError: there is no such stay, it is leaving or over, its space would be held
                for more than a week from now, or it would last for more than a month.
        """
        session = _known(connection, self.lot, self.session)
        if session.state not in _EXTENSIBLE:
            raise CallRefusedError(
                ErrorCode.CONFLICT,
                f"a session is extended before its vehicle leaves; this one is {session.state}",
            )
        if not 1 <= self.minutes <= LONGEST_EXTENSION // _MINUTE:
            raise _unfit(f"a session is extended by 1 to {LONGEST_EXTENSION // _MINUTE} minutes")
        is_awaited = session.state is SessionState.RESERVED
        hold_until = session.hold_until + self.minutes * _MINUTE if is_awaited else None
        if hold_until and hold_until > moment.at + LONGEST_EXTENSION:
            raise _unfit(f"a space is held for at most {LONGEST_EXTENSION.days} days from now")
        expected = (session.expected_minutes + self.minutes) * _MINUTE
        if expected > LONGEST_STAY:
            raise _unfit(f"a session lasts for at most {LONGEST_STAY.days} days")
        record = SessionExtended(
            session=session.session,
            hold_until=hold_until,
            expected_minutes=expected // _MINUTE,
            estimated_minor=session.rate.price(expected).total_minor,
        )
        extended = replace(
            session,
            hold_until=hold_until or session.hold_until,
            expected_minutes=record.expected_minutes,
            estimated_minor=record.estimated_minor,
        )
        return Decision(extended, [record])


def _unfit(what: str) -> CallRefusedError:
    return CallRefusedError(ErrorCode.BAD_REQUEST, what, field="minutes")


def _known(connection: sqlite3.Connection, lot: str, session: str) -> Session:
    stay = LotFacts(connection, lot).session(session)
    if stay is None or stay.state is SessionState.ALLOTTED:
        raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
    return stay


@dataclass(frozen=True, slots=True)
class DeclareNoShows:
    """Free the spaces of those who did not come in time."""

    lot: str
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many did not come."""
        facts = LotFacts(connection, self.lot)
        overdue = facts.reservations_overdue(facts.steady_time(moment), limit=MOST_NO_SHOWS)
        return Decision(len(overdue), [NoShowDeclared(session=session) for session in overdue])
