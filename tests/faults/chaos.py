"""What happens to the way between lots and cloud: one seeded fault after the other."""

import asyncio
import contextlib
import random
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

import aiomqtt

from tests.faults.brokers import Broker
from tests.faults.fleet import Fleet
from tests.faults.wire import Way, Wire

BAD_SECONDS: Final = (0.5, 3.0)
DELAYS_SECONDS: Final = (0.01, 0.15)
BYTES_UNTIL_CUT: Final = (2_000, 400_000)
PAUSE_SECONDS: Final = (0.5, 3.0)
REPLAYED_A_SECOND: Final = 5.0
MOST_KEPT: Final = 60


class Chaos:
    """Faults between `fleet` and its `broker`, over the wires of lots and of the cloud."""

    def __init__(
        self, fleet: Fleet, broker: Broker, wires: list[Wire], *, seed: int, longest_seconds: float
    ) -> None:
        """Draw everything from `seed`.

        Silences last up to `longest_seconds`: with 16, keep-alives (10 s) notice some of them.
        """
        self._silence_seconds = (1.0, longest_seconds)
        self._fleet = fleet
        self._broker = broker
        self._wires = wires
        self._chance = random.Random(seed)
        self.counts: Counter[str] = Counter()
        self.replayed = 0
        self._faults: Mapping[str, Callable[[], Awaitable[None]]] = {
            "broker killed": self._kill_broker,
            "broker killed and wiped": self._wipe_broker,
            "cloud killed": self._kill_cloud,
            "gateway killed": self._kill_gateway,
            "wire cut": self._cut,
            "wire slow": self._slow,
            "wire cut after n bytes": self._cut_after,
            "half-open": self._half_open,
            "silent one way": self._silent,
        }

    async def run(self, is_enough: Callable[[int], bool]) -> None:
        """Let faults happen until `is_enough` says so of how many there were; then heal all."""
        while not is_enough(self.counts.total()):
            # Every kind comes once before any comes twice.
            for name in self._chance.sample(sorted(self._faults), len(self._faults)):
                if is_enough(self.counts.total()):
                    break
                await self._faults[name]()
                self.counts[name] += 1
                await self._while_it_lasts(PAUSE_SECONDS)
        for wire in self._wires:
            wire.heal()

    async def replay(self) -> None:
        """Publish again, late and in any order, what lots and cloud have sent each other."""
        heard: deque[aiomqtt.Message] = deque(maxlen=MOST_KEPT)
        while True:
            # The broker is killed under it: it comes back like everybody else.
            with contextlib.suppress(aiomqtt.MqttError, TimeoutError):
                async with aiomqtt.Client(
                    self._broker.host,
                    self._broker.port,
                    identifier="chaos",
                    protocol=aiomqtt.ProtocolVersion.V5,
                    max_queued_incoming_messages=MOST_KEPT,
                ) as client:
                    await client.subscribe("pg/#", qos=0)
                    await self._echo(client, heard)
            await asyncio.sleep(0.5)

    async def _echo(self, client: aiomqtt.Client, heard: deque[aiomqtt.Message]) -> None:
        loop = asyncio.get_running_loop()
        next_at = loop.time()
        async for message in client.messages:
            # The newest state wins, so an old one told again would be a lie; all else is a row.
            if not message.retain and not str(message.topic).endswith("/state"):
                heard.append(message)
            if heard and loop.time() >= next_at:
                next_at = loop.time() + 1 / REPLAYED_A_SECOND
                old = heard[self._chance.randrange(len(heard))]
                await client.publish(str(old.topic), old.payload, qos=1)
                self.replayed += 1

    async def _kill_broker(self) -> None:
        await self._broker.kill()
        await self._while_it_lasts(BAD_SECONDS)
        await self._broker.start()

    async def _wipe_broker(self) -> None:
        await self._broker.kill()
        self._broker.wipe()
        await self._broker.start()

    async def _kill_cloud(self) -> None:
        await self._fleet.cloud.kill()
        await self._while_it_lasts(BAD_SECONDS)
        await self._fleet.cloud.start()

    async def _kill_gateway(self) -> None:
        gateway = self._chance.choice(self._fleet.running)
        await gateway.kill()
        await gateway.start()
        await gateway.until_it_answers()

    async def _cut(self) -> None:
        self._one_wire().cut()

    async def _slow(self) -> None:
        wire = self._one_wire()
        wire.delay_seconds = self._chance.uniform(*DELAYS_SECONDS)
        await self._while_it_lasts(BAD_SECONDS)
        wire.heal()

    async def _cut_after(self) -> None:
        wire = self._one_wire()
        wire.bytes_a_connection = self._chance.randrange(*BYTES_UNTIL_CUT)
        wire.cut()
        await self._while_it_lasts(self._silence_seconds)
        wire.heal()
        wire.cut()

    async def _half_open(self) -> None:
        wire = self._one_wire()
        wire.leave_half_open()
        await self._while_it_lasts(self._silence_seconds)
        wire.heal()

    async def _silent(self) -> None:
        wire = self._one_wire()
        wire.silence(self._chance.choice(list(Way)))
        await self._while_it_lasts(self._silence_seconds)
        wire.heal()

    def _one_wire(self) -> Wire:
        return self._chance.choice(self._wires)

    async def _while_it_lasts(self, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._chance.uniform(*seconds))
