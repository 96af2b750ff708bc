"""The owner's end of a stream: sends its rows, and takes back what it lost."""

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Final, Literal

import structlog

from parkgraph.journal.apply import apply
from parkgraph.journal.chain import GENESIS, Head, Row, first_fault, lot_of
from parkgraph.journal.copies import UNAPPLICABLE, next_batch, predecessor_in, put_dead_letter
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
# So many batches may be on their way when one is lost; each of them is answered with a fault.
PATIENT_FAULTS: Final = BATCHES_IN_FLIGHT

# Called with the transaction in which a recovery is over.
Recovered = Callable[[sqlite3.Connection, Moment], None]


class Sender:
    """Sends one stream over one connection, and moves on as it is acknowledged.

    Go back N: rows are sent in order, some batches ahead; what is not acknowledged within a while
    is sent again. The other side drops what it has.
    """

    def __init__(
        self,
        stream: str,
        writer: Writer,
        reader: Reader,
        *,
        moment: Callable[[], Moment],
        recovered: Recovered | None = None,
    ) -> None:
        """Send `stream`, read through `reader`; keep the cursor through `writer`.

        `recovered` is called when a copy has nothing more to return, in the same transaction.
        """
        self._stream = stream
        self._writer = writer
        self._reader = reader
        self._moment = moment
        self._recovered = recovered
        self._is_new = True
        self._sent: Head | None = None
        self._acknowledged: Head | None = None
        self._in_flight = 0
        self._heard_at = 0.0
        self._patience = FIRST_RESEND_SECONDS
        self._faults = 0
        self._silent_until = 0.0
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
            if now < self._silent_until:
                break
            batch = await next_batch(self._reader, self._stream, self._sent)
            if batch is None:
                break
            await self._publish(channel, "rows", batch.model_dump_json())
            self._in_flight += 1
            last = batch.rows[-1]
            self._sent = Head(epoch=batch.epoch, seq=last.seq, hash=last.hash)

    async def take(self, channel: Channel, answer: Acknowledgement) -> None:
        """Go on from where the copy is."""
        if answer.fault or answer.head != self._acknowledged:
            self._hear()  # what says nothing new does not put off sending again
        self._in_flight = max(0, self._in_flight - 1)
        await self._keep_dead_letters(answer.dead_letters)
        if answer.fault:
            log.error("link_fault", stream=self._stream, reason=answer.fault)
            self._count_fault()
        head = answer.head
        if head == self._acknowledged:
            if answer.fault:
                self._go_back()
            elif self._sent == head:
                self._in_flight = 0
            return
        if head and (place := await self._place_of_successor(head)):
            await self._move(place, has_fault=True)
            return
        if head and not await self._is_ours(head):
            log.error("link_ahead_or_fork", stream=self._stream, epoch=head.epoch, seq=head.seq)
            await self._ask(channel)
            return
        await self._move(head, has_fault=answer.fault is not None)

    async def take_back(self, channel: Channel, batch: Batch) -> None:
        """Append what the copy returned; where it does not fit, begin an epoch of our own."""
        self._hear()

        def store(connection: sqlite3.Connection) -> Literal["all", "some", "fork", "old"]:
            waited = is_recovering(connection, self._stream)
            what = take_back(connection, self._stream, batch, self._moment())
            if self._recovered and waited and not is_recovering(connection, self._stream):
                self._recovered(connection, self._moment())
            return what

        what = await self._writer.submit(store)
        log.warning("rows_returned", stream=self._stream, rows=len(batch.rows), what=what)
        match what:
            case "some":
                await self._ask(channel)
            case "all" | "fork":
                self._is_new = True
            case "old":  # it came twice, or late
                pass

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

    def _count_fault(self) -> None:
        """Say less and less to a copy that takes nothing any more: a person has to look."""
        self._faults += 1
        if self._faults > PATIENT_FAULTS:
            pause = min(2.0 ** (self._faults - PATIENT_FAULTS), LAST_RESEND_SECONDS)
            self._silent_until = asyncio.get_running_loop().time() + pause

    async def _move(self, head: Head | None, *, has_fault: bool) -> None:
        before = self._acknowledged
        self._acknowledged = head
        await self._writer.submit(lambda connection: _acknowledge(connection, self._stream, head))
        went_back = head is None or (
            before is not None and head.epoch == before.epoch and head.seq < before.seq
        )
        if went_back or has_fault:
            self._go_back()
        else:
            self._faults, self._silent_until = 0, 0.0

    async def _ask(self, channel: Channel) -> None:
        own = await self._reader.one(SQL["head"], {"stream": self._stream, "name": "head"})
        missing = Missing(after=Head.model_validate(dict(own)) if own else None)
        await self._publish(channel, "missing", missing.model_dump_json())

    async def _is_ours(self, head: Head) -> bool:
        row = await self._reader.one(
            SQL["row_at"], {"stream": self._stream, "epoch": head.epoch, "seq": head.seq}
        )
        return row is not None and row["hash"] == head.hash

    async def _place_of_successor(self, head: Head) -> Head | None:
        """Return the row that a copy goes on from whose head our next epoch superseded."""
        found = await self._reader.one(
            SQL["place_of_successor"],
            {"stream": self._stream, "epoch": head.epoch, "seq": head.seq},
        )
        place = Head.model_validate(dict(found)) if found else None
        is_known = place == head or (place and await self._is_ours(head))
        return None if is_known else place

    async def _keep_dead_letters(self, letters: tuple[DeadLetter, ...]) -> None:
        """Show here too what the other side could not take."""
        if letters == self._letters:
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


