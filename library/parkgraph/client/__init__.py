"""The SDK: `/api/v1` for a vehicle or a fleet, over httpx."""

import asyncio
from random import SystemRandom
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError

from parkgraph.model.api import (
    Availability,
    ErrorAnswer,
    SessionAnswer,
    SessionBody,
    SessionRequest,
    SessionsAnswer,
)

__all__ = ["ApiError", "ParkGraph"]

B = TypeVar("B", bound=BaseModel)

MOST_TRIES: Final = 4
LONGEST_WAIT_SECONDS: Final = 60.0


class ApiError(Exception):
    """The API refused: `code` and `field` say why, `request_id` finds the call in the logs."""

    def __init__(self, status: int, answer: ErrorAnswer) -> None:
        error = answer.error
        super().__init__(f"{status} {error.code}: {error.message} ({error.request_id})")
        self.status = status
        self.code = error.code
        self.field = error.field
        self.request_id = error.request_id


class ParkGraph:
    """A caller of one base address: a lot's gateway or the cloud.

    Where it is told to wait (429) it does, with jitter, and asks again, four times at most.

    ```
    async with ParkGraph("http://127.0.0.1:8080", key) as lot:
        session = await lot.create_session(SessionRequest(lot_id="elm-street", plate="AV-1234"))
    ```
    """

    def __init__(self, base_url: str, key: str, *, timeout_seconds: float = 10.0) -> None:
        """Call `base_url` with the API key `key`."""
        self._http = httpx.AsyncClient(
            base_url=base_url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=timeout_seconds,
        )
        self._jitter = SystemRandom().random

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def create_session(self, request: SessionRequest) -> SessionBody:
        """Book a space. Raises: ApiError, httpx.TransportError (as all methods here)."""
        body = request.model_dump_json(exclude_none=True)
        return (await self._call("POST", "/api/v1/sessions", SessionAnswer, body)).session

    async def session(self, session: str) -> SessionBody:
        """Return one stay."""
        return (await self._call("GET", f"/api/v1/sessions/{session}", SessionAnswer)).session

    async def sessions(self, fleet_id: str) -> tuple[SessionBody, ...]:
        """Return the newest stays of a fleet, newest first, at most 200."""
        path = str(httpx.URL("/api/v1/sessions", params={"fleet_id": fleet_id}))
        return (await self._call("GET", path, SessionsAnswer)).sessions

    async def end_session(self, session: str) -> SessionBody:
        """End a stay: it is priced, and its vehicle may leave."""
        path = f"/api/v1/sessions/{session}/end"
        return (await self._call("POST", path, SessionAnswer)).session

    async def availability(self, lot: str) -> Availability:
        """Return how many spaces of a lot one can book now."""
        return await self._call("GET", f"/api/v1/lots/{lot}/availability", Availability)

    async def _call(self, method: str, path: str, model: type[B], body: str | None = None) -> B:
        headers = {"Content-Type": "application/json"} if body else {}
        response = await self._http.request(method, path, content=body, headers=headers)
        for _ in range(MOST_TRIES - 1):
            wait = float(response.headers.get("retry-after", LONGEST_WAIT_SECONDS))
            if response.status_code != 429 or wait > LONGEST_WAIT_SECONDS:
                break
            await asyncio.sleep(wait * (1 + self._jitter() / 2))
            response = await self._http.request(method, path, content=body, headers=headers)
        if response.is_success:
            return model.model_validate_json(response.content)
        try:
            answer = ErrorAnswer.model_validate_json(response.content)
        except ValidationError:
            response.raise_for_status()
            raise
        raise ApiError(response.status_code, answer)
