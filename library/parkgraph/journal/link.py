"""The link: how a journal gets to its copy. What is acknowledged is stored there."""

import asyncio
import sqlite3
import zlib
from collections.abc import Callable
from typing import Final, Literal

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from parkgraph.journal.apply import FactsConflictError, apply
from parkgraph.journal.chain import GENESIS, Count, Head, Row, first_fault
from parkgraph.journal.ledger import SQL, read_head, store_row, write_head
from parkgraph.model.records import parse_record
from parkgraph.model.sessions import UnexpectedRecordError
from parkgraph.runtime.loops import together
from parkgraph.runtime.mqtt import Channel, Message
from parkgraph.runtime.sqlite import Reader
from parkgraph.runtime.writer import Writer

log = structlog.get_logger(__name__)

PARTITIONS: Final = 64
MOST_ROWS: Final = 128
MOST_BYTES: Final = 128 * 1024
BATCHES_IN_FLIGHT: Final = 8
POLL_SECONDS: Final = 0.2
FIRST_RESEND_SECONDS: Final = 2.0
LAST_RESEND_SECONDS: Final = 60.0

EVERY_UP: Final = "pg/1/+/+/up"
EVERY_STATE: Final = "pg/1/+/+/state"


# What a row can say that no facts follow from.
_UNAPPLICABLE: Final = (
    ValueError,
    OverflowError,
    UnexpectedRecordError,
    FactsConflictError,
    sqlite3.IntegrityError,
)


class Batch(BaseModel):
    """Rows of one lot's journal, in order and without a gap."""

    model_config = ConfigDict(frozen=True)

    lot: str
    epoch: Count
    rows: tuple[Row, ...]


class Acknowledgement(BaseModel):
    """How far the copy has come. The sender goes on from there, forward or back."""

    model_config = ConfigDict(frozen=True)

    head: Head | None
    fault: str | None = None


class LotState(BaseModel):
    """How a lot is now. Newest wins; never journaled."""

    model_config = ConfigDict(frozen=True)

    link: Literal["up", "down"]
    at: str | None = None
    occupied: int = 0
    spaces: int = 0
    head_seq: Count = 0
    away: dict[str, str] = {}


def topic(lot: str, kind: Literal["up", "acknowledged", "state"]) -> str:
    """Return the topic for `kind` of `lot`; consumers may share the lots by partition."""
    return f"pg/1/p{zlib.crc32(lot.encode()) % PARTITIONS:02}/{lot}/{kind}"


def lot_of(topic_name: str) -> str:
    """Return the lot that a topic made by `topic` belongs to."""
    return topic_name.split("/")[3]


