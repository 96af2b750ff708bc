"""The cloud behind `/api/v1`: what every lot's journal says of a fleet's stays, and its sales."""

from collections.abc import Callable
from datetime import timedelta

from parkgraph.front.operations import Principal
from parkgraph.journal.facts import find_session, find_sessions_of_fleet
from parkgraph.journal.ledger import Ledger
from parkgraph.model.api import SessionRequest
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.model.plates import parse_plate
from parkgraph.model.sessions import Session
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.sales import Cancel, Sell


class FleetView:
    """Implements `parkgraph.front.operations.SellingPort`."""

    def __init__(self, reader: Reader, ledger_of: Callable[[str], Ledger]) -> None:
        """Read through `reader`; sell in the ledger of what the cloud decides for a lot."""
        self._reader = reader
        self._ledger_of = ledger_of

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
        minutes = request.expected_duration_minutes
        return await self._ledger_of(request.lot_id).submit(
            Sell(
                lot=request.lot_id,
                key=principal.key_id,
                plate=parse_plate(request.plate) if request.plate else None,
                vin=request.vehicle.vin,
                fleet=request.vehicle.fleet_id or principal.fleet,
                autonomous=request.vehicle.autonomous,
                stay=timedelta(minutes=minutes) if minutes else None,
                request=idempotency,
            )
        )

    async def end(
        self, principal: Principal, session: str, *, idempotency: str | None = None
    ) -> Session:
        """See `SellingPort.end`. Once the vehicle has come, the lot decides."""
        stay = await find_session(self._reader, session)
        if stay is None:
            raise CallRefusedError(ErrorCode.NOT_FOUND, "there is no such session", field="session")
        cancel = Cancel(stay.lot, principal.key_id, session)
        return await self._ledger_of(stay.lot).submit(cancel)
