"""An MQTT broker of the simulated world: what is retained, wills, and nothing on a disk."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from parkgraph.runtime.mqtt import KEEP_ALIVE_SECONDS, Message
from tests.simulation.handles import Handle
from tests.simulation.links import End, Link
from tests.simulation.machines import Machine
from tests.simulation.wires import Wires

_GIVES_UP_SECONDS: Final = 1.5 * KEEP_ALIVE_SECONDS  # MQTT 5, section 3.1.2.10

Answer = Callable[[], None]


class _Pending(NamedTuple):
    timer: Handle
    will: Message


def matches(topic_filter: str, topic: str) -> bool:
    """Say whether `topic` is one of `topic_filter`, with its `+` and `#`."""
    if topic_filter == topic:
        return True
    wanted, parts = topic_filter.split("/"), topic.split("/")
    for index, level in enumerate(wanted):
        if level == "#":
            return True
        if index >= len(parts) or level not in {"+", parts[index]}:
            return False
    return len(wanted) == len(parts)


class Broker:
    """What the program on the broker's machine holds; killed, it keeps at most what is retained."""

    def __init__(self, wires: Wires, machine: Machine, *, keeps_retained: bool) -> None:
        """Serve on `machine` once its program is `main`."""
        self.machine = machine
        self.keeps_retained = keeps_retained
        self.retained: dict[str, bytes] = {}
        self.published = 0
        # Chance that the broker drops a message that it has acknowledged: a full queue.
        self.drop_chance = 0.0
        self._wires = wires
        self._loop = wires.loop
        self._links: dict[str, tuple[Link, End]] = {}
        self._wills: dict[str, _Pending] = {}

    async def main(self, _: Machine) -> None:
        """Be the program of the broker's machine."""
        self._links, self._wills = {}, {}
        if not self.keeps_retained:
            self.retained = {}
        await self._loop.create_future()

    def wipe(self) -> None:
        """Forget all that is retained, as a broker does whose volume is lost."""
        self.retained = {}

    def lose_connections(self) -> None:
        """Sever every connection without a word."""
        for link, _ in self._links.values():
            link.sever()

    # What arrives from clients. All of it runs in the broker's process.

    def accept(self, link: Link, answer: Answer) -> None:
        """Take a new connection in the place of an older one of the same client."""
        if older := self._links.get(link.client):
            self._drop(older[0], "taken over")
        if pending := self._wills.pop(link.client, None):
            # A clean start ends the old session, and its will is sent. MQTT 5, section 3.1.4.
            pending.timer.cancel()
            self._route(pending.will)
        link.heard_at = self._loop.time()
        end = End(link.server, lambda: link.reset_client("connection reset"))
        self._links[link.client] = (link, end)
        self._watch(link)
        link.down.send(answer)

    def heard(self, link: Link, what: Callable[..., object], *args: Any) -> None:
        """Do `what`, if the connection still stands."""
        if self._is_open(link):
            link.heard_at = self._loop.time()
            what(link, *args)
        else:
            link.reset_client("connection reset")

    def subscribe(self, link: Link, topic_filter: str, answer: Answer) -> None:
        """Send what is published on `topic_filter` from now on, and what is retained there."""
        link.filters[topic_filter] = None
        link.down.send(answer)
        for topic, payload in list(self.retained.items()):
            if matches(topic_filter, topic):
                link.down.send(link.arrive, Message(topic, payload, is_retained=True))

    def publish(self, link: Link, message: Message, answer: Answer) -> None:
        """Acknowledge `message`, and send it to who subscribed to its topic."""
        link.down.send(answer)
        if not self._wires.chance(self.drop_chance):
            self._route(message)

    def answer(self, link: Link, answer: Answer) -> None:
        """Answer a ping."""
        link.down.send(answer)

    def disconnect(self, link: Link) -> None:
        """End a connection in good order: its will is not sent."""
        link.will = None
        self._drop(link, "")

    def connection_reset(self, link: Link) -> None:
        """Hear from the client's kernel that the client is gone."""
        if self._is_open(link):
            self._drop(link, "")

    def _is_open(self, link: Link) -> bool:
        held = self._links.get(link.client)
        return held is not None and held[0] is link

    def _route(self, message: Message) -> None:
        self.published += 1
        if message.is_retained and message.payload:
            self.retained[message.topic] = message.payload
        elif message.is_retained:
            self.retained.pop(message.topic, None)
        sent = Message(message.topic, message.payload)
        for link, _ in self._links.values():
            if any(matches(wanted, message.topic) for wanted in link.filters):
                self._deliver(link, sent)

    def _deliver(self, link: Link, message: Message) -> None:
        wires, weather = self._wires, self._wires.weather
        if wires.chance(weather.lost_connection_chance):
            link.sever()
        copies = 2 if wires.chance(weather.duplicate_chance) else 1
        for copy in range(copies):
            if copy or wires.chance(weather.reorder_chance):
                self._loop.call_later(10 * wires.delay(), link.down.send, link.arrive, message)
            else:
                link.down.send(link.arrive, message)

    def _watch(self, link: Link) -> None:
        """Drop `link` when nothing was heard of it for too long."""
        if not self._is_open(link):
            return
        left = link.heard_at + _GIVES_UP_SECONDS - self._loop.time()
        if left <= 0:
            self._drop(link, "keep-alive")
        else:
            self._loop.call_later(left, self._watch, link)

    def _drop(self, link: Link, reason: str) -> None:
        _, end = self._links.pop(link.client)
        end.close()
        if reason:
            link.reset_client(reason)
        if link.will:
            delay = link.will_delay_seconds
            timer = self._loop.call_later(delay, self._send_will, link.client)
            self._wills[link.client] = _Pending(timer, link.will)

    def _send_will(self, client: str) -> None:
        self._route(self._wills.pop(client).will)
