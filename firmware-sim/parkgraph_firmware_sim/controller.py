"""The Modbus TCP server of a barrier controller. Map: `firmware-sim/README.md`, section 3."""

from collections.abc import Mapping
from typing import Final

from pymodbus import ModbusDeviceIdentification
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ExceptionResponse, ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from parkgraph_firmware_sim import modbus
from parkgraph_firmware_sim.barrier import Refusal
from parkgraph_firmware_sim.lane import Fault, Lane
from parkgraph_firmware_sim.pace import Pace
from parkgraph_firmware_sim.registers import (
    DEVICE_ID,
    IDENTIFICATION,
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
            identity=ModbusDeviceIdentification(  # type: ignore[no-untyped-call]  # likewise untyped
                info_name=dict(IDENTIFICATION)
            ),
            trace_packet=self._pass_on,
            trace_pdu=self._identify,
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

    def _identify(self, is_sending: bool, answer: ModbusPDU) -> ModbusPDU:  # noqa: FBT001  likewise
        """Let an identification, which pymodbus answers itself, fail as all other answers do."""
        is_one = is_sending and isinstance(answer, ReadDeviceInformationResponse)
        if not is_one or Fault.CONTROLLER_EXCEPTION not in self._lane.faults:
            return answer
        failure = ExceptionResponse(answer.function_code, ExcCodes.DEVICE_FAILURE)
        failure.transaction_id, failure.dev_id = answer.transaction_id, answer.dev_id
        return failure

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