class Uplink:
    """Sends the journal of one lot over one connection, and moves on as it is acknowledged.

    Go back N: rows are sent in order, some batches ahead; what is not acknowledged within a while
    is sent again. The other side drops what it has.
    """

    def __init__(self, lot: str, writer: Writer, reader: Reader) -> None:
        """Send the journal of `lot`, read through `reader`; keep the cursor through `writer`."""
        self._lot = lot
        self._writer = writer
        self._reader = reader
        self._sent: Head | None = None
        self._acknowledged: Head | None = None
        self._heard = asyncio.Event()
        self._in_flight = 0

    async def run(
        self, channel: Channel, state: Callable[[int], LotState], *, every_seconds: float
    ) -> None:
        """Send until the connection is lost; tell `state` of the journal's last seq beside it.

        Raises:
            UnavailableError: the connection was lost.
        """
        self._acknowledged = await self._writer.submit(
            lambda connection: read_head(connection, self._lot, "acknowledged")
        )
        self._sent, self._in_flight = self._acknowledged, 0
        await channel.subscribe(topic(self._lot, "acknowledged"))
        await together(
            self._listen(channel), self._send(channel), self._tell(channel, state, every_seconds)
        )

    async def _tell(
        self, channel: Channel, state: Callable[[int], LotState], every_seconds: float
    ) -> None:
        while True:
            head = await self._own_head()
            payload = state(head.seq if head else 0).model_dump_json().encode()
            await channel.publish(Message(topic(self._lot, "state"), payload, is_retained=True))
            await asyncio.sleep(every_seconds)

    async def _own_head(self) -> Head | None:
        row = await self._reader.one(SQL["head"], {"lot": self._lot, "name": "head"})
        return Head.model_validate(dict(row)) if row else None

    async def _send(self, channel: Channel) -> None:
        loop = asyncio.get_running_loop()
        heard_at, patience = loop.time(), FIRST_RESEND_SECONDS
        while True:
            batch = await self._next_batch() if self._in_flight < BATCHES_IN_FLIGHT else None
            if batch:
                payload = batch.model_dump_json().encode()
                await channel.publish(Message(topic(self._lot, "up"), payload))
                self._in_flight += 1
                self._sent = Head(
                    epoch=batch.epoch, seq=batch.rows[-1].seq, hash=batch.rows[-1].hash
                )
                continue
            try:
                async with asyncio.timeout(POLL_SECONDS):
                    await self._heard.wait()
                self._heard.clear()
                heard_at, patience = loop.time(), FIRST_RESEND_SECONDS
            except TimeoutError:
                if self._sent == self._acknowledged:
                    # Whose acknowledgement was lost is covered by a later one.
                    heard_at, self._in_flight = loop.time(), 0
                elif loop.time() - heard_at > patience:
                    self._go_back()
                    heard_at, patience = loop.time(), min(2 * patience, LAST_RESEND_SECONDS)

    async def _next_batch(self) -> Batch | None:
        after = self._sent
        if after is None:
            own = await self._own_head()
            if own is None:
                return None
            after = Head(epoch=own.epoch, seq=0, hash=GENESIS)
        found = await self._reader.all(
            SQL["rows_after"],
            {"lot": self._lot, "epoch": after.epoch, "seq": after.seq, "limit": MOST_ROWS},
        )
        rows: list[Row] = []
        size = 0
        for columns in found:
            row = Row.of(dict(columns))
            size += len(row.body) + len(row.personal or "") + 400
            if rows and size > MOST_BYTES:
                break
            rows.append(row)
        return Batch(lot=self._lot, epoch=after.epoch, rows=tuple(rows)) if rows else None

    async def _listen(self, channel: Channel) -> None:
        async for message in channel.messages():
            try:
                answer = Acknowledgement.model_validate_json(message.payload)
            except ValidationError:
                log.exception("acknowledgement_unreadable", topic=message.topic)
                continue
            await self._take(answer)
            self._heard.set()

    async def _take(self, answer: Acknowledgement) -> None:
        self._in_flight = max(0, self._in_flight - 1)
        if answer.fault:
            log.error("link_fault", reason=answer.fault)
        head = answer.head
        if head == self._acknowledged:
            if answer.fault:
                self._go_back()
            return
        if head and not await self._is_ours(head):
            log.error("link_fork", epoch=head.epoch, seq=head.seq)
            return
        went_back = head is None or (
            self._acknowledged is not None and head.seq < self._acknowledged.seq
        )
        self._acknowledged = head
        if head:
            await self._writer.submit(
                lambda connection: write_head(connection, self._lot, "acknowledged", head)
            )
        if went_back or answer.fault:
            self._go_back()

    async def _is_ours(self, head: Head) -> bool:
        row = await self._reader.one(
            SQL["row_at"], {"lot": self._lot, "epoch": head.epoch, "seq": head.seq}
        )
        return row is not None and row["hash"] == head.hash

    def _go_back(self) -> None:
        self._sent, self._in_flight = self._acknowledged, 0


def receive(connection: sqlite3.Connection, batch: Batch) -> Acknowledgement:
    """Store what of `batch` is new, apply it, and return how far the copy has come.

    Runs inside a transaction, so the effect of each row is exactly once however often it comes.
    Rows are stored before they are understood: one that cannot be applied becomes a dead letter.
    """
    head = read_head(connection, batch.lot, "head")
    if head is None or batch.epoch > head.epoch:
        head = Head(epoch=batch.epoch, seq=0, hash=GENESIS)
    if batch.epoch < head.epoch:
        return Acknowledgement(head=head, fault=f"epoch {batch.epoch} has ended")
    new = [row for row in batch.rows if row.seq > head.seq]
    if fault := first_fault(batch.lot, head, new):
        return Acknowledgement(head=head if head.seq else None, fault=fault)
    for row in new:
        store_row(connection, batch.lot, batch.epoch, row)
        _apply_or_set_aside(connection, batch, row)
        head = Head(epoch=batch.epoch, seq=row.seq, hash=row.hash)
    if new:
        write_head(connection, batch.lot, "head", head)
    return Acknowledgement(head=head)


def _apply_or_set_aside(connection: sqlite3.Connection, batch: Batch, row: Row) -> None:
    connection.execute("SAVEPOINT one_row")
    try:
        apply(batch.lot, row.at, parse_record(row.body, row.personal), connection)
    except _UNAPPLICABLE as error:
        connection.execute("ROLLBACK TO one_row")
        connection.execute(
            SQL["put_dead_letter"],
            {"lot": batch.lot, "epoch": batch.epoch, "seq": row.seq, "why": str(error)},
        )
        log.error("row_set_aside", lot=batch.lot, seq=row.seq, type=row.type, why=str(error))  # noqa: TRY400
    connection.execute("RELEASE one_row")
