"""The cloud behind `/api/v1`: what every lot's journal says of a fleet's stays."""

from parkgraph.journal.facts import find_session, find_sessions_of_fleet
from parkgraph.model.sessions import Session
from parkgraph.runtime.sqlite import Reader


class FleetView:
    """Implements `parkgraph.front.operations.Port`."""

    def __init__(self, reader: Reader) -> None:
        """Read through `reader`."""
        self._reader = reader

    async def session(self, session: str) -> Session | None:
        """See `Port.session`."""
        return await find_session(self._reader, session)

    async def sessions_of_fleet(self, fleet: str, *, limit: int) -> list[Session]:
        """See `Port.sessions_of_fleet`."""
        return await find_sessions_of_fleet(self._reader, fleet, limit=limit)
