"""The lot behind `/api/v1`: it always decides alone, whether or not the internet is up."""

from collections.abc import Callable
from datetime import timedelta

from parkgraph.front.operations import Principal
from parkgraph.journal.facts import find_session, find_sessions_of_fleet
from parkgraph.journal.ledger import Ledger
from parkgraph.model.api import Availability, SessionRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import parse_plate
from parkgraph.model.sessions import Session
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.disk import PLENTY, Room
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph_edge.store.bookings import End, Reserve
from parkgraph_edge.store.facts import SQL
from parkgraph_edge.store.terms import LotTerms


class LotFront:
    """Implements `parkgraph.front.operations.LotPort`."""

    def __init__(
        self,
        terms: LotTerms,
        ledger: Ledger,
        reader: Reader | None,
        *,
        occupied: Callable[[], frozenset[str]],
        clock: Clock,
        room: Room = PLENTY,
    ) -> None:
        """Book in `ledger`, read through `reader` (None without a ledger); `occupied` is sensed.

        `room` is the disk's.
        """
        self._terms = terms
        self._ledger = ledger
        self._maybe_reader = reader
        self._occupied = occupied
        self._clock = clock
        self._room = room

    @property
    def _reader(self) -> Reader:
        if self._maybe_reader is None:
            raise UnavailableError("the lot has no ledger now")
        return self._maybe_reader

    async def session(self, session: str) -> Session | None:
        """See `Port.session`."""
        return await find_session(self._reader, session)

    async def sessions_of_fleet(self, fleet: str, *, limit: int) -> list[Session]:
        """See `Port.sessions_of_fleet`."""
        return await find_sessions_of_fleet(self._reader, fleet, limit=limit)

    async def reserve(
        self, principal: Principal, request: SessionRequest, *, idempotency: str | None = None
    ) -> Session:
        """See `SellingPort.reserve`."""
        self._check_lot(request.lot_id)
        minutes = request.expected_duration_minutes
        return await self._ledger.submit(
            Reserve(
                terms=self._terms,
                key=principal.key_id,
                plate=parse_plate(request.plate) if request.plate else None,
                vin=request.vehicle.vin,
                fleet=request.vehicle.fleet_id or principal.fleet,
                autonomous=request.vehicle.autonomous,
                stay=timedelta(minutes=minutes) if minutes else None,
                occupied=self._occupied(),
                request=idempotency,
                may_promise=self._room.may_promise,
            )
        )

    async def end(
        self, principal: Principal, session: str, *, idempotency: str | None = None
    ) -> Session:
        """See `LotPort.end`."""
        actor = f"key:{principal.key_id}"
        return await self._ledger.submit(End(self._terms.lot, actor, session, idempotency))

    async def availability(self, lot: str) -> Availability:
        """See `LotPort.availability`."""
        self._check_lot(lot)
        rows = await self._reader.all(SQL["count_free"], {"lot": lot})
        free = {row["space_class"]: row["free"] for row in rows}
        return Availability(
            lot_id=lot,
            as_of=self._clock.now(),
            spaces=sum(row["spaces"] for row in rows),
            free=sum(free.values()),
            free_by_class=free,
        )

    def _check_lot(self, lot: str) -> None:
        if lot != self._terms.lot:
            raise CallRefusedError(
                ErrorCode.NOT_FOUND, f"this is the lot {self._terms.lot}", field="lot_id"
            )
