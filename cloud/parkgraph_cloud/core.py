"""The parts of the cloud core, put together."""

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine
from typing import Any, Final

import structlog

from parkgraph.front.key_facts import LedgerKeys
from parkgraph.front.keys import KeyRing
from parkgraph.journal.answers import forget_answers
from parkgraph.journal.chain import CLOUD
from parkgraph.journal.changes import Changes
from parkgraph.journal.ledger import Moment
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.allotments import Allotments
from parkgraph_cloud.asking import forget_asks
from parkgraph_cloud.fleet import FleetView, Surroundings
from parkgraph_cloud.links import Connect, LotLinks
from parkgraph_cloud.lot_keys import LotKeys

log = structlog.get_logger(__name__)

# So that more is forgotten than is answered.
FORGET_EVERY_SECONDS: Final = 1.0


class Core:
    """All that works on the cloud's database."""

    def __init__(
        self,
        writer: Writer,
        reader: Reader,
        *,
        configured: KeyRing,
        clock: Clock,
        random: Callable[[int], bytes],
    ) -> None:
        """Work through `writer` and `reader`; `configured` is the key that needs no ledger."""
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self.links = LotLinks(
            writer, reader, clock=clock, moment=lambda: Moment(clock.now(), random)
        )
        self.allotments = Allotments(writer, reader, clock=clock, random=random)
        self.changes = Changes(reader, clock)
        self.keys = LedgerKeys(configured, CLOUD)
        self.lot_keys = LotKeys(reader, self.allotments.ledger)
        self.fleet = FleetView(
            Surroundings(
                reader=reader,
                ledger_of=self.allotments.ledger,
                changes=self.changes,
                keys=self.keys,
                lot_keys=self.lot_keys,
                clock=clock,
                is_connected=lambda: self.links.is_connected,
            )
        )

    async def ready(self) -> None:
        """Read what has to be known before the first call."""
        await self.keys.refresh(self._reader)

    def loops(self, connect: Connect) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what runs until the program ends; lots are reached by what `connect` gives."""
        return {
            "links": self.links.keep_up(connect),
            "allotments": self.allotments.run(),
            "changes": self.changes.run(),
            "keys": self.keys.follow(self.changes, self._reader),
            "keys of lots": self.lot_keys.run(),
            "forgetting": self._keep_forgetting(),
            "database": self._writer.run(),
        }

    async def _keep_forgetting(self) -> None:
        """Forget answers that nobody asks for any more."""

        def forget(connection: sqlite3.Connection) -> None:
            forget_answers(connection, self._clock.now())
            forget_asks(connection, self._clock.now())

        while True:
            try:
                await self._writer.submit(forget)
            except UnavailableError as error:
                log.warning("answers_not_forgotten", reason=str(error))
            await asyncio.sleep(FORGET_EVERY_SECONDS)
