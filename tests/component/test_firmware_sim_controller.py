"""A barrier controller and the space sensors, over real Modbus TCP."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusIOException

from parkgraph_firmware_sim.hardware import Hardware, running
from parkgraph_firmware_sim.lane import Fault
from parkgraph_firmware_sim.settings import Settings

pytestmark = pytest.mark.timeout(30)

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE, FAILURE, NEGATIVE = 1, 2, 3, 4, 7


def a_lot() -> Settings:
    return Settings.model_validate(
        {
            "lot": {"spaces": [f"S-{number:02}" for number in range(1, 21)]},
            "lanes": {"in": {"direction": "entry"}, "out": {"direction": "exit"}},
        }
    )


@asynccontextmanager
async def connected(address: str, timeout: float = 3.0) -> AsyncIterator[AsyncModbusTcpClient]:
    host, port = address.split(":")
    client = AsyncModbusTcpClient(host, port=int(port), timeout=timeout, retries=0)
    assert await client.connect()
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def a_barrier(timeout: float = 3.0) -> AsyncIterator[tuple[Hardware, AsyncModbusTcpClient]]:
    async with (
        running(a_lot(), speed=0.0) as hardware,
        connected(hardware.addresses.barriers["in"], timeout) as client,
    ):
        yield hardware, client


async def write(client: AsyncModbusTcpClient, *registers: int, address: int = 0) -> int:
    """The exception code of the answer; 0 when the order was accepted."""
    answer = await client.write_registers(address, list(registers), device_id=1)
    return answer.exception_code if answer.isError() else 0


async def until(is_so: Callable[[], bool], limit_seconds: float = 5.0) -> None:
    async with asyncio.timeout(limit_seconds):
        while not is_so():  # noqa: ASYNC110  what is waited for is on the other side of a wire
            await asyncio.sleep(0.01)


async def test_the_registers_live_from_read_to_read() -> None:
    async with a_barrier() as (hardware, client):
        await write(client, 0, 1, 0, 1, 50)
        await hardware.pace.step(0.5)
        rising = (await client.read_input_registers(0, count=20, device_id=1)).registers
        await hardware.pace.step(1.5)
        up = (await client.read_input_registers(0, count=20, device_id=1)).registers

    assert (rising[3], up[3]) == (300, 900)
    assert (rising[2], up[2]) == (0b0100_0000, 0b0000_0100)


async def test_an_order_is_accepted_once_and_an_old_token_never() -> None:
    async with a_barrier() as (_hardware, client):
        answers = [
            await write(client, 0, 2, 0, 7, 50),
            await write(client, 0, 2, 0, 7, 50),
            await write(client, 0, 1, 0, 8, 50),
            await write(client, 0, 2, 0, 8, 50),
            await write(client, 1, 0, 0, 1, 50),
        ]

    assert answers == [0, NEGATIVE, NEGATIVE, 0, 0]


@pytest.mark.parametrize(
    ("registers", "address", "answer"),
    [
        ((0, 1, 0, 1, 0), 0, ILLEGAL_VALUE),
        ((0, 1, 0, 1, 601), 0, ILLEGAL_VALUE),
        ((0, 1, 0, 1), 0, ILLEGAL_ADDRESS),
        ((0, 1, 0, 1, 50, 0), 0, ILLEGAL_ADDRESS),
        ((1, 0, 1, 50), 1, ILLEGAL_ADDRESS),
        ((0, 1, 0, 1, 50), 40, ILLEGAL_ADDRESS),
    ],
)
async def test_half_an_order_or_one_without_sense_is_refused_and_moves_nothing(
    registers: tuple[int, ...], address: int, answer: int
) -> None:
    async with a_barrier() as (hardware, client):
        code = await write(client, *registers, address=address)
        await hardware.pace.step(2.0)

        assert code == answer
        assert hardware.world.lanes["in"].barrier.boom.is_closed


async def test_orders_cannot_be_written_one_register_at_a_time_nor_read_back() -> None:
    async with a_barrier() as (_hardware, client):
        single = await client.write_register(4, 50, device_id=1)
        read = await client.read_holding_registers(0, count=5, device_id=1)

    assert (single.exception_code, read.exception_code) == (ILLEGAL_FUNCTION, ILLEGAL_FUNCTION)


async def test_a_jammed_boom_answers_device_failure_once_it_is_known() -> None:
    async with a_barrier() as (hardware, client):
        hardware.world.set_fault("in", Fault.BOOM_JAMMED, is_on=True)
        first = await write(client, 0, 1, 0, 1, 50)
        await hardware.pace.step(2.0)
        status = (await client.read_input_registers(2, count=1, device_id=1)).registers[0]
        second = await write(client, 0, 1, 0, 2, 50)

    assert (first, second) == (0, FAILURE)
    assert status & 0b1000_0000


async def test_a_silent_controller_takes_no_order_and_gives_no_answer() -> None:
    async with a_barrier(timeout=0.2) as (hardware, client):
        hardware.world.set_fault("in", Fault.CONTROLLER_SILENT, is_on=True)
        with pytest.raises(ModbusIOException):
            await write(client, 0, 1, 0, 1, 50)

        assert hardware.world.lanes["in"].barrier.orders_accepted == 0


async def test_a_slow_controller_has_acted_before_it_answers() -> None:
    async with a_barrier() as (hardware, client), asyncio.TaskGroup() as group:
        barrier = hardware.world.lanes["in"].barrier
        hardware.world.set_fault("in", Fault.CONTROLLER_SLOW, is_on=True, seconds=1.5)
        answer = group.create_task(write(client, 0, 1, 0, 1, 50))
        await until(lambda: barrier.orders_accepted == 1)
        was_answered = answer.done()
        await hardware.pace.step(1.6)
        code = await answer

    assert not was_answered
    assert code == 0


async def test_a_controller_out_of_order_answers_every_request_with_device_failure() -> None:
    async with a_barrier() as (hardware, client):
        hardware.world.set_fault("in", Fault.CONTROLLER_EXCEPTION, is_on=True)
        read = await client.read_input_registers(0, count=20, device_id=1)
        written = await write(client, 0, 1, 0, 1, 50)

    assert (read.exception_code, written) == (FAILURE, FAILURE)


async def test_a_reboot_breaks_the_connection_and_keeps_token_and_passages() -> None:
    async with a_barrier() as (hardware, client):
        hardware.world.lanes["in"].barrier.memory.passages = 3
        await write(client, 0, 9, 0, 1, 50)
        hardware.world.set_fault("in", Fault.REBOOT, is_on=True)
        await hardware.pace.step(0.1)
        await until(lambda: not client.connected)
        await hardware.pace.step(5.0)
        async with connected(hardware.addresses.barriers["in"]) as again:
            registers = (await again.read_input_registers(0, count=20, device_id=1)).registers

    assert registers[4:10] == [0, 3, 0, 9, 0, 1]
    assert registers[11] == 2


async def test_what_is_typed_at_the_keypad_is_read_with_its_number() -> None:
    async with a_barrier() as (hardware, client):
        hardware.world.press("in", "123456789")
        hardware.world.press("in", "42")
        registers = (await client.read_input_registers(12, count=7, device_id=1)).registers

    assert registers == [2, 0x3432, 0, 0, 0, 0, 0]


async def test_the_space_sensors_show_where_cars_stand() -> None:
    async with (
        running(a_lot(), speed=0.0) as hardware,
        connected(hardware.addresses.space_sensors) as client,
    ):
        car = hardware.world.spawn(lane="in", painted_plate="AV1234")
        hardware.world.spaces["S-18"] = car
        bits = (await client.read_discrete_inputs(0, count=20, device_id=1)).bits

    assert [place for place, is_on in enumerate(bits[:20]) if is_on] == [17]
