"""The Modbus TCP server of the lot's space sensors: one discrete input a space, 1 = occupied."""

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from parkgraph_firmware_sim import modbus
from parkgraph_firmware_sim.registers import DEVICE_ID
from parkgraph_firmware_sim.world import World

READ_DISCRETE_INPUTS = 2
BITS = 16


class SpaceSensors:
    """All sensors of the lot, in the order of the settings, padded with 0 to a multiple of 16."""

    def __init__(self, world: World, *, port: int) -> None:
        self._world = world
        self._port = port
        words = max(1, -(-len(world.spaces) // BITS))
        self._server = ModbusTcpServer(
            SimDevice(
                id=DEVICE_ID,
                simdata=[SimData(0, count=words, datatype=DataType.REGISTERS)],
                use_bit_addressing=True,
                action=self._answer,
            ),
            address=("127.0.0.1", port),
        )

    async def listen(self) -> int:
        """Begin to answer, and return the port.

        Raises:
            RefusedError: the port is in use.
        """
        return await modbus.listen(self._server, what="ports.space_sensors", port=self._port)

    async def close(self) -> None:
        """Stop listening and close all connections."""
        await modbus.close(self._server)

    async def _answer(
        self,
        function: int,
        _start: int,
        _address: int,
        _count: int,
        registers: list[int],
        _written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        if function != READ_DISCRETE_INPUTS:
            return ExcCodes.ILLEGAL_FUNCTION
        occupied = [car is not None for car in self._world.spaces.values()]
        for at in range(0, len(occupied), BITS):
            word = occupied[at : at + BITS]
            registers[at // BITS] = sum(1 << place for place, is_on in enumerate(word) if is_on)
        return None
