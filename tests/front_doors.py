"""Callers of a lot's front door, without a socket between."""

import re
from typing import Any, Final

import httpx
from starlette.routing import Router

from parkgraph.front.app import FrontDoor
from parkgraph.front.keys import FixedKeys, configured_key
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.journal.changes import Changes
from parkgraph.journal.ledger import Ledger
from parkgraph.model.api import LotStatus
from parkgraph.model.records import LotDescribed
from parkgraph.runtime.sqlite import Reader
from parkgraph_edge.http.lot import LotFront
from parkgraph_edge.store.terms import LotTerms
from tests.builders import CODE_KEY, LOT, RATES, a_lot
from tests.fakes import FakeClock, randomness

KEY: Final = "pk_live_0123456789abcdefghij"
SESSIONS: Final = "/api/v1/sessions"
AVAILABILITY: Final = f"/api/v1/lots/{LOT}/availability"
AS_JSON: Final = {"Content-Type": "application/json"}
# For tests in which time stands still and limits are not what they are about.
PLENTY: Final = 1_000_000


def a_door(
    ledger: Ledger,
    reader: Reader | None,
    *,
    lot: str = LOT,
    keys: FixedKeys | None = None,
    clock: FakeClock | None = None,
    description: LotDescribed | None = None,
    changes: Changes | None = None,
) -> Router:
    """Return a lot's front door."""
    clock = clock or FakeClock()
    front = LotFront(
        LotTerms(lot, RATES, "north-in", CODE_KEY),
        description or a_lot(),
        ledger,
        reader,
        changes=changes or (Changes(reader, clock) if reader else None),
        occupied=frozenset,
        status=lambda: LotStatus(lot_id=lot, link="up", as_of=clock.now(), away={}),
        clock=clock,
    )
    keys = keys or configured_key(KEY, requests_per_minute=PLENTY)
    door = FrontDoor(keys, clock=clock, random=randomness().randbytes)
    return door.app(front, SHARED, elsewhere=OF_THE_CLOUD)


def a_caller(
    ledger: Ledger, reader: Reader | None, *, lot: str = LOT, fleet: str | None = None
) -> httpx.AsyncClient:
    """Return a caller of a lot's front door with the right key."""
    keys = configured_key(KEY, fleet=fleet, requests_per_minute=PLENTY)
    return calling(a_door(ledger, reader, lot=lot, keys=keys))


def calling(door: Router, *, key: str | None = KEY, host: str = "127.0.0.1") -> httpx.AsyncClient:
    """Return a caller at `host` who sends `key`."""
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=door, client=(host, 50_000)),
        base_url="http://lot",
        headers={} if key is None else {"Authorization": f"Bearer {key}"},
    )


def a_request(**changes: Any) -> dict[str, Any]:
    return {"lot_id": LOT, "plate": "ABC1234", "vehicle": {"fleet_id": "fleet-1"}} | changes


def error_of(response: httpx.Response) -> dict[str, Any]:
    """Return the error, after a look at what all errors have."""
    error: dict[str, Any] = response.json()["error"]
    assert response.headers["content-type"] == "application/json"
    assert re.fullmatch(r"req_[0-9A-Z]{26}", error["request_id"])
    assert response.headers["x-request-id"] == error["request_id"]
    assert int(response.headers["x-ratelimit-remaining"]) >= 0
    assert error["message"]
    return error
