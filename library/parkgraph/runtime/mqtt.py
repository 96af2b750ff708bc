"""One MQTT 5 connection, made anew each time it is lost."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import aiomqtt
import structlog
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.loops import heed_cancellation

log = structlog.get_logger(__name__)

# Of a topic and a payload: its signature, and whether a signature is of somebody who is believed.
Sign = Callable[[str, bytes], str]
IsBelieved = Callable[[str, bytes, str | None], bool]

# More in flight makes paho slower, fewer leaves the line idle.
MOST_IN_FLIGHT: Final = 20
MOST_RECEIVED_WAITING: Final = 256
KEEP_ALIVE_SECONDS: Final = 10
_SIGNATURE: Final = "signature"


@dataclass(frozen=True, slots=True)
class Message:
    """What is published on one topic."""

    topic: str
    payload: bytes
    is_retained: bool = False


class Channel:
    """An open connection to a broker. A PUBACK proves nothing, so nothing here waits for more."""

    def __init__(
        self,
        client: aiomqtt.Client,
        address: str,
        *,
        sign: Sign | None = None,
        is_believed: IsBelieved | None = None,
    ) -> None:
        """Speak through `client`, which is connected to `address`; see `connect`."""
        self._client = client
        self._address = address
        self._sign = sign
        self._is_believed = is_believed

    async def subscribe(self, topic: str) -> None:
        """Receive what is published on `topic` from now on, and what is retained there."""
        with self._translated():
            await self._client.subscribe(topic, qos=1)
        heed_cancellation()

    async def publish(self, message: Message) -> None:
        """Hand `message` to the broker with QoS 1."""
        with self._translated():
            await self._client.publish(
                message.topic,
                message.payload,
                qos=1,
                retain=message.is_retained,
                properties=self._signed(message),
            )
        heed_cancellation()

    async def messages(self) -> AsyncIterator[Message]:
        """Yield what arrives and is believed, until the connection is lost."""
        with self._translated():
            async for message in self._client.messages:
                topic, payload = str(message.topic), bytes(message.payload)
                if self._is_believed:
                    signature = _signature_in(message.properties)
                    if not self._is_believed(topic, payload, signature):
                        log.error("message_not_believed", topic=topic, is_signed=bool(signature))
                        continue
                yield Message(topic, payload, is_retained=message.retain)

    def _signed(self, message: Message) -> Properties | None:
        if self._sign is None:
            return None
        properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
        properties.UserProperty = (_SIGNATURE, self._sign(message.topic, message.payload))
        return properties

    @contextlib.contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except aiomqtt.MqttError as error:
            raise UnavailableError(_away(self._address, error)) from error


@contextlib.asynccontextmanager
async def connect(
    url: str,
    *,
    client: str,
    will: Message | None = None,
    will_delay_seconds: int = 0,
    sign: Sign | None = None,
    is_believed: IsBelieved | None = None,
) -> AsyncIterator[Channel]:
    """Connect to the broker at `url` (`mqtt://host:port`) as `client`.

    The broker publishes `will` when the connection is lost for longer than `will_delay_seconds`.
    What is published carries its signature by `sign`; what arrives unsigned, or signed by somebody
    who is not believed, is left out and logged.

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
            yield Channel(connected, f"{host}:{port}", sign=sign, is_believed=is_believed)
    except aiomqtt.MqttError as error:
        raise UnavailableError(_away(f"{host}:{port}", error)) from error


def _signature_in(properties: Properties | None) -> str | None:
    pairs = getattr(properties, "UserProperty", [])
    return next((str(value) for name, value in pairs if name == _SIGNATURE), None)


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
