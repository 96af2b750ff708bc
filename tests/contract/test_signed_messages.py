"""On any broker, a lot hears what its cloud signed and nothing else."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from parkgraph.runtime.mqtt import Message, connect
from parkgraph.runtime.signatures import PublicKeys, SigningKey
from tests.faults.brokers import KINDS, Broker

TOPIC = "pg/1/p01/elm/down/rows"
CLOUD, STRANGER = SigningKey(bytes(range(32))), SigningKey(bytes(range(1, 33)))


@pytest_asyncio.fixture(params=KINDS)
async def broker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Broker]:
    if request.param == "mosquitto" and shutil.which("mosquitto") is None:
        pytest.skip("not counted as passed: mosquitto is not installed")
    broker = Broker(tmp_path, request.param)
    await broker.start()
    yield broker
    await broker.kill()


async def test_what_others_say_is_not_heard(broker: Broker) -> None:
    said: list[tuple[SigningKey | None, bytes]] = [
        (None, b"unsigned"),
        (STRANGER, b"of a stranger"),
        (CLOUD, b"of the cloud"),
    ]
    believe = PublicKeys([CLOUD.public_key]).believe
    async with connect(broker.url, client="lot", is_believed=believe) as lot:
        await lot.subscribe(TOPIC)
        for number, (key, payload) in enumerate(said):
            sign = key.sign if key else None
            async with connect(broker.url, client=f"speaker-{number}", sign=sign) as speaker:
                await speaker.publish(Message(TOPIC, payload))
        async with asyncio.timeout(5):
            heard = await anext(lot.messages())

    assert heard == Message(TOPIC, b"of the cloud")


async def test_a_signed_message_said_again_elsewhere_is_not_heard(broker: Broker) -> None:
    believe = PublicKeys([CLOUD.public_key]).believe
    other = TOPIC.replace("elm", "oak")

    def of_elm(_topic: str, payload: bytes) -> str:
        return CLOUD.sign(TOPIC, payload)

    async with connect(broker.url, client="lot", is_believed=believe) as lot:
        await lot.subscribe(other)
        async with (
            connect(broker.url, client="replayer", sign=of_elm) as replayer,
            connect(broker.url, client="cloud", sign=CLOUD.sign) as cloud,
        ):
            await replayer.publish(Message(other, b"for elm"))
            await cloud.publish(Message(other, b"for oak"))
        async with asyncio.timeout(5):
            heard = await anext(lot.messages())

    assert heard.payload == b"for oak"
