"""HTTP connections that nobody can hold on to: uvicorn's, with deadlines and limits.

Stock uvicorn waits for ever for the rest of a head or of a body, and one byte now and then is
enough to keep the keep-alive timer away. Here every stage but the answering has a deadline, which
counts from when the stage began, whatever comes meanwhile.

Whoever is too slow or sends too large a head is cut off without an answer: an answer would have
to be written to somebody who may not read it.

Read for this: uvicorn 0.30.0, 0.38.0 and 0.54.0. Their `HttpToolsProtocol` has the same hooks, and
calls `on_response_complete` once for each request that was answered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from parkgraph.runtime.corked import Corked
from parkgraph.runtime.errors import RefusedError

log = structlog.get_logger(__name__)

HEAD_SECONDS: Final = 10.0
BODY_SECONDS: Final = 30.0
IDLE_SECONDS: Final = 30.0
UNREAD_SECONDS: Final = 30.0
LONGEST_HEAD: Final = 32 * 1024
MOST_HEADER_LINES: Final = 100
# With those that wait to be accepted, under the 1,024 open files that a process usually may have.
MOST_CONNECTIONS: Final = 512
LOOK_EVERY_SECONDS: Final = 1.0

Answer = tuple[Sequence[tuple[bytes, bytes]], bytes]
"""The headers of an answer and its body."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one server takes of its callers. A deadline is kept to within one look.

    `head_seconds` count from accept, before any handshake of TLS, or from the first byte after the
    last answer, to the whole head; `body_seconds` from there to the whole body; `idle_seconds` from
    an answer to the next byte; `unread_seconds` from when what is written stays unread.
    `head_bytes` limit trailers too, and may be exceeded by as much again where a head begins behind
    another request.
    """

    head_seconds: float = HEAD_SECONDS
    body_seconds: float = BODY_SECONDS
    idle_seconds: float = IDLE_SECONDS
    unread_seconds: float = UNREAD_SECONDS
    head_bytes: int = LONGEST_HEAD
    header_lines: int = MOST_HEADER_LINES
    connections: int = MOST_CONNECTIONS
    look_every_seconds: float = LOOK_EVERY_SECONDS


LIMITS: Final = Limits()


class Stage(Enum):
    """What a connection waits for."""

    HEAD = auto()  # for the rest of a head, or of a body that was answered before it was whole
    BODY = auto()  # for the rest of one that is to be answered
    ANSWER = auto()  # as long as it takes: streams have no end
    UNREAD = auto()  # for its caller to read what it was sent
    IDLE = auto()  # for the next request; nothing has come since the last answer


# Who makes room for a newcomer, the oldest of them first. The others are being served.
_GIVE_WAY: Final = (Stage.HEAD, Stage.IDLE, Stage.UNREAD)


class OpenConnections:
    """All connections of one server: by what they wait for, and since when."""

    def __init__(self, limits: Limits, malformed: Callable[[], Answer] | None = None) -> None:
        """Keep to `limits`; answer what is no HTTP with what `malformed` returns, and 400."""
        self.limits = limits
        self.malformed = malformed
        self._seconds: Final[Mapping[Stage, float]] = {
            Stage.HEAD: limits.head_seconds,
            Stage.BODY: limits.body_seconds,
            Stage.UNREAD: limits.unread_seconds,
            Stage.IDLE: limits.idle_seconds,
        }
        # Each has its oldest first, as whoever comes to a stage is put at the end.
        self._since: Final[dict[Stage, dict[Connection, float]]] = {stage: {} for stage in Stage}
        self._is_looking = False
        self._cut: Counter[str] = Counter()

    def admit(self, connection: "Connection") -> None:
        """Take a new connection in, in another's place where all are taken, or cut it off."""
        if sum(map(len, self._since.values())) >= self.limits.connections:
            other = self._who_gives_way()
            self.cut(other or connection, "crowded_out")
            if other is None:
                return
        self._since[connection.stage][connection] = connection.loop.time()
        self._look_later(connection.loop)

    def move(self, connection: "Connection", stage: Stage) -> None:
        """Begin a stage of `connection`, and so its deadline; nothing for one that was cut off."""
        if self._since[connection.stage].pop(connection, None) is not None:
            connection.stage = stage
            self._since[stage][connection] = connection.loop.time()

    def remove(self, connection: "Connection") -> None:
        """Forget a connection that has ended."""
        self._since[connection.stage].pop(connection, None)

    def cut(self, connection: "Connection", why: str) -> None:
        """End a connection now, whatever it has not read."""
        self.remove(connection)
        self._cut[why] += 1
        connection.transport.abort()

    def _who_gives_way(self) -> "Connection | None":
        return next((one for stage in _GIVE_WAY for one in self._since[stage]), None)

    def _look_later(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._is_looking:
            self._is_looking = True
            loop.call_later(self.limits.look_every_seconds, self._look, loop)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        """Cut off all that are too late. One timer for all, which runs while there are any."""
        now = loop.time()
        for stage, seconds in self._seconds.items():
            for connection, since in tuple(self._since[stage].items()):
                if now - since < seconds:
                    break
                self.cut(connection, f"late_{stage.name.lower()}")
        for connection in tuple(self._since[Stage.ANSWER]):
            # What was given up inside an answer ends once its caller has read that far, or never.
            if connection.transport.is_closing():
                self.move(connection, Stage.UNREAD)
        del self._cut["late_idle"]  # which is nobody's fault
        if self._cut:
            log.info("callers_cut_off", **self._cut)
            self._cut.clear()
        self._is_looking = False
        if any(self._since.values()):
            self._look_later(loop)


class Connection(HttpToolsProtocol):
    """One connection of a server."""

    all_open: ClassVar[OpenConnections]
    stage = Stage.HEAD
    # Requests whose answers are not out: the first is being answered, others are queued behind it.
    _asked = 0
    # Received since the parser last got any further.
    _unparsed = 0
    # The head of the newest request is whole, and its body is not.
    _is_in_body = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a head."""
        super().connection_made(Corked(transport, self.loop))
        self.all_open.admit(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self.all_open.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse `data`, in pieces that no head may exceed."""
        if self.stage is Stage.IDLE:
            self._wait_for(Stage.HEAD)
        longest = self.all_open.limits.head_bytes
        while data and not self.transport.is_closing():
            room = longest - self._unparsed
            piece, data = data[:room], data[room:]
            self._unparsed += len(piece)
            super().data_received(piece)
            if self._unparsed >= longest:
                self.all_open.cut(self, "long_head")

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one line of a head, or a trailer."""
        super().on_header(name, value)
        if len(self.headers) > self.all_open.limits.header_lines:
            self.all_open.cut(self, "many_header_lines")
            raise RefusedError("too many header lines")  # which stops the parser

    def on_headers_complete(self) -> None:
        """Begin the request; it is queued where another is being answered."""
        super().on_headers_complete()
        self._unparsed = 0
        self._is_in_body = True
        self._asked += 1
        if self._asked == 1:
            self._wait_for(Stage.BODY)

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that the request is whole."""
        super().on_message_complete()
        self._unparsed = 0
        self._is_in_body = False
        if self.stage is Stage.BODY:
            self._wait_for(Stage.ANSWER)
        elif not self._asked:
            self._wait_for(Stage.IDLE)

    def on_response_complete(self) -> None:
        """Go on with the request that is queued, or wait for the next."""
        super().on_response_complete()
        self._asked -= 1
        # `cycle` is the newest request: the one that is answered now, if it is the only one.
        if self._asked == 1 and self.cycle.more_body:
            self._wait_for(Stage.BODY)
        elif self._asked:
            self._wait_for(Stage.ANSWER)
        else:
            self._wait_for(Stage.IDLE)

    def send_400_response(self, msg: str) -> None:
        """Tell that what came is no HTTP, where that is what is to be answered next; and end."""
        if self.transport.is_closing():
            return
        is_answered = self._is_in_body and self.cycle.response_started
        if is_answered or self._asked > self._is_in_body:
            # Another answer is out, or is to come whole; in the midst of one this would be read as
            # a part of it.
            self.shutdown()
        elif self.all_open.malformed is None:
            super().send_400_response(msg)
        else:
            headers, body = self.all_open.malformed()
            lines = [*self.server_state.default_headers, *headers, (b"connection", b"close")]
            head = b"".join(b"%s: %s\r\n" % line for line in lines)
            self.transport.write(STATUS_LINE[400] + head + b"\r\n" + body)
            self.transport.close()

    def pause_writing(self) -> None:
        """Note that much of the answer is not read."""
        super().pause_writing()
        if self.stage is Stage.ANSWER:
            self._wait_for(Stage.UNREAD)

    def resume_writing(self) -> None:
        """Note that most of the answer was read."""
        super().resume_writing()
        if self.stage is Stage.UNREAD:
            self._wait_for(Stage.ANSWER)

    def _wait_for(self, stage: Stage) -> None:
        if stage is Stage.ANSWER and self.flow.write_paused:
            stage = Stage.UNREAD
        self.all_open.move(self, stage)


def within(limits: Limits, malformed: Callable[[], Answer] | None = None) -> type[Connection]:
    """Return the protocol for the connections of one server, which keep to `limits` together.

    What is no HTTP is answered with 400 and what `malformed` returns, or with a word of uvicorn's.
    """

    class OfOneServer(Connection):
        all_open = OpenConnections(limits, malformed)

    return OfOneServer
