"""Where the space sensors see a vehicle: state, newest wins."""

import asyncio
from typing import Final

import structlog

from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.devices.space_sensors import SpaceSensors

log = structlog.get_logger(__name__)

LOOK_EVERY_SECONDS: Final = 1.0


class Occupancy:
    """The newest look at the space sensors."""

    def __init__(self, sensors: SpaceSensors | None) -> None:
        """Look through `sensors`; None where the lot has none."""
        self._sensors = sensors
        self._occupied: frozenset[str] = frozenset()
        self.away: str | None = None

    def occupied(self) -> frozenset[str]:
        """Return the spaces where a vehicle was last seen."""
        return self._occupied

    async def run(self) -> None:
        """Look until cancelled."""
        while self._sensors:
            try:
                self._occupied = await self._sensors.occupied()
                if self.away:
                    log.info("space_sensors_back")
                self.away = None
            except UnavailableError as error:
                if not self.away:
                    log.warning("space_sensors_away", reason=str(error))
                self.away = str(error)
            await asyncio.sleep(LOOK_EVERY_SECONDS)
