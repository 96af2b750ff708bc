"""Commands of a caller: book a space, end a stay; and of time: give up on who did not come."""

import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from parkgraph.journal.facts import same_request
from parkgraph.journal.ledger import Decision, Moment
from parkgraph.model.api import DEFAULT_STAY
from parkgraph.model.codes import issue_code
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.ids import RANDOM_BYTES, new_id
from parkgraph.model.loans import CLASSES_FOR, HOLD
from parkgraph.model.plates import Plate
from parkgraph.model.prices import price_minor
from parkgraph.model.records import (
    NoShowDeclared,
    Personal,
    SessionCancelled,
    SessionEnded,
    SessionReserved,
)
from parkgraph.model.sessions import Session, SessionState
from parkgraph_edge.rules.spaces import assign
from parkgraph_edge.store.facts import LotFacts
from parkgraph_edge.store.terms import LotTerms

MOST_NO_SHOWS: Final = 64


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
        letters = self.plate.letters if self.plate else None
        if open_session := facts.open_session_of_vehicle(letters, self.vin):
            raise CallRefusedError(
                ErrorCode.CONFLICT, f"this vehicle has the open session {open_session} here"
            )
        free = [
            space
            for space_class in CLASSES_FOR[self.autonomous]
            for space in facts.free_spaces(space_class, limit=1 + len(self.occupied))
        ]
        space = assign(free, autonomous=self.autonomous, occupied=self.occupied)
        if space is None:
            raise CallRefusedError(ErrorCode.LOT_FULL, "no space for this vehicle is free")
        rate = self.terms.tariff.rate_minor_per_hour
        session = new_id("sess", at=moment.at, random=moment.random(RANDOM_BYTES))
        record = SessionReserved(
            session=session,
            fleet=self.fleet,
            autonomous=self.autonomous,
            space=space.space,
            entry_lane=self.terms.entry_lane,
            currency=self.terms.tariff.currency,
            rate_minor_per_hour=rate,
            estimated_minor=price_minor(rate, self.stay or DEFAULT_STAY),
            hold_until=moment.at + HOLD,
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
        currency=record.currency,
        rate_minor_per_hour=record.rate_minor_per_hour,
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
        session = LotFacts(connection, self.lot).session(self.session)
        if session is None:
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
        if self.request and session.end_request == self.request:
            return Decision(session)
        if session.state is SessionState.RESERVED:
            cancelled = replace(session, state=SessionState.CANCELLED)
            return Decision(cancelled, [SessionCancelled(session=session.session)])
        if self.request and session.state is SessionState.CANCELLED:
            return Decision(session)
        if session.state is not SessionState.PARKED or session.entered_at is None:
            raise CallRefusedError(
                ErrorCode.CONFLICT,
                f"a session ends while it is awaited or parked; this one is {session.state}",
            )
        amount = price_minor(session.rate_minor_per_hour, moment.at - session.entered_at)
        if session.amount_minor is not None:
            amount = min(amount, session.amount_minor)
        ended = replace(
            session,
            state=SessionState.LEAVING,
            ended_at=session.ended_at or moment.at,
            amount_minor=amount,
            end_request=self.request,
        )
        record = SessionEnded(session=session.session, amount_minor=amount, request=self.request)
        return Decision(ended, [record])


@dataclass(frozen=True, slots=True)
class DeclareNoShows:
    """Free the spaces of those who did not come in time."""

    lot: str
    actor: str = "system"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int]:
        """Return how many did not come."""
        facts = LotFacts(connection, self.lot)
        overdue = facts.reservations_overdue(moment.at, limit=MOST_NO_SHOWS)
        return Decision(len(overdue), [NoShowDeclared(session=session) for session in overdue])
