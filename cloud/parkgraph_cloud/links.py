"""The cloud's end of every lot's link: committed before it is acknowledged, in effect once."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final

import structlog
from pydantic import ValidationError

from parkgraph.journal.chain import CLOUD, lot_of, stream_of_cloud
from parkgraph.journal.copies import give_back, receive, retry_dead_letters, take_as_fact
from parkgraph.journal.epochs import begin_recovery
from parkgraph.journal.ledger import Moment, read_head
from parkgraph.journal.messages import (
    EVERY_STATE,
    Acknowledgement,
    Batch,
    LotState,
    Missing,
    every,
    read_topic,
    topic,
)
from parkgraph.journal.sender import Sender
from parkgraph.runtime.clock import Clock
from parkgraph.runtime.loops import keep_trying, together
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.queries import load_queries
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_cloud.sales import SQL as SALES

log = structlog.get_logger(__name__)

_SQL: Final = load_queries("parkgraph_cloud", "links.sql")
LONGEST_PAUSE_SECONDS: Final = 8.0
PUMP_EVERY_SECONDS: Final = 0.2

Connect = Callable[[], AbstractAsyncContextManager[Channel]]


class LotLinks:
    """The one consumer of every lot's stream and state, and the sender of all directives."""

    def __init__(
        self, writer: Writer, reader: Reader, *, clock: Clock, moment: Callable[[], Moment]
    ) -> None:
        """Store through `writer`, read through `reader`."""
        self._writer = writer
        self._reader = reader
        self._clock = clock
        self._moment = moment
        self._senders: dict[str, Sender] = {}
        self._has_retried = False
        self.is_connected = False

    async def keep_up(self, connect: Connect) -> None:
        """Replicate until cancelled, over one connection after the other."""

        async def attempt() -> None:
            if not self._has_retried:
                await self._writer.submit(_retry_dead_letters)
                self._has_retried = True
            try:
                async with connect() as channel:
                    await self.run(channel)
            finally:
                self.is_connected = False

        await keep_trying("broker", attempt, longest_pause_seconds=LONGEST_PAUSE_SECONDS)

    async def run(self, channel: Channel) -> None:
        """Replicate until the connection is lost.

        Raises:
            UnavailableError: the connection was lost, or the database cannot be written.
        """
        self._senders.clear()
        for name in (
            every("up", "rows"),
            every("up", "missing"),
            every("down", "acknowledged"),
            every("down", "returned"),
            EVERY_STATE,
        ):
            await channel.subscribe(name)
        self.is_connected = True
        log.info("broker_connected")
        await together(self._listen(channel), self._pump(channel))

    async def _pump(self, channel: Channel) -> None:
        """Send directives to those lots that have not all of them and can be reached."""
        while True:
            for row in await self._reader.all(SALES["unacknowledged"], {}):
                await self._sender(row["stream"]).pump(channel)
            await asyncio.sleep(PUMP_EVERY_SECONDS)

    async def _listen(self, channel: Channel) -> None:
        async for message in channel.messages():
            try:
                await self._take(channel, message)
            except ValidationError as error:
                log.error("message_unreadable", topic=message.topic, faults=error.error_count())  # noqa: TRY400

    async def _take(self, channel: Channel, message: Message) -> None:
        found = read_topic(message.topic)
        if found is None:
            return
        stream, kind = found
        if lot_of(stream) == CLOUD:  # whoever wrote into that stream would make himself keys
            log.error("message_from_nobody", topic=message.topic)
            return
        is_down = stream == stream_of_cloud(lot_of(stream))
        match kind:
            case "state":
                await self._take_state(channel, stream, message)
            case "rows" if not is_down:
                batch = Batch.model_validate_json(message.payload)
                await _publish(channel, stream, await self._store_batch(stream, batch))
            case "missing" if not is_down:
                missing = Missing.model_validate_json(message.payload)
                returned = await give_back(self._reader, stream, missing)
                payload = returned.model_dump_json().encode()
                await channel.publish(Message(topic(stream, "returned"), payload))
            case "acknowledged" if is_down:
                answer = Acknowledgement.model_validate_json(message.payload)
                await self._sender(stream).take(channel, answer)
            case "returned" if is_down:
                batch = Batch.model_validate_json(message.payload)
                await self._sender(stream).take_back(channel, batch)
            case _:
                log.error("message_from_nobody", topic=message.topic)

    def _sender(self, stream: str) -> Sender:
        if stream not in self._senders:
            self._senders[stream] = Sender(stream, self._writer, self._reader, moment=self._moment)
        return self._senders[stream]

    async def _store_batch(self, stream: str, batch: Batch) -> Acknowledgement:
        if batch.stream != stream:
            fault = f"rows of {batch.stream} on the topic of {stream}"
            return Acknowledgement(head=None, fault=fault)
        answer = await self._writer.submit(lambda connection: _take(connection, batch))
        if answer.fault:
            log.warning("batch_not_taken", stream=stream, reason=answer.fault)
        return answer

    async def _take_state(self, channel: Channel, lot: str, message: Message) -> None:
        state = LotState.model_validate_json(message.payload)
        behind = await self._store_state(lot, state, is_retained=message.is_retained)
        if behind:
            await _publish(channel, lot, behind)
        is_told = state.link == "up" and "directives" in state.model_fields_set
        if is_told and not message.is_retained:
            await self._compare_directives(channel, lot, state)

    async def _compare_directives(self, channel: Channel, lot: str, state: LotState) -> None:
        """Send again, or ask for, what the lot's copy of the directives has less or more of."""
        stream = stream_of_cloud(lot)

        def differs(connection: sqlite3.Connection) -> bool:
            done = read_head(connection, stream, "acknowledged")
            return done == read_head(connection, stream, "head") and done != state.directives

        if await self._writer.submit(differs):
            await self._sender(stream).take(channel, Acknowledgement(head=state.directives))

    async def _store_state(
        self, lot: str, state: LotState, *, is_retained: bool
    ) -> Acknowledgement | None:
        """Keep `state`; return how far the copy is when the lot says that it has more or less.

        So either side that was restored to an older copy asks for what it once had.
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
            differs = state.link == "up" and state.head_seq != (head.seq if head else 0)
            return Acknowledgement(head=head) if differs and not is_retained else None

        return await self._writer.submit(store)


def _take(connection: sqlite3.Connection, batch: Batch) -> Acknowledgement:
    """Store and take rows of a lot. Of one that is new here the cloud may have decided before.

    Its database may be lost, so the lot is asked for its copy first.
    """
    stream, down = batch.stream, stream_of_cloud(batch.stream)
    is_new = read_head(connection, stream, "head") is None
    answer = receive(connection, batch)
    if is_new and answer.head and read_head(connection, down, "head") is None:
        begin_recovery(connection, down)
    return answer


def _retry_dead_letters(connection: sqlite3.Connection) -> None:
    for row in connection.execute(_SQL["streams_with_dead_letters"]).fetchall():
        retry_dead_letters(connection, row["stream"], take_as_fact)


async def _publish(channel: Channel, stream: str, answer: Acknowledgement) -> None:
    payload = answer.model_dump_json().encode()
    await channel.publish(Message(topic(stream, "acknowledged"), payload))


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
