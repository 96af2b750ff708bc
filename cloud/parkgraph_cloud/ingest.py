"""Takes in what lots send: committed before it is acknowledged, and in effect once."""

import sqlite3
from typing import Final

import structlog
from pydantic import ValidationError

from parkgraph.journal.ledger import read_head
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
                state = LotState.model_validate_json(message.payload)
                answer = await self._store_state(lot, state, is_retained=message.is_retained)
            else:
                answer = await self._store_batch(lot, Batch.model_validate_json(message.payload))
            if answer:
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

    async def _store_state(
        self, lot: str, state: LotState, *, is_retained: bool
    ) -> Acknowledgement | None:
        """Keep `state`; return how far the copy is when the lot says that it has more.

        So a cloud that was restored to an older copy asks for what it once acknowledged.
        """
        now = self._clock.now().isoformat()

        def store(connection: sqlite3.Connection) -> Acknowledgement | None:
            row = connection.execute(_SQL["state"], {"lot": lot}).fetchone()
            before = LotState.model_validate_json(row["body"]) if row else None
            after = newest(before, state, is_retained=is_retained)
            if after:
                heard = state.at if is_retained and state.at else now
                parameters = {"lot": lot, "body": after.model_dump_json(), "received_at": heard}
                connection.execute(_SQL["put_state"], parameters)
            head = read_head(connection, lot, "head")
            is_behind = state.link == "up" and state.head_seq > (head.seq if head else 0)
            return Acknowledgement(head=head) if is_behind and not is_retained else None

        return await self._writer.submit(store)


def newest(before: LotState | None, told: LotState, *, is_retained: bool) -> LotState | None:
    """Return a lot's state after `told`, or None where that tells nothing new.

    A will knows only that the lot is gone, so the rest stays as it was last told. What the broker
    had retained is older than anything that was heard since.
    """
    if before is None:
        return told
    if told.link == "down":
        return before.model_copy(update={"link": "down"}) if before.link == "up" else None
    return None if is_retained else told
