"""The lot's end of the link: its own stream up, the cloud's directives down, and how it is now."""

import asyncio
import sqlite3
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Final, Protocol

import structlog
from pydantic import ValidationError

from parkgraph.journal.chain import Head, Row, stream_of_cloud
from parkgraph.journal.copies import give_back, receive, retry_dead_letters
from parkgraph.journal.epochs import is_recovering
from parkgraph.journal.ledger import SQL, JournalLedger
from parkgraph.journal.messages import (
    Acknowledgement,
    Batch,
    LotState,
    Missing,
    read_topic,
    state_topic,
    topic,
)
from parkgraph.journal.sender import Recovered, Sender
from parkgraph.model.records import AnyRecord
from parkgraph.runtime.disk import PLENTY, Room
from parkgraph.runtime.loops import keep_trying, together
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer
from parkgraph_edge.store.directives import TakeDirective
from parkgraph_edge.store.terms import LotTerms

log = structlog.get_logger(__name__)

PUMP_EVERY_SECONDS: Final = 0.2
STATE_EVERY_SECONDS: Final = 2.0
# Below what the cloud takes for silence.
STATE_WHEN_SHORT_SECONDS: Final = 8.0
# How long the broker waits before it says that the lot cannot be reached: a short gap is none.
WILL_DELAY_SECONDS: Final = 2
LONGEST_PAUSE_SECONDS: Final = 8.0


class Connect(Protocol):
    """How to get a connection to the broker; see `parkgraph.runtime.mqtt.connect`."""

    def __call__(
        self, *, client: str, will: Message | None = None, will_delay_seconds: int = 0
    ) -> AbstractAsyncContextManager[Channel]:
        """Connect as `client`."""
        ...


class LotLink:
    """Replicates between one lot and the cloud, over one connection after the other."""

    def __init__(  # noqa: PLR0913 (what it works on, and what it asks of its surroundings)
        self,
        terms: LotTerms,
        ledger: JournalLedger,
        writer: Writer,
        reader: Reader,
        *,
        occupied: Callable[[], frozenset[str]],
        recovered: Recovered | None = None,
        room: Room = PLENTY,
    ) -> None:
        """Send the ledger's stream, and let directives be decided in the same ledger.

        `recovered`: see `Sender`. `room` is the disk's.
        """
        self._terms = terms
        self._lot = terms.lot
        self._ledger = ledger
        self._writer = writer
        self._reader = reader
        self._occupied = occupied
        self._room = room
        self._sender = Sender(terms.lot, writer, reader, moment=ledger.moment, recovered=recovered)

        self._has_retried = False

    async def keep_up(self, connect: Connect, state: Callable[[int], LotState]) -> None:
        """Connect again and again, and replicate while it lasts; `state` is told beside it."""
        down = LotState(link="down").model_dump_json().encode()
        will = Message(state_topic(self._lot), down, is_retained=True)

        async def attempt() -> None:
            if not self._has_retried:
                await self._writer.submit(self._retry_dead_letters)
                self._has_retried = True
            async with connect(
                client=f"lot-{self._lot}", will=will, will_delay_seconds=WILL_DELAY_SECONDS
            ) as channel:
                await self.run(channel, state)

        await keep_trying("cloud", attempt, longest_pause_seconds=LONGEST_PAUSE_SECONDS)

    async def run(self, channel: Channel, state: Callable[[int], LotState]) -> None:
        """Replicate until the connection is lost.

        Raises:
            UnavailableError: the connection was lost.
        """
        self._sender.restart()
        down = stream_of_cloud(self._lot)
        for name in (
            topic(self._lot, "acknowledged"),
            topic(self._lot, "returned"),
            topic(down, "rows"),
            topic(down, "missing"),
        ):
            await channel.subscribe(name)
        # The newest state goes first, then the journal in order.
        await self._tell(channel, state)
        await together(
            self._listen(channel), self._pump(channel), self._keep_telling(channel, state)
        )

    async def _pump(self, channel: Channel) -> None:
        while True:
            await self._sender.pump(channel)
            await asyncio.sleep(PUMP_EVERY_SECONDS)

    async def _keep_telling(self, channel: Channel, state: Callable[[int], LotState]) -> None:
        while True:
            is_short = self._room.is_short
            await asyncio.sleep(STATE_WHEN_SHORT_SECONDS if is_short else STATE_EVERY_SECONDS)
            await self._tell(channel, state)

    async def _tell(self, channel: Channel, state: Callable[[int], LotState]) -> None:
        head = await self._reader.one(SQL["head"], {"stream": self._lot, "name": "head"})
        down = {"stream": stream_of_cloud(self._lot), "name": "head"}
        copy = await self._reader.one(SQL["head"], down)
        directives = Head.model_validate(dict(copy)) if copy else None
        told = state(head["seq"] if head else 0).model_copy(update={"directives": directives})
        payload = told.model_dump_json().encode()
        await channel.publish(Message(state_topic(self._lot), payload, is_retained=True))

    async def _listen(self, channel: Channel) -> None:
        async for message in channel.messages():
            try:
                await self._take(channel, message)
            except ValidationError as error:
                log.error("message_unreadable", topic=message.topic, faults=error.error_count())  # noqa: TRY400

    async def _take(self, channel: Channel, message: Message) -> None:
        own, down = self._lot, stream_of_cloud(self._lot)
        stream, kind = read_topic(message.topic) or ("", "")
        match stream, kind:
            case _, "acknowledged" if stream == own:
                answer = Acknowledgement.model_validate_json(message.payload)
                await self._sender.take(channel, answer)
                await self._sender.pump(channel)
            case _, "returned" if stream == own:
                await self._sender.take_back(channel, Batch.model_validate_json(message.payload))
            case _, "rows" if stream == down:
                batch = Batch.model_validate_json(message.payload)
                directed = await self._writer.submit(
                    lambda connection: self._receive(connection, batch)
                )
                if directed:
                    payload = directed.model_dump_json().encode()
                    await channel.publish(Message(topic(down, "acknowledged"), payload))
            case _, "missing" if stream == down:
                missing = Missing.model_validate_json(message.payload)
                returned = await give_back(self._reader, down, missing)
                payload = returned.model_dump_json().encode()
                await channel.publish(Message(topic(down, "returned"), payload))

    def _receive(self, connection: sqlite3.Connection, batch: Batch) -> Acknowledgement | None:
        """Take directives, unless nothing can be decided until the ledger is whole again."""
        if is_recovering(connection, self._lot):
            return None
        down = stream_of_cloud(self._lot)
        if batch.stream != down:
            fault = f"rows of {batch.stream} on the topic of {down}"
            return Acknowledgement(head=None, fault=fault)
        return receive(connection, batch, take=self._take_directive)

    def _retry_dead_letters(self, connection: sqlite3.Connection) -> None:
        if not is_recovering(connection, self._lot):
            retry_dead_letters(connection, stream_of_cloud(self._lot), self._take_directive)

    def _take_directive(
        self, connection: sqlite3.Connection, lot: str, row: Row, record: AnyRecord
    ) -> None:
        directive = TakeDirective(
            self._terms, record, self._occupied(), may_promise=self._room.may_promise
        )
        self._ledger.decide(connection, directive)