def take_back(
    connection: sqlite3.Connection, stream: str, batch: Batch, moment: Moment
) -> Literal["all", "some", "fork", "old"]:
    """Append what a copy of `stream` returned, and say whether there is more to ask for.

    Where both sides went on from one row, an epoch begins that follows on it. What was answered to
    an earlier question changes nothing.
    """
    own = read_head(connection, stream, "head")
    if batch.after and _has(connection, stream, batch.after) and not batch.fault:
        write_head(connection, stream, "acknowledged", batch.after)  # the copy surely has it
    # A copy that is behind has nothing to return, and gets the rest.
    is_behind = bool(batch.fault and batch.head and _has(connection, stream, batch.head))
    if is_behind and batch.head:
        write_head(connection, stream, "acknowledged", batch.head)
    if is_behind or (batch.fault is None and not batch.rows):
        # What was decided after a backup and never read at the lot is lost: nothing that was lent
        # before may be sold, so the stream says that it was.
        if own and stream != lot_of(stream) and (batch.after is None or batch.after == own):
            begin_epoch(connection, stream, moment, why="lost")
        finish_recovery(connection, stream)
        return "all"
    what = _place_of(connection, stream, own, batch)
    if what == "fork":
        begin_epoch(connection, stream, moment, why="fork")
        finish_recovery(connection, stream)
    return what


def _place_of(
    connection: sqlite3.Connection, stream: str, own: Head | None, batch: Batch
) -> Literal["some", "fork", "old"]:
    """Append the rows of `batch` where they follow on `own`; say what they are."""
    if batch.fault:
        known = read_head(connection, stream, "acknowledged")
        # An epoch that the copy does not take is not followed by more and more of them.
        may_fork = is_recovering(connection, stream) or (known and known.epoch == batch.epoch)
        return "fork" if own and own.epoch == batch.epoch and may_fork else "old"
    if own and own.epoch == batch.epoch:
        return _append(connection, stream, own, batch)
    is_known = connection.execute(SQL["epoch"], {"stream": stream, "epoch": batch.epoch})
    if is_known.fetchone() or batch.rows[0].seq != 1:
        return "old"
    if own and own != (batch.after or predecessor_in(batch)):
        return "fork"  # decided since, on what the other epoch superseded
    what = _append(connection, stream, Head(epoch=batch.epoch, seq=0, hash=GENESIS), batch)
    if what == "some":
        put_epoch(connection, stream, batch.epoch, own and predecessor_in(batch))
    return what


def _append(
    connection: sqlite3.Connection, stream: str, start: Head, batch: Batch
) -> Literal["some", "fork", "old"]:
    known = [row for row in batch.rows if row.seq <= start.seq]
    new = [row for row in batch.rows if row.seq > start.seq]
    if known:
        last = Head(epoch=batch.epoch, seq=known[-1].seq, hash=known[-1].hash)
        if not _has(connection, stream, last):
            return "fork"
    if not new or new[0].seq > start.seq + 1:
        return "old"
    if first_fault(stream, start, new):
        return "fork"
    for row in new:
        store_row(connection, stream, batch.epoch, row)
        _apply_where_it_fits(connection, stream, row)
    head = Head(epoch=batch.epoch, seq=new[-1].seq, hash=new[-1].hash)
    write_head(connection, stream, "head", head)
    return "some"


def _apply_where_it_fits(connection: sqlite3.Connection, stream: str, row: Row) -> None:
    """Apply a row of our own again. What the cloud decided may stand behind what the lot told."""
    connection.execute("SAVEPOINT one_row")
    try:
        apply(lot_of(stream), row.at, parse_record(row.body, row.personal), connection)
    except UNAPPLICABLE as error:
        connection.execute("ROLLBACK TO one_row")
        log.warning("row_returned_late", stream=stream, seq=row.seq, type=row.type, why=str(error))
    connection.execute("RELEASE one_row")


def _has(connection: sqlite3.Connection, stream: str, head: Head) -> bool:
    row = connection.execute(
        SQL["row_at"], {"stream": stream, "epoch": head.epoch, "seq": head.seq}
    ).fetchone()
    return row is not None and bool(row["hash"] == head.hash)
