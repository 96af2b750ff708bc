"""The edge's `Barrier` over a simulated lane, with delays, silence and lost answers."""

import asyncio
from collections.abc import Callable
from typing import Final

from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph_edge.rules.barriers import BarrierState, VendOrder
from parkgraph_firmware_sim.barrier import Order, Refusal
from tests.simulation.machines import Machine
from tests.simulation.streets import Street

READ_SECONDS: Final = 2.0
_WIRE_SECONDS: Final = (0.004, 0.03)

# Street, order, boot clock at arrival, seconds since the gateway looked at the lane.
Accepted = Callable[[Street, VendOrder, float, float], None]


class SimulatedBarrier:
    """Speaks for one incarnation of the gateway on `machine` with the lane of `street`."""

    def __init__(self, street: Street, machine: Machine, accepted: Accepted) -> None:
        self._street = street
        self._machine = machine
        self._accepted = accepted
        self._looked_at = 0.0

    async def read(self) -> BarrierState:
        """See `Barrier.read`. A lane at rest answers late, so that it costs nothing."""
        street = self._street
        await street.next_look()
        now = street.loop.time()
        if now < street.silent_until or not street.lane.barrier.is_powered:
            await asyncio.sleep(READ_SECONDS)
            raise UnavailableError("no answer in time")
        state = state_of(street, asked_at=self._machine.clock.boot_seconds())
        self._looked_at = now
        if now < street.slow_until:
            await asyncio.sleep(min(street.slow_seconds, READ_SECONDS))
            if street.slow_seconds >= READ_SECONDS:
                raise UnavailableError("no answer in time")
        return state

    async def vend(self, order: VendOrder) -> None:
        """See `Barrier.vend`. The frame is on the wire at once, whatever becomes of the sender."""
        left = order.deadline - self._machine.clock.boot_seconds()
        if left <= 0:
            raise UnavailableError("the order is too late to be sent")
        street = self._street
        answer: asyncio.Future[Refusal | None] = street.loop.create_future()
        delay = street.random.uniform(*_WIRE_SECONDS)
        looked_at = self._looked_at
        street.loop.call_later(
            delay, self._arrive, order, answer, looked_at, context=street.loop.world.context
        )
        try:
            async with asyncio.timeout(left):
                refusal = await answer
        except TimeoutError as error:
            raise UnavailableError("no answer before the deadline") from error
        if refusal is not None:
            raise RefusedError(refusal.value)

    def _arrive(
        self, order: VendOrder, answer: "asyncio.Future[Refusal | None]", looked_at: float
    ) -> None:
        street = self._street
        now = street.loop.time()
        if now < street.silent_until or not street.lane.barrier.is_powered:
            return
        refusal = street.accept(Order(order.token, order.order, order.open_seconds))
        if refusal is None:
            boot = self._machine.clock.boot_seconds()
            self._accepted(street, order, boot, now - looked_at)
        if now < street.mute_until:
            return
        after = street.slow_seconds if now < street.slow_until else 0.004
        street.loop.call_later(
            after,
            lambda: None if answer.done() else answer.set_result(refusal),
            context=street.loop.world.context,
        )


def state_of(street: Street, *, asked_at: float) -> BarrierState:
    """Return what the registers of the controller say."""
    barrier = street.lane.barrier
    boom = barrier.boom
    return BarrierState(
        is_armed=barrier.inputs.arming,
        is_occupied=barrier.inputs.closing,
        is_open=boom.is_open,
        is_closed=boom.is_closed,
        has_fire=barrier.inputs.fire,
        has_tamper=barrier.inputs.tamper,
        has_fault=barrier.has_fault,
        angle_degrees=boom.angle_degrees,
        passages=barrier.memory.passages,
        token=barrier.memory.token,
        last_order=barrier.memory.order_id,
        keypad_entries=barrier.keypad_entries,
        keypad_digits=barrier.last_entry,
        asked_at=asked_at,
    )
