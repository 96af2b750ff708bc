"""Each test runs at the lot and in the cloud, in plain HTTP and with the SDK, as far as it asks."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest

from tests.conformance.callers import Caller, HttpCaller, SdkCaller
from tests.conformance.world import Template, World, a_world

Calling = Callable[[str], Caller]
Wiring = Callable[[str | None], httpx.AsyncClient]


@pytest.fixture(params=["lot", "cloud"])
def side(request: pytest.FixtureRequest) -> str:
    """Who is asked."""
    return str(request.param)


@pytest.fixture(params=["http", "sdk"])
def kind(request: pytest.FixtureRequest) -> str:
    """How it is asked."""
    return str(request.param)


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return Template(tmp_path_factory.mktemp("template"))


@pytest.fixture
async def world(tmp_path: Path, template: Template) -> AsyncIterator[World]:
    async with a_world(tmp_path, template) as world:
        yield world


@pytest.fixture
async def calling(world: World, side: str, kind: str) -> AsyncIterator[Calling]:
    """Return callers of the side, each with the key of that name."""
    async with AsyncExitStack() as stack:

        def call_with(key: str) -> Caller:
            caller = (
                HttpCaller(world.http(side, key))
                if kind == "http"
                else SdkCaller(world.park(side, key))
            )
            stack.push_async_callback(caller.aclose)
            return caller

        yield call_with


@pytest.fixture
def caller(calling: Calling) -> Caller:
    """A vehicle of the fleet in the public document's example."""
    return calling("waymo")


@pytest.fixture
async def wiring(world: World, side: str) -> AsyncIterator[Wiring]:
    """Return callers of the side in plain HTTP, each with the key of that name, if any."""
    async with AsyncExitStack() as stack:

        def wire_with(key: str | None) -> httpx.AsyncClient:
            http = world.http(side, key)
            stack.push_async_callback(http.aclose)
            return http

        yield wire_with


@pytest.fixture
def wire(wiring: Wiring) -> httpx.AsyncClient:
    """The same vehicle in plain HTTP, for tests of what stands on the wire."""
    return wiring("waymo")
