"""The front door over TLS: who is let in, who is cut off, and whose certificate is shown."""

import asyncio
import contextlib
import json
import re
import socket
import ssl
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from parkgraph.front.entrance import Entrance, strict
from parkgraph.front.settings import ApiSettings
from parkgraph.runtime.connections import Limits
from parkgraph.runtime.errors import RefusedError
from parkgraph.runtime.tls import Certificate, check_certificate, server_context
from parkgraph.runtime.web import listen, serve
from tests import callers
from tests.callers import LIMITS, PAGE, PATIENCE_SECONDS, SHORT_SECONDS, connected
from tests.certificates import NAME, Files, a_certificate, believing
from tests.fakes import FakeClock, randomness

pytestmark = pytest.mark.both_loops

GET: Final = f"GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n".encode()
NOWHERE: Final = GET.replace(b"/ ", b"/nowhere ")
# A handshake of 4,096 bytes is announced, and its first one is a ClientHello's.
BEGINNING: Final = b"\x16\x03\x01\x10\x00\x01"
HSTS: Final = "max-age=31536000; includeSubDomains"


class Answer:
    """An answer as it came."""

    def __init__(self, head: bytes, body: bytes) -> None:
        status, *lines = head.decode().strip().split("\r\n")
        self.status = int(status.split(" ")[1])
        self.headers = {
            name.lower(): value for name, _, value in (line.partition(": ") for line in lines)
        }
        self.body = body


class Caller(callers.Caller):
    """One connection."""

    async def ask(self, request: bytes = GET) -> Answer:
        self.send(request)
        return await self.answer()

    async def answer(self) -> Answer:
        return Answer(*await self.head_and_body())

    def certificate(self) -> bytes:
        told: bytes = self.writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return told


