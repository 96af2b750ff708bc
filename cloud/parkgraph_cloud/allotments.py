"""Keeps every lot's allotments fresh; drops them where the cloud's clock cannot be trusted."""

import asyncio
import functools
import sqlite3
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import structlog

from parkgraph.journal.chain import CLOUD, stream_of_cloud
from parkgraph.journal.epochs import Ages, age, keep_short
from parkgraph.journal.ledger import JournalLedger, Moment
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.sales import LEAST_SLIP, SQL, Tend

log = structlog.get_logger(__name__)

TEND_EVERY_SECONDS: Final = 10.0


class ClockWatch:
    """Notices that the wall clock ran backwards: since the last look, or since before the start.

    It says so until `trust` is called, also after a restart.
    """

    def __init__(self, writer: Writer, clock: Clock) -> None:
        """Keep the newest time told in the database of `writer`."""
        self._writer = writer
        self._clock = clock
        self._before: tuple[datetime, float] | None = None
        self._is_wrong = False

    async def ran_backwards(self) -> bool:
        """Say whether it did since it was trusted last."""
        now, boot = self._clock.now(), self._clock.boot_seconds()
        expected = now
        if self._before:
            wall, then = self._before
            expected = wall + timedelta(seconds=boot - then)
        row = await self._writer.submit(lambda c: c.execute(SQL["newest_time"]).fetchone())
        newest = datetime.fromisoformat(row["newest"]) if row else now
        slip = max(expected, newest) - now
        if slip > LEAST_SLIP:
            log.error("clock_ran_backwards", seconds=slip.total_seconds())
            self._is_wrong = True
        self._before = now, boot
        if not self._is_wrong:
            await self._keep(now)
        return self._is_wrong

    async def trust(self) -> None:
        """Take what the clock tells now for the time: nothing that was asked for before is left."""
        if self._is_wrong:
            await self._keep(self._clock.now())
            self._is_wrong = False

    async def _keep(self, now: datetime) -> None:
        newest = {"newest": now.isoformat()}
        await self._writer.submit(
            lambda connection: connection.execute(SQL["put_newest_time"], newest)
        )


class Allotments:
    """Asks lots for spaces to sell before the cloud has none, and returns what it must not sell."""

    def __init__(
        self, writer: Writer, reader: Reader, *, clock: Clock, random: Callable[[int], bytes]
    ) -> None:
        """Decide in each lot's stream of directives, through `writer`."""
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._random = random
        self._watch = ClockWatch(writer, clock)
        self._ages = Ages(clock)

    def ledger(self, lot: str) -> JournalLedger:
        """Return the ledger of what the cloud decides for `lot`; `CLOUD`: for none of them."""
        stream = CLOUD if lot == CLOUD else stream_of_cloud(lot)
        return JournalLedger(self._writer, stream, clock=self._clock, random=self._random)

    async def run(self) -> None:
        """Tend until cancelled."""
        while True:
            try:
                await self.tend()
            except UnavailableError as error:
                log.warning("allotments_put_off", reason=str(error))
            await asyncio.sleep(TEND_EVERY_SECONDS)

    async def tend(self) -> None:
        """Look at every lot once."""
        is_wrong = await self._watch.ran_backwards()
        minutes = self._ages.minutes()
        for row in await self._reader.all(SQL["linked_lots"], {}):
            tend = Tend(row["lot"], is_clock_wrong=is_wrong, is_linked=bool(row["is_linked"]))
            ledger = self.ledger(row["lot"])
            await ledger.submit(tend)
            stream = stream_of_cloud(row["lot"])
            await self._writer.submit(
                functools.partial(
                    _keep_short, stream=stream, moment=ledger.moment(), minutes=minutes
                )
            )
        await self._watch.trust()


def _keep_short(connection: sqlite3.Connection, stream: str, moment: Moment, minutes: int) -> None:
    age(connection, stream, minutes)
    keep_short(connection, stream, moment)
