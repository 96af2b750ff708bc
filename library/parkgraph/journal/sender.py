"""The owner's end of a stream: sends its rows, and takes back what it lost."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final

import structlog

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import GENESIS, Head, first_fault, lot_of
from parkgraph.journal.copies import next_batch, put_dead_letter
from parkgraph.journal.epochs import begin_epoch, finish_recovery, is_recovering
from parkgraph.journal.ledger import SQL, Moment, put_epoch, read_head, store_row, write_head
from parkgraph.journal.messages import (
    MOST_DEAD_LETTERS_TOLD,
    Acknowledgement,
    Batch,
    DeadLetter,
    Kind,
    Missing,
    topic,
)
from parkgraph.model.records import parse_record
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer

log = structlog.get_logger(__name__)

BATCHES_IN_FLIGHT: Final = 8
FIRST_RESEND_SECONDS: Final = 2.0
LAST_RESEND_SECONDS: Final = 60.0


class Sender:
    """Sends one stream over one connection, and moves on as it is acknowledged.

    Go back N: rows are sent in order, some batches ahead; what is not acknowledged within a while
    is sent again. The other side drops what it has.
    """

    def __init__(
        self, stream: str, writer: Writer, reader: Reader, *, moment: Callable[[], Moment]
    ) -> None:
        """Send `stream`, read through `reader`; keep the cursor through `writer`."""
        self._stream = stream
        self._writer = writer
        self._reader = reader
        self._moment = moment
        self._is_new = True
        self._sent: Head | None = None
        self._acknowledged: Head | None = None
        self._in_flight = 0
        self._heard_at = 0.0
        self._patience = FIRST_RESEND_SECONDS
        self._letters: tuple[DeadLetter, ...] | None = None
        self.is_recovering = False

    async def pump(self, channel: Channel) -> None:
        """Send what may be sent now: new rows, unanswered ones again, or the wish for lost ones.

        Raises:
            UnavailableError: the connection was lost.
        """
        now = asyncio.get_running_loop().time()
        if self._is_new:
            await self._begin(now)
        is_waiting = self._in_flight > 0 or self._sent != self._acknowledged or self.is_recovering
        if not is_waiting:
            self._heard_at = now
        if is_waiting and now - self._heard_at > self._patience:
            self._go_back()
            self._heard_at, self._patience = now, min(2 * self._patience, LAST_RESEND_SECONDS)
            if self.is_recovering:
                await self._ask(channel)
        while self._in_flight < BATCHES_IN_FLIGHT and not self.is_recovering:
            batch = await next_batch(self._reader, self._stream, self._sent)
            if batch is None:
                break
            await self._publish(channel, "rows", batch.model_dump_json())
            self._in_flight += 1
            last = batch.rows[-1]
            self._sent = Head(epoch=batch.epoch, seq=last.seq, hash=last.hash)

    async def take(self, channel: Channel, answer: Acknowledgement) -> None:
        """Go on from where the copy is."""
        self._hear()
        self._in_flight = max(0, self._in_flight - 1)
        await self._keep_dead_letters(answer.dead_letters)
        if answer.fault:
            log.error("link_fault", stream=self._stream, reason=answer.fault)
        head = answer.head
        if head == self._acknowledged:
            if answer.fault:
                self._go_back()
            elif self._sent == head:
                self._in_flight = 0
            return
        if head and not await self._is_ours(head):
            log.error("link_ahead_or_fork", stream=self._stream, epoch=head.epoch, seq=head.seq)
            await self._ask(channel)
            return
        await self._move(head, has_fault=answer.fault is not None)

    async def take_back(self, channel: Channel, batch: Batch) -> None:
        """Append what the copy returned; where it does not fit, begin an epoch of our own."""
        self._hear()

        def store(connection: sqlite3.Connection) -> str:
            head = read_head(connection, self._stream, "head")
            if batch.fault is None and not batch.rows:
                finish_recovery(connection, self._stream)
                return "all"
            if batch.fault or not _fits(connection, self._stream, head, batch):
                begin_epoch(connection, self._stream, self._moment(), why="fork")
                finish_recovery(connection, self._stream)
                return "fork"
            return "some"

        what = await self._writer.submit(store)
        log.warning("rows_returned", stream=self._stream, rows=len(batch.rows), what=what)
        if what == "some":
            await self._ask(channel)
        else:
            self._is_new = True

    async def _begin(self, now: float) -> None:
        """Read where the journal stands, at the start of a connection."""
        self._acknowledged, self.is_recovering = await self._writer.submit(
            lambda connection: (
                read_head(connection, self._stream, "acknowledged"),
                is_recovering(connection, self._stream),
            )
        )
        self._go_back()
        self._is_new = False
        self._patience = FIRST_RESEND_SECONDS
        self._heard_at = now - (2 * self._patience if self.is_recovering else 0.0)

    def restart(self) -> None:
        """Forget what was said over the last connection."""
        self._is_new = True

    def _hear(self) -> None:
        self._heard_at = asyncio.get_running_loop().time()
        self._patience = FIRST_RESEND_SECONDS

    async def _move(self, head: Head | None, *, has_fault: bool) -> None:
        before = self._acknowledged
        self._acknowledged = head
        await self._writer.submit(lambda connection: _acknowledge(connection, self._stream, head))
        went_back = head is None or (
            before is not None and head.epoch == before.epoch and head.seq < before.seq
        )
        if went_back or has_fault:
            self._go_back()

    async def _ask(self, channel: Channel) -> None:
        own = await self._reader.one(SQL["head"], {"stream": self._stream, "name": "head"})
        missing = Missing(after=Head.model_validate(dict(own)) if own else None)
        await self._publish(channel, "missing", missing.model_dump_json())

    async def _is_ours(self, head: Head) -> bool:
        row = await self._reader.one(
            SQL["row_at"], {"stream": self._stream, "epoch": head.epoch, "seq": head.seq}
        )
        return row is not None and row["hash"] == head.hash

    async def _keep_dead_letters(self, letters: tuple[DeadLetter, ...]) -> None:
        """Show here too what the other side could not take."""
        if letters == (self._letters or ()):
            return
        self._letters = letters

        def keep(connection: sqlite3.Connection) -> None:
            if len(letters) < MOST_DEAD_LETTERS_TOLD:  # else there may be more
                connection.execute(SQL["forget_dead_letters"], {"stream": self._stream})
            for letter in letters:
                put_dead_letter(connection, self._stream, letter)

        await self._writer.submit(keep)

    async def _publish(self, channel: Channel, kind: Kind, payload: str) -> None:
        name = topic(self._stream, kind)
        await channel.publish(Message(name, payload.encode()))

    def _go_back(self) -> None:
        self._sent, self._in_flight = self._acknowledged, 0


def _acknowledge(connection: sqlite3.Connection, stream: str, head: Head | None) -> None:
    if head:
        write_head(connection, stream, "acknowledged", head)
    else:
        connection.execute(SQL["forget_head"], {"stream": stream, "name": "acknowledged"})


def _fits(connection: sqlite3.Connection, stream: str, head: Head | None, batch: Batch) -> bool:
    """Append the rows of `batch` after `head`, or say that they do not follow on it."""
    start = head
    if head is None or head.epoch != batch.epoch:
        start = Head(epoch=batch.epoch, seq=0, hash=GENESIS)
    assert start is not None
    if first_fault(stream, start, list(batch.rows)):
        return False
    if start is not head:
        put_epoch(connection, stream, batch.epoch, head)
    for row in batch.rows:
        store_row(connection, stream, batch.epoch, row)
        apply(lot_of(stream), row.at, parse_record(row.body, row.personal), connection)
    last = batch.rows[-1]
    write_head(connection, stream, "head", Head(epoch=batch.epoch, seq=last.seq, hash=last.hash))
    return True
