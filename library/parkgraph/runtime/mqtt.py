"""One MQTT 5 connection, made anew each time it is lost."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.loops import heed_cancellation

# More in flight makes paho slower, fewer leaves the line idle.
MOST_IN_FLIGHT: Final = 20
MOST_RECEIVED_WAITING: Final = 256
KEEP_ALIVE_SECONDS: Final = 10


@dataclass(frozen=True, slots=True)
class Message:
    """What is published on one topic."""

    topic: str
    payload: bytes
    is_retained: bool = False


class Channel:
    """An open connection to a broker. A PUBACK proves nothing, so nothing here waits for more."""

    def __init__(self, client: aiomqtt.Client, address: str) -> None:
        """Speak through `client`, which is connected to `address`."""
        self._client = client
        self._address = address

    async def subscribe(self, topic: str) -> None:
        """Receive what is published on `topic` from now on, and what is retained there."""
        with self._translated():
            await self._client.subscribe(topic, qos=1)
        heed_cancellation()

    async def publish(self, message: Message) -> None:
        """Hand `message` to the broker with QoS 1."""
        with self._translated():
            await self._client.publish(
                message.topic, message.payload, qos=1, retain=message.is_retained
            )
        heed_cancellation()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives, until the connection is lost."""
        with self._translated():
            async for message in self._client.messages:
                yield Message(
                    str(message.topic), bytes(message.payload), is_retained=message.retain
                )

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except aiomqtt.MqttError as error:
            raise UnavailableError(_away(self._address, error)) from error


@contextlib.asynccontextmanager
async def connect(
    url: str, *, client: str, will: Message | None = None, will_delay_seconds: int = 0
) -> AsyncIterator[Channel]:
    """Connect to the broker at `url` (`mqtt://host:port`) as `client`.

    The broker publishes `will` when the connection is lost for longer than `will_delay_seconds`.

    Raises:
        UnavailableError: the broker cannot be reached, or the connection was lost.
    """
    address = urlsplit(url)
    host, port = address.hostname or "localhost", address.port or 1883
    try:
        async with aiomqtt.Client(
            host,
            port,
            identifier=client,
            protocol=aiomqtt.ProtocolVersion.V5,
            clean_start=True,
            keepalive=KEEP_ALIVE_SECONDS,
            timeout=KEEP_ALIVE_SECONDS,
            max_inflight_messages=MOST_IN_FLIGHT,
            max_queued_incoming_messages=MOST_RECEIVED_WAITING,
            will=_will(will, will_delay_seconds) if will else None,
            properties=_session(will_delay_seconds),
        ) as connected:
            yield Channel(connected, f"{host}:{port}")
    except aiomqtt.MqttError as error:
        raise UnavailableError(_away(f"{host}:{port}", error)) from error


def _away(address: str, error: aiomqtt.MqttError) -> str:
    return f"broker {address}: {error}; check that it runs and that the network leads there"


def _session(expiry_seconds: int) -> Properties:
    """Return the properties of a session that outlives its connection so long.

    A will is published when the session ends, at the latest. Source: MQTT 5, section 3.1.3.2.2.
    """
    properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
    properties.SessionExpiryInterval = expiry_seconds
    return properties


def _will(message: Message, delay_seconds: int) -> aiomqtt.Will:
    properties = Properties(PacketTypes.WILLMESSAGE)  # type: ignore[no-untyped-call]
    properties.WillDelayInterval = delay_seconds
    return aiomqtt.Will(
        message.topic, message.payload, qos=1, retain=message.is_retained, properties=properties
    )
