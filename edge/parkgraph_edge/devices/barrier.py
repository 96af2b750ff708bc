"""What a lane needs of a barrier. There is no way to close one: it closes by its own interlock."""

from typing import Protocol

from parkgraph_edge.rules.barriers import BarrierState, VendOrder


class Barrier(Protocol):
    """A barrier controller. The gateway is never part of its entrapment protection."""

    async def read(self) -> BarrierState:
        """Look at loops, boom, counters and keypad, all at one time.

        Raises:
            UnavailableError: no answer in time; the connection was aborted.
            CorruptError: the answer is none that this make gives.
        """
        ...

    async def vend(self, order: VendOrder) -> None:
        """Hand `order` to the controller: one frame with fencing token, id and open seconds.

        Returns once the controller has accepted it, not once the boom is up.

        Raises:
            UnavailableError: no answer before `order.deadline`; the connection was aborted, so that
                the order cannot arrive later.
            CorruptError: the answer is none to an order; it may have been accepted.
            RefusedError: the id was seen before, a newer token holds the lane, or the boom has
                a fault.
        """
        ...
