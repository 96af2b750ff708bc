"""Watches what is lent: takes it back in time, and finds another space for one that is lost."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

import structlog

from parkgraph.journal.digests import sound
from parkgraph.journal.ledger import Ledger
from parkgraph.model.loans import reclaimed_after
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph_edge.store.directives import ReclaimAllotments, ReplaceLostSpaces
from parkgraph_edge.store.facts import SQL

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 10.0


class Loans:
    """Counts each loan on the boot clock, from when it was seen; after a boot anew.

    So a lent space comes back later than the cloud stops to sell it, whatever the clocks say.
    """

    def __init__(
        self,
        lot: str,
        ledger: Ledger,
        reader: Reader,
        *,
        occupied: Callable[[], frozenset[str]],
        clock: Clock,
    ) -> None:
        """Watch the loans of `lot`, read through `reader`; decide in `ledger`."""
        self._lot = lot
        self._ledger = ledger
        self._reader = reader
        self._occupied = occupied
        self._clock = clock
        self._due_at: dict[tuple[str, str], float] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except UnavailableError as error:
                log.warning("loans_put_off", reason=str(error))
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Take back what is due, and give other spaces for those that are lost."""
        now = self._clock.boot_seconds()
        rows = sound(await self._reader.all(SQL["allotments"], {"lot": self._lot}))
        lent = {
            (row["session"], row["lent_asked_at"]): now
            + reclaimed_after(timedelta(seconds=row["lent_seconds"])).total_seconds()
            for row in rows
        }
        self._due_at = {loan: self._due_at.get(loan, due_at) for loan, due_at in lent.items()}
        due = dict(loan for loan, due_at in self._due_at.items() if now >= due_at)
        if due:
            count = await self._ledger.submit(ReclaimAllotments(self._lot, due))
            log.info("allotments_reclaimed", count=count)
        lost = await self._ledger.submit(ReplaceLostSpaces(self._lot, self._occupied()))
        if lost:
            log.warning("lost_spaces_replaced", records=lost)
