"""The lot behind `/api/v1`: it always decides alone, whether or not the internet is up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from parkgraph.front.operations import Principal
from parkgraph.journal.facts import find_session, find_sessions_of_fleet
from parkgraph.journal.ledger import Ledger
from parkgraph.model.api import Availability, SessionRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import parse_plate
from parkgraph.model.sessions import Session
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph_edge.store.bookings import End, Reserve, Tariff
from parkgraph_edge.store.facts import SQL


@dataclass(frozen=True, slots=True)
class LotOffer:
    """What the lot has to offer, and where a vehicle comes in."""

    lot: str
    tariff: Tariff
    entry_lane: str
    code_key: bytes


class LotFront:
    """Implements `parkgraph.front.operations.LotPort`."""

    def __init__(
        self,
        offer: LotOffer,
        ledger: Ledger,
        reader: Reader | None,
        *,
        occupied: Callable[[], frozenset[str]],
        clock: Clock,
    ) -> None:
        """Book in `ledger`, read through `reader` (None without a ledger); `occupied` is sensed."""
        self._offer = offer
        self._ledger = ledger
        self._maybe_reader = reader
        self._occupied = occupied
        self._clock = clock

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

    async def reserve(self, principal: Principal, request: SessionRequest) -> Session:
        """See `LotPort.reserve`."""
        self._check_lot(request.lot_id)
        minutes = request.expected_duration_minutes
        return await self._ledger.submit(
            Reserve(
                lot=self._offer.lot,
                actor=f"key:{principal.key_id}",
                plate=parse_plate(request.plate) if request.plate else None,
                vin=request.vehicle.vin,
                fleet=request.vehicle.fleet_id or principal.fleet,
                autonomous=request.vehicle.autonomous,
                stay=timedelta(minutes=minutes) if minutes else None,
                tariff=self._offer.tariff,
                entry_lane=self._offer.entry_lane,
                code_key=self._offer.code_key,
                occupied=self._occupied(),
            )
        )

    async def end(self, principal: Principal, session: str) -> Session:
        """See `LotPort.end`."""
        actor = f"key:{principal.key_id}"
        return await self._ledger.submit(End(self._offer.lot, actor, session))

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
        if lot != self._offer.lot:
            raise CallRefusedError(
                ErrorCode.NOT_FOUND, f"this is the lot {self._offer.lot}", field="lot_id"
            )
