"""Two callers with one set of verbs: plain HTTP, and the SDK. Both answer in JSON."""

import json
from collections.abc import Awaitable
from contextlib import aclosing
from datetime import datetime
from typing import Any, Final, Protocol

import httpx
import pytest
from pydantic import BaseModel

from parkgraph.client import ApiError, ParkGraph
from parkgraph.model.api import (
    AgentRequest,
    KeyRequest,
    Observation,
    RatesRequest,
    SessionRequest,
)
from tests.conformance.world import LOT

Json = dict[str, Any]
API: Final = "/api/v1"
SESSIONS: Final = "/api/v1/sessions"
LOTS: Final = "/api/v1/lots"
AS_JSON: Final = {"Content-Type": "application/json"}
MOST_LISTED: Final = 200


class Refusal(Exception):  # noqa: N818 (an answer, as the contract has it)
    """What a caller hears of a refusal."""

    def __init__(self, status: int, code: str, field: str | None, message: str) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        self.field = field
        self.message = message


async def refused(answer: Awaitable[Any]) -> Refusal:
    """Return how `answer` was refused."""
    with pytest.raises(Refusal) as refusal:
        await answer
    return refusal.value


def a_booking(plate: str | None = "AV-1234", **changes: Any) -> Json:
    """Return what a vehicle without a driver sends."""
    vehicle = {"autonomous": True} | changes.pop("vehicle", {})
    return {"lot_id": LOT, "plate": plate, "vehicle": vehicle} | changes


class Caller(Protocol):
    """Who calls one side with one key."""

    async def book(
        self, plate: str | None = "AV-1234", *, key: str | None = None, **changes: Any
    ) -> Json: ...

    async def session(self, session: str) -> Json: ...

    async def sessions(self, **filters: str) -> list[Json]: ...

    async def end(self, session: str, *, key: str | None = None) -> Json: ...

    async def cancel(self, session: str, *, key: str | None = None) -> Json: ...

    async def extend(self, session: str, minutes: int, *, key: str | None = None) -> Json: ...

    async def events(self, session: str) -> list[Json]:
        """Return what happens until the stay is over."""
        ...

    async def search(self, lat: float, lng: float, **filters: Any) -> Json: ...

    async def lot(self, lot: str) -> Json: ...

    async def availability(self, lot: str = LOT) -> Json: ...

    async def rates(self, lot: str = LOT) -> Json: ...

    async def quote(self, minutes: int, *, autonomous: bool = False) -> Json: ...

    async def observe(self, *seen: tuple[str, bool]) -> Json: ...

    async def change_rates(self, **rates: Any) -> Json: ...

    async def create_key(self, **terms: Any) -> Json: ...

    async def keys(self, fleet: str | None = None) -> list[Json]: ...

    async def delete_key(self, key: str) -> Json: ...

    async def register_agent(self, name: str) -> Json: ...

    async def audit(self) -> list[Json]: ...

    async def activity(self, *, limit: int = 50, before: str | None = None) -> Json: ...

    async def status(self) -> Json: ...

    async def aclose(self) -> None: ...


