"""Following a stay: server-sent events, and what to do when the connection is lost."""

import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Final

import httpx
from pydantic import ValidationError

from parkgraph.client.errors import (
    ParkGraphError,
    UnreachableError,
    UnreadableAnswerError,
    is_away,
)
from parkgraph.client.outside import Outside
from parkgraph.client.sides import Sides
from parkgraph.client.transport import Ask, chunks_of
from parkgraph.model.api import SessionEvent
from parkgraph.model.sessions import OPEN_STATES

LONGEST_LINE_BYTES: Final = 65_536
LONGEST_EVENT_BYTES: Final = 262_144
FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
# Without a connection for so long, the caller is told.
GIVE_UP_AFTER_SECONDS: Final = 600.0
MOST_REMEMBERED: Final = 100
SNAPSHOT: Final = "snapshot"

_LINE_END: Final = re.compile(rb"\r\n|\n|\r")
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event of a stream. `place` is the newest `id` of the stream, empty where it had none."""

    name: str
    data: str
    place: str


class EventParser:
    """Cuts what a stream sends, in chunks as they come, into events.

    Source: WHATWG HTML, 9.2.6, Interpreting an event stream. `retry` is not heeded.
    """

    def __init__(self) -> None:
        """Begin a stream."""
        self._unread = bytearray()
        self._is_first_line = True
        self._ended_with_return = False
        self._name = ""
        self._data: list[str] = []
        self._data_bytes = 0
        self._place = ""

    def feed(self, chunk: bytes) -> Iterator[ServerEvent]:
        """Return the events that are complete with `chunk`.

        Raises:
            UnreadableAnswerError: a line is longer than `LONGEST_LINE_BYTES`, or the data of an
                event than `LONGEST_EVENT_BYTES`; in the order of the stream.
        """
        for line in self._lines(chunk):
            event = self._take(line.decode("utf-8", errors="replace"), len(line))
            if event:
                yield event

    def _lines(self, chunk: bytes) -> Iterator[bytes]:
        if self._ended_with_return and chunk:
            chunk = chunk.removeprefix(b"\n")
            self._ended_with_return = False
        self._unread += chunk
        begin = 0
        for end in _LINE_END.finditer(self._unread):
            line = bytes(self._unread[begin : end.start()])
            _check_length(len(line), LONGEST_LINE_BYTES, "line")
            begin = end.end()
            # Its other half may be in the next chunk.
            self._ended_with_return = end[0] == b"\r" and begin == len(self._unread)
            if self._is_first_line:
                line = line.removeprefix(_BOM)
                self._is_first_line = False
            yield line
        del self._unread[:begin]
        _check_length(len(self._unread), LONGEST_LINE_BYTES, "line")

    def _take(self, line: str, size: int) -> ServerEvent | None:
        if not line:
            return self._complete()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data_bytes += size
            _check_length(self._data_bytes, LONGEST_EVENT_BYTES, "event")
            self._data.append(value)
        elif field == "event":
            self._name = value
        elif field == "id" and "\0" not in value:
            self._place = value
        return None

    def _complete(self) -> ServerEvent | None:
        name, data = self._name or "message", self._data
        self._name, self._data, self._data_bytes = "", [], 0
        return ServerEvent(name, "\n".join(data), self._place) if data else None


async def follow(sides: Sides, ask: Ask, outside: Outside) -> AsyncGenerator[SessionEvent, None]:
    """Return what happens to a stay until it is over, over as many connections as that takes.

    `ask` is for its stream. Raises: as `Sides.call`; `UnreachableError` later only where no
    connection was had for `GIVE_UP_AFTER_SECONDS`.
    """
    told, patience, is_over = _Told(), _Patience(outside.random), False
    while True:
        try:
            side, response = await sides.call(replace(ask, after=told.place))
            async with aclosing(_events(response)) as events:
                async for event, place in events:
                    patience.heard()
                    if event is None:
                        continue
                    is_over = event.session.state not in OPEN_STATES
                    sides.stays.note(event.session.id, event.session.lot_id, side)
                    if told.is_new(event.event, place):
                        yield event
            if is_over:
                return
            lost: ParkGraphError = UnreachableError(f"{response.url.host} ended the stream")
        except ParkGraphError as error:
            lost = error
        await outside.sleep(patience.pause_seconds(lost, outside.clock()))


class _Patience:
    """For how long to wait before the next connection: by chance, and longer each time."""

    def __init__(self, random: Callable[[], float]) -> None:
        self._random = random
        self._has_begun = False
        self._lost_at: float | None = None
        self._failures = 0

    def heard(self) -> None:
        """Note a sign of life."""
        self._has_begun, self._lost_at, self._failures = True, None, 0

    def pause_seconds(self, lost: ParkGraphError, now: float) -> float:
        """Return how long to wait after `lost`; raise it where that would not help."""
        self._lost_at = now if self._lost_at is None else self._lost_at
        is_in_vain = not self._has_begun or now - self._lost_at > GIVE_UP_AFTER_SECONDS
        if is_in_vain or not is_away(lost):
            raise lost
        longest = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(self._failures, 10))
        self._failures += 1
        return self._random() * longest


class _Told:
    """Which events were told; the other side may be behind, and tell of some again."""

    def __init__(self) -> None:
        self.place: str | None = None
        self._newest: deque[tuple[str, str]] = deque(maxlen=MOST_REMEMBERED)

    def is_new(self, name: str, place: str) -> bool:
        """Note an event; say whether it was not told before. A snapshot always is new."""
        self.place = place or None
        if place and name != SNAPSHOT:
            if (name, place) in self._newest:
                return False
            self._newest.append((name, place))
        return True


async def _events(
    response: httpx.Response,
) -> AsyncGenerator[tuple[SessionEvent | None, str], None]:
    """Return the events of one connection with their places, and None for each sign of life."""
    parser = EventParser()
    async with aclosing(chunks_of(response)) as chunks:
        async for chunk in chunks:
            yield None, ""
            for told in parser.feed(chunk):
                try:
                    yield SessionEvent.model_validate_json(told.data), told.place
                except ValidationError as error:
                    raise UnreadableAnswerError(
                        f"{response.url.host} sent an event that is none of a stay"
                    ) from error


def _check_length(length: int, most: int, what: str) -> None:
    if length > most:
        raise UnreadableAnswerError(f"a {what} of the stream is longer than {most} bytes")
