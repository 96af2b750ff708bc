"""The broker and the network of the simulated world, and what goes wrong on them."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from parkgraph.runtime.errors import RefusedError, UnavailableError
from parkgraph.runtime.mqtt import Message
from tests.simulation.broker import Broker, matches
from tests.simulation.channel import SimulatedChannel
from tests.simulation.engine import Simulation
from tests.simulation.machines import Machine

URL = "mqtt://broker:1883"


class Town:
    """A broker, a lot that speaks when a test says so, and a cloud that listens."""

    def __init__(self, simulation: Simulation) -> None:
        self.simulation = simulation
        self.network = simulation.network
        self.broker: Broker = self.network.broker(simulation.machine("broker"))
        self.lot = simulation.machine("lot")
        self.cloud = simulation.machine("cloud")
        self.heard: list[Message] = []
        self.losses: list[str] = []
        self.lot_losses: list[str] = []
        self.channel: SimulatedChannel | None = None
        self.cloud.start(self._listen)
        self.lot.start(self._speak)

    async def _listen(self, _: Machine) -> None:
        while True:
            try:
                async with self.network.connect(URL, client="cloud") as channel:
                    await channel.subscribe("lot/+/#")
                    async for message in channel.messages():
                        self.heard.append(message)
            except UnavailableError as error:
                self.losses.append(str(error))
                await asyncio.sleep(1)

    async def _speak(self, _: Machine) -> None:
        will = Message("lot/a/link", b"gone", is_retained=True)
        while True:
            try:
                async with self.network.connect(
                    URL, client="lot", will=will, will_delay_seconds=20
                ) as channel:
                    await channel.publish(Message("lot/a/link", b"here", is_retained=True))
                    for number in range(10**6):
                        await asyncio.sleep(1)
                        await channel.publish(Message("lot/a/up", b"%d" % number))
            except UnavailableError as error:
                self.lot_losses.append(str(error))
                await asyncio.sleep(1)

    def links(self) -> list[bytes]:
        return [message.payload for message in self.heard if message.topic == "lot/a/link"]

    def numbers(self) -> list[int]:
        return [int(message.payload) for message in self.heard if message.topic == "lot/a/up"]


def live(story: Callable[[Town], Awaitable[None]], seed: int = 1) -> Town:
    with Simulation(seed) as simulation:
        town = Town(simulation)

        async def whole() -> None:
            await asyncio.sleep(5)
            await story(town)

        simulation.run(whole())
        assert simulation.failures == []
        assert not town.lot.crashes + town.cloud.crashes
        return town


@pytest.mark.parametrize(
    ("topic_filter", "topic", "does_match"),
    [
        ("a/b", "a/b", True),
        ("a/+", "a/b", True),
        ("a/+", "a/b/c", False),
        ("+/b", "a/b", True),
        ("a/#", "a/b/c", True),
        ("a/#", "a", True),
        ("#", "a/b", True),
        ("a/b/c", "a/b", False),
        ("a", "a/b", False),
    ],
)
def test_filters_match_as_mqtt_says(topic_filter: str, topic: str, *, does_match: bool) -> None:
    assert matches(topic_filter, topic) is does_match


def test_messages_arrive_in_order_once() -> None:
    async def story(_: Town) -> None:
        await asyncio.sleep(300)

    town = live(story)

    assert town.numbers() == list(range(len(town.numbers())))
    assert len(town.numbers()) > 250
    assert town.losses == []


def test_duplicates_and_another_order_come_where_they_are_asked_for() -> None:
    async def story(town: Town) -> None:
        town.network.weather.duplicate_chance = 0.1
        town.network.weather.reorder_chance = 0.1
        town.network.weather.delay_seconds = (0.1, 0.5)
        await asyncio.sleep(600)

    numbers = live(story).numbers()

    assert len(numbers) > len(set(numbers))
    assert list(dict.fromkeys(numbers)) != sorted(set(numbers))


def test_what_is_retained_comes_to_who_subscribes_later() -> None:
    async def story(town: Town) -> None:
        town.cloud.kill()
        await asyncio.sleep(10)

    town = live(story)

    last = [message for message in town.heard if message.topic == "lot/a/link"][-1]
    assert last == Message("lot/a/link", b"here", is_retained=True)


def test_a_killed_broker_resets_all_and_keeps_what_is_retained_unless_it_is_wiped() -> None:
    async def story(town: Town) -> None:
        town.lot.restart_seconds = None
        town.lot.kill()
        town.broker.machine.kill()
        town.heard.clear()
        await asyncio.sleep(10)
        assert town.links() == [b"here"]
        town.broker.wipe()
        town.heard.clear()
        town.broker.machine.kill()
        await asyncio.sleep(10)
        assert town.links() == []

    town = live(story)

    assert any("connection reset" in loss for loss in town.losses)


def test_the_will_of_a_killed_client_comes_after_its_delay() -> None:
    async def story(town: Town) -> None:
        town.lot.restart_seconds = None
        town.lot.kill()
        await asyncio.sleep(19)
        assert town.links() == [b"here"]
        await asyncio.sleep(3)

    assert live(story).links() == [b"here", b"gone"]


def test_the_will_comes_before_the_first_word_of_who_connects_anew() -> None:
    async def story(town: Town) -> None:
        town.lot.kill()
        await asyncio.sleep(10)

    assert live(story).links() == [b"here", b"gone", b"here"]


def test_a_machine_without_power_is_noticed_by_keep_alive() -> None:
    async def story(town: Town) -> None:
        town.lot.cut_power()
        await asyncio.sleep(14 + 20)
        assert town.links() == [b"here"]
        await asyncio.sleep(5)

    assert live(story).links() == [b"here", b"gone"]


def test_a_short_cut_only_delays_and_a_long_one_loses_the_connection() -> None:
    async def story(town: Town) -> None:
        town.network.cut("lot", "broker")
        await asyncio.sleep(4)
        town.network.heal("lot", "broker")
        await asyncio.sleep(10)
        assert town.lot_losses == []
        town.network.cut_one_way("broker", "lot")
        await asyncio.sleep(40)
        assert len(town.lot_losses) > 1
        town.network.heal_all()
        town.heard.clear()
        await asyncio.sleep(30)

    assert live(story).numbers()[:2] == [0, 1]


def test_a_severed_connection_is_noticed_by_keep_alive_at_both_ends() -> None:
    async def story(town: Town) -> None:
        town.broker.lose_connections()
        await asyncio.sleep(45)

    town = live(story)

    assert "keep-alive" in town.losses[0]
    assert "no answer" in town.lot_losses[0]
    assert town.links() == [b"here", b"here"]


def test_a_frozen_cloud_hears_all_when_it_is_thawed() -> None:
    async def story(town: Town) -> None:
        town.cloud.freeze(8)
        await asyncio.sleep(20)

    numbers = live(story).numbers()

    assert numbers == list(range(len(numbers)))
    assert len(numbers) > 20


def test_a_call_runs_at_the_server_and_brings_back_what_it_returned_or_refused() -> None:
    async def story(town: Town) -> None:
        async def work() -> int:
            await asyncio.sleep(1)
            return 7

        async def refuse() -> int:
            raise RefusedError("no")

        assert await town.network.call(town.cloud, town.lot, work) == 7
        with pytest.raises(RefusedError):
            await town.network.call(town.cloud, town.lot, refuse)

    live(story)


def test_a_call_whose_answer_is_lost_has_run_all_the_same() -> None:
    async def story(town: Town) -> None:
        runs: list[int] = []

        async def work() -> None:
            runs.append(1)

        town.network.cut_one_way("lot", "cloud")
        with pytest.raises(UnavailableError, match="no answer"):
            await town.network.call(town.cloud, town.lot, work)
        assert runs == [1]
        town.network.heal_all()
        town.network.cut_one_way("cloud", "lot")
        with pytest.raises(UnavailableError, match="no answer"):
            await town.network.call(town.cloud, town.lot, work)
        assert runs == [1]

    live(story)


def test_a_server_that_dies_in_a_call_is_unavailable_and_a_dead_one_refuses_at_once() -> None:
    async def story(town: Town) -> None:
        async def work() -> None:
            town.lot.restart_seconds = None
            town.lot.kill()
            await asyncio.sleep(0)

        with pytest.raises(UnavailableError):
            await town.network.call(town.cloud, town.lot, work)
        began = town.simulation.loop.time()
        with pytest.raises(UnavailableError, match="refused"):
            await town.network.call(town.cloud, town.lot, work)
        assert town.simulation.loop.time() - began < 3

    live(story)
