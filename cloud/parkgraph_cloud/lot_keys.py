"""Tells every lot which keys work there, and learns from lots what the cloud has forgotten."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import structlog

from parkgraph.journal.chain import CLOUD, stream_of_cloud
from parkgraph.journal.epochs import is_recovering
from parkgraph.journal.ledger import SQL as LEDGER
from parkgraph.journal.ledger import Decision, JournalLedger, Moment, read_head
from parkgraph.model.records import (
    AnyRecord,
    KeyIssued,
    KeyRevoked,
    KeyTerms,
    LotDescribed,
    Place,
    parse_record,
)
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.sqlite import Reader
from parkgraph_cloud.keys import SQL, HeedRevocations, in_json

log = structlog.get_logger(__name__)

TELL_EVERY_SECONDS: Final = 10.0
MOST_TOLD_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class TellKeys:
    """Tell a lot the keys that it does not know, and the revocations.

    Test keys are for synthetic lots, live ones for lots that take them. With a revocation goes how
    far the lot's journal is known here: what the key books after that is late.
    """

    lot: str
    actor: str = "cloud"

    def decide(self, connection: sqlite3.Connection, moment: Moment) -> Decision[int | None]:
        """Return how many records came of it; None where nothing can be decided for the lot now."""
        row = connection.execute(SQL["description"], {"lot": self.lot}).fetchone()
        if row is None or is_recovering(connection, stream_of_cloud(self.lot)):
            return Decision(None)
        described = parse_record(row["description"], None)
        assert isinstance(described, LotDescribed)
        parameters = {
            "cloud": CLOUD,
            "lot": self.lot,
            "takes_test": described.is_synthetic,
            "takes_live": described.takes_live_keys,
            "now": in_json(moment.at),
            "limit": MOST_TOLD_AT_ONCE,
        }
        head = read_head(connection, self.lot, "head")
        known = Place.model_validate(head.model_dump()) if head else None
        records: list[AnyRecord] = [
            KeyIssued(key=key["key"], terms=KeyTerms.model_validate_json(key["terms"]))
            for key in connection.execute(SQL["untold_keys"], parameters)
        ]
        records += [
            KeyRevoked(key=key["key"], known=known)
            for key in connection.execute(SQL["untold_revocations"], parameters)
        ]
        return Decision(len(records), records)


class LotKeys:
    """Compares what the cloud says of keys with what each lot was told, and tells the rest.

    So lots that are new, or were cut off, need no care of their own.
    """

    def __init__(self, reader: Reader, ledger_of: Callable[[str], JournalLedger]) -> None:
        """Decide in the ledgers that `ledger_of` gives: of a lot's directives, and of `CLOUD`."""
        self._reader = reader
        self._ledger_of = ledger_of
        self._level: dict[str, tuple[Any, str]] = {}
        self._is_due = asyncio.Event()

    def soon(self) -> None:
        """Tell now, and not only when it is time again."""
        self._is_due.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            self._is_due.clear()
            try:
                await self.tell()
            except UnavailableError as error:
                log.warning("keys_not_told", reason=str(error))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(TELL_EVERY_SECONDS):
                    await self._is_due.wait()

    async def tell(self) -> None:
        """Look at every lot once; what is left of very many keys is told the next time."""
        if await self._reader.one(SQL["revoked_at_lots"], {"cloud": CLOUD, "limit": 1}):
            keys = await self._ledger_of(CLOUD).submit(HeedRevocations())
            log.warning("revocations_learned_from_lots", keys=keys)
        head = await self._reader.one(LEDGER["head"], {"stream": CLOUD, "name": "head"})
        now = tuple(head) if head else None
        for row in await self._reader.all(SQL["lots"], {}):
            lot, state = row["lot"], (now, row["description"])
            if self._level.get(lot) == state:
                continue
            told = await self._ledger_of(lot).submit(TellKeys(lot))
            if told == 0:
                self._level[lot] = state
