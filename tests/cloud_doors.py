"""Callers of the cloud's front door, without a socket between."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

import httpx

from parkgraph.front.app import FrontDoor
from parkgraph.front.keys import configured_key, id_of
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.model.errors import ErrorCode
from parkgraph_cloud.core import Core
from parkgraph_cloud.links import _SQL as LINKS
from tests.fake_link import OpenCloud
from tests.fakes import randomness

OPERATOR: Final = "pk_live_0123456789abcdefghijklmn"
OPERATOR_ID: Final = id_of(OPERATOR)
KEYS: Final = "/api/v1/api-keys"
SESSIONS: Final = "/api/v1/sessions"
# For tests in which time stands still and limits are not what they are about.
PLENTY: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class CloudDoor:
    """The cloud's front door, and what is behind it."""

    cloud: OpenCloud
    core: Core
    client: httpx.AsyncClient

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        key: str = OPERATOR,
        request: str | None = None,
    ) -> httpx.Response:
        """Call with `key`, and with the Idempotency-Key `request`."""
        headers = {"Authorization": f"Bearer {key}"}
        if request:
            headers["Idempotency-Key"] = request
        return await self.client.request(method, path, json=body, headers=headers)

    async def makes_key(self, *, by: str = OPERATOR, **wishes: Any) -> str:
        """Return a new key, made with the key `by`."""
        asked = {"name": "a key", "requests_per_minute": PLENTY} | wishes
        made = await self.call("POST", KEYS, asked, key=by)
        assert made.status_code == 201, made.text
        return str(made.json()["key"])

    async def lists(self, *, key: str = OPERATOR) -> list[str]:
        """Return the ids of the keys that `key` sees."""
        answer = await self.call("GET", KEYS, key=key)
        return [each["id"] for each in answer.json()["api_keys"]]

    async def hears(self, body: str, *, lot: str) -> None:
        """Let `lot` say now how it is."""
        heard = {"lot": lot, "body": body, "received_at": self.cloud.clock.now().isoformat()}
        await self.cloud.writer.submit(lambda c: c.execute(LINKS["put_state"], heard))


def refusal(answer: httpx.Response) -> ErrorCode:
    """Return why a call was refused."""
    return ErrorCode(answer.json()["error"]["code"])


@contextlib.asynccontextmanager
async def open_door(
    cloud: OpenCloud, *, configured: str = OPERATOR, fleet: str | None = None, seed: int = 5
) -> AsyncIterator[CloudDoor]:
    """Open the front door of `cloud`, and keep up what wakes those who wait there."""
    keys = configured_key(configured, fleet=fleet, requests_per_minute=PLENTY)
    random = randomness(seed).randbytes
    core = Core(cloud.writer, cloud.reader, configured=keys, clock=cloud.clock, random=random)
    await core.ready()
    door = FrontDoor(core.keys, clock=cloud.clock, random=random)
    app = door.app(core.fleet, (*SHARED, *OF_THE_CLOUD))
    transport = httpx.ASGITransport(app=app)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://cloud") as client,
        asyncio.TaskGroup() as group,
    ):
        loops = (
            group.create_task(core.changes.run()),
            group.create_task(core.keys.follow(core.changes, cloud.reader)),
        )
        yield CloudDoor(cloud, core, client)
        for loop in loops:
            loop.cancel()