class Served:
    """A server that runs, and how its callers speak to it."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.port = port
        self.tls = tls
        self.in_flight = asyncio.Event()
        self.go_on = asyncio.Event()
        self.stream_ended = asyncio.Event()
        self.app = Starlette(
            routes=[
                Route("/", self._hello),
                Route("/read", self._read, methods=["POST"]),
                Route("/wait", self._wait, methods=["GET", "POST"]),
                Route("/flood", self._flood),
                Route("/broken", self._broken),
            ]
        )

    async def _hello(self, request: Request) -> Response:
        return PlainTextResponse(f"hello over {request.url.scheme}")

    async def _read(self, request: Request) -> Response:
        return Response(await request.body())

    async def _wait(self, _: Request) -> Response:
        self.in_flight.set()
        await self.go_on.wait()
        return PlainTextResponse("waited")

    async def _broken(self, _: Request) -> Response:
        raise RuntimeError

    async def _flood(self, _: Request) -> Response:
        async def pages() -> AsyncIterator[bytes]:
            try:
                while True:
                    yield PAGE
                    await asyncio.sleep(0)
            finally:
                self.stream_ended.set()

        return StreamingResponse(pages())

    @contextlib.asynccontextmanager
    async def caller(self, tls: ssl.SSLContext | None = None) -> AsyncIterator[Caller]:
        async with connected(self.port, tls or self.tls, NAME) as (reader, writer):
            yield Caller(reader, writer)

    @contextlib.asynccontextmanager
    async def plain_caller(self) -> AsyncIterator[Caller]:
        async with connected(self.port) as (reader, writer):
            yield Caller(reader, writer)


@contextlib.asynccontextmanager
async def served(files: Files, limits: Limits = LIMITS) -> AsyncIterator[Served]:
    """Serve with `limits` that a test can shorten."""
    listener = listen("127.0.0.1", 0)
    server = Served(listener.getsockname()[1], believing(files))
    certificate = Certificate(*files)
    async with asyncio.TaskGroup() as group:
        task = group.create_task(
            serve(strict(server.app), listener, tls=certificate.context, limits=limits)
        )
        yield server
        task.cancel()


@contextlib.asynccontextmanager
async def entered(tmp_path: Path, files: Files | None) -> AsyncIterator[Served]:
    """Serve as the programs do."""
    key_file = tmp_path / "api.key"
    key_file.write_text("pk_live_0123456789abcdefghij")
    key_file.chmod(0o600)
    settings = {"listen": "127.0.0.1:0", "key_file": str(key_file)}
    if files:
        settings |= {"certificate": str(files.certificate), "private_key": str(files.private_key)}
    entrance = Entrance(
        ApiSettings.model_validate(settings), clock=FakeClock(), random=randomness().randbytes
    )
    port = entrance._listener.getsockname()[1]
    server = Served(port, believing(files) if files else None)
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in entrance.loops(server.app).values()]
        yield server
        for task in tasks:
            task.cancel()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return a_certificate(tmp_path)


async def test_a_caller_that_speaks_tls_1_3_is_answered(files: Files) -> None:
    async with served(files) as server, server.caller() as caller:
        answers = [await caller.ask() for _ in range(3)]

        version = caller.writer.get_extra_info("ssl_object").version()

    assert version == "TLSv1.3"
    assert [(one.status, one.body) for one in answers] == [(200, b"hello over https")] * 3


async def test_a_caller_that_speaks_only_tls_1_2_is_told_why_it_is_refused(files: Files) -> None:
    old = believing(files)
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with served(files) as server:
        with pytest.raises(ssl.SSLError, match=r"(?i)alert protocol version"):
            async with server.caller(old):
                pass

        async with server.caller() as caller:
            assert (await caller.ask()).status == 200


async def test_a_caller_that_offers_http_2_gets_http_1_1(files: Files) -> None:
    modern = believing(files)
    modern.set_alpn_protocols(["h2", "http/1.1"])
    async with served(files) as server, server.caller(modern) as caller:
        chosen = caller.writer.get_extra_info("ssl_object").selected_alpn_protocol()

        assert chosen == "http/1.1"


async def test_plain_http_is_not_answered_where_tls_is_spoken(files: Files) -> None:
    async with served(files) as server, server.plain_caller() as caller:
        caller.writer.write(GET)

        assert b"HTTP/" not in await caller.until_cut_off()


@pytest.mark.parametrize("sent", [b"", BEGINNING])
async def test_a_caller_that_is_silent_in_the_handshake_is_cut_off_and_others_are_served(
    files: Files, sent: bytes
) -> None:
    async with (
        served(files, replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.plain_caller() as silent,
    ):
        silent.writer.write(sent)
        async with server.caller() as caller:
            assert (await caller.ask()).status == 200

        assert await silent.until_cut_off() == b""


async def test_one_byte_now_and_then_does_not_extend_the_time_for_a_handshake(
    files: Files,
) -> None:
    async with (
        served(files, replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.plain_caller() as caller,
        asyncio.TaskGroup() as group,
    ):
        dripping = group.create_task(caller.drip(BEGINNING + bytes(4_000)))

        assert await caller.until_cut_off() == b""
        dripping.cancel()


async def test_a_handshake_and_a_head_have_the_time_of_a_head_together(files: Files) -> None:
    async with (
        served(files, replace(LIMITS, head_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
    ):
        caller.writer.write(b"GET / HTTP/1.1\r\n")

        assert await caller.until_cut_off() == b""


async def test_400_half_open_handshakes_keep_no_honest_caller_out(files: Files) -> None:
    async with (
        served(files, replace(LIMITS, connections=64)) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        for sent in [b"", BEGINNING] * 200:
            half_open = await stack.enter_async_context(server.plain_caller())
            half_open.writer.write(sent)

        for _ in range(20):
            async with server.caller() as caller:
                assert (await caller.ask()).status == 200


async def test_a_long_body_comes_back_whole(files: Files) -> None:
    body = bytes(range(256)) * 20_000
    head = f"POST /read HTTP/1.1\r\nHost: lot\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    async with served(files) as server, server.caller() as caller:
        assert (await caller.ask(head + body)).body == body
        assert (await caller.ask()).status == 200


async def test_an_answer_that_nobody_reads_is_not_kept(files: Files) -> None:
    async with (
        served(files, replace(LIMITS, unread_seconds=SHORT_SECONDS)) as server,
        server.caller() as caller,
    ):
        caller.writer.write(GET.replace(b"/ ", b"/flood "))
        caller.writer.transport.pause_reading()  # type: ignore[attr-defined]

        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.stream_ended.wait()


async def test_a_caller_that_says_goodbye_is_let_go(files: Files) -> None:
    async with served(files, replace(LIMITS, connections=1)) as server:
        async with server.caller() as caller:
            await caller.ask()
            caller.writer.close()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await caller.writer.wait_closed()

        async with server.caller() as caller:
            assert (await caller.ask()).status == 200


async def test_the_end_of_a_connection_can_be_told_from_a_cut_one(files: Files) -> None:
    def ask(server: Served) -> bytes:
        with (
            socket.create_connection(("127.0.0.1", server.port), PATIENCE_SECONDS) as wire,
            believing(files).wrap_socket(
                wire, server_hostname=NAME, suppress_ragged_eofs=False
            ) as tls,
        ):
            tls.sendall(GET.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
            return b"".join(iter(lambda: tls.recv(1_000), b""))

    async with served(files) as server:
        assert (await asyncio.to_thread(ask, server)).endswith(b"hello over https")


@pytest.mark.parametrize("path", ["/", "/nowhere", "/broken"])
@pytest.mark.parametrize("host", [NAME, f"{NAME}:8443", "lot", "1.lot.example."])
async def test_over_tls_every_answer_keeps_who_asked_by_name_to_tls(
    files: Files, path: str, host: str
) -> None:
    async with served(files) as server, server.caller() as caller:
        answer = await caller.ask(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert answer.headers["strict-transport-security"] == HSTS


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:8443", "[::1]", "[::1]:8443", "", "["])
async def test_an_address_is_not_kept_to_tls(files: Files, host: str) -> None:
    async with served(files) as server, server.caller() as caller:
        answer = await caller.ask(f"GET /nowhere HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())

    assert answer.status == 404
    assert "strict-transport-security" not in answer.headers


async def test_without_tls_nobody_is_kept_to_it(tmp_path: Path) -> None:
    async with entered(tmp_path, None) as server, server.caller() as caller:
        answer = await caller.ask(NOWHERE)

    assert answer.status == 404
    assert "strict-transport-security" not in answer.headers


@pytest.mark.parametrize("has_tls", [True, False])
@pytest.mark.parametrize(
    "malformed",
    [
        b"nonsense\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\nHost: lot\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: lot\r\nContent-Length: many\r\n\r\n",
        b"POST /read HTTP/1.1\r\nHost: lot\r\nTransfer-Encoding: chunked\r\n\r\nlong\r\n",
    ],
)
async def test_what_is_no_http_is_told_so_in_the_envelope(
    tmp_path: Path, files: Files, malformed: bytes, *, has_tls: bool
) -> None:
    async with (
        entered(tmp_path, files if has_tls else None) as server,
        server.caller() as caller,
    ):
        answer = await caller.ask(malformed)
        after = await caller.until_cut_off()

    error = json.loads(answer.body)["error"]
    assert (answer.status, error["code"]) == (400, "BAD_REQUEST")
    assert re.fullmatch("req_[0-9A-Z]{26}", error["request_id"])
    assert answer.headers["x-request-id"] == error["request_id"]
    assert answer.headers["connection"] == "close"
    assert answer.headers["content-type"] == "application/json"
    assert after == b""


async def test_nonsense_behind_a_request_does_not_stand_in_for_its_answer(
    tmp_path: Path, files: Files
) -> None:
    async with entered(tmp_path, files) as server, server.caller() as caller:
        caller.writer.write(GET.replace(b"/ ", b"/wait ") + b"nonsense\r\n\r\n")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await server.in_flight.wait()
        server.go_on.set()

        assert (await caller.answer()).body == b"waited"
        assert await caller.until_cut_off() == b""


async def test_nonsense_in_a_body_that_was_answered_is_not_answered_again(
    tmp_path: Path, files: Files
) -> None:
    head = b"POST / HTTP/1.1\r\nHost: lot\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with entered(tmp_path, files) as server, server.caller() as caller:
        assert (await caller.ask(head)).status == 405

        caller.writer.write(b"long\r\n")

        assert await caller.until_cut_off() == b""


async def test_a_renewed_certificate_is_shown_to_new_callers_and_old_ones_go_on(
    files: Files,
) -> None:
    certificate = Certificate(*files)
    listener = listen("127.0.0.1", 0)
    server = Served(listener.getsockname()[1], believing(files))
    async with asyncio.TaskGroup() as group:
        task = group.create_task(serve(server.app, listener, tls=certificate.context))
        async with server.caller() as old:
            renewed = a_certificate(files.certificate.parent)
            certificate.renew()
            async with server.caller(believing(renewed)) as new:
                assert (await new.ask()).status == 200
                assert new.certificate() != old.certificate()
            assert (await old.ask()).status == 200
        task.cancel()


def test_files_are_read_once_for_each_change(files: Files) -> None:
    certificate = Certificate(*files)
    a_certificate(files.certificate.parent)
    certificate.renew()
    renewed = certificate.context()

    certificate.renew()

    assert certificate.context() is renewed


@pytest.mark.parametrize("fault", ["missing", "other", "nonsense"])
def test_a_certificate_stays_until_one_comes_that_can_be_used(files: Files, fault: str) -> None:
    certificate = Certificate(*files)
    before = certificate.context()
    other = a_certificate(files.certificate.parent, "other")
    wrong = {"missing": b"", "other": other.certificate.read_bytes(), "nonsense": b"nonsense"}
    files.certificate.unlink()
    if wrong[fault]:
        files.certificate.write_bytes(wrong[fault])

    certificate.renew()
    assert certificate.context() is before

    a_certificate(files.certificate.parent)
    certificate.renew()
    assert certificate.context() is not before


def test_a_key_of_another_certificate_is_named(tmp_path: Path, files: Files) -> None:
    other = a_certificate(tmp_path, "other")

    with pytest.raises(RefusedError, match=r"other\.key\.pem does not belong to .*own\.pem; "):
        server_context(files.certificate, other.private_key)


def test_a_key_with_a_password_is_named_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    files = a_certificate(tmp_path, password=b"tomato")

    with pytest.raises(RefusedError, match=r"own\.key\.pem .* without a password"):
        server_context(*files)


@pytest.mark.parametrize("content", [b"", b"nonsense"])
def test_a_file_without_a_certificate_is_named(files: Files, content: bytes) -> None:
    files.certificate.write_bytes(content)

    with pytest.raises(RefusedError, match=r"own\.pem holds no certificate; write "):
        check_certificate(files.certificate)
