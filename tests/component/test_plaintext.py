"""The port without TLS: it sends every caller to the one with TLS, and serves nothing."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from parkgraph.front.entrance import Entrance
from parkgraph.front.plaintext import PLAIN_LIMITS, Plaintext
from parkgraph.front.settings import ApiSettings
from parkgraph.runtime.connections import LIMITS, Limits
from parkgraph.runtime.web import listen, serve
from tests import callers
from tests.callers import SHORT_SECONDS, connected
from tests.certificates import a_certificate
from tests.fakes import FakeClock, randomness

pytestmark = pytest.mark.both_loops

REQUEST_ID: Final = "req_00000000000000000000000001"
GET: Final = b"GET /api/v1/sessions HTTP/1.1\r\nHost: lot.example\r\n\r\n"


class Caller(callers.Caller):
    """One connection."""

    async def answer(self) -> tuple[bytes, Any]:
        """Return head and JSON of the next answer, which has to come before anything else ends."""
        head, body = await self.head_and_body()
        return head, json.loads(body)


@contextlib.asynccontextmanager
async def a_caller(port: int) -> AsyncIterator[Caller]:
    async with connected(port) as (reader, writer):
        yield Caller(reader, writer)


@contextlib.asynccontextmanager
async def plaintext(limits: Limits = callers.LIMITS) -> AsyncIterator[int]:
    """Serve on a free port, and give its number."""
    listener = listen("127.0.0.1", 0)
    async with asyncio.TaskGroup() as group:
        server = group.create_task(serve(Plaintext(lambda: REQUEST_ID), listener, limits=limits))
        yield listener.getsockname()[1]
        server.cancel()


def lines_of(head: bytes) -> list[str]:
    return head.decode().lower().split("\r\n")


@pytest.mark.parametrize(
    "request_line", ["GET /api/v1/sessions", "POST /api/v1/sessions", "DELETE /nowhere", "GET /"]
)
async def test_whatever_is_asked_the_answer_is_to_ask_over_tls(request_line: str) -> None:
    async with plaintext() as port, a_caller(port) as caller:
        caller.send(f"{request_line} HTTP/1.1\r\nHost: lot.example\r\n\r\n".encode())
        head, answer = await caller.answer()
        after = await caller.until_cut_off()

    assert lines_of(head)[0] == "http/1.1 426 upgrade required"
    assert {
        "upgrade: tls/1.3",
        "connection: upgrade, close",
        "content-type: application/json",
        f"x-request-id: {REQUEST_ID.lower()}",
    } <= set(lines_of(head))
    assert answer == {
        "error": {
            "code": "UPGRADE_REQUIRED",
            "message": "nothing is served without TLS: call https:// and speak TLS 1.3",
            "request_id": REQUEST_ID,
        }
    }
    assert after == b""


async def test_it_is_a_problem_of_rfc_9457_to_who_prefers_that() -> None:
    async with plaintext() as port, a_caller(port) as caller:
        caller.send(GET.replace(b"\r\n\r\n", b"\r\nAccept: application/problem+json\r\n\r\n"))
        head, problem = await caller.answer()

    assert "content-type: application/problem+json" in lines_of(head)
    assert (problem["status"], problem["code"]) == (426, "UPGRADE_REQUIRED")


async def test_it_keeps_nobody_to_tls_as_that_can_be_forged_here() -> None:
    async with plaintext() as port, a_caller(port) as caller:
        caller.send(GET)
        head, _ = await caller.answer()

    assert b"strict-transport-security" not in head.lower()


@pytest.mark.parametrize("more", [b"", b"Expect: 100-continue\r\n"])
async def test_the_answer_comes_before_the_body_and_the_end_is_not_far(more: bytes) -> None:
    async with plaintext() as port, a_caller(port) as caller:
        began = time.monotonic()
        caller.send(
            b"POST /api/v1/sessions HTTP/1.1\r\nHost: lot.example\r\nContent-Length: 1000000000\r\n"
            + more
            + b"\r\n"
        )
        head, _ = await caller.answer()
        after = await caller.until_cut_off()

    assert lines_of(head)[0] == "http/1.1 426 upgrade required"
    assert after == b""
    assert time.monotonic() - began < LIMITS.head_seconds


async def test_a_caller_who_sends_on_still_gets_the_answer() -> None:
    async with plaintext() as port, a_caller(port) as caller:
        caller.send(b"POST / HTTP/1.1\r\nHost: lot.example\r\nContent-Length: 600000\r\n\r\n")
        for _ in range(60):
            caller.send(bytes(10_000))
            await asyncio.sleep(0)

        head, _ = await caller.answer()

        assert lines_of(head)[0] == "http/1.1 426 upgrade required"
        assert await caller.until_cut_off() == b""


async def test_a_second_request_is_not_answered() -> None:
    async with plaintext() as port, a_caller(port) as caller:
        caller.send(GET * 2)
        await caller.answer()

        assert await caller.until_cut_off() == b""


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: lot"])
async def test_a_caller_that_is_silent_is_cut_off(sent: bytes) -> None:
    async with (
        plaintext(replace(callers.LIMITS, head_seconds=SHORT_SECONDS)) as port,
        a_caller(port) as caller,
    ):
        caller.send(sent)

        assert await caller.until_cut_off() == b""


async def test_callers_that_are_silent_keep_nobody_out() -> None:
    async with (
        plaintext(replace(callers.LIMITS, connections=8)) as port,
        contextlib.AsyncExitStack() as all_,
    ):
        for _ in range(32):
            await all_.enter_async_context(a_caller(port))

        async with a_caller(port) as caller:
            caller.send(GET)
            head, _ = await caller.answer()

    assert lines_of(head)[0] == "http/1.1 426 upgrade required"


def test_it_has_the_deadlines_of_all_servers_and_fewer_places() -> None:
    assert replace(PLAIN_LIMITS, connections=LIMITS.connections) == LIMITS
    assert PLAIN_LIMITS.connections + LIMITS.connections < 1024


class Sessions:
    """What is served over TLS, and whether anybody got there."""

    def __init__(self) -> None:
        self.is_reached = False
        self.app = Starlette(routes=[Route("/api/v1/sessions", self._serve)])

    async def _serve(self, _: Request) -> PlainTextResponse:
        self.is_reached = True
        return PlainTextResponse("served")


@contextlib.asynccontextmanager
async def beside_tls(tmp_path: Path, app: Starlette) -> AsyncIterator[int]:
    """Serve `app` over TLS as the programs do, and give the number of the port beside it."""
    key_file = tmp_path / "api.key"
    key_file.write_text("pk_live_0123456789abcdefghij")
    key_file.chmod(0o600)
    files = a_certificate(tmp_path)
    settings = ApiSettings.model_validate(
        {
            "listen": "127.0.0.1:0",
            "plain_listen": "127.0.0.1:0",
            "certificate": str(files.certificate),
            "private_key": str(files.private_key),
            "key_file": str(key_file),
        }
    )
    entrance = Entrance(settings, clock=FakeClock(), random=randomness().randbytes)
    assert entrance._plain_listener
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(loop) for loop in entrance.loops(app).values()]
        yield entrance._plain_listener.getsockname()[1]
        for task in tasks:
            task.cancel()


async def test_it_stands_beside_the_port_with_tls_and_serves_nothing_of_it(tmp_path: Path) -> None:
    sessions = Sessions()
    async with beside_tls(tmp_path, sessions.app) as port, a_caller(port) as caller:
        caller.send(GET)
        head, answer = await caller.answer()

    assert lines_of(head)[0] == "http/1.1 426 upgrade required"
    assert answer["error"]["request_id"].startswith("req_")
    assert not sessions.is_reached


async def test_nonsense_is_told_so_in_the_envelope(tmp_path: Path) -> None:
    async with beside_tls(tmp_path, Sessions().app) as port, a_caller(port) as caller:
        caller.send(b"nonsense\r\n\r\n")
        _, answer = await caller.answer()

    assert answer["error"]["code"] == "BAD_REQUEST"


async def test_one_caller_too_many_takes_the_place_of_the_oldest_silent_one(
    tmp_path: Path,
) -> None:
    async with (
        beside_tls(tmp_path, Sessions().app) as port,
        a_caller(port) as oldest,
        contextlib.AsyncExitStack() as others,
    ):
        began = time.monotonic()
        for _ in range(PLAIN_LIMITS.connections):
            await others.enter_async_context(a_caller(port))

        assert await oldest.until_cut_off() == b""
        assert time.monotonic() - began < LIMITS.head_seconds
