"""What a lane may rely on, whichever barrier it has: the fake of the tests, or one on the wire."""

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass

import pytest

from parkgraph.model.sites import LiveSite, SyntheticSite
from parkgraph.runtime.clock import Clock, SystemClock
from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph_edge.devices.barrier import Barrier
from parkgraph_edge.devices.modbus_barrier import live_barrier, simulated_barrier
from parkgraph_edge.rules.barriers import BarrierState, VendOrder
from parkgraph_firmware_sim.hardware import running
from parkgraph_firmware_sim.lane import Fault
from parkgraph_firmware_sim.settings import Settings
from tests.fakes import FakeBarrier

LANE = "north-in"


@dataclass
class Rig:
    """A barrier, and hands to turn its world."""

    barrier: Barrier
    pass_time: Callable[[], Awaitable[None]]
    take_away: Callable[[], None]

    async def look(self) -> BarrierState:
        """Let time pass, then look."""
        await self.pass_time()
        return await self.barrier.read()


@contextlib.asynccontextmanager
async def a_fake() -> AsyncIterator[Rig]:
    barrier = FakeBarrier(SystemClock())

    async def release_a_look() -> None:
        barrier._turn.release()

    def take_away() -> None:
        barrier.is_away = True

    yield Rig(barrier, release_a_look, take_away)


def a_live_driver(host: str, port: int, clock: Clock) -> Barrier:
    return live_barrier(LiveSite("elm-street"), host, port, clock)


def a_simulated_driver(host: str, port: int, clock: Clock) -> Barrier:
    return simulated_barrier(SyntheticSite("elm-street"), host, port, clock)


@contextlib.asynccontextmanager
async def on_the_wire(driver: Callable[[str, int, Clock], Barrier]) -> AsyncIterator[Rig]:
    settings = Settings.model_validate(
        {"lot": {"spaces": ["S-1"]}, "ports": {}, "lanes": {LANE: {"direction": "entry"}}}
    )
    async with running(settings, speed=0.0) as hardware:
        host, _, port = hardware.addresses.barriers[LANE].partition(":")

        async def step() -> None:
            await hardware.pace.step(2.0)

        def take_away() -> None:
            hardware.world.set_fault(LANE, Fault.CONTROLLER_SILENT, is_on=True, seconds=60.0)

        yield Rig(driver(host, int(port), SystemClock()), step, take_away)


RIGS = pytest.mark.parametrize(
    "a_rig",
    [
        a_fake,
        functools.partial(on_the_wire, a_live_driver),
        functools.partial(on_the_wire, a_simulated_driver),
    ],
    ids=["fake", "driver of live lots", "driver of synthetic lots"],
)
ARig = Callable[[], contextlib.AbstractAsyncContextManager[Rig]]


def an_order(order: int, token: int = 257, *, in_seconds: float = 1.0) -> VendOrder:
    return VendOrder(token, order, 5.0, SystemClock().boot_seconds() + in_seconds)


@RIGS
async def test_a_barrier_that_nobody_ordered_is_down(a_rig: ARig) -> None:
    async with a_rig() as rig:
        state = await rig.look()

        assert (state.is_closed, state.is_open, state.angle_degrees) == (True, False, 0.0)


@RIGS
async def test_an_order_raises_the_boom_and_is_remembered(a_rig: ARig) -> None:
    async with a_rig() as rig:
        await rig.barrier.vend(an_order(7))

        state = await rig.look()
        assert (state.is_open, state.token, state.last_order) == (True, 257, 7)


@RIGS
async def test_an_order_that_was_taken_is_not_taken_again(a_rig: ARig) -> None:
    async with a_rig() as rig:
        await rig.barrier.vend(an_order(7))

        with pytest.raises(RefusedError):
            await rig.barrier.vend(an_order(7))


@RIGS
async def test_who_holds_an_older_token_is_refused_whatever_the_id(a_rig: ARig) -> None:
    async with a_rig() as rig:
        await rig.barrier.vend(an_order(1, token=513))

        with pytest.raises(RefusedError):
            await rig.barrier.vend(an_order(99, token=257))


@RIGS
async def test_a_newer_token_begins_its_ids_anew(a_rig: ARig) -> None:
    async with a_rig() as rig:
        await rig.barrier.vend(an_order(99, token=257))

        await rig.barrier.vend(an_order(1, token=513))

        assert (await rig.look()).last_order == 1


@RIGS
async def test_an_order_past_its_deadline_is_not_sent(a_rig: ARig) -> None:
    async with a_rig() as rig:
        with pytest.raises(UnavailableError):
            await rig.barrier.vend(an_order(7, in_seconds=-0.1))

        assert (await rig.look()).last_order == 0


@RIGS
async def test_a_barrier_that_does_not_answer_is_unavailable_by_the_deadline(a_rig: ARig) -> None:
    async with a_rig() as rig:
        rig.take_away()

        async with asyncio.timeout(5):
            with pytest.raises(UnavailableError):
                await rig.barrier.vend(an_order(7, in_seconds=0.3))
