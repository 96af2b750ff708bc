"""The Modbus TCP server of a barrier controller. Map: `firmware-sim/README.md`, section 3."""

from collections.abc import Mapping
from typing import Final

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from parkgraph_firmware_sim import modbus
from parkgraph_firmware_sim.barrier import Refusal
from parkgraph_firmware_sim.lane import Fault, Lane
from parkgraph_firmware_sim.pace import Pace
from parkgraph_firmware_sim.registers import (
    DEVICE_ID,
    INPUT_COUNT,
    ORDER_COUNT,
    input_registers,
    order_from,
)

READ_INPUTS: Final = 4
WRITE_REGISTERS: Final = 16
ANSWERS: Final[Mapping[Refusal | None, ExcCodes | None]] = {
    None: None,
    Refusal.OUT_OF_RANGE: ExcCodes.ILLEGAL_VALUE,
    Refusal.FAULT: ExcCodes.DEVICE_FAILURE,
    Refusal.SEEN_BEFORE: ExcCodes.NEGATIVE_ACKNOWLEDGE,
}


class Controller:
    """One lane's barrier on the wire. Each request reads or changes the lane in one go."""

    def __init__(self, lane: Lane, pace: Pace, *, port: int) -> None:
        self._lane = lane
        self._pace = pace
        self._port = port
        self._server = ModbusTcpServer(
            SimDevice(
                id=DEVICE_ID,
                simdata=[SimData(0, count=INPUT_COUNT, datatype=DataType.REGISTERS)],
                action=self._answer,
            ),
            address=("127.0.0.1", port),
            trace_packet=self._pass_on,
        )

    async def listen(self) -> int:
        """Begin to answer, and return the port.

        Raises:
            RefusedError: the port is in use.
        """
        return await modbus.listen(self._server, what=f"lanes.{self._lane.name}", port=self._port)

    async def run(self) -> None:
        """Break connections for as long as the controller has no power; for ever."""
        while True:
            if not self._lane.barrier.is_powered:
                modbus.hang_up(self._server)
            await self._pace.turn()

    async def close(self) -> None:
        """Stop listening and close all connections."""
        await modbus.close(self._server)

    def _pass_on(self, is_sending: bool, packet: bytes) -> bytes:  # noqa: FBT001  pymodbus calls it so
        return b"" if is_sending and self._is_mute else packet

    @property
    def _is_mute(self) -> bool:
        return Fault.CONTROLLER_SILENT in self._lane.faults or not self._lane.barrier.is_powered

    async def _answer(
        self,
        function: int,
        _start: int,
        address: int,
        count: int,
        registers: list[int],
        written: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        answer = self._carry_out(function, address, count, written)
        if self._lane.answer_delay_seconds > 0.0:
            await self._pace.wait(self._lane.answer_delay_seconds)
        registers[:INPUT_COUNT] = input_registers(self._lane.barrier)
        return answer

    def _carry_out(
        self, function: int, address: int, count: int, written: list[int] | list[bool] | None
    ) -> ExcCodes | None:
        if self._is_mute or Fault.CONTROLLER_EXCEPTION in self._lane.faults:
            return ExcCodes.DEVICE_FAILURE
        if function == READ_INPUTS:
            return None
        if function != WRITE_REGISTERS or written is None:
            return ExcCodes.ILLEGAL_FUNCTION
        if (address, count) != (0, ORDER_COUNT):
            return ExcCodes.ILLEGAL_ADDRESS
        return ANSWERS[self._lane.barrier.accept(order_from(written))]
