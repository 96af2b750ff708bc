"""Takes in what lots send. What is acknowledged is committed; what comes twice has its effect once."""

import sqlite3
from typing import Final

import structlog
from pydantic import ValidationError

from parkgraph.journal.link import (
    EVERY_STATE,
    EVERY_UP,
    Acknowledgement,
    Batch,
    LotState,
    lot_of,
    receive,
    topic,
)
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.errors import UnavailableError
from parkgraph.runtime.loops import keep_trying
from parkgraph.runtime.mqtt import Channel, Message, connect
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.writer import Writer

log = structlog.get_logger(__name__)

_SQL: Final = load_queries("parkgraph_cloud", "ingest.sql")
LONGEST_PAUSE_SECONDS: Final = 8.0


class Ingest:
    """The one consumer of every lot's journal and state."""

    def __init__(self, writer: Writer, *, clock: Clock) -> None:
        """Store through `writer`."""
        self._writer = writer
        self._clock = clock
        self.is_connected = False

    async def keep_up(self, broker: str, client: str) -> None:
        """Consume from `broker` as `client` until cancelled, again and again."""

        async def attempt() -> None:
            try:
                async with connect(broker, client=client) as channel:
                    await channel.subscribe(EVERY_UP)
                    await channel.subscribe(EVERY_STATE)
                    self.is_connected = True
                    log.info("broker_connected", broker=broker)
                    async for message in channel.messages():
                        await self._take(channel, message)
            finally:
                self.is_connected = False

        await keep_trying("broker", attempt, longest_pause_seconds=LONGEST_PAUSE_SECONDS)

    async def _take(self, channel: Channel, message: Message) -> None:
        lot = lot_of(message.topic)
        try:
            if message.topic == topic(lot, "state"):
                await self._store_state(lot, LotState.model_validate_json(message.payload))
            else:
                answer = await self._store_batch(lot, Batch.model_validate_json(message.payload))
                payload = answer.model_dump_json().encode()
                await channel.publish(Message(topic(lot, "acknowledged"), payload))
        except ValidationError as error:
            log.error("message_unreadable", topic=message.topic, faults=error.error_count())  # noqa: TRY400

    async def _store_batch(self, lot: str, batch: Batch) -> Acknowledgement:
        if batch.lot != lot:
            return Acknowledgement(head=None, fault=f"rows of {batch.lot} on the topic of {lot}")
        try:
            answer = await self._writer.submit(lambda connection: receive(connection, batch))
        except UnavailableError as error:
            raise UnavailableError(f"the journal of {lot} cannot be stored: {error}") from error
        if answer.fault:
            log.warning("batch_not_taken", lot=lot, reason=answer.fault)
        return answer

    async def _store_state(self, lot: str, state: LotState) -> None:
        parameters = {
            "lot": lot,
            "body": state.model_dump_json(),
            "received_at": self._clock.now().isoformat(),
        }

        def store(connection: sqlite3.Connection) -> None:
            connection.execute(_SQL["put_state"], parameters)

        await self._writer.submit(store)
