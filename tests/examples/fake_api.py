"""Lot and cloud for the SDK, as a test scripts them: no socket, no waiting."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any, Final

import httpx

from parkgraph.client import Outside, ParkGraph
from parkgraph.model.api import SessionAnswer, SessionBody, SessionRequest

CLOUD: Final = "https://cloud.example"
LOT_URL: Final = "https://lot.example"
LOT: Final = "elm-street"
KEY: Final = "pk_live_0123456789abcdefghij"
REQUEST: Final = SessionRequest(lot_id=LOT, plate="AV-1234")

Reply = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class FakeTime:
    """Time that passes where one sleeps, and nowhere else; chance is always the same."""

    def __init__(self, chance: float = 0.5) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self.chance = chance

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
        await asyncio.sleep(0)


class FakeApi(httpx.AsyncBaseTransport):
    """Answers what was scripted for a host, in order, and the last of it again and again."""

    def __init__(self, **scripts: Sequence[Reply]) -> None:
        self.time = FakeTime()
        self.asked: list[httpx.Request] = []
        self._scripts = {host: deque(replies) for host, replies in scripts.items()}

    def will(self, host: str, *replies: Reply) -> None:
        self._scripts[host] = deque(replies)

    def hosts(self) -> list[str]:
        """Return who was asked, in order."""
        return [request.url.host.partition(".")[0] for request in self.asked]

    def keys(self) -> set[str | None]:
        """Return the Idempotency-Keys that were sent."""
        return {request.headers.get("idempotency-key") for request in self.asked}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await request.aread()
        self.asked.append(request)
        script = self._scripts[request.url.host.partition(".")[0]]
        reply = script.popleft() if len(script) > 1 else script[0]
        if isinstance(reply, Exception):
            raise reply
        # One response cannot be read twice, and the last one is given again and again.
        if callable(reply):
            return reply(request)
        return httpx.Response(reply.status_code, headers=reply.headers, content=reply.content)


def a_park(
    api: FakeApi, *, lot_url: str | Mapping[str, str] | None = None, timeout_seconds: float = 10.0
) -> ParkGraph:
    """Return the SDK in front of `api`."""
    time = api.time
    numbers = iter(range(1, 1000))
    outside = Outside(
        clock=lambda: time.now,
        sleep=time.sleep,
        random=lambda: time.chance,
        new_key=lambda: f"key-{next(numbers)}",
        transport=api,
    )
    return ParkGraph(CLOUD, KEY, lot_url=lot_url, timeout_seconds=timeout_seconds, outside=outside)


def a_body(**changes: Any) -> SessionBody:
    """Return a stay as the API shows it."""
    fields: dict[str, Any] = {
        "id": "sess_1",
        "session_code": "sess_1",
        "short_code": "ABCDEFGHJ",
        "lot_id": LOT,
        "status": "active",
        "state": "reserved",
        "plate": "AV-1234",
        "vehicle": {"autonomous": True, "fleet_id": "fleet-1", "vin": None},
        "currency": "USD",
        "rate": 3.5,
        "rate_minor": 350,
        "rate_unit": "hour",
        "rate_version": "1",
        "expected_duration_minutes": 120,
        "estimated_amount": 7.0,
        "estimated_minor": 700,
        "amount": None,
        "amount_minor": None,
        "reserved_at": "2026-06-01T12:00:00Z",
        "hold_until": "2026-06-01T12:30:00Z",
        "entered_at": None,
        "ended_at": None,
        "entry_instructions": {
            "gate_code": "123456789",
            "gate_code_reason": None,
            "assigned_space": "A1",
            "assigned_space_reason": None,
            "entry_lane": "north-in",
            "entry_lane_reason": None,
            "exit_procedure": "Automatic via plate recognition",
            "exit": {"methods": ["plate", "gate_code", "presence"]},
            "notes": "",
        },
    }
    return SessionBody.model_validate(fields | changes)


def a_stay(**changes: Any) -> httpx.Response:
    """Return the answer that is a stay."""
    answer = SessionAnswer(session=a_body(**changes))
    return httpx.Response(200, content=answer.model_dump_json())


def a_refusal(
    status: int, code: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> httpx.Response:
    """Return the answer that is a refusal."""
    error = {"code": code, "message": "no", "request_id": "req_1"} | more
    return httpx.Response(status, headers=headers, json={"error": error})


class Streamed(httpx.AsyncByteStream):
    """A body that comes in chunks, and may break off or be silent for too long."""

    def __init__(self, *chunks: bytes | Exception) -> None:
        self._chunks = chunks
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        self.is_closed = True


def a_stream(*chunks: bytes | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """Return a reply that is a stream of events."""
    headers = {"Content-Type": "text/event-stream"}
    return lambda _: httpx.Response(200, headers=headers, stream=Streamed(*chunks))
