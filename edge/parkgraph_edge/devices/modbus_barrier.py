"""The barrier controller of the simulated lot. Source: `firmware-sim/README.md`, section 3."""

from collections.abc import Sequence
from typing import Final

from pymodbus.client import AsyncModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.constants import ExcCodes
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.mei_message import ReadDeviceInformationResponse
from pymodbus.pdu.register_message import (
    ReadInputRegistersResponse,
    WriteMultipleRegistersResponse,
)

from parkgraph.model.sites import LiveSite, SyntheticSite
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.devices.modbus import DEVICE_ID, Greet, ModbusLink
from parkgraph_edge.rules.barriers import BarrierState, VendOrder

MAP_VERSION: Final = 1
INPUT_REGISTERS: Final = 20
READ_SECONDS: Final = 2.0
# Vendor and product code. Source: `firmware-sim/README.md`, section 3.
SIMULATOR: Final = (b"Park Graph", b"firmware-sim")


def live_barrier(_site: LiveSite, host: str, port: int, clock: Clock) -> "ModbusBarrier":
    """Return the barrier of a lot with real hardware."""
    return ModbusBarrier(host, port, clock)


def simulated_barrier(site: SyntheticSite, host: str, port: int, clock: Clock) -> "ModbusBarrier":
    """Return the barrier of a synthetic lot: it has nothing to do with a real controller.

    On each connection the controller has to say that it is simulated, or is asked for nothing and
    its barrier is unavailable: what is meant for a sandbox moves nothing, wherever it points.
    """

    async def greet(client: AsyncModbusTcpClient) -> None:
        answer = await client.read_device_information(device_id=DEVICE_ID)
        if not is_simulated(answer):
            raise UnavailableError(
                f"{host}:{port} does not identify itself as simulated, and {site.lot} is a"
                " synthetic lot; write the address of parkgraph-firmware-sim, or synthetic = false"
            )

    return ModbusBarrier(host, port, clock, greet=greet)


class ModbusBarrier:
    """A barrier at a Modbus TCP address. Made by the functions above, as the site allows."""

    def __init__(self, host: str, port: int, clock: Clock, *, greet: Greet | None = None) -> None:
        """Speak with the controller at `host` and `port`; deadlines are by `clock`."""
        self._link = ModbusLink(host, port, greet=greet)
        self._clock = clock

    async def read(self) -> BarrierState:
        """See `Barrier.read`."""
        asked_at = self._clock.boot_seconds()
        answer = await self._link.ask(
            lambda client: client.read_input_registers(
                0, count=INPUT_REGISTERS, device_id=DEVICE_ID
            ),
            seconds=READ_SECONDS,
        )
        if answer.isError():
            raise UnavailableError(f"the controller answers with {answer}")
        if not isinstance(answer, ReadInputRegistersResponse):
            raise CorruptError(f"the controller answers a read with {answer}")
        return decode(answer.registers, asked_at=asked_at)

    async def vend(self, order: VendOrder) -> None:
        """See `Barrier.vend`."""
        left = order.deadline - self._clock.boot_seconds()
        if left <= 0:
            raise UnavailableError("the order is too late to be sent")
        registers = encode(order)
        answer = await self._link.ask(
            lambda client: client.write_registers(0, registers, device_id=DEVICE_ID), seconds=left
        )
        if answer.isError():
            raise RefusedError(_why_refused(answer.exception_code, order))
        if not isinstance(answer, WriteMultipleRegistersResponse) or answer.address != 0:
            raise CorruptError(f"the controller answers an order with {answer}")


def is_simulated(answer: ModbusPDU) -> bool:
    """Say whether a controller that was asked for its device identification is a simulated one.

    Source: Modbus application protocol V1.1b3, section 6.21.
    """
    if answer.isError() or not isinstance(answer, ReadDeviceInformationResponse):
        return False
    return (answer.information.get(0), answer.information.get(1)) == SIMULATOR


def decode(registers: Sequence[int], *, asked_at: float) -> BarrierState:
    """Read the block of input registers, for which the controller was asked `asked_at`.

    Raises:
        CorruptError: it is not this map.
    """
    if len(registers) != INPUT_REGISTERS or registers[0] != MAP_VERSION:
        raise CorruptError(f"register map {registers[:1]} is not version {MAP_VERSION}")
    status = registers[2]
    text = b"".join(register.to_bytes(2, "big") for register in registers[13:19])
    return BarrierState(
        is_armed=bool(status & 1),
        is_occupied=bool(status & 2),
        is_open=bool(status & 4),
        is_closed=bool(status & 8),
        has_fire=bool(status & 16),
        has_tamper=bool(status & 32),
        has_fault=bool(status & 128),
        angle_degrees=registers[3] / 10,
        passages=_long(registers, 4),
        token=_long(registers, 6),
        last_order=_long(registers, 8),
        keypad_entries=registers[12],
        keypad_digits=text.rstrip(b"\0").decode("ascii", "replace"),
        asked_at=asked_at,
    )


def encode(order: VendOrder) -> list[int]:
    """Return the five holding registers of an order, to be written in one frame."""
    words = ModbusClientMixin.convert_to_registers
    kind = ModbusClientMixin.DATATYPE.UINT32
    return [*words(order.token, kind), *words(order.order, kind), round(order.open_seconds * 10)]


def _long(registers: Sequence[int], at: int) -> int:
    return registers[at] << 16 | registers[at + 1]


def _why_refused(code: int, order: VendOrder) -> str:
    match code:
        case ExcCodes.NEGATIVE_ACKNOWLEDGE:
            return f"order {order.order} or token {order.token} is not newer than the last accepted"
        case ExcCodes.DEVICE_FAILURE:
            return "the controller reports a fault of the boom"
        case _:
            return f"the controller answers with exception {code}"
