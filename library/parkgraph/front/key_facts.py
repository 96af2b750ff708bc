"""The keys that a side knows, as its ledger has them, held in memory."""

import asyncio
from collections.abc import Mapping
from typing import Final

from parkgraph.front.keys import KeyRing, KnownKey, known_key
from parkgraph.journal.changes import Changes
from parkgraph.journal.digests import sound
from parkgraph.journal.ledger import SQL
from parkgraph.model.records import KeyTerms
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.front", "key_facts.sql")
# Even where nobody said that there is more.
REFRESH_EVERY_SECONDS: Final = 60.0


class LedgerKeys:
    """The key that a program is configured with, and those that its ledger has under a name.

    Implements `KeyRing`. That name is the lot's, or `CLOUD`. A key that was revoked is not found,
    the configured one neither; whether one has expired is for the finder to see.
    """

    def __init__(self, configured: KeyRing, lot: str) -> None:
        """Know only `configured` before the first `refresh`."""
        self._configured = configured
        self._lot = lot
        self._known: Mapping[str, KnownKey] = {}
        self._barred: frozenset[str] = frozenset()
        self._read_up_to: tuple[int, int] | None = None
        self._turn = asyncio.Lock()

    def find(self, key_id: str) -> KnownKey | None:
        """See `KeyRing.find`."""
        if key_id in self._barred:
            return None
        return self._configured.find(key_id) or self._known.get(key_id)

    def is_configured(self, key_id: str) -> bool:
        """Say whether that is the key that the program is configured with."""
        return self._configured.find(key_id) is not None

    async def refresh(self, reader: Reader) -> None:
        """Know what is committed now. Costs little where nothing was recorded about keys.

        Raises:
            CorruptError: a key does not fit its digest.
        """
        # One after the other, so that what was read first is not kept last.
        async with self._turn:
            head = await reader.one(SQL["head"], {"stream": self._lot, "name": "head"})
            place = (int(head["epoch"]), int(head["seq"])) if head else (0, 0)
            if await self._is_outdated(reader, place):
                await self._read(reader)
            self._read_up_to = place

    async def follow(self, changes: Changes, reader: Reader) -> None:
        """Know what is committed, until cancelled."""
        with changes.follow(self._lot) as follower:
            while True:
                await self.refresh(reader)
                await follower.has_more(within_seconds=REFRESH_EVERY_SECONDS)

    async def _is_outdated(self, reader: Reader, place: tuple[int, int]) -> bool:
        before = self._read_up_to
        if before is None or before[0] != place[0]:
            return True
        if before == place:
            return False
        parameters = {"stream": self._lot, "epoch": before[0], "seq": before[1]}
        return await reader.one(_SQL["key_row_after"], parameters) is not None

    async def _read(self, reader: Reader) -> None:
        of_lot = {"lot": self._lot}
        keys = sound(await reader.all(SQL["keys_of"], of_lot))
        barred = sound(await reader.all(SQL["barred_keys_of"], of_lot))
        self._known = {
            row["key"]: known_key(row["key"], KeyTerms.model_validate_json(row["terms"]))
            for row in keys
        }
        self._barred = frozenset(row["key"] for row in barred)