class HttpCaller(Caller):
    """Says it in plain HTTP."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http

    async def aclose(self) -> None:
        await self._http.aclose()

    async def book(
        self, plate: str | None = "AV-1234", *, key: str | None = None, **changes: Any
    ) -> Json:
        answer = await self._ask("POST", "/sessions", a_booking(plate, **changes), key=key)
        return dict(answer["session"])

    async def session(self, session: str) -> Json:
        return dict((await self._ask("GET", f"/sessions/{session}"))["session"])

    async def sessions(self, **filters: str) -> list[Json]:
        query = {"limit": str(MOST_LISTED)} | filters
        found: list[Json] = []
        while True:
            page = await self._ask("GET", "/sessions", query=query)
            found += page["sessions"]
            if page["next_cursor"] is None:
                return found
            query["cursor"] = page["next_cursor"]

    async def end(self, session: str, *, key: str | None = None) -> Json:
        return dict((await self._ask("POST", f"/sessions/{session}/end", key=key))["session"])

    async def cancel(self, session: str, *, key: str | None = None) -> Json:
        return dict((await self._ask("POST", f"/sessions/{session}/cancel", key=key))["session"])

    async def extend(self, session: str, minutes: int, *, key: str | None = None) -> Json:
        body = {"minutes": minutes}
        answer = await self._ask("POST", f"/sessions/{session}/extend", body, key=key)
        return dict(answer["session"])

    async def events(self, session: str) -> list[Json]:
        url = f"{SESSIONS}/{session}/events"
        async with self._http.stream("GET", url) as response:
            _check(response, await response.aread() if response.is_error else b"")
            return [json.loads(told["data"]) for told in await events_of(response)]

    async def search(self, lat: float, lng: float, **filters: Any) -> Json:
        return await self._ask("GET", "/lots/search", query={"lat": lat, "lng": lng, **filters})

    async def lot(self, lot: str) -> Json:
        return dict((await self._ask("GET", f"/lots/{lot}"))["lot"])

    async def availability(self, lot: str = LOT) -> Json:
        return await self._ask("GET", f"/lots/{lot}/availability")

    async def rates(self, lot: str = LOT) -> Json:
        return await self._ask("GET", f"/lots/{lot}/rates")

    async def quote(self, minutes: int, *, autonomous: bool = False) -> Json:
        query = {"expected_duration_minutes": minutes, "autonomous": autonomous}
        return await self._ask("GET", f"/lots/{LOT}/quote", query=query)

    async def observe(self, *seen: tuple[str, bool]) -> Json:
        observations = [{"space": space, "occupied": occupied} for space, occupied in seen]
        return await self._ask("POST", f"/lots/{LOT}/observations", {"observations": observations})

    async def change_rates(self, **rates: Any) -> Json:
        return await self._ask("PUT", f"/lots/{LOT}/rates", rates)

    async def create_key(self, **terms: Any) -> Json:
        return await self._ask("POST", "/api-keys", terms)

    async def keys(self, fleet: str | None = None) -> list[Json]:
        query = {"fleet_id": fleet} if fleet else {}
        return list((await self._ask("GET", "/api-keys", query=query))["api_keys"])

    async def delete_key(self, key: str) -> Json:
        return dict((await self._ask("DELETE", f"/api-keys/{key}"))["api_key"])

    async def register_agent(self, name: str) -> Json:
        return dict((await self._ask("POST", "/agents", {"name": name}))["agent"])

    async def audit(self) -> list[Json]:
        rows: list[Json] = []
        query: Json = {"limit": MOST_LISTED}
        while True:
            page = await self._ask("GET", f"/lots/{LOT}/audit", query=query)
            rows += page["rows"]
            if page["next_cursor"] is None:
                return rows
            query["cursor"] = page["next_cursor"]

    async def activity(self, *, limit: int = 50, before: str | None = None) -> Json:
        query = {"limit": limit} | ({"cursor": before} if before else {})
        return await self._ask("GET", "/activity", query=query)

    async def status(self) -> Json:
        return await self._ask("GET", "/status")

    async def _ask(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        query: Json | None = None,
        key: str | None = None,
    ) -> Json:
        headers = {"Idempotency-Key": key} if key else {}
        response = await self._http.request(
            method, API + path, json=body, params=query, headers=headers
        )
        _check(response, response.content)
        answer: Json = response.json()
        return answer


class SdkCaller(Caller):
    """Says it with the SDK."""

    def __init__(self, park: ParkGraph) -> None:
        self._park = park

    async def aclose(self) -> None:
        await self._park.aclose()

    async def book(
        self, plate: str | None = "AV-1234", *, key: str | None = None, **changes: Any
    ) -> Json:
        request = SessionRequest.model_validate_json(json.dumps(a_booking(plate, **changes)))
        return await _told(self._park.create_session(request, idempotency_key=key))

    async def session(self, session: str) -> Json:
        return await _told(self._park.session(session))

    async def sessions(self, **filters: str) -> list[Json]:
        given: Json = dict(filters)
        for name in ("since", "until"):
            if name in given:
                given[name] = datetime.fromisoformat(given[name])
        try:
            return [_json(stay) async for stay in self._park.sessions(**given)]
        except ApiError as error:
            raise _refusal(error) from error

    async def end(self, session: str, *, key: str | None = None) -> Json:
        return await _told(self._park.end_session(session, idempotency_key=key))

    async def cancel(self, session: str, *, key: str | None = None) -> Json:
        return await _told(self._park.cancel_session(session, idempotency_key=key))

    async def extend(self, session: str, minutes: int, *, key: str | None = None) -> Json:
        return await _told(self._park.extend_session(session, minutes, idempotency_key=key))

    async def events(self, session: str) -> list[Json]:
        try:
            async with aclosing(self._park.events(session)) as events:
                return [_json(event) async for event in events]
        except ApiError as error:
            raise _refusal(error) from error

    async def search(self, lat: float, lng: float, **filters: Any) -> Json:
        return await _told(self._park.search_lots(lat, lng, **filters))

    async def lot(self, lot: str) -> Json:
        return await _told(self._park.lot(lot))

    async def availability(self, lot: str = LOT) -> Json:
        return await _told(self._park.availability(lot))

    async def rates(self, lot: str = LOT) -> Json:
        return await _told(self._park.rates(lot))

    async def quote(self, minutes: int, *, autonomous: bool = False) -> Json:
        return await _told(self._park.quote(LOT, minutes=minutes, autonomous=autonomous))

    async def observe(self, *seen: tuple[str, bool]) -> Json:
        observations = [Observation(space=space, occupied=occupied) for space, occupied in seen]
        return await _told(self._park.upload_observations(LOT, observations))

    async def change_rates(self, **rates: Any) -> Json:
        return await _told(self._park.change_rates(LOT, RatesRequest(**rates)))

    async def create_key(self, **terms: Any) -> Json:
        return await _told(self._park.create_key(KeyRequest(**terms)))

    async def keys(self, fleet: str | None = None) -> list[Json]:
        try:
            return [_json(key) for key in await self._park.keys(fleet_id=fleet)]
        except ApiError as error:
            raise _refusal(error) from error

    async def delete_key(self, key: str) -> Json:
        return await _told(self._park.delete_key(key))

    async def register_agent(self, name: str) -> Json:
        return await _told(self._park.register_agent(AgentRequest(name=name)))

    async def audit(self) -> list[Json]:
        try:
            return [_json(row) async for row in self._park.audit(LOT)]
        except ApiError as error:
            raise _refusal(error) from error

    async def activity(self, *, limit: int = 50, before: str | None = None) -> Json:
        return await _told(self._park.activity(limit=limit, before=before))

    async def status(self) -> Json:
        return await _told(self._park.status())


async def events_of(response: httpx.Response) -> list[dict[str, str]]:
    """Return the events of a stream, read to its end, each by its fields; comments are left out."""
    text = (await response.aread()).decode()
    blocks = [block for block in text.split("\n\n") if block and not block.startswith(":")]
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks]


def error_of(response: httpx.Response) -> Json:
    """Return the error that an answer tells of."""
    return dict(response.json()["error"])


def _check(response: httpx.Response, content: bytes) -> None:
    if response.is_error:
        error = json.loads(content)["error"]
        raise Refusal(response.status_code, error["code"], error.get("field"), error["message"])


async def _told(answer: Awaitable[BaseModel]) -> Json:
    try:
        return _json(await answer)
    except ApiError as error:
        raise _refusal(error) from error


def _json(answer: BaseModel) -> Json:
    return answer.model_dump(mode="json")


def _refusal(error: ApiError) -> Refusal:
    return Refusal(error.status, error.code, error.field, error.message)
