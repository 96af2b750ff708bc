"""The network: connections to brokers, and calls from machine to machine."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from random import Random
from typing import Final, TypeVar
from urllib.parse import urlsplit

from parkgraph.runtime.errors import CorruptError, RefusedError, UnavailableError
from parkgraph.runtime.mqtt import Message
from tests.simulation.broker import Broker
from tests.simulation.channel import SimulatedChannel
from tests.simulation.links import Link
from tests.simulation.loop import SimulatedLoop
from tests.simulation.machines import Machine
from tests.simulation.processes import PROCESS, Failure, Process
from tests.simulation.wires import Wires

CALL_SECONDS: Final = 10.0
_OURS: Final = (RefusedError, UnavailableError, CorruptError)

T = TypeVar("T")


class Network(Wires):
    """Leads from every machine to every other, where it is not cut."""

    def __init__(self, loop: SimulatedLoop, random: Random) -> None:
        """Draw delays and losses from `random`."""
        super().__init__(loop, random)
        self.brokers: dict[str, Broker] = {}

    def broker(self, machine: Machine, *, keeps_retained: bool = True) -> Broker:
        """Let a broker run on `machine` and be reached by its name."""
        broker = Broker(self, machine, keeps_retained=keeps_retained)
        self.brokers[machine.name] = broker
        machine.start(broker.main)
        return broker

    @contextlib.asynccontextmanager
    async def connect(
        self, url: str, *, client: str, will: Message | None = None, will_delay_seconds: int = 0
    ) -> AsyncIterator[SimulatedChannel]:
        """Connect the machine whose program calls, as `parkgraph.runtime.mqtt.connect` does.

        Raises:
            UnavailableError: the broker cannot be reached, or the connection was lost.
        """
        broker = self.brokers[urlsplit(url).hostname or "localhost"]
        link = Link(self, PROCESS.get(self.loop.world), broker.machine, client)
        link.will, link.will_delay_seconds = will, will_delay_seconds
        channel = SimulatedChannel(link, broker)
        await channel.open()
        try:
            yield channel
        finally:
            channel.close()

    async def call(
        self,
        client: Machine,
        server: Machine,
        function: Callable[[], Awaitable[T]],
        *,
        timeout_seconds: float = CALL_SECONDS,
    ) -> T:
        """Run `function` in the program of `server`, and return what it returns.

        Raises:
            UnavailableError: refused, or no answer came in time; it may have run all the same.
        """
        answer: asyncio.Future[T] = self.loop.create_future()
        asker = PROCESS.get(self.loop.world)
        self._in_transit(lambda: self._arrived(client, server, asker, function, answer))
        try:
            async with asyncio.timeout(timeout_seconds):
                return await answer
        except TimeoutError as error:
            raise UnavailableError(f"{server.name}: no answer in {timeout_seconds} s") from error

    def _in_transit(self, arrive: Callable[[], object]) -> None:
        self.loop.call_later(self.delay(), arrive, context=self.loop.world.context)

    def _arrived(
        self,
        client: Machine,
        server: Machine,
        asker: Process,
        function: Callable[[], Awaitable[T]],
        answer: "asyncio.Future[T]",
    ) -> None:
        if self.is_cut(client.name, server.name) or not server.is_powered:
            return

        def send(settle: Callable[[], object]) -> None:
            if not self.is_cut(server.name, client.name):
                self.loop.call_later(
                    self.delay(),
                    lambda: None if answer.done() else settle(),
                    context=asker.context,
                )

        if not server.is_up:
            refused = UnavailableError(f"{server.name}: connection refused")
            send(lambda: answer.set_exception(refused))
            return
        self.loop.create_task(
            self._serve(server, function, answer, send), context=server.process.context.copy()
        )

    async def _serve(
        self,
        server: Machine,
        function: Callable[[], Awaitable[T]],
        answer: "asyncio.Future[T]",
        send: Callable[[Callable[[], object]], None],
    ) -> None:
        process = PROCESS.get()
        try:
            result = await function()
        except _OURS as ours:
            error: Exception = ours
        except Exception as bug:  # noqa: BLE001 (a server answers 500 and goes on)
            self.loop.failures.append(Failure(self.loop.time(), server.name, "call", bug))
            error = UnavailableError(f"{server.name}: {bug!r}")
        else:
            if process.is_alive:
                send(lambda: answer.set_result(result))
            return
        if process.is_alive:
            send(lambda: answer.set_exception(error))
