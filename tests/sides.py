"""The front doors of lot and cloud, whatever is behind them."""

from typing import Any

from starlette.routing import Router

from parkgraph.front.app import FrontDoor
from parkgraph.front.keys import FixedKeys, configured_key
from parkgraph.front.operations import OF_THE_CLOUD, SHARED
from parkgraph.runtime.errors import UnavailableError
from tests.fakes import FakeClock, randomness
from tests.front_doors import KEY, PLENTY


class Away:
    """A port behind which nothing can be reached."""

    def __getattr__(self, name: str) -> Any:
        raise UnavailableError("away")


def door_of(side: str, port: Any, keys: FixedKeys | None = None) -> Router:
    """Return the front door of a side; time stands still there."""
    keys = keys or configured_key(KEY, requests_per_minute=PLENTY)
    door = FrontDoor(keys, clock=FakeClock(), random=randomness().randbytes)
    if side == "lot":
        return door.app(port, SHARED, elsewhere=OF_THE_CLOUD)
    return door.app(port, (*SHARED, *OF_THE_CLOUD))
