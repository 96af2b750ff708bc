"""Keeps the link to the cloud up, and tells it how the lot is."""

from collections.abc import Callable
from typing import Final

from parkgraph.journal.link import LotState, Uplink, topic
from parkgraph.runtime.loops import keep_trying
from parkgraph.runtime.mqtt import Message, connect

STATE_EVERY_SECONDS: Final = 2.0
# How long the broker waits before it says that the lot cannot be reached: a short gap is none.
WILL_DELAY_SECONDS: Final = 2
LONGEST_PAUSE_SECONDS: Final = 8.0


async def keep_up(broker: str, lot: str, uplink: Uplink, state: Callable[[int], LotState]) -> None:
    """Connect to `broker` again and again, and send through `uplink` while it lasts."""
    down = LotState(link="down").model_dump_json().encode()
    will = Message(topic(lot, "state"), down, is_retained=True)

    async def attempt() -> None:
        async with connect(
            broker, client=f"lot-{lot}", will=will, will_delay_seconds=WILL_DELAY_SECONDS
        ) as channel:
            await uplink.run(channel, state, every_seconds=STATE_EVERY_SECONDS)

    await keep_trying("cloud", attempt, longest_pause_seconds=LONGEST_PAUSE_SECONDS)
