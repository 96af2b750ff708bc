"""Callers that are slow, silent or too large, beside honest ones: a real server, real sockets."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Final, cast

import pytest
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from parkgraph.runtime.connections import (
    MOST_CONNECTIONS,
    Connection,
    Limits,
    OpenConnections,
    Stage,
)
from parkgraph.runtime.web import listen, serve
from tests import callers
from tests.callers import (
    DRIP_SECONDS,
    LIMITS,
    PAGE,
    PATIENCE_SECONDS,
    SHORT_SECONDS,
    connected,
)

pytestmark = pytest.mark.both_loops

GET: Final = b"GET / HTTP/1.1\r\nHost: lot\r\n\r\n"
HALF_A_HEAD: Final = b"GET / HTTP/1.1\r\nHost: lot\r\nX-Slow: "
HALF_A_BODY: Final = b"POST /read HTTP/1.1\r\nHost: lot\r\nContent-Length: 100000\r\n\r\nab"
ENDLESS_TRAILERS: Final = (
    b"POST /read HTTP/1.1\r\nHost: lot\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: "
)


class App:
    """What is served, and what its handlers saw."""

    def __init__(self) -> None:
        self.in_flight = asyncio.Event()
        self.go_on = asyncio.Event()
        self.disconnected = asyncio.Event()
        self.stream_ended = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._hello),
                Route("/page", self._page),
                Route("/large", self._large),
                Route("/read", self._read, methods=["POST"]),
                Route("/refuse", self._hello, methods=["POST"]),
                Route("/wait", self._wait),
                Route("/events", self._events),
                Route("/flood", self._flood),
            ]
        )

    async def _hello(self, _: Request) -> Response:
        return PlainTextResponse("hello")

    async def _page(self, _: Request) -> Response:
        return Response(PAGE)

    async def _large(self, _: Request) -> Response:
        return Response(PAGE * 100)

    async def _read(self, request: Request) -> Response:
        self.in_flight.set()
        try:
            return PlainTextResponse(f"{len(await request.body())} bytes")
        except ClientDisconnect:
            self.disconnected.set()
            raise

    async def _wait(self, _: Request) -> Response:
        self.in_flight.set()
        await self.go_on.wait()
        return PlainTextResponse("waited")

    async def _events(self, _: Request) -> Response:
        async def events() -> AsyncIterator[str]:
            while True:
                yield "data: beat\n\n"
                await asyncio.sleep(DRIP_SECONDS)

        return StreamingResponse(events(), media_type="text/event-stream")

    async def _flood(self, _: Request) -> Response:
        async def pages() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield PAGE
                    await asyncio.sleep(0)
            finally:
                self.stream_ended.set()

        return StreamingResponse(pages())


class Served(App):
    """A server that runs."""

    def __init__(self, port: int) -> None:
        super().__init__()
        self.port = port
        self.task: asyncio.Task[None] | None = None

    @contextlib.asynccontextmanager
    async def caller(self) -> AsyncIterator["Caller"]:
        async with connected(self.port) as (reader, writer):
            yield Caller(reader, writer)

    @contextlib.contextmanager
    def silent_socket(self) -> Iterator[socket.socket]:
        """A connection of which nothing is read; what it holds unread is little."""
        with socket.socket() as silent:
            silent.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            silent.connect(("127.0.0.1", self.port))
            silent.setblocking(False)
            yield silent

    def stop(self) -> None:
        assert self.task
        self.task.cancel()


class Caller(callers.Caller):
    """One connection to the server."""

    async def answer(self) -> tuple[int, bytes]:
        """Return status and body of the next answer."""
        head, body = await self.head_and_body()
        return int(head[9:12]), body

    async def ask(self, request: bytes = GET) -> tuple[int, bytes]:
        self.send(request)
        return await self.answer()

    async def line(self) -> bytes:
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.readline()

    async def part(self) -> bytes:
        """Return some of what came; nothing where the other side has hung up."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self.reader.read(1_000_000)


@contextlib.asynccontextmanager
async def served(limits: Limits = LIMITS) -> AsyncIterator[Served]:
    listener = listen("127.0.0.1", 0)
    server = Served(listener.getsockname()[1])
    async with asyncio.TaskGroup() as group:
        server.task = group.create_task(
            serve(server.app, listener, limits=limits, finish_within_seconds=30)
        )
        yield server
        server.stop()


