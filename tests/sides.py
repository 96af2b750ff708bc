"""The front doors of lot and cloud, whatever is behind them."""

from typing import Any

from starlette.applications import Starlette

from parkgraph.front.app import ApiKey, FrontDoor
from parkgraph.front.openapi import SIDES
from parkgraph.runtime.errors import UnavailableError
from tests.fakes import FakeClock, randomness
from tests.front_doors import KEY, PLENTY


class Away:
    """A port behind which nothing can be reached."""

    def __getattr__(self, name: str) -> Any:
        raise UnavailableError("away")


def door_of(side: str, port: Any, key: ApiKey | None = None) -> Starlette:
    """Return the front door of a side; time stands still there."""
    key = key or ApiKey(KEY, requests_per_minute=PLENTY)
    door = FrontDoor(key=key, clock=FakeClock(), random=randomness().randbytes)
    return door.app(port, SIDES[side])
