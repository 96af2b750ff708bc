"""The space sensors of the lot: one discrete input a space, in the order of the configuration."""

from collections.abc import Sequence

from pymodbus.pdu.bit_message import ReadDiscreteInputsResponse

from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.devices.modbus import DEVICE_ID, ModbusLink

READ_SECONDS = 1.0
# The most discrete inputs in one request. Source: Modbus application protocol V1.1b3, section 6.2.
MOST_INPUTS = 2000


class SpaceSensors:
    """The concentrator that all space sensors report to."""

    def __init__(self, host: str, port: int, spaces: Sequence[str]) -> None:
        """Read the sensors of `spaces` at `host` and `port`."""
        self._link = ModbusLink(host, port)
        self._spaces = spaces

    async def occupied(self) -> frozenset[str]:
        """Return the spaces where a vehicle is seen.

        Raises:
            UnavailableError: no answer in time.
        """
        seen: list[str] = []
        for first in range(0, len(self._spaces), MOST_INPUTS):
            spaces = self._spaces[first : first + MOST_INPUTS]
            bits = await self._read(first, len(spaces))
            seen.extend(space for space, bit in zip(spaces, bits, strict=False) if bit)
        return frozenset(seen)

    async def _read(self, first: int, count: int) -> Sequence[bool]:
        answer = await self._link.ask(
            lambda client: client.read_discrete_inputs(first, count=count, device_id=DEVICE_ID),
            seconds=READ_SECONDS,
        )
        if answer.isError():
            raise UnavailableError(f"the space sensors answer with {answer}")
        if not isinstance(answer, ReadDiscreteInputsResponse):
            raise UnavailableError(f"the space sensors answer a read with {answer}")
        return answer.bits