async def happens(event: asyncio.Event) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        await event.wait()


async def until_reset(silent: socket.socket) -> None:
    """Wait until the other side has reset a connection of which nothing is read."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        with contextlib.suppress(ConnectionError):
            while True:
                with contextlib.suppress(BlockingIOError):
                    silent.send(b"\r")  # to find out
                await asyncio.sleep(DRIP_SECONDS)


@pytest.mark.parametrize("sent", [b"", b"G", HALF_A_HEAD, b"\r\n\r\n"])
async def test_a_caller_that_falls_silent_before_its_head_is_whole_is_cut_off(sent: bytes) -> None:
    async with served(replace(LIMITS, head_seconds=SHORT_SECONDS)) as server:
        began = time.monotonic()
        async with server.caller() as caller:
            caller.send(sent)

            answered = await caller.until_cut_off()

        assert answered == b""
        assert time.monotonic() - began >= SHORT_SECONDS


@pytest.mark.parametrize("begin", [HALF_A_HEAD, b""])
async def test_one_byte_now_and_then_does_not_extend_the_time_for_a_head(begin: bytes) -> None:
    async with (
        served(replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
        asyncio.TaskGroup() as group,
    ):
        caller.send(begin)
        dripping = group.create_task(caller.drip(b"\r\n" * 10_000 if not begin else b"x" * 10_000))

        assert await caller.until_cut_off() == b""
        dripping.cancel()


async def test_a_head_after_an_answer_has_the_time_of_a_head() -> None:
    async with (
        served(replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
        asyncio.TaskGroup() as group,
    ):
        await caller.ask()
        dripping = group.create_task(caller.drip(HALF_A_HEAD + b"x" * 10_000))

        assert await caller.until_cut_off() == b""
        dripping.cancel()


async def test_a_dripped_body_is_cut_off_and_its_handler_told() -> None:
    async with (
        served(replace(LIMITS, body_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
        asyncio.TaskGroup() as group,
    ):
        caller.send(HALF_A_BODY)
        dripping = group.create_task(caller.drip(b"x" * 10_000))

        assert await caller.until_cut_off() == b""
        dripping.cancel()
        await happens(server.disconnected)


async def test_a_queued_request_s_body_has_its_time_from_when_its_turn_has_come() -> None:
    async with (
        served(replace(LIMITS, body_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
    ):
        caller.send(GET.replace(b"/ ", b"/wait ") + HALF_A_BODY)
        await happens(server.in_flight)
        await asyncio.sleep(2 * SHORT_SECONDS)
        turn = time.monotonic()
        server.go_on.set()

        assert await caller.answer() == (200, b"waited")
        assert await caller.until_cut_off() == b""
        assert time.monotonic() - turn >= SHORT_SECONDS


async def test_a_body_that_is_answered_already_is_not_waited_for_longer_than_a_head() -> None:
    async with (
        served(replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
        asyncio.TaskGroup() as group,
    ):
        answer = await caller.ask(HALF_A_BODY.replace(b"/read", b"/refuse"))
        dripping = group.create_task(caller.drip(b"x" * 10_000))

        assert answer == (200, b"hello")
        assert await caller.until_cut_off() == b""
        dripping.cancel()


@pytest.mark.parametrize("begin", [HALF_A_HEAD, ENDLESS_TRAILERS, b"GET /"])
async def test_a_head_that_is_too_long_is_cut_off(begin: bytes) -> None:
    async with served() as server, server.caller() as caller:
        caller.send(begin + b"x" * 2 * LIMITS.head_bytes)

        assert await caller.until_cut_off() == b""


async def test_a_whole_head_that_is_too_long_is_not_answered() -> None:
    async with served() as server, server.caller() as caller:
        caller.send(HALF_A_HEAD + b"x" * LIMITS.head_bytes + b"\r\n\r\n")

        assert await caller.until_cut_off() == b""


async def test_the_longest_head_is_answered_each_time() -> None:
    begin = b"POST /read HTTP/1.1\r\nHost: lot\r\nContent-Length: 2\r\nX-Long: "
    longest = begin + b"x" * (LIMITS.head_bytes - len(begin) - 4) + b"\r\n\r\n"
    async with served() as server, server.caller() as caller:
        answers = [await caller.ask(longest + b"ab") for _ in range(3)]

    assert answers == [(200, b"2 bytes")] * 3


async def test_a_body_may_be_longer_than_a_head() -> None:
    body = b"x" * 10 * LIMITS.head_bytes
    head = f"POST /read HTTP/1.1\r\nHost: lot\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served() as server, server.caller() as caller:
        answer = await caller.ask(head + body)

    assert answer == (200, f"{len(body)} bytes".encode())


def a_head_of(lines: int, path: str) -> bytes:
    begin = f"GET {path} HTTP/1.1\r\nHost: lot\r\n"
    return begin.encode() + b"A: b\r\n" * (lines - 1) + b"\r\n"


async def test_a_head_of_too_many_lines_is_cut_off_and_nothing_done() -> None:
    async with served() as server, server.caller() as caller:
        assert await caller.ask(a_head_of(LIMITS.header_lines, "/")) == (200, b"hello")

        caller.send(a_head_of(LIMITS.header_lines + 1, "/wait"))

        assert await caller.until_cut_off() == b""
        assert not server.in_flight.is_set()
        server.go_on.set()


async def test_a_connection_that_is_not_used_again_is_closed() -> None:
    async with served(replace(LIMITS, idle_seconds=SHORT_SECONDS)) as server:
        began = time.monotonic()
        async with server.caller() as caller:
            await caller.ask()

            assert await caller.until_cut_off() == b""
            assert time.monotonic() - began >= SHORT_SECONDS


@pytest.mark.parametrize("body", [b"", b"ab"])
async def test_a_connection_may_be_idle_for_longer_than_a_head_may_take(body: bytes) -> None:
    refused = b"POST /refuse HTTP/1.1\r\nHost: lot\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with (
        served(replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
    ):
        assert await caller.ask(refused) == (200, b"hello")
        caller.send(body)
        await asyncio.sleep(3 * SHORT_SECONDS)

        assert await caller.ask() == (200, b"hello")


async def test_a_connection_that_is_used_outlives_all_deadlines() -> None:
    short = Limits(SHORT_SECONDS, SHORT_SECONDS, 60, 60, look_every_seconds=0.02)
    async with served(short) as server, server.caller() as caller:
        until_late = time.monotonic() + 3 * SHORT_SECONDS
        while time.monotonic() < until_late:
            assert await caller.ask() == (200, b"hello")
            await asyncio.sleep(DRIP_SECONDS)


async def test_a_slow_caller_within_its_time_is_answered() -> None:
    async with served() as server, server.caller() as caller:
        await caller.drip(b"POST /read HTTP/1.1\r\nHost: lot\r\nContent-Length: 2\r\n\r\nab")

        assert await caller.answer() == (200, b"2 bytes")


async def test_a_stream_of_events_outlives_all_deadlines() -> None:
    short = Limits(SHORT_SECONDS, SHORT_SECONDS, SHORT_SECONDS, 60, look_every_seconds=0.02)
    async with served(short) as server, server.caller() as caller:
        caller.send(GET.replace(b"/ ", b"/events ") + HALF_A_HEAD)
        until_late = time.monotonic() + 3 * SHORT_SECONDS
        while time.monotonic() < until_late:
            assert await caller.line()

        lines_of_a_chunk = [await caller.line() for _ in range(4)]
        assert b"data: beat\n" in lines_of_a_chunk


async def test_a_stream_that_nobody_reads_is_ended() -> None:
    async with served(replace(LIMITS, unread_seconds=SHORT_SECONDS)) as server:
        with server.silent_socket() as silent:
            silent.send(GET.replace(b"/ ", b"/flood "))

            await happens(server.stream_ended)
            await until_reset(silent)


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
async def test_an_answer_that_nobody_reads_is_not_kept(more: bytes) -> None:
    # To find out, something is sent, with which a head begins where the connection is kept.
    short = replace(LIMITS, idle_seconds=SHORT_SECONDS, head_seconds=SHORT_SECONDS)
    async with served(short) as server:
        with server.silent_socket() as silent:
            silent.send(b"GET /large HTTP/1.1\r\nHost: lot\r\n" + more + b"\r\n")

            await until_reset(silent)


async def test_a_stream_goes_on_once_what_came_before_it_was_read() -> None:
    unread_seconds = 3 * SHORT_SECONDS
    async with (
        served(replace(LIMITS, unread_seconds=unread_seconds)) as server,
        server.caller() as caller,
    ):
        caller.send(GET.replace(b"/ ", b"/large ") + GET.replace(b"/ ", b"/events "))
        until_late = time.monotonic() + 2 * unread_seconds
        while time.monotonic() < until_late:
            assert await caller.part()


class GivenUp:
    """A connection whose handler broke inside its answer, and whose caller reads nothing."""

    def __init__(self) -> None:
        self.stage = Stage.HEAD
        self.loop = asyncio.get_running_loop()
        self.transport = self
        self.is_cut_off = asyncio.Event()

    def is_closing(self) -> bool:
        return True

    def abort(self) -> None:
        self.is_cut_off.set()


async def test_an_answer_that_was_given_up_and_that_nobody_reads_is_not_kept() -> None:
    given_up = GivenUp()
    connection = cast(Connection, given_up)
    all_open = OpenConnections(replace(LIMITS, unread_seconds=SHORT_SECONDS))

    all_open.admit(connection)
    all_open.move(connection, Stage.ANSWER)

    await happens(given_up.is_cut_off)


async def test_who_asks_and_asks_and_never_reads_is_cut_off() -> None:
    async with served(replace(LIMITS, unread_seconds=SHORT_SECONDS)) as server:
        with server.silent_socket() as silent:
            silent.send(GET.replace(b"/ ", b"/page ") * 500)

            await until_reset(silent)


@pytest.mark.parametrize("connections", [MOST_CONNECTIONS, 64])
async def test_400_half_open_callers_keep_no_honest_one_out(connections: int) -> None:
    async with (
        served(replace(LIMITS, connections=connections)) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        for sent in [b"", b"G", HALF_A_HEAD, b"\r\n"] * 100:
            half_open = await stack.enter_async_context(server.caller())
            half_open.send(sent)

        for _ in range(50):
            async with server.caller() as caller:
                assert [await caller.ask() for _ in range(2)] == [(200, b"hello")] * 2


async def test_the_oldest_without_a_head_makes_room_and_then_the_oldest_idle_one() -> None:
    async with (
        served(replace(LIMITS, connections=3)) as server,
        server.caller() as idle,
        server.caller() as first,
        server.caller() as second,
    ):
        await idle.ask()
        first.send(b"G")
        async with server.caller() as third:
            assert await third.ask() == (200, b"hello")
            assert await first.until_cut_off() == b""
            assert await idle.ask() == (200, b"hello")
            assert await second.ask() == (200, b"hello")
            async with server.caller() as fourth:
                assert await fourth.ask() == (200, b"hello")
                assert await third.until_cut_off() == b""
                assert await idle.ask() == (200, b"hello")
                assert await second.ask() == (200, b"hello")


async def test_where_all_are_being_served_a_newcomer_is_cut_off_and_nobody_else() -> None:
    async with served(replace(LIMITS, connections=1)) as server, server.caller() as caller:
        caller.send(GET.replace(b"/ ", b"/wait "))
        await happens(server.in_flight)
        async with server.caller() as newcomer:
            newcomer.send(GET)
            assert await newcomer.until_cut_off() == b""
        server.go_on.set()

        assert await caller.answer() == (200, b"waited")


async def test_who_hangs_up_leaves_room() -> None:
    async with served(replace(LIMITS, connections=1)) as server:
        async with server.caller() as gone:
            gone.send(HALF_A_BODY)
            await happens(server.in_flight)
        await happens(server.disconnected)

        async with server.caller() as caller:
            assert await caller.ask() == (200, b"hello")


async def test_a_stop_finishes_what_is_in_flight_and_nothing_else() -> None:
    async with (
        served() as server,
        server.caller() as in_flight,
        server.caller() as idle,
        server.caller() as half_open,
    ):
        await idle.ask()
        half_open.send(HALF_A_HEAD)
        in_flight.send(GET.replace(b"/ ", b"/wait "))
        await happens(server.in_flight)

        server.stop()

        assert await idle.until_cut_off() == b""
        assert await half_open.until_cut_off() == b""
        server.go_on.set()
        assert await in_flight.answer() == (200, b"waited")
        assert await in_flight.until_cut_off() == b""
        assert server.task
        async with asyncio.timeout(PATIENCE_SECONDS):
            await asyncio.wait([server.task])
