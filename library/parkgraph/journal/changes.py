"""Wakes those who follow what happens at a lot: one look for all of them, however many they are."""

import asyncio
import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Final

from parkgraph.journal.chain import stream_of_cloud
from parkgraph.model.errors import CallRefusedError, ErrorCode
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader

_SQL: Final = load_queries("parkgraph.journal", "changes.sql")

LOOK_EVERY_SECONDS: Final = 0.2
MOST_CALLERS: Final = 100

_Place = tuple[int, int]


class Follower:
    """Somebody who waits for more of a lot's two streams."""

    def __init__(self, lot: str) -> None:
        """Wait for more of `lot`; the first wait ends with the first look."""
        self.streams = (lot, stream_of_cloud(lot))
        self._seen: tuple[_Place | None, ...] = ()
        self._woken = asyncio.Event()

    async def has_more(self, *, within_seconds: float) -> bool:
        """Wait until either stream has grown since the last wait; say whether one has."""
        try:
            async with asyncio.timeout(within_seconds):
                await self._woken.wait()
        except TimeoutError:
            return False
        self._woken.clear()
        return True

    def look(self, heads: Mapping[str, _Place]) -> None:
        """Wake whoever waits where one of `heads` is another than at the last look."""
        seen = tuple(heads.get(stream) for stream in self.streams)
        if seen != self._seen:
            self._seen = seen
            self._woken.set()


class Changes:
    """Looks at how far the streams have come that somebody follows."""

    def __init__(self, reader: Reader, clock: Clock) -> None:
        """Look through `reader`; `clock` is for who tells of what was seen."""
        self.clock = clock
        self._reader = reader
        self._followers: dict[Follower, None] = {}  # in their order, always the same
        self._is_followed = asyncio.Event()
        self._callers = 0

    async def run(self) -> None:
        """Look again and again while somebody follows."""
        while True:
            await self._is_followed.wait()
            heads = await self._heads()
            for follower in self._followers:
                follower.look(heads)
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    @contextlib.contextmanager
    def follow(self, lot: str) -> Iterator[Follower]:
        """Let a part of this program follow `lot` for as long as the context lasts."""
        follower = Follower(lot)
        self._followers[follower] = None
        self._is_followed.set()
        try:
            yield follower
        finally:
            del self._followers[follower]
            if not self._followers:
                self._is_followed.clear()

    @contextlib.contextmanager
    def follow_for_caller(self, lot: str) -> Iterator[Follower]:
        """Let a caller follow `lot` for as long as the context lasts.

        Raises:
            CallRefusedError: as many callers follow already as there may be.
        """
        if self._callers >= MOST_CALLERS:
            raise CallRefusedError(
                ErrorCode.UNAVAILABLE,
                f"{MOST_CALLERS} streams of events are open already; read the session now and then"
                " instead, or try again later",
            )
        self._callers += 1
        try:
            with self.follow(lot) as follower:
                yield follower
        finally:
            self._callers -= 1

    async def _heads(self) -> dict[str, _Place]:
        streams = sorted({s for follower in self._followers for s in follower.streams})
        rows = await self._reader.all(_SQL["heads"], {"streams": json.dumps(streams)})
        return {row["stream"]: (row["epoch"], row["seq"]) for row in rows}
