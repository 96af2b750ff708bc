"""The barrier of a synthetic lot has nothing to do with a controller that is not simulated."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from parkgraph.model.sites import SyntheticSite
from parkgraph.runtime.errors import UnavailableError
from parkgraph_edge.devices.modbus_barrier import ModbusBarrier, simulated_barrier
from parkgraph_edge.rules.barriers import VendOrder
from parkgraph_firmware_sim.hardware import running
from parkgraph_firmware_sim.lane import Fault
from parkgraph_firmware_sim.settings import Settings
from tests.fakes import FakeClock, until

IDENTIFY, READ, ORDER = 0x2B, 0x04, 0x10
VEND = VendOrder(token=769, order=131080, open_seconds=5.0, deadline=1002.0)


def identification(vendor: bytes, product: bytes, revision: bytes = b"2.3") -> bytes:
    """Return the answer of a controller that is asked what it is."""
    objects = b"".join(
        bytes([place, len(text)]) + text for place, text in enumerate((vendor, product, revision))
    )
    return bytes.fromhex("2b 0e 01 01 00 00 03") + objects


@dataclass
class Stranger:
    """A controller that says it is `identity`, and carries out whatever it is told."""

    identity: bytes | None
    heard: list[int] = field(default_factory=list)
    connections: int = 0
    lost: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await reader.readexactly(7)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big") - 1)
                self.heard.append(body[0])
                answer = self.identity if body[0] == IDENTIFY else body[:5]
                if answer is not None:
                    size = (len(answer) + 1).to_bytes(2, "big")
                    writer.write(head[:4] + size + head[6:] + answer)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        self.lost += 1


@contextlib.asynccontextmanager
async def a_barrier_at(stranger: Stranger) -> AsyncIterator[ModbusBarrier]:
    server = await asyncio.start_server(stranger.serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        barrier = simulated_barrier(SyntheticSite("sandbox"), "127.0.0.1", port, FakeClock())
        yield barrier
        barrier._link.abort()
        await until(lambda: stranger.lost == stranger.connections)


@pytest.mark.parametrize(
    "identity",
    [
        identification(b"Some Maker", b"BG-6000"),
        identification(b"Park Graph", b"BG-6000"),
        identification(b"Some Maker", b"firmware-sim"),
        bytes.fromhex("2b 0e 01 01 00 00 00"),
        bytes.fromhex("ab 01"),
        bytes.fromhex("ab 04"),
    ],
    ids=["another", "another product", "another vendor", "nothing", "illegal function", "failure"],
)
async def test_who_does_not_say_that_he_is_simulated_is_asked_for_nothing_else(
    identity: bytes,
) -> None:
    stranger = Stranger(identity)

    async with a_barrier_at(stranger) as barrier:
        with pytest.raises(UnavailableError, match="does not identify itself as simulated"):
            await barrier.vend(VEND)
        with pytest.raises(UnavailableError, match="does not identify itself as simulated"):
            await barrier.read()

    assert stranger.heard == [IDENTIFY, IDENTIFY]


async def test_who_does_not_answer_what_he_is_gets_no_order_after_its_deadline() -> None:
    hasty = VendOrder(769, 131080, 5.0, deadline=1000.2)
    stranger = Stranger(None)

    async with a_barrier_at(stranger) as barrier, asyncio.timeout(5):
        with pytest.raises(UnavailableError):
            await barrier.vend(hasty)

    assert stranger.heard == [IDENTIFY]


async def test_who_says_that_he_is_simulated_is_asked_once_for_each_connection() -> None:
    stranger = Stranger(identification(b"Park Graph", b"firmware-sim", b"9.9"))

    async with a_barrier_at(stranger) as barrier:
        await barrier.vend(VEND)
        await barrier.vend(VEND)
        barrier._link.abort()
        await barrier.vend(VEND)

    assert stranger.heard == [IDENTIFY, ORDER, ORDER, IDENTIFY, ORDER]


async def test_a_simulated_controller_that_answers_with_exceptions_is_away_and_comes_back() -> None:
    settings = Settings.model_validate({"lanes": {"in": {"direction": "entry"}}})
    async with running(settings, speed=0.0) as hardware:
        host, _, port = hardware.addresses.barriers["in"].partition(":")
        barrier = simulated_barrier(SyntheticSite("sandbox"), host, int(port), FakeClock())
        hardware.world.set_fault("in", Fault.CONTROLLER_EXCEPTION, is_on=True)
        with pytest.raises(UnavailableError):
            await barrier.read()

        hardware.world.set_fault("in", Fault.CONTROLLER_EXCEPTION, is_on=False)
        state = await barrier.read()
        barrier._link.abort()

    assert state.is_closed
