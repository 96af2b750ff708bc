"""A client's end of a connection to the simulated broker."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from typing import Any

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.mqtt import KEEP_ALIVE_SECONDS, MOST_RECEIVED_WAITING, Message
from tests.simulation.broker import Answer, Broker
from tests.simulation.links import End, Link


class SimulatedChannel:
    """The client's end: what `parkgraph.runtime.mqtt.Channel` promises."""

    def __init__(self, link: Link, broker: Broker) -> None:
        """Speak over `link` to `broker`."""
        self._broker = broker
        self._link = link
        self._loop = link.wires.loop
        self._lost: str | None = None
        self._waiting: dict[asyncio.Future[None], None] = {}
        self._arrival: asyncio.Future[None] | None = None
        self._received: deque[Message] = deque()
        self._is_ping_unanswered = False
        self._end: End | None = None
        link.on_lost = self._lose
        link.arrive = self._arrived

    async def open(self) -> None:
        """Connect, and keep the connection alive.

        Raises:
            UnavailableError: refused, or no answer in time.
        """
        link, broker = self._link, self._broker
        if not link.server.is_alive and broker.machine.is_powered:
            await asyncio.sleep(2 * link.wires.delay())
            raise self._away("connection refused")
        await self._answered(lambda answer: link.up.send(broker.accept, link, answer))
        self._end = End(link.process, lambda: link.up.send(broker.connection_reset, link))
        self._loop.call_later(KEEP_ALIVE_SECONDS, self._beat)

    def close(self) -> None:
        """Disconnect in good order, if the connection still stands."""
        if self._lost is None and self._link.process.is_alive:
            self._send(self._broker.disconnect)
            self._lose("closed")

    async def subscribe(self, topic: str) -> None:
        """Receive what is published on `topic` from now on, and what is retained there."""
        await self._answered(lambda answer: self._send(self._broker.subscribe, topic, answer))

    async def publish(self, message: Message) -> None:
        """Hand `message` to the broker; that it has acknowledged it proves nothing."""
        await self._answered(lambda answer: self._send(self._broker.publish, message, answer))

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the connection is lost."""
        while True:
            while self._received:
                yield self._received.popleft()
            self._arrival = self._loop.create_future()
            await self._wait_for(self._arrival)

    def _send(self, what: Callable[..., object], *args: Any) -> None:
        self._link.up.send(self._broker.heard, self._link, what, *args)

    async def _answered(self, ask: Callable[[Answer], object]) -> None:
        answer: asyncio.Future[None] = self._loop.create_future()
        ask(lambda: None if answer.done() else answer.set_result(None))
        try:
            async with asyncio.timeout(KEEP_ALIVE_SECONDS):
                await self._wait_for(answer)
        except TimeoutError as error:
            raise self._away("no answer") from error

    async def _wait_for(self, future: "asyncio.Future[None]") -> None:
        if self._lost is not None:
            raise self._away(self._lost)
        self._waiting[future] = None
        try:
            await future
        finally:
            self._waiting.pop(future, None)

    def _arrived(self, message: Message) -> None:
        # aiomqtt discards what arrives when its queue is full.
        if self._lost is None and len(self._received) < MOST_RECEIVED_WAITING:
            self._received.append(message)
            if self._arrival is not None and not self._arrival.done():
                self._arrival.set_result(None)

    def _beat(self) -> None:
        """Ping the broker; give up when it did not answer the last one."""
        if self._lost is not None:
            return
        if self._is_ping_unanswered:
            self._link.up.send(self._broker.connection_reset, self._link)
            self._lose("keep-alive")
            return
        self._is_ping_unanswered = True
        self._send(self._broker.answer, self._pong)
        self._loop.call_later(KEEP_ALIVE_SECONDS, self._beat)

    def _pong(self) -> None:
        self._is_ping_unanswered = False

    def _lose(self, reason: str) -> None:
        if self._lost is not None:
            return
        self._lost = reason
        if self._end is not None:
            self._end.close()
        for future in list(self._waiting):
            if not future.done():
                future.set_exception(self._away(reason))

    def _away(self, reason: str) -> UnavailableError:
        return UnavailableError(f"broker {self._broker.machine.name}: {reason}")
