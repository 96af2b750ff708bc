"""Reads the whole ledger again and again, a little at a time: damage shows before it is needed."""

import asyncio
import sqlite3
from typing import Final

import structlog

from parkgraph.journal.digests import damaged
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.audit import AUDIT, UNREADABLE, Answer, Fault, Tally, examine, live_fault

log = structlog.get_logger(__name__)

FIRST_AFTER_SECONDS: Final = 10.0
# 100 rows a second: below a hundredth of a processor, and eight million rows a day.
SLICE_EVERY_SECONDS: Final = 0.5
PASS_EVERY_SECONDS: Final = 86400.0


class Scrub:
    """Looks at every row of journal and facts once a day.

    A damaged row on which the lot may decide next ends the writer, as it would when it is used; the
    next start finds it too and opens exits alone. Damage to what is past stops nobody: it is logged
    and told as `trouble` until a pass finds all well, because nothing is decided on it and the
    cloud has its own copy of what it acknowledged.
    """

    def __init__(self, lot: str, writer: Writer, reader: Reader) -> None:
        """Look through the ledger of `lot`, read through `reader`."""
        self._lot = lot
        self._writer = writer
        self._reader = reader
        self.trouble: str | None = None
        self.passes = 0

    async def run(self) -> None:
        """Look until cancelled."""
        await asyncio.sleep(FIRST_AFTER_SECONDS)
        loop = asyncio.get_running_loop()
        while True:
            began = loop.time()
            await self.look()
            self.passes += 1
            await asyncio.sleep(max(0.0, began + PASS_EVERY_SECONDS - loop.time()))

    async def look(self) -> None:
        """Look at every row once."""
        faults, tally = 0, Tally()
        examination = examine(tally)
        step = next(examination, None)
        while step is not None:
            answer: Answer = ()
            if isinstance(step, Fault):
                faults += 1
                await self._tell(step, faults)
            else:
                await asyncio.sleep(SLICE_EVERY_SECONDS)
                answer = await self._read(step.query, step.parameters)
            try:
                step = examination.send(answer)
            except StopIteration:
                step = None
        if not faults:
            self.trouble = None
        log.info("ledger_scrubbed", rows=sum(tally.rows.values()), faults=faults)

    async def _read(self, query: str, parameters: dict[str, object]) -> Answer:
        try:
            return await self._reader.all(AUDIT[query], parameters)
        except UNREADABLE as error:  # a page that cannot be read is what is looked for
            return error

    async def _tell(self, fault: Fault, number: int) -> None:
        """Say what was found; end the writer where the lot may need it."""
        log.error("ledger_fault", what=fault.what)
        more = f", and {number - 1} more" if number > 1 else ""
        self.trouble = f"damaged: {fault.what}{more}; see `parkgraph-edge journal verify`"
        if fault.is_fact:
            try:
                await self._writer.submit(self._end_if_needed, urgent=True)
            except UnavailableError as error:
                log.warning("ledger_fault_not_judged", reason=str(error))

    def _end_if_needed(self, connection: sqlite3.Connection) -> None:
        if fault := live_fault(connection, self._lot):
            raise damaged(fault)
