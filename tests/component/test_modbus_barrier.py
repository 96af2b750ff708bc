"""The driver of the simulated controller, byte for byte: `firmware-sim/README.md`, section 3."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph_edge.devices.modbus_barrier import ModbusBarrier, decode, encode
from parkgraph_edge.devices.space_sensors import SpaceSensors
from parkgraph_edge.rules.barriers import VendOrder
from tests.builders import a_barrier_state
from tests.fakes import FakeClock, until

# Everything behind the transaction number: protocol, length, device, function, body.
READ = bytes.fromhex("0000 0006 01 04 0000 0014")
STATE = bytes.fromhex(
    "0000 002b 01 04 28"
    "0001 0203"  # map version 1, firmware 2.3
    "0005 0384"  # arming loop, open; 90.0 degrees
    "0001 0002"  # 65,538 passages
    "0000 0301"  # token 769
    "0002 0007"  # order 131,079
    "0032 0003 0004"  # holds open for 5.0 s, third boot, fourth keypad entry
    "3132 3334 3536 3738 3900 0000"  # "123456789"
    "0000"
)
ORDER = VendOrder(token=769, order=131080, open_seconds=5.0, deadline=1002.0)
WRITE = bytes.fromhex("0000 0011 01 10 0000 0005 0a 0000 0301 0002 0008 0032")
WRITTEN = bytes.fromhex("0000 0006 01 10 0000 0005")


def registers(**at: int) -> list[int]:
    """Return a block of a closed boom, with `r3=900` for 900 in register 3."""
    block = [1, 0x0203, 0b1000, *[0] * 17]
    for name, value in at.items():
        block[int(name[1:])] = value
    return block


@dataclass
class Controller:
    """Answers each request with the next of `answers`; None is silence."""

    answers: list[bytes | None]
    heard: list[bytes] = field(default_factory=list)
    connections: int = 0
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                number = await reader.readexactly(2)
                head = await reader.readexactly(4)
                self.heard.append(head + await reader.readexactly(int.from_bytes(head[2:], "big")))
                answer = self.answers.pop(0)
                if answer is not None:
                    writer.write(number + answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.lost += 1


@contextlib.asynccontextmanager
async def a_controller(*answers: bytes | None) -> AsyncIterator[tuple[Controller, int]]:
    controller = Controller(list(answers))
    server = await asyncio.start_server(controller.serve, "127.0.0.1", 0)
    async with server:
        yield controller, server.sockets[0].getsockname()[1]
        await until(lambda: controller.lost == controller.connections)


@contextlib.asynccontextmanager
async def a_barrier(*answers: bytes | None) -> AsyncIterator[tuple[ModbusBarrier, Controller]]:
    async with a_controller(*answers) as (controller, port):
        barrier = ModbusBarrier("127.0.0.1", port, FakeClock())
        yield barrier, controller
        barrier._link.abort()


async def test_a_look_is_one_read_of_twenty_registers() -> None:
    async with a_barrier(STATE) as (barrier, controller):
        state = await barrier.read()

    assert controller.heard == [READ]
    assert state == a_barrier_state(
        asked_at=1000.0,
        is_armed=True,
        is_open=True,
        is_closed=False,
        angle_degrees=90.0,
        passages=65538,
        token=769,
        last_order=131079,
        keypad_entries=4,
        keypad_digits="123456789",
    )


async def test_an_order_is_one_write_of_five_registers() -> None:
    async with a_barrier(WRITTEN) as (barrier, controller):
        await barrier.vend(ORDER)

    assert controller.heard == [WRITE]


@pytest.mark.parametrize(
    ("code", "why"), [("07", "not newer"), ("04", "fault of the boom"), ("03", "exception 3")]
)
async def test_an_exception_is_a_refusal_with_its_reason(code: str, why: str) -> None:
    async with a_barrier(bytes.fromhex(f"0000 0003 01 90 {code}")) as (barrier, controller):
        with pytest.raises(RefusedError, match=why):
            await barrier.vend(ORDER)

    assert len(controller.heard) == 1


async def test_a_look_that_is_answered_with_an_exception_is_no_look() -> None:
    async with a_barrier(bytes.fromhex("0000 0003 01 84 04")) as (barrier, _):
        with pytest.raises(UnavailableError):
            await barrier.read()


async def test_an_order_after_its_deadline_is_not_sent() -> None:
    late = VendOrder(769, 131080, 5.0, deadline=1000.0)
    async with a_barrier(WRITTEN) as (barrier, controller):
        with pytest.raises(UnavailableError, match="too late"):
            await barrier.vend(late)

    assert controller.connections == 0


async def test_an_order_without_an_answer_is_dropped_with_its_connection_and_not_repeated() -> None:
    hasty = VendOrder(769, 131080, 5.0, deadline=1000.2)
    async with a_barrier(None, STATE) as (barrier, controller):
        with pytest.raises(UnavailableError):
            await barrier.vend(hasty)
        await until(lambda: controller.lost == 1)

        await barrier.read()

    assert controller.connections == 2
    assert [frame[5] for frame in controller.heard] == [0x10, 0x04]


async def test_where_nobody_listens_the_barrier_is_away() -> None:
    async with a_controller() as (_, port):
        pass

    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}"):
        await ModbusBarrier("127.0.0.1", port, FakeClock()).read()


@pytest.mark.parametrize(
    ("bit", "name"),
    [
        (0, "is_armed"),
        (1, "is_occupied"),
        (2, "is_open"),
        (3, "is_closed"),
        (4, "has_fire"),
        (5, "has_tamper"),
        (7, "has_fault"),
    ],
)
def test_each_bit_of_the_status_means_one_thing(bit: int, name: str) -> None:
    state = decode(registers(r2=1 << bit), asked_at=0.0)

    assert state == a_barrier_state(**({"is_closed": False} | {name: True}))


def test_numbers_of_two_registers_have_their_high_word_first() -> None:
    state = decode(registers(r4=0xFFFF, r5=0xFFFE, r6=1, r9=2), asked_at=0.0)

    assert (state.passages, state.token, state.last_order) == (0xFFFF_FFFE, 0x1_0000, 2)


def test_an_empty_keypad_has_no_digits_and_odd_bytes_do_no_harm() -> None:
    assert decode(registers(), asked_at=0.0).keypad_digits == ""
    assert decode(registers(r13=0x31FF), asked_at=0.0).keypad_digits == "1\N{REPLACEMENT CHARACTER}"


@pytest.mark.parametrize("block", [[], registers()[:19], [*registers(), 0], registers(r0=2)])
def test_another_map_is_not_guessed_at(block: Sequence[int]) -> None:
    with pytest.raises(CorruptError, match="is not version 1"):
        decode(block, asked_at=0.0)


def test_an_order_is_token_id_and_tenths_of_a_second() -> None:
    order = VendOrder(token=0xFFFF_FFFF, order=0x1_0002, open_seconds=0.1, deadline=0.0)

    assert encode(order) == [0xFFFF, 0xFFFF, 1, 2, 1]


async def test_the_space_sensors_are_one_bit_a_space_in_the_order_of_the_configuration() -> None:
    bits = bytes.fromhex("0000 0005 01 02 02 05 02")
    async with a_controller(bits) as (controller, port):
        sensors = SpaceSensors("127.0.0.1", port, [f"S-{number}" for number in range(10)])

        occupied = await sensors.occupied()
        sensors._link.abort()

    assert controller.heard == [bytes.fromhex("0000 0006 01 02 0000 000a")]
    assert occupied == {"S-0", "S-2", "S-9"}
