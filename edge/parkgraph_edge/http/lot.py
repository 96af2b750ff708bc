"""The lot behind `/api/v1`: it always decides alone, whether or not the internet is up."""

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import timedelta
from importlib import metadata
from typing import Final, Literal

from parkgraph.front.contract import Audited, Happened, Principal
from parkgraph.front.events import happened
from parkgraph.front.journals import active, audited
from parkgraph.front.views import check_reach, lot_body, sessions_of_fleet
from parkgraph.journal.answers import Seal, Told
from parkgraph.journal.changes import Changes
from parkgraph.journal.digests import sound
from parkgraph.journal.facts import find_session
from parkgraph.journal.ledger import Ledger
from parkgraph.journal.observations import Observe
from parkgraph.model.api import (
    ActivityItem,
    Availability,
    LotBody,
    LotStatus,
    Observation,
    SessionRequest,
    SessionsQuery,
    StatusAnswer,
)
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.loans import CLASSES_FOR
from parkgraph.model.plates import parse_plate
from parkgraph.model.rates import RateCard
from parkgraph.model.records import LotDescribed
from parkgraph.model.sessions import Session
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.disk import PLENTY, Room
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph_edge.store import facts
from parkgraph_edge.store.bookings import Cancel, End, Extend, Reserve
from parkgraph_edge.store.terms import LotTerms

_SQL: Final = load_queries("parkgraph_edge.http", "lot.sql")

# The lot tells of now; who asks again after so long is told anew.
STALE_AFTER_SECONDS: Final = 30
_VERSION: Final = metadata.version("parkgraph")


class LotFront:
    """Implements `parkgraph.front.contract.Port` for one lot."""

    scope: Literal["lot", "cloud"] = "lot"

    def __init__(  # noqa: PLR0913 (what it works on, and what it asks of its surroundings)
        self,
        terms: LotTerms,
        description: LotDescribed,
        ledger: Ledger,
        reader: Reader | None,
        *,
        changes: Changes | None,
        occupied: Callable[[], frozenset[str]],
        status: Callable[[], LotStatus],
        clock: Clock,
        room: Room = PLENTY,
    ) -> None:
        """Book in `ledger`, read through `reader`, both `changes` and it None without a ledger.

        `occupied` is sensed, `room` is the disk's, `status` says what works.
        """
        self._terms = terms
        self._body = lot_body(terms.lot, description)
        self._takes_live_keys = description.takes_live_keys
        self._ledger = ledger
        self._maybe_reader = reader
        self._changes = changes
        self._occupied = occupied
        self._status = status
        self._clock = clock
        self._room = room

    @property
    def _reader(self) -> Reader:
        if self._maybe_reader is None:
            raise UnavailableError("the lot has no ledger now")
        return self._maybe_reader

    async def lot(self, principal: Principal, lot: str) -> LotBody:
        """See `Port.lot`. What the lot is it knows without a ledger too."""
        if lot != self._terms.lot:
            raise CallRefusedError(
                ErrorCode.NOT_FOUND, f"this is the lot {self._terms.lot}", field="lot_id"
            )
        check_reach(principal, self._body, takes_live_keys=self._takes_live_keys)
        return self._body

    async def lots(self, principal: Principal) -> Sequence[LotBody]:
        """See `Port.lots`."""
        try:
            return [await self.lot(principal, self._terms.lot)]
        except CallRefusedError:
            return []

    async def availability(self, lot: str) -> Availability:
        """See `Port.availability`."""
        parameters = {"lot": lot, "occupied": json.dumps(sorted(self._occupied()))}
        rows = await self._reader.all(_SQL["count_spaces"], parameters)
        free = {row["space_class"]: row["free"] for row in rows}
        bookable = sum(free.get(each, 0) for each in CLASSES_FOR[True])
        return Availability(
            lot_id=lot,
            as_of=self._clock.now(),
            stale=False,
            stale_after_seconds=STALE_AFTER_SECONDS,
            spaces=sum(row["spaces"] for row in rows),
            bookable=bookable if self._room.may_promise else 0,
            free=sum(free.values()),
            free_by_class=free,
        )

    async def rates(self, lot: str) -> RateCard:
        """See `Port.rates`; as `LotFacts.rates` decides it."""
        configured = self._terms.rates
        for row in sound(await self._reader.all(facts.SQL["rate_card"], {"lot": lot})):
            card = RateCard.model_validate_json(row["card"])
            if card.currency == configured.currency:
                return card
        return configured

    async def session(self, session: str) -> Session | None:
        """See `Port.session`."""
        return await find_session(self._reader, session)

    async def sessions(self, fleet: str, query: SessionsQuery) -> Sequence[Session]:
        """See `Port.sessions`."""
        return await sessions_of_fleet(self._reader, fleet, query)

    async def reserve(
        self, principal: Principal, request: SessionRequest, seal: Seal[Session]
    ) -> Told:
        """See `Port.reserve`."""
        await self.lot(principal, request.lot_id)
        minutes = request.expected_duration_minutes
        wish = Reserve(
            terms=self._terms,
            key=principal.key_id,
            plate=parse_plate(request.plate) if request.plate else None,
            vin=request.vehicle.vin,
            fleet=request.vehicle.fleet_id or principal.fleet,
            autonomous=request.vehicle.autonomous,
            stay=timedelta(minutes=minutes) if minutes else None,
            occupied=self._occupied(),
            request=seal.request,
            may_promise=self._room.may_promise,
        )
        return await self._ledger.submit(seal.around(wish))

    async def end(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """See `Port.end`."""
        wish = End(self._terms.lot, principal.actor, session.session, seal.request)
        return await self._ledger.submit(seal.around(wish))

    async def cancel(self, principal: Principal, session: Session, seal: Seal[Session]) -> Told:
        """See `Port.cancel`."""
        wish = Cancel(self._terms.lot, principal.actor, session.session)
        return await self._ledger.submit(seal.around(wish))

    async def extend(
        self, principal: Principal, session: Session, minutes: int, seal: Seal[Session]
    ) -> Told:
        """See `Port.extend`."""
        wish = Extend(self._terms.lot, principal.actor, session.session, minutes)
        return await self._ledger.submit(seal.around(wish))

    def events(self, session: Session, after: str | None) -> AsyncGenerator[Happened, None]:
        """See `Port.events`."""
        reader = self._reader
        assert self._changes is not None
        return happened(reader, self._changes, session, after)

    async def observe(
        self,
        principal: Principal,
        lot: str,
        observations: Sequence[Observation],
        seal: Seal[int],
    ) -> Told:
        """See `Port.observe`."""
        wish = Observe(lot, principal.actor, observations)
        return await self._ledger.submit(seal.around(wish))

    async def audit(
        self, lot: str, *, after: str | None, limit: int
    ) -> tuple[Sequence[Audited], str | None]:
        """See `Port.audit`."""
        return await audited(self._reader, lot, after, limit)

    async def activity(
        self, lots: Sequence[str], *, limit: int, before: str | None
    ) -> Sequence[ActivityItem]:
        """See `Port.activity`."""
        return await active(self._reader, lots, limit, before)

    async def status(self, lots: Sequence[str]) -> StatusAnswer:
        """See `Port.status`. It is told without a ledger too."""
        now = self._status()
        is_degraded = now.link == "down" or bool(now.away)
        return StatusAnswer(
            status="degraded" if is_degraded else "ok",
            version=_VERSION,
            as_of=self._clock.now(),
            lots=(now,) if now.lot_id in lots else (),
        )
